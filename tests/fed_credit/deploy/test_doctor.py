"""Each fault of a kit is made for real, found, and met with what to do; a whole kit is all ok."""

from __future__ import annotations

import datetime
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from clients.ledger import LEDGER, Ledger
from clients.ledger_lines import Departure
from fed_credit.cli import main
from fed_credit.config.bank import load_bank
from fed_credit.config.consortium import load_consortium
from fed_credit.config.load import compose
from fed_credit.config.operator import BankStatus, load_banks, load_operator
from fed_credit.data import synthetic
from fed_credit.deploy import pki
from fed_credit.deploy.control import Control
from fed_credit.deploy.keys import make_node_key
from fed_credit.deploy.provision import provision
from fed_credit.deploy.sync import sync
from fed_credit.node.home import Home
from fed_credit.node.launcher import write_commands

NOW = datetime.datetime.now(datetime.UTC)
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Kits:
    """What fed-credit provision made of one consortium."""

    file: Path
    operator: Path
    bank: Path


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Kits:
    """Kits of a consortium with one bank that has loans."""
    folder = tmp_path_factory.mktemp("consortium")
    file = folder / "consortium.yaml"
    hosts = {"hosts": ["localhost"], "port": free_port(), "superlink_port": free_port()}
    bank = {"name": "Riverside Bank", "runtime_port": free_port()}
    body = {"name": "Test", "operator": hosts, "schema": "synthetic", "banks": [bank]}
    file.write_text(yaml.safe_dump(body), encoding="utf-8")
    provision(load_consortium(file), folder / "kits")
    kits = Kits(file, folder / "kits" / "operator", folder / "kits" / "banks" / "riverside-bank")
    overrides = ["data.generator.num_loans=600", "data.generator.num_institutions=2"]
    loans = synthetic.generate(compose(overrides).data.generator)
    loans[loans["institution"] == loans["institution"].iloc[0]].to_csv(
        kits.bank / "loans.csv", index=False
    )
    return kits


@pytest.fixture
def bank(made: Kits, tmp_path: Path) -> Path:
    """A copy of a bank's kit."""
    return Path(shutil.copytree(made.bank, tmp_path / "bank"))


@pytest.fixture
def operator(made: Kits, tmp_path: Path) -> Path:
    """A copy of the operator's kit, at a place of its own."""
    home = Path(shutil.copytree(made.operator, tmp_path / "operator"))
    config = home / "flwr" / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace(str(made.operator), str(home)), encoding="utf-8")
    return home


@dataclass(frozen=True)
class Answer:
    """What the command said."""

    code: int
    side: str
    findings: list[dict[str, str]]

    def of(self, check: str) -> dict[str, str]:
        """Return the one finding of a check."""
        (found,) = [each for each in self.findings if each["check"] == check]
        return found

    def bad(self, *, apart: tuple[str, ...] = ()) -> list[dict[str, str]]:
        """Return what is not ok, apart from some checks."""
        return [
            each for each in self.findings if each["state"] != "ok" and each["check"] not in apart
        ]


Doctor = Callable[[Path], Answer]
# Of kits whose services do not run.
NOT_STARTED = ("superlink", "proxy", "operator")


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Call the command, and read what it says."""

    def call(home: Path) -> Answer:
        capsys.readouterr()
        code = main(["doctor", "--home", str(home), "--json"])
        printed = capsys.readouterr()
        assert printed.err == ""
        body = json.loads(printed.out)
        for each in body["findings"]:
            assert each["found"] and (each["state"] == "ok") == (not each["advice"]), each
            assert "could not be examined" not in each["found"], each
        problems = any(each["state"] == "problem" for each in body["findings"])
        assert code == (2 if problems else 0)
        return Answer(code, body["side"], body["findings"])

    return call


def edit(home: Path, **values: Any) -> None:
    """Change keys of a bank's own file."""
    path = home / "bank.yaml"
    body = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in values.items():
        body[key] = {**body.get(key, {}), **value} if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(body, allow_unicode=True), encoding="utf-8")


# --- whole kits ----------------------------------------------------------------------------------


