"""``fed-credit registry``: as typed by the bank's staff."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from fed_credit.model_file.archive import opened, packed
from fed_credit.model_file.signature import load_private, make_key, sign
from fed_credit.registry.registry import Registry, Stage
from tests.fed_credit.commands.console import Console


@pytest.fixture
def home(tmp_path: Path, model_bodies: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three files of models; the registry is empty."""
    monkeypatch.setenv("COLUMNS", "160")
    for number, body in enumerate(model_bodies[:3], 1):
        (tmp_path / f"{number}.fcm").write_bytes(body)
    return tmp_path


@pytest.fixture
def console(home: Path, capsys: pytest.CaptureFixture[str]) -> Console:
    return Console("registry", home, capsys)


def test_from_the_first_model_to_a_roll_back(home: Path, console: Console) -> None:
    console("add", home / "1.fcm", "--reason", "The first.", "--stage", "champion")
    said = console("add", home / "2.fcm", "--reason", "Newer loans.", "--actor", "李娜")
    assert "Version 2 (scorecard, " in said
    assert "is registered: candidate." in said
    assert "is there already" in console("add", home / "2.fcm", "--reason", "Again.")
    said = console("promote", 2, "--to", "champion", "--reason", "AUC 0.81 against 0.79.")
    assert said == "Version 2 is champion (it was candidate); event 5.\n"
    said = console("rollback", "--reason", "It declines everybody.")
    assert said == "Version 1 is champion (it was retired); event 7.\n"
    table = console("list")
    assert [line.split("│")[2].strip() for line in table.splitlines() if "scorecard" in line] == [
        "champion",
        "retired",
    ]
    history = console("history")
    assert "version 2 rolled back" not in history
    assert "version 1 rolled back (retired -> champion)" in history
    assert "AUC 0.81 against 0.79." in history
    assert "by 李娜: Newer loans." in history
    assert f"by {getpass.getuser()}: The first." in history
    assert [event["version"] for event in console.json("history", 2)] == [2, 2, 2]
    assert "7 events; the registry is whole." in console("verify")


def test_figures_of_a_promotion_are_shown(home: Path, console: Console) -> None:
    console("add", home / "1.fcm", "--reason", "The first.")
    gate = {"gain": {"auc": 0.0123456789}, "banks": [{"name": "North"}, {"name": "South"}]}
    with Registry.open(home / "registry.db") as registry:
        registry.move(1, Stage.CHAMPION, actor="retrain", reason="Better.", details={"gate": gate})
    shown = console("show", 1)
    assert "gain:\n       auc: 0.0123457" in shown
    assert "banks 2:\n       name: South" in shown


def test_reasons_are_asked_for(home: Path, console: Console) -> None:
    for words in (
        ("add", home / "1.fcm"),
        ("promote", 1, "--to", "champion"),
        ("retire", 1),
        ("rollback",),
    ):
        assert "The following arguments are required: --reason" in console(*words, code=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("promote", 1, "--to", "champion", "--reason", "x"), "does not exist; check the path"),
        (("list",), "does not exist; check the path"),
        (("export", 1), "Say where to"),
        (("verify", "--anchor", "xyz"), "--anchor xyz is no hash"),
        (("add", "nothing.fcm", "--reason", "x"), "cannot be read"),
        (("add", "1.fcm", "--reason", " "), "is empty; say it in a few words"),
    ],
)
def test_mistakes_are_one_sentence(console: Console, words: tuple[object, ...], said: str) -> None:
    told = console(*words, code=2)
    assert said in told
    assert told.count("\n") == 1


def test_a_file_that_was_changed_is_not_registered(home: Path, console: Console) -> None:
    parts = dict(opened((home / "1.fcm").read_bytes(), "1").parts)
    parts["policy.json"] = parts["policy.json"].replace(b'"reasons": 4', b'"reasons": 0')
    (home / "forged.fcm").write_bytes(packed(parts))
    told = console("add", home / "forged.fcm", "--reason", "x", code=2)
    assert "was changed or damaged" in told
    assert "It is not registered." in told
    assert not (home / "registry.db").exists()


def test_only_what_a_trusted_key_signed(home: Path, console: Console) -> None:
    private, public, _ = make_key(home / "keys", "risk")
    trusted = ("--trusted", public, "--reason", "The consortium's.")
    assert "It is not registered." in console("add", home / "1.fcm", *trusted, code=2)
    parts = sign(opened((home / "1.fcm").read_bytes(), "1").parts, load_private(private), "Risk")
    (home / "signed.fcm").write_bytes(packed(parts))
    console("add", home / "signed.fcm", *trusted)
    (event,) = console.json("history")
    assert event["details"]["signature"]["signer"] == "Risk"
    assert event["details"]["signature"]["state"] == "trusted"


def test_a_version_is_exported_as_it_came(home: Path, console: Console) -> None:
    console("add", home / "1.fcm", "--reason", "The first.")
    console("export", 1, "--out", home / "out" / "model.fcm")
    assert (home / "out" / "model.fcm").read_bytes() == (home / "1.fcm").read_bytes()
    told = console("export", 1, "--out", home / "registry.db", code=2)
    assert "is the registry itself; name another file" in told
    assert console.json("verify")["whole"]


def test_verify_says_what_is_wrong(home: Path, console: Console) -> None:
    console("add", home / "1.fcm", "--reason", "The first.")
    whole = console.json("verify")
    assert whole["whole"]
    assert console("verify", "--anchor", whole["hash"][:12]).startswith("1 events")
    told = console("verify", "--anchor", "0" * 12, code=1)
    assert "no event has the hash 000000000000" in told
    assert "the registry is not whole" in told


def test_another_registry_by_name(home: Path, console: Console, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere.db"
    console("add", home / "1.fcm", "--reason", "x", "--registry", place)
    assert place.exists()
    (home / "serve.yaml").write_text("registry: elsewhere.db\n")
    assert len(console.json("list")) == 1
