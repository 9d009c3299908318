from __future__ import annotations

import os
from pathlib import Path

import pytest

from fed_credit.errors import ConfigurationError
from fed_credit.node.home import Home
from fed_credit.node.run import environment, supervise


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "bank.yaml").write_text(
        "name: A\nschema: synthetic\nsource: {path: a.csv}\nnode: {superlink: 'a:1'}\n"
    )
    (tmp_path / "ca.crt").write_text("")
    (tmp_path / "node.key").write_text("")
    (tmp_path / "node.key").chmod(0o600)
    return tmp_path


@pytest.mark.parametrize("name", ["ca.crt", "node.key", "bank.yaml"])
def test_a_missing_file_is_named(home: Path, name: str) -> None:
    (home / name).unlink()
    with pytest.raises(ConfigurationError, match=name):
        supervise(home)


def test_a_key_that_others_can_read_is_refused(home: Path) -> None:
    (home / "node.key").chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        supervise(home)


def test_an_operator_is_needed(home: Path) -> None:
    path = home / "bank.yaml"
    path.write_text(path.read_text().replace("node: {superlink: 'a:1'}\n", ""))
    with pytest.raises(ConfigurationError, match=r"node\.superlink"):
        supervise(home)


def test_a_folder_that_flowers_options_do_not_take_is_refused(home: Path) -> None:
    odd = home / 'with "quotes"'
    odd.mkdir()
    for name in ("bank.yaml", "ca.crt", "node.key"):
        (home / name).rename(odd / name)
    with pytest.raises(ConfigurationError, match="move the folder"):
        supervise(odd)


def test_processes_of_a_bank_call_nobody_and_find_the_banks_commands_first(home: Path) -> None:
    made = environment(Home(home), {"PATH": "/usr/bin", "NO_PROXY": "bank.example", "LANG": "C"})
    assert made["PATH"].split(os.pathsep)[0] == str(home / "bin")
    assert made["PATH"].split(os.pathsep)[-1] == "/usr/bin"
    assert made["FLWR_TELEMETRY_ENABLED"] == "0"
    assert made["FLWR_DISABLE_UPDATE_CHECK"] == "1"
    assert made["NO_PROXY"] == made["no_proxy"] == "bank.example,127.0.0.1,localhost"
    assert made["LANG"] == "C"
