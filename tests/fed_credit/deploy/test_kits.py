from __future__ import annotations

import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from flwr.cli.flower_config import read_superlink_connection

from fed_credit.config.bank import load_bank
from fed_credit.config.consortium import load_consortium
from fed_credit.config.location import deploy_dir
from fed_credit.config.operator import CONNECTION, BankStatus, load_operator
from fed_credit.deploy.kits import write_connection
from fed_credit.deploy.provision import provision

# Names that are awkward in shell, YAML, TOML and Markdown.
NAMES = ["Riverside Bank", "江南银行", 'Müller\'s "$HOME" `id` #1: {a, b}']


def consortium(folder: Path, **changes: object) -> Path:
    path = folder / "consortium.yaml"
    body = {
        "name": 'Delta "δ"',
        "operator": {"hosts": ["credit.example.org", "192.0.2.7"], "port": 9555},
        "schema": "synthetic",
        "banks": [{"name": name, "runtime_port": 9100 + k} for k, name in enumerate(NAMES)],
        **changes,
    }
    path.write_text(yaml.safe_dump(body, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def kits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("consortium with blanks")
    provision(load_consortium(consortium(folder)), folder / "kits")
    return folder / "kits"


def homes(kits: Path) -> list[Path]:
    return sorted((kits / "banks").iterdir())


def test_a_kit_holds_what_its_side_needs_and_no_more(kits: Path) -> None:
    common = {".dockerignore", ".gitignore", "Dockerfile", "README.md", "ca.crt", "compose.yaml"}
    for home in homes(kits):
        files = {path.name for path in home.rglob("*") if path.is_file()}
        assert files == common | {"bank.yaml", "node.key", "node.pub", "start.sh"}
        assert {path.name for path in home.iterdir() if path.is_dir()} == {"bin", "state"}
    operator = kits / "operator"
    files = {str(path.relative_to(operator)) for path in operator.rglob("*") if path.is_file()}
    assert files == common | {
        *("ca.key", "operator-ca.crt", "operator-ca.key", "operator.crt", "operator.key"),
        *("server.crt", "server.key", "banks.json", "operator.yaml", "nginx.conf"),
        *("start-superlink.sh", "start-proxy.sh", "flwr/config.toml"),
    }


def test_nobody_else_can_enter_a_kit_and_scripts_can_be_started(kits: Path) -> None:
    for path in [kits, *kits.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == 0o700, path
        elif path.suffix == ".sh":
            assert mode == 0o755, path
        elif path.suffix == ".key":
            assert mode == 0o600, path


def test_a_banks_file_is_what_the_package_says_with_the_banks_own_name(kits: Path) -> None:
    packaged = yaml.safe_load((deploy_dir() / "bank.yaml").read_text(encoding="utf-8"))
    found = {}
    for home in homes(kits):
        spec = load_bank(home)
        found[spec.name] = spec.node.runtime_port
        assert spec.schema == "synthetic"
        assert spec.node.superlink == "credit.example.org:9555"
        assert spec.node.poll_s == packaged["node"]["poll_s"]
        assert vars(spec.policy) == packaged["policy"]
        # A bank sees each of its limits, and not only those that it changes.
        policy = yaml.safe_load((home / "bank.yaml").read_text(encoding="utf-8"))["policy"]
        assert policy == packaged["policy"]
    assert found == {name: 9100 + k for k, name in enumerate(NAMES)}


def test_every_example_in_a_banks_file_can_be_used(kits: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(homes(kits)[0], home)
    text = (home / "bank.yaml").read_text(encoding="utf-8")
    # Uncommented one after the other: each source in place of the first one, and the mapping.
    sources = re.findall(r"^# source:.*\n(?:^#   .*\n)+", text, re.MULTILINE)
    mapping = re.findall(r"^# mapping:\n(?:^#   .*\n)+", text, re.MULTILINE)
    assert (len(sources), len(mapping)) == (3, 1)
    for example in sources:
        body = re.sub(r"^source:\n(?:^  .*\n)+", "", text, count=1, flags=re.MULTILINE)
        uncommented = re.sub(r"^# ", "", example + mapping[0], flags=re.MULTILINE)
        (home / "bank.yaml").write_text(body + uncommented, encoding="utf-8")
        spec = load_bank(home)
        assert (spec.source.path or spec.source.url) is not None
        assert spec.mapping.units == {"amount": 10000}


def test_a_common_schema_lies_in_every_kit(tmp_path: Path) -> None:
    (tmp_path / "common.yaml").write_text("name: common\n")
    out = tmp_path / "kits"
    provision(load_consortium(consortium(tmp_path, schema="common.yaml")), out)
    for home in homes(out):
        assert (home / "schema.yaml").read_text() == "name: common\n"
        assert load_bank(home).schema == str(home / "schema.yaml")


def test_the_operators_file_says_where_everything_is(kits: Path) -> None:
    spec = load_operator(kits / "operator" / "operator.yaml")
    assert spec.name == 'Delta "δ"'
    assert spec.home == kits / "operator"
    assert spec.superlink.address == "127.0.0.1:8000"
    assert spec.proxy.address == "credit.example.org:9555"
    for path in (spec.ca, spec.client_cert, spec.client_key, spec.runs):
        assert path.exists()
    assert [bank.name for bank in spec.active] == sorted(NAMES)
    assert {bank.status for bank in spec.banks} == {BankStatus.ACTIVE}


def test_ipv6_addresses_stand_in_brackets(tmp_path: Path) -> None:
    file = consortium(tmp_path, operator={"hosts": ["2001:db8::7"], "listen": "::"})
    provision(load_consortium(file), tmp_path / "kits")
    assert load_operator(tmp_path / "kits" / "operator").proxy.address == "[2001:db8::7]:9443"
    assert load_bank(homes(tmp_path / "kits")[0]).node.superlink == "[2001:db8::7]:9443"
    nginx = (tmp_path / "kits" / "operator" / "nginx.conf").read_text()
    assert "listen [::]:9443 ssl;" in nginx


def test_flower_reads_the_connection(kits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLWR_HOME", str(kits / "operator" / "flwr"))
    connection = read_superlink_connection()
    assert connection.name == CONNECTION
    assert connection.address == "127.0.0.1:8000"
    assert connection.root_certificates == str(kits / "operator" / "ca.crt")
    assert not connection.insecure


def test_after_a_move_the_connection_is_written_for_the_new_place(
    kits: Path, tmp_path: Path
) -> None:
    moved = tmp_path / 'moved "here"'
    shutil.copytree(kits / "operator", moved)
    assert write_connection(moved)
    assert not write_connection(moved)
    made = tomllib.loads((moved / "flwr" / "config.toml").read_text(encoding="utf-8"))
    assert made["superlink"][CONNECTION]["root-certificates"] == str(moved / "ca.crt")


def test_scripts_are_plain_shell(kits: Path) -> None:
    scripts = sorted(kits.rglob("*.sh"))
    assert len(scripts) == 2 + len(NAMES)
    for script in scripts:
        subprocess.run(["sh", "-n", script], check=True)


@pytest.mark.parametrize(
    ("script", "program"),
    [
        ("operator/start-superlink.sh", "flower-superlink"),
        ("banks/riverside-bank/start.sh", "fed-credit"),
    ],
)
def test_a_script_starts_its_program_from_anywhere(
    kits: Path, tmp_path: Path, script: str, program: str
) -> None:
    stand_in = tmp_path / program
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nenv\n')
    stand_in.chmod(0o755)

    def start(path: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [kits / script, "--extra"] if "superlink" in script else [kits / script],
            cwd=tmp_path,
            env={"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    done = start(f"{tmp_path}:/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    home = str((kits / script).parent)
    if program == "fed-credit":
        assert done.stdout.splitlines()[:4] == ["bank", "run", "--home", home]
    else:
        words = done.stdout.splitlines()
        assert words[words.index("--database") + 1] == f"{home}/state/superlink.db"
        assert words[words.index("--ssl-keyfile") + 1] == f"{home}/server.key"
        assert words[words.index("--host") + 1] == "127.0.0.1"
        assert {"--enable-supernode-auth", "--disable-runtime-dependency-installation"} < {*words}
        assert {"--extra", f"FED_CREDIT_RUNS={home}/runs", "FLWR_TELEMETRY_ENABLED=0"} < {*words}
    without = start("/usr/bin:/bin")
    assert without.returncode == 127
    assert f"{program} is not on PATH" in without.stderr


def test_nginx_takes_its_configuration(kits: Path, tmp_path: Path) -> None:
    if shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
        pytest.skip("nginx is not installed (apt-get install nginx-light)")
    home = tmp_path / "operator"
    shutil.copytree(kits / "operator", home)
    done = subprocess.run(
        [home / "start-proxy.sh", "-t"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_container_files_parse_and_keep_the_authorities_keys_out(kits: Path) -> None:
    operator = yaml.safe_load((kits / "operator" / "compose.yaml").read_text(encoding="utf-8"))
    assert set(operator["services"]) == {"superlink", "proxy"}
    for service in operator["services"].values():
        mounts = [volume.split(":")[0].removeprefix("./") for volume in service["volumes"]]
        assert not {"ca.key", "operator-ca.key", "operator.key", "."} & {*mounts}
        # Docker would make a folder of a name that does not exist.
        assert all((kits / "operator" / name).exists() for name in mounts)
    proxied = operator["services"]["superlink"]["ports"]
    assert proxied == ["9555:9555"]
    assert "ports" not in operator["services"]["proxy"]
    services = [*operator["services"].values()]
    for home in homes(kits):
        bank = yaml.safe_load((home / "compose.yaml").read_text(encoding="utf-8"))
        (service,) = bank["services"].values()
        assert "ports" not in service
        assert str(load_bank(home).node.runtime_port) in service["healthcheck"]["test"][-1]
        services.append(service)
    for service in services:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        program, flag, code = service["healthcheck"]["test"][1:]
        assert (program, flag) == ("python", "-c")
        compile(code, "healthcheck", "exec")


def test_container_images_pin_versions_and_run_as_nobody_in_particular(kits: Path) -> None:
    from importlib.metadata import version

    for path in kits.rglob("Dockerfile"):
        lines = path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        steps = [line for line in lines if line and not line.startswith("#")]
        names = [step.split()[0] for step in steps]
        assert names[0] == "FROM"
        assert set(names) <= {"FROM", "RUN", "ARG", "COPY", "ENV", "WORKDIR", "USER", "CMD"}
        assert steps[names.index("USER")] == "USER 10001:10001"
        (install,) = (step for step in steps if "pip install" in step)
        assert f'"flwr=={version("flwr")}"' in install
        wheel = f"fed_credit-{version('fed-credit')}-py3-none-any.whl"
        assert f"/tmp/{wheel}" in install
        assert f"COPY {wheel} /tmp/" in steps
        ignored = (path.parent / ".dockerignore").read_text().splitlines()
        assert [line for line in ignored if not line.startswith("#")] == ["*", "!*.whl"]


def test_a_page_says_in_ten_lines_what_a_side_does(kits: Path) -> None:
    for page in kits.rglob("README.md"):
        lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line]
        assert len(lines) == 11
        assert lines[0].startswith("# ")
