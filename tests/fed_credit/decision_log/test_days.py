"""Decisions counted by day in the database: the same as counting them one by one."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from fed_credit.decision_log.days import Day
from fed_credit.decision_log.log import Decision, DecisionLog

VERDICTS = ("approve", "refer", "decline")


def _decisions() -> list[Decision]:
    chance = random.Random(3)
    made = []
    for place in range(200):
        verdict = chance.choice(VERDICTS)
        shadow = {"model": 2, "pd": 0.1, "score": 600, "verdict": chance.choice(VERDICTS)}
        made.append(
            Decision(
                id=f"{place:032x}",
                time=f"2024-03-{chance.choice((1, 2, 5)):02d}T10:00:00.000000Z",
                application=None,
                model=1,
                model_sha256="0" * 64,
                # What a client calls its fields must not be taken for the decision's own.
                inputs={"pd": 9.0, "shadow": {"verdict": "none"}},
                model_pd=0.5,
                pd=chance.random(),
                score=600,
                grade="C",
                verdict=verdict,
                reasons=(),
                key="00000000",
                shadow=chance.choice((None, shadow)),
            )
        )
    return made


def _counted(decisions: list[Decision]) -> dict[str, dict[str, Any]]:
    days: dict[str, list[Decision]] = defaultdict(list)
    for one in decisions:
        days[one.time[:10]].append(one)
    return {
        day: {
            "approved": sum(one.verdict == "approve" for one in within),
            "referred": sum(one.verdict == "refer" for one in within),
            "declined": sum(one.verdict == "decline" for one in within),
            "mean_pd": pytest.approx(sum(one.pd for one in within) / len(within)),
            "shadowed": sum(one.shadow is not None for one in within),
            "agreed": sum(
                one.shadow is not None and one.shadow["verdict"] == one.verdict for one in within
            ),
        }
        for day, within in days.items()
    }


def _check(where: str | Path) -> None:
    decisions = _decisions()
    with DecisionLog.open(where, create=True) as log:
        log.append(decisions)
        made = log.override(decisions[0].id, "refer", reason="Why", actor="Who")
        found = {day.day: day for day in log.days("2024-03-02")}
    today = found.pop(made.time[:10])
    assert today == Day(made.time[:10], 0, 0, 0, 1, None, 0, 0)
    expected = _counted([one for one in decisions if one.time >= "2024-03-02"])
    assert list(found) == sorted(expected)
    for day, counts in expected.items():
        assert {name: getattr(found[day], name) for name in counts} == counts
        assert found[day].decisions == sum(counts[k] for k in ("approved", "referred", "declined"))


def test_days_in_a_file(tmp_path: Path) -> None:
    _check(tmp_path / "decisions.db")


@pytest.mark.slow
def test_days_on_a_server(schema: str) -> None:
    _check(schema)