def test_a_bank_s_kit_is_in_order_before_anybody_listens(bank: Path, doctor: Doctor) -> None:
    answer = doctor(bank)
    assert answer.side == "bank"
    assert answer.bad(apart=NOT_STARTED) == []
    assert "nothing listens" in answer.of("operator")["found"]
    assert answer.of("loans")["found"].split(" rows")[0].isdigit()
    # The same in words.
    assert main(["doctor", "--home", str(bank)]) == 2


def test_an_operator_s_kit_is_in_order_before_it_is_started(operator: Path, doctor: Doctor) -> None:
    if NGINX is None:
        pytest.skip("nginx is not installed, so the doctor rightly complains")
    answer = doctor(operator)
    assert answer.side == "operator" and answer.code == 0
    assert answer.bad(apart=NOT_STARTED) == []
    assert {answer.of(name)["advice"] for name in ("superlink", "proxy")} == {
        "./start-superlink.sh",
        "./start-proxy.sh",
    }


def test_what_is_no_kit_is_named_with_the_kits_in_it(
    made: Kits, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--home", str(made.operator.parent)]) == 2
    said = capsys.readouterr().err
    assert "neither a bank's home" in said and "operator, banks/riverside-bank" in said


# --- certificates and keys -----------------------------------------------------------------------


def remake(operator: Path, stem: str, begin: datetime.timedelta, days: int, **other: Any) -> None:
    """Make a certificate of the kit anew, as of another time."""
    role = {"server": pki.Role.SERVER, "operator": pki.Role.CLIENT}[stem]
    signer = {"server": "ca", "operator": "operator-ca"}[stem]

    def wanted(name: str, its: pki.Role, hosts: tuple[str, ...]) -> pki.Wanted:
        paths = (operator / f"{name}.crt", operator / f"{name}.key")
        return pki.Wanted(*paths, its, "Test", name, hosts, days)

    (operator / f"{stem}.crt").unlink()
    hosts = other.get("hosts", ("localhost", "127.0.0.1") if stem == "server" else ())
    authority = wanted(signer, pki.Role.AUTHORITY, ())
    assert pki.ensure(wanted(stem, role, hosts), authority, NOW + begin)


@pytest.mark.parametrize(
    ("begin", "days", "state", "found"),
    [
        (datetime.timedelta(days=-40), 20, "problem", "ended on"),
        (datetime.timedelta(days=3), 20, "problem", "not valid before"),
        (datetime.timedelta(days=-10), 30, "warning", "in 19 days"),
    ],
    ids=["expired", "not_yet", "soon"],
)
@pytest.mark.parametrize("stem", ["server", "operator"])
def test_dates_of_certificates(
    operator: Path,
    doctor: Doctor,
    stem: str,
    begin: datetime.timedelta,
    days: int,
    state: str,
    found: str,
) -> None:
    remake(operator, stem, begin, days)
    seen = doctor(operator).of(f"{stem}.crt: dates")
    assert seen["state"] == state and found in seen["found"]
    assert "--renew" in seen["advice"]


def test_names_of_the_server_s_certificate(operator: Path, doctor: Doctor) -> None:
    remake(operator, "server", datetime.timedelta(), 90, hosts=("other.example.org", "127.0.0.1"))
    seen = doctor(operator).of("server.crt: names")
    assert seen["state"] == "problem"
    assert seen["found"] == "made out for other.example.org, 127.0.0.1, not for localhost"


def test_another_authority_and_another_key(operator: Path, doctor: Doctor) -> None:
    shutil.copy(operator / "operator-ca.crt", operator / "ca.crt")
    shutil.copy(operator / "server.key", operator / "operator.key")
    answer = doctor(operator)
    assert "not signed by ca.crt" in answer.of("server.crt: chain")["found"]
    assert answer.of("operator.key: pair")["found"] == "is not the key of operator.crt"


def test_a_certificate_for_another_use(operator: Path, doctor: Doctor) -> None:
    for kind in ("crt", "key"):
        shutil.copy(operator / f"server.{kind}", operator / f"operator.{kind}")
    assert doctor(operator).of("operator.crt: use")["found"] == "is not for a client"


def test_another_key_than_the_one_shown(bank: Path, tmp_path: Path, doctor: Doctor) -> None:
    make_node_key(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "node.pub", bank)
    seen = doctor(bank).of("node.key: pair")
    assert seen["state"] == "problem" and "ssh-keygen -y" in seen["advice"]


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_a_key_that_others_can_read(bank: Path, doctor: Doctor, mode: int) -> None:
    shutil.copy(bank / "node.key", bank / "node.key.old")
    (bank / "node.key").chmod(mode)
    answer = doctor(bank)
    assert answer.of("node.key.old: permissions")["state"] == "ok"
    seen = answer.of("node.key: permissions")
    assert seen["state"] == "problem" and f"{mode:04o}" in seen["found"]
    assert f"chmod 600 {bank / 'node.key'}" in seen["advice"]


def test_folders_that_others_can_use(bank: Path, doctor: Doctor) -> None:
    bank.chmod(0o777)
    (bank / "state").chmod(0o755)
    answer = doctor(bank)
    assert "chmod go-w" in answer.of("home: permissions")["advice"]
    assert "chmod 700" in answer.of("state: permissions")["advice"]


@pytest.mark.skipif(os.getuid() != 0, reason="giving a file to another user takes root")
def test_a_key_of_another_user(bank: Path, doctor: Doctor) -> None:
    os.chown(bank / "node.key", 12345, -1)
    assert "belongs to user 12345" in doctor(bank).of("node.key: permissions")["found"]


# --- configuration, versions, disk, commands -----------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: X\nschemas: synthetic\n", "schema"),
        ("name: [\n", "not valid YAML"),
        (
            "{name: X, schema: synthetic, source: {path: a.csv}, node: {superlink: 'https://a'}}",
            "HOST:PORT",
        ),
        (None, "does not exist"),
    ],
    ids=["unknown_key", "no_yaml", "address", "missing"],
)
def test_a_broken_bank_file(bank: Path, doctor: Doctor, text: str | None, said: str) -> None:
    path = bank / "bank.yaml"
    path.unlink() if text is None else path.write_text(text, encoding="utf-8")
    seen = doctor(bank).of("bank.yaml")
    assert seen["state"] == "problem" and said in seen["found"] + seen["advice"]


