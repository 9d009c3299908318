"""``fed-credit ledger``: as typed by the bank's staff."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clients.ledger import LEDGER, Ledger
from clients.ledger_lines import ERROR, RELEASE, Departure
from fed_credit.cli import main

SENTENCE = "policy.max_rounds in the bank's bank.yaml allows [30] rounds; refused."


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "bank.yaml").write_text("")
    return tmp_path


@pytest.fixture
def filled(home: Path) -> Path:
    ledger = Ledger(home / LEDGER)
    layout = (("n", (), 0), ("update/0", (66, 8), 24))
    for number in range(1, 4):
        ledger.append(Departure("11", "round", number, RELEASE, layout, b"x" * 4232))
    ledger.append(Departure("12", "round", 31, ERROR, (), SENTENCE.encode(), SENTENCE))
    return home


def told(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["ledger", *arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def test_what_left_is_listed(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = told("show", "--home", str(filled), capsys=capsys)
    assert out.count("2 arrays, 529 numbers") == 3
    assert SENTENCE in out
    assert f"4 in all (3 release, 1 error), {3 * 4232 + len(SENTENCE):,} bytes." in out


def test_one_run_and_the_last_of_it(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = told("show", "--home", str(filled), "--run", "11", "--last", "2", capsys=capsys)
    assert "The last 2 of 3; --last N shows more." in out
    assert SENTENCE not in out and out.count("529 numbers") == 2


def test_for_programs(
    filled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(filled)  # the home is where the user stands
    entries = [json.loads(line) for line in told("show", "--json", capsys=capsys).splitlines()]
    assert entries == [json.loads(line) for line in (filled / LEDGER).read_text().splitlines()]
    body = json.loads(told("verify", "--json", capsys=capsys))
    assert body == {
        "whole": True,
        "entries": 4,
        "hash": entries[-1]["hash"],
        "problems": [],
        "notes": [],
    }


def test_a_bank_that_nothing_has_left(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told("show", "--home", str(home), capsys=capsys) == "Nothing has left this bank.\n"
    out = told("verify", "--home", str(home), capsys=capsys)
    assert out == "0 entries; the ledger is whole.\n"


def test_a_whole_ledger_gives_a_hash_to_note(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = json.loads((filled / LEDGER).read_text().splitlines()[-1])["hash"]
    out = told("verify", "--home", str(filled), "--anchor", last[:10].upper(), capsys=capsys)
    assert out == f"4 entries; the ledger is whole.\nLast hash, to note elsewhere: {last}\n"


def test_a_changed_ledger_names_the_line(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = filled / LEDGER
    path.write_text(path.read_text().replace('"round": 2', '"round": 9'))
    assert main(["ledger", "verify", "--home", str(filled)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out == [
        f"{path}, line 2: it does not fit its own hash: it was changed.",
        "4 entries; the ledger is not whole.",
    ]
    assert main(["ledger", "verify", "--home", str(filled), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["problems"][0]["line"] == 2


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["shw"], "Did you mean 'show'?"),
        (["show", "--home", "nowhere"], "holds no bank.yaml; name the bank's home folder"),
        (["verify", "--home", "nowhere"], "holds no bank.yaml; name the bank's home folder"),
        (["show", "--last", "0"], "--last 0 shows nothing"),
        (["verify", "--anchor", "abc"], "is no hash"),
        (["verify", "--anchor", "not a hash"], "is no hash"),
        (["show", "--rn", "1"], "see fed-credit ledger show --help"),
    ],
)
def test_what_cannot_be_used(
    home: Path,
    arguments: list[str],
    wanted: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(home)
    assert main(["ledger", *arguments]) == 2
    err = capsys.readouterr().err
    assert wanted in err and err.count("\n") == 1


def test_who_has_seen_enough_gets_no_complaint(filled: Path) -> None:
    ledger = Ledger(filled / LEDGER)
    for number in range(400):
        ledger.append(Departure("11", "round", number, RELEASE, (), b""))
    shown = f'"{sys.executable}" -m fed_credit.cli ledger show --json --home "{filled}"'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{shown} | head -1"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["n"] == 1


def test_help_names_the_subcommands(capsys: pytest.CaptureFixture[str]) -> None:
    out = told("--help", capsys=capsys)
    assert "show" in out and "verify" in out
