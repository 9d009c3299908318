from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest
from flwr.cli.build import build_fab_from_disk

from fed_credit.deploy.bundle import build_bundle
from fed_credit.errors import ReleaseError
from fed_credit.node.bundle import check_bundle
from tests.fed_credit.node.rig import PROJECT

GOOD = PROJECT.format(client="fed_credit.client_app:app")


def archive(*files: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files:
            made.writestr(name, content)
    return body.getvalue()


def with_project(*files: tuple[str | zipfile.ZipInfo, bytes], text: str = GOOD) -> bytes:
    return archive(("pyproject.toml", text.encode()), *files)


def refusal(fab: bytes) -> str:
    with pytest.raises(ReleaseError) as caught:
        check_bundle(fab)
    return str(caught.value)


def test_the_bundle_of_a_run_is_admitted() -> None:
    check_bundle(build_bundle())


def test_configuration_at_any_depth_is_admitted() -> None:
    check_bundle(with_project(("conf/config.yaml", b"a: 1"), ("conf/model/big/mlp-2.yaml", b"")))


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(GOOD)
    (tmp_path / "conf" / "config.yaml").write_text("a: 1\n")
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "fed_credit/__init__.py",
        "clients/edge.py",
        "conf/model/custom.py",
        "sitecustomize.py",
        "asker.py",
        "conf/README.md",
    ],
)
def test_a_bundle_that_flower_builds_of_an_app_with_more_than_configuration_is_refused(
    app: Path, path: str
) -> None:
    check_bundle(build_fab_from_disk(app))
    (app / path).parent.mkdir(parents=True, exist_ok=True)
    (app / path).write_text("open('/tmp/owned', 'w')\n")
    assert repr(path) in refusal(build_fab_from_disk(app))


@pytest.mark.parametrize(
    "name",
    [
        "conf/../fed_credit/__init__.yaml",
        "/etc/cron.d/conf.yaml",
        "conf//a.yaml",
        "conf/./a.yaml",
        "conf/.hidden.yaml",
        "../conf/a.yaml",
        "conf\\a.yaml",
        "conf/a.yaml\n",
        "CONF/a.yaml",
        "conf/a.yaml/",
        "conf/",
        "conf/a.pth",
        "conf/a.yml",
        "x/pyproject.toml",
        ".info/other",
    ],
)
def test_a_name_that_is_not_plain_configuration_is_refused(name: str) -> None:
    assert "only pyproject.toml and conf/**/*.yaml may be in" in refusal(with_project((name, b"")))


def test_a_name_that_zip_tools_cut_at_a_nul_is_refused() -> None:
    # zipfile writes no NUL, so one is put in afterwards, in both places of the name.
    fab = with_project(("conf/a.yamlX.py", b"")).replace(b"conf/a.yamlX.py", b"conf/a.yaml\0.py")
    assert "only pyproject.toml and conf/**/*.yaml may be in" in refusal(fab)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR])
def test_what_is_not_a_plain_file_is_refused(kind: int) -> None:
    link = zipfile.ZipInfo("conf/a.yaml")
    link.external_attr = (kind | 0o777) << 16
    assert "is not a plain file" in refusal(with_project((link, b"/etc/passwd")))


def test_a_file_that_unpacks_to_much_is_refused_unread() -> None:
    fab = with_project(("conf/a.yaml", bytes(2**27)))
    assert len(fab) < 200_000
    assert "unpacks to more than" in refusal(fab)


def test_a_project_file_that_lies_about_its_size_is_not_unpacked() -> None:
    # The archive says 100 bytes, and holds 100 MB.
    fab = archive(("pyproject.toml", b"#" * 10**8))
    size = (10**8).to_bytes(4, "little")
    assert fab.count(size) == 2
    assert "bundle" in refusal(fab.replace(size, (100).to_bytes(4, "little")))


def test_many_files_are_refused() -> None:
    files = [(f"conf/{k}.yaml", b"") for k in range(1_001)]
    assert "more than 1,000" in refusal(with_project(*files))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_in_twice_is_refused() -> None:
    evil = PROJECT.format(client="evil:app").encode()
    assert "twice" in refusal(archive(("pyproject.toml", evil), ("pyproject.toml", GOOD.encode())))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PROJECT.format(client="fed_credit.client_app:other"), "'fed_credit.client_app:other'"),
        (PROJECT.format(client="conf.evil:app"), "'conf.evil:app'"),
        (GOOD.replace("clientapp", "agentapp"), "'agentapp'"),
        (GOOD.replace('clientapp = "fed_credit.client_app:app"', ""), "client app is 'None'"),
        ("[project]\nname = 'a'\n", "names no app"),
        ("[tool.flwr.app]\ncomponents = 3\n", "names no app"),
        ("[[[", "is not valid TOML"),
    ],
)
def test_another_app_than_the_installed_one_is_refused(text: str, said: str) -> None:
    assert said in refusal(with_project(text=text))


@pytest.mark.parametrize("fab", [b"", b"PK", b"\x00" * 100, with_project()[:-30]])
def test_what_is_no_archive_is_refused(fab: bytes) -> None:
    assert "cannot be read" in refusal(fab)


def test_a_bundle_without_a_project_file_is_refused() -> None:
    assert "holds no pyproject.toml" in refusal(archive(("conf/a.yaml", b"")))


def test_the_refusal_quotes_no_more_than_a_short_printable_name() -> None:
    said = refusal(with_project(("\x1b[31m" + "x" * 5_000, b"")))
    assert len(said) < 300
    assert said.isprintable()