def test_nobody_to_connect_to(bank: Path, doctor: Doctor) -> None:
    edit(bank, node={"superlink": None})
    assert "HOST:PORT" in doctor(bank).of("operator")["advice"]


def test_versions_other_than_the_kit_s(bank: Path, operator: Path, doctor: Doctor) -> None:
    for home in (bank, operator):
        path = home / "Dockerfile"
        text = path.read_text(encoding="utf-8").replace("flwr==1.", "flwr==9.")
        path.write_text(text.replace("fed_credit-", "fed_credit-7."), encoding="utf-8")
        answer = doctor(home)
        assert "made with 9." in answer.of("flwr: as in the kit")["found"]
        assert "made with 7." in answer.of("fed-credit: as in the kit")["found"]


def test_a_full_disk(bank: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("/"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10**6))
    assert "nothing leaves" in doctor(bank).of("disk")["advice"]


def test_the_bank_s_commands(bank: Path, doctor: Doctor) -> None:
    write_commands(Home(bank))
    assert doctor(bank).of("bank's commands")["state"] == "ok"
    command = bank / "bin" / "flwr-clientapp"
    command.chmod(0o644)
    seen = doctor(bank).of("bank's commands")
    assert seen["state"] == "problem" and "would be found instead" in seen["found"]
    assert "./start.sh" in seen["advice"]
    command.chmod(0o777)
    assert "written by others" in doctor(bank).of("bank's commands")["found"]
    command.chmod(0o755)
    for path in (bank / "bin").iterdir():
        text = path.read_text(encoding="utf-8").replace(sys.executable, "/gone/python")
        path.write_text(text, encoding="utf-8")
    assert "/gone/python" in doctor(bank).of("bank's commands")["found"]


def test_a_changed_ledger(bank: Path, doctor: Doctor) -> None:
    path = bank / LEDGER
    for number in range(3):
        left = Departure("7", "round", number, "release", [("w", [2], 24)], b"ab")
        Ledger(path).append(left)
    assert doctor(bank).of("ledger")["found"].startswith("3 entries, whole")
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([lines[0].replace("round", "counts"), *lines[1:]]), encoding="utf-8")
    seen = doctor(bank).of("ledger")
    assert seen["state"] == "problem" and "line 1" in seen["found"]


