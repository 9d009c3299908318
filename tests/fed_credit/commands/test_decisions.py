"""``fed-credit decisions``: as typed by the bank's staff, over a log of real decisions."""

from __future__ import annotations

import json
import math
import random
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fed_credit.data.schema import Kind
from fed_credit.decision_log.log import DecisionLog
from fed_credit.decision_log.records import Decision, new_id
from fed_credit.decision_log.reproduce import differences, reason_dict
from fed_credit.model_file.archive import opened
from fed_credit.registry.registry import Registry, Stage
from fed_credit.scoring.record import RecordScorer
from fed_credit.storage.clock import now
from tests.fed_credit.commands.console import Console

SECRET = "turnover"


def decided(scorer: RecordScorer, sha256: str, number: int) -> Decision:
    """A decision of an application that the seed makes."""
    chance = random.Random(number)
    inputs: dict[str, Any] = {}
    for name, field in scorer.fields.items():
        if field.kind is Kind.NUMERIC:
            low, high = field.min or 0.0, field.max or 1.0
            inputs[name] = round(low + (high - low) * chance.random() ** 4, 6)
        else:
            inputs[name] = chance.choice(field.values or field.true_values + field.false_values)
    score = scorer.score(inputs)
    return Decision(
        id=new_id(),
        time=now(),
        application=f"A-{number}",
        model=1,
        model_sha256=sha256,
        inputs=inputs,
        model_pd=score.model_pd,
        pd=score.pd,
        score=score.score,
        grade=score.grade,
        verdict=str(score.verdict),
        reasons=tuple(reason_dict(reason) for reason in score.reasons),
        key="k1",
        shadow=None,
    )


@pytest.fixture(scope="module")
def decisions(model_bodies: tuple[bytes, ...]) -> list[Decision]:
    model = opened(model_bodies[0], "test")
    scorer = RecordScorer(model.model)
    found = [decided(scorer, model.sha256, number) for number in range(60)]
    assert {"approve", "decline"} <= {one.verdict for one in found}
    return found