def test_banks_json_and_the_connection(operator: Path, doctor: Doctor) -> None:
    moved = operator.rename(operator.with_name("moved"))
    (moved / "banks.json").write_text("[]", encoding="utf-8")
    answer = doctor(moved)
    assert answer.of("banks.json")["found"] == "no bank takes part"
    assert answer.of("flwr/config.toml")["state"] == "warning"
    assert "was moved" in answer.of("flwr/config.toml")["advice"]


@pytest.mark.parametrize("side", ["bank", "operator"])
@pytest.mark.parametrize("body", [b"", b"\xff\x00garbage\n", b"[]\n"], ids=["empty", "bytes", "[]"])
def test_whatever_is_broken_there_is_no_traceback(
    request: pytest.FixtureRequest, doctor: Doctor, side: str, body: bytes
) -> None:
    home: Path = request.getfixturevalue(side)
    for path in home.rglob("*"):
        if path.is_file() and path.name != "loans.csv":
            path.write_bytes(body)
    (home / LEDGER).parent.mkdir(exist_ok=True)
    (home / LEDGER).write_bytes(body)
    assert doctor(home).code == 2
    for path in home.rglob("*"):
        if path.is_file() and path.name not in ("banks.json", "bank.yaml"):
            path.unlink()
    assert doctor(home).code == 2


# --- data ----------------------------------------------------------------------------------------


def test_data_that_a_run_could_not_use(bank: Path, doctor: Doctor) -> None:
    edit(bank, source={"path": "elsewhere.csv"})
    assert "elsewhere.csv" in doctor(bank).of("data")["found"]
    edit(bank, source={"path": "loans.csv"}, policy={"min_loans": 100000})
    seen = doctor(bank).of("loans")
    assert seen["state"] == "problem" and "min_loans" in seen["advice"]


def test_data_that_deviate_from_the_schema(bank: Path, doctor: Doctor) -> None:
    path = bank / "loans.csv"
    head, rest = path.read_text(encoding="utf-8").split("\n", 1)
    column = "bureau_score" if "bureau_score" in head else head.split(",")[-1]
    path.write_text(f"{head.replace(column, 'mine')}\n{rest}", encoding="utf-8")
    said = [each for each in doctor(bank).findings if each["check"] == "data"]
    assert any(column in each["found"] and "mapping" in each["advice"] for each in said)


# --- network -------------------------------------------------------------------------------------


class Stub(http.server.BaseHTTPRequestHandler):
    """Answers nothing but its time."""

    ahead = 0.0

    def do_GET(self) -> None:
        self.send_error(404)

    def do_POST(self) -> None:
        self.send_error(404)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(time.time() + self.ahead)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@contextmanager
def https(home: Path, *, ahead: float = 0.0) -> Iterator[int]:
    """Serve over TLS with an operator's server certificate; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "server.crt", home / "server.key")
    handler = type("Stub", (Stub,), {"ahead": ahead})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("ahead", "state", "found"),
    [
        (0.0, "ok", "within"),
        (100.0, "warning", "s behind the operator's"),
        (600.0, "problem", "s behind the operator's"),
        (-4.2, "warning", "s ahead of the operator's"),
        (-60.0, "problem", "s ahead of the operator's"),
    ],
)
def test_clocks(
    bank: Path, operator: Path, doctor: Doctor, ahead: float, state: str, found: str
) -> None:
    with https(operator, ahead=ahead) as port:
        edit(bank, node={"superlink": f"localhost:{port}"})
        answer = doctor(bank)
    assert answer.of("operator")["state"] == "ok"
    assert (answer.of("clock")["state"], found in answer.of("clock")["found"]) == (state, True)
    if state != "ok":
        assert "5 s ahead or 305 s behind" in answer.of("clock")["advice"]


def test_the_wrong_server(bank: Path, operator: Path, tmp_path: Path, doctor: Doctor) -> None:
    def said(port: int, host: str = "localhost") -> str:
        edit(bank, node={"superlink": f"{host}:{port}"})
        seen = doctor(bank).of("operator")
        assert seen["state"] == "problem"
        return seen["found"]

    remake(operator, "server", datetime.timedelta(), 90, hosts=("other.example.org",))
    with https(operator) as port:
        assert "is not made out for localhost" in said(port)
        assert "is not made out for 127.0.0.1" in said(port, "127.0.0.1")
    remake(operator, "server", datetime.timedelta(days=-40), 20)
    with https(operator) as port:
        assert "has ended" in said(port)
    remake(operator, "server", datetime.timedelta(days=4), 20)
    with https(operator) as port:
        assert "is not valid yet" in said(port)
    shutil.copy(operator / "operator-ca.crt", operator / "ca.crt")
    shutil.copy(operator / "operator-ca.key", operator / "ca.key")
    remake(operator, "server", datetime.timedelta(), 90)
    with https(operator) as port:
        assert "was not signed by the authority in ca.crt" in said(port)
    assert "cannot be looked up" in said(443, "no-such-host.invalid")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "does not answer" in said(silent.getsockname()[1])
    plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    with closing(plain.socket):
        thread = threading.Thread(target=plain.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        assert "TLS handshake fails" in said(plain.server_port)
        plain.shutdown()


def test_a_detour_through_a_proxy_of_the_environment(
    bank: Path, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://user:secret@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    seen = doctor(bank).of("environment")
    assert "NO_PROXY=localhost" in seen["advice"] and "secret" not in seen["found"]


def test_a_port_that_is_taken(bank: Path, operator: Path, doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        edit(bank, node={"runtime_port": port})
        seen = doctor(bank).of("runtime port")
        assert seen["state"] == "problem" and f"process {os.getpid()}" in seen["found"]
        path = operator / "operator.yaml"
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key in ("superlink", "proxy"):
            body[key]["port"] = port
        path.write_text(yaml.safe_dump(body), encoding="utf-8")
        answer = doctor(operator)
        assert "does not answer" in answer.of("proxy")["found"]
        assert f"there is process {os.getpid()}" in answer.of("superlink")["found"]


# --- the real SuperLink and nginx ----------------------------------------------------------------


@contextmanager
def started(script: Path, port: int) -> Iterator[None]:
    """Start a side's script and wait until it listens; end what it started."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (script.parent / "state" / f"{script.stem}.out").open("wb") as out:
        process = subprocess.Popen(
            [script], stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "PATH": path}
        )
    try:
        deadline = time.monotonic() + 90
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert process.poll() is None and time.monotonic() < deadline, script
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
@pytest.mark.skipif(NGINX is None, reason="nginx is not installed, so the proxy is not tested")
def test_a_running_consortium(made: Kits, doctor: Doctor) -> None:
    spec = load_operator(made.operator)
    with started(made.operator / "start-superlink.sh", spec.superlink.port):
        assert doctor(made.operator).of("node authentication")["state"] == "ok"
        with started(made.operator / "start-proxy.sh", spec.proxy.port):
            _walk_through(made, doctor)


def _walk_through(made: Kits, doctor: Doctor) -> None:
    spec = load_operator(made.operator)
    before = doctor(made.operator)
    assert before.of("control paths")["state"] == "ok"
    assert "Riverside Bank" in before.of("banks.json: registered")["found"]
    assert "deploy sync" in before.of("banks.json: registered")["advice"]
    unknown = doctor(made.bank).of("registration")
    assert unknown["state"] == "problem" and "node.pub" in unknown["advice"]

    with Control(spec) as control:
        sync(control, spec, lambda line: None, prune=False)
    assert doctor(made.operator).bad() == []
    assert doctor(made.bank).bad() == []
    port = load_bank(made.bank).node.runtime_port
    with started(made.bank / "start.sh", port):
        held = doctor(made.bank)
    assert held.bad() == []
    assert "taken by this kit's SuperNode" in held.of("runtime port")["found"]

    # A key that was withdrawn is refused, and one that is not in the list is seen.
    path = made.operator / "banks.json"
    kept = path.read_text(encoding="utf-8")
    path.write_text(kept.replace(BankStatus.ACTIVE.value, "removed"), encoding="utf-8")
    assert (
        "withdrawn still may connect" in doctor(made.operator).of("banks.json: registered")["found"]
    )
    path.write_text("[]", encoding="utf-8")
    assert "--prune" in doctor(made.operator).of("banks.json: registered")["advice"]
    path.write_text(kept.replace(BankStatus.ACTIVE.value, "removed"), encoding="utf-8")
    with Control(spec) as control:
        sync(control, load_operator(made.operator), lambda line: None, prune=False)
    assert "does not know this bank's key" in doctor(made.bank).of("registration")["found"]
    path.write_text(kept, encoding="utf-8")
    assert load_banks(path)