@pytest.fixture
def home(
    tmp_path: Path,
    model_bodies: tuple[bytes, ...],
    decisions: list[Decision],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder with a champion, and the log of what it decided."""
    monkeypatch.setenv("COLUMNS", "160")
    with Registry.open(tmp_path / "registry.db", create=True) as registry:
        registry.register(model_bodies[0], stage=Stage.CHAMPION, actor="Li Na", reason="x")
        registry.register(model_bodies[1], actor="Li Na", reason="x")
    with DecisionLog.open(tmp_path / "decisions.db", create=True) as log:
        log.append(decisions)
    return tmp_path


@pytest.fixture
def console(home: Path, capsys: pytest.CaptureFixture[str]) -> Console:
    return Console("decisions", home, capsys)


def test_every_decision_comes_out_the_same(
    console: Console, decisions: list[Decision], model_bodies: tuple[bytes, ...], home: Path
) -> None:
    declined = next(one for one in decisions if one.verdict == "decline")
    assert declined.reasons
    said = console("reproduce", declined.id)
    assert "comes out the same to the last bit: decline" in said
    scorer = RecordScorer(opened(model_bodies[0], "test").model)
    with DecisionLog.open(home / "decisions.db") as log:
        assert [differences(log.get(one.id), scorer) for one in decisions] == [[]] * 60


def test_what_differs_in_the_last_bit_is_named(
    console: Console, decisions: list[Decision], home: Path
) -> None:
    one = next(one for one in decisions if one.verdict == "decline")
    first, *rest = one.reasons
    bent = replace(
        one,
        id="bent",
        pd=math.nextafter(one.pd, 1.0),
        reasons=({**first, "zh": "别的理由。"}, *rest[:-1]),
    )
    with DecisionLog.open(home / "decisions.db") as log:
        log.append([bent])
    said = console("reproduce", "bent", code=1)
    assert f"pd was {bent.pd!r} and is {one.pd!r}" in said
    assert "zh of reason 1 was '别的理由。'" in said
    assert f"there were {len(rest)} reasons and are {len(rest) + 1}" in said
    assert "model_pd" not in said
    assert not json.loads(console("reproduce", "bent", "--json", code=1))["same"]


def test_reasons_that_were_asked_for_come_out_too(
    console: Console, decisions: list[Decision], model_bodies: tuple[bytes, ...], home: Path
) -> None:
    from fed_credit.scoring.scorer import Explain

    one = next(one for one in decisions if one.verdict == "approve")
    score = RecordScorer(opened(model_bodies[0], "t").model).score(one.inputs, Explain.ALL)
    told = tuple(reason_dict(reason) for reason in score.reasons)
    assert told
    with DecisionLog.open(home / "decisions.db") as log:
        log.append([replace(one, id="told", reasons=told)])
    console("reproduce", "told")


def test_another_model_under_the_number_is_refused(
    console: Console, decisions: list[Decision], home: Path
) -> None:
    with DecisionLog.open(home / "decisions.db") as log:
        log.append(
            [replace(decisions[0], id="other", model=2), replace(decisions[0], id="no", model=7)]
        )
    assert "is not the model that decided" in console("reproduce", "other", code=2)
    assert "has no version 7" in console("reproduce", "no", code=2)
    assert "has no decision 'nothing'" in console("reproduce", "nothing", code=2)


def test_lists_are_without_inputs_unless_asked_for(
    console: Console, decisions: list[Decision]
) -> None:
    said = console("list", "--last", 3)
    assert [line.split()[0] for line in said.splitlines()[1:4]] == [
        one.id for one in reversed(decisions[-3:])
    ]
    assert SECRET not in said
    assert "60 decisions in the log" in said
    assert SECRET not in console("list", "--json")
    assert SECRET in console("list", "--inputs")
    page = console("list", "--last", 2, "--before", decisions[-3].id, "--json")
    assert [json.loads(line)["id"] for line in page.splitlines()] == [
        decisions[-4].id,
        decisions[-5].id,
    ]
    assert len(console("list", "--last", 10**30, "--json").splitlines()) == len(decisions)
    assert "--last 0 shows nothing" in console("list", "--last", 0, code=2)


def test_an_override_is_shown_with_the_decision(
    console: Console, decisions: list[Decision]
) -> None:
    id = decisions[5].id
    assert "is empty; say it" in console(
        "override", id, "--verdict", "approve", "--reason", " ", code=2
    )
    console("override", id, "--verdict", "approve", "--reason", "Known.", "--actor", "李娜")
    shown = console("show", id)
    assert "by 李娜: approve. Known." in shown
    assert SECRET in shown
    console("override", id, "--verdict", "refer", "--reason", "\x1b[2JOne\nline.")
    assert ": refer.  [2JOne line." in console("show", id)
    assert console.json("show", id)["overrides"][0]["actor"] == "李娜"


def test_an_export_is_whole_and_the_owners_alone(
    console: Console, decisions: list[Decision], home: Path
) -> None:
    console("override", decisions[5].id, "--verdict", "refer", "--reason", "First.")
    console("override", decisions[5].id, "--verdict", "decline", "--reason", "Second.")
    out = home / "decisions.parquet"
    assert "60 decisions" in console("export", "--out", out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    table = pd.read_parquet(out)
    assert table["id"].tolist() == [one.id for one in decisions]
    assert table["pd"].tolist() == [one.pd for one in decisions]
    assert json.loads(table["inputs"][7]) == decisions[7].inputs
    assert table["override_reason"].dropna().tolist() == ["Second."]
    assert "0 decisions" in console("export", "--out", out, "--until", "2020-01-01")
    assert "end it in .parquet" in console("export", "--out", home / "decisions.db", code=2)
    assert "60 decisions in the log" in console("list")


def test_verify_and_purge(console: Console, home: Path) -> None:
    whole = console.json("verify")
    assert (whole["whole"], whole["decisions"], whole["purges"]) == (True, 60, [])
    assert "before 'soon' is no date" in console(
        "purge", "--before", "soon", "--reason", "x", code=2
    )
    said = console("purge", "--before", "2100-01-01", "--reason", "Three years are over.")
    assert said == "Removed: 60 decisions; 0 are left.\n"
    said = console("verify", "--anchor", whole["hash"])
    assert "60 decisions from before 2100-01-01. Three years are over." in said
    assert "the log is whole" in said
    assert "the log is not whole" in console("verify", "--anchor", "0" * 12, code=1)
