"""Buckets, doors, counts and forms by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fed_credit.config.decision import ScaleSpec
from fed_credit.data.schema import Field, Kind, Missing, Outside, Schema
from fed_credit.decision_log.records import Decision
from fed_credit.serving.answers import Refusal
from fed_credit.serving.deciding import Answers
from fed_credit.serving.exposition import SharedCounts, exposition
from fed_credit.serving.form import Form
from fed_credit.serving.limits import Buckets, Doors
from fed_credit.serving.metrics import Histogram, Metrics


@given(st.lists(st.floats(0.0, 5.0), max_size=200), st.integers(1, 20), st.floats(0.1, 50.0))
def test_no_more_is_granted_than_comes_back(steps: list[float], burst: int, rate: float) -> None:
    buckets = Buckets(rate, burst)
    now, granted = 100.0, 0
    for step in steps:
        now += step
        wait = buckets.take("a", now)
        granted += wait == 0.0
        assert wait <= 1.0 / rate + 1e-9
        assert granted <= burst + rate * (now - 100.0) + 1e-6
    assert granted or not steps


def test_waiting_as_told_is_enough() -> None:
    buckets = Buckets(2.0, 1)
    assert buckets.take("a", 0.0) == 0.0
    buckets.charge("a", 9.0)
    wait = buckets.take("a", 0.0)
    assert wait == 5.0 and buckets.take("b", 0.0) == 0.0
    assert buckets.take("a", 0.0 + wait) == 0.0


def test_a_door_closes_for_the_rest_of_a_minute() -> None:
    doors = Doors(3)
    for now in (0.0, 10.0, 20.0):
        assert doors.closed("a", now) == 0.0
        doors.failed("a", now)
    assert doors.closed("a", 21.0) == 39.0 and doors.closed("b", 21.0) == 0.0
    assert doors.closed("a", 60.0) == 0.0


def _counts(scores: list[int]) -> Metrics:
    made = Metrics()
    made.expect(3, ScaleSpec(20.0, 600.0, 50.0))
    for score in scores:
        made.decided(3, "approve" if score > 600 else "decline", "A", score)
        made.answered("/v1/score", 200, score / 1e5)
        made.commits.observe(score / 1e6)
        made.shadow["agreed"] += 1
        made.rejected["firm_age"] += 1
        made.events["limited"] += 1
    return made


@given(st.lists(st.lists(st.integers(300, 900), max_size=20), min_size=1, max_size=4))
def test_counts_of_workers_add_up(scores: list[list[int]]) -> None:
    total = Metrics()
    for worker in scores:
        total.add(Metrics.from_dict(json.loads(json.dumps(_counts(worker).as_dict()))))
    whole = _counts([score for worker in scores for score in worker])
    told, expected = total.as_dict(), whole.as_dict()
    for key in ("decisions", "rejected", "shadow", "events"):
        assert sorted(map(str, told[key])) == sorted(map(str, expected[key]))
    assert total.scores[3].counts == whole.scores[3].counts
    assert total.commits.counts == whole.commits.counts


def test_a_worker_that_ended_leaves_its_counts(tmp_path: Path) -> None:
    (tmp_path / "1.json").write_text(json.dumps(_counts([500, 700]).as_dict()))
    (tmp_path / "2.json").write_text("{half a fi")
    shared = SharedCounts(tmp_path)
    assert shared.total(_counts([610])).requests["/v1/score", 200] == 3
    shared.write(_counts([610]).as_dict())  # its own is not counted twice
    assert shared.total(_counts([610, 620])).requests["/v1/score", 200] == 4
    text = exposition(shared.total(_counts([610])), (("champion", 3, "ab", "gbdt"),)).decode()
    assert 'fed_credit_score_bucket{le="600",model="3"} 1.0' in text
    assert 'fed_credit_score_bucket{le="+Inf",model="3"} 3.0' in text


@given(st.lists(st.floats(-10, 10), max_size=50))
def test_a_histogram_counts_up_to_its_bounds(values: list[float]) -> None:
    histogram = Histogram([-1.0, 0.0, 2.5])
    for value in values:
        histogram.observe(value)
    for place, bound in enumerate(histogram.bounds):
        assert sum(histogram.counts[: place + 1]) == sum(value <= bound for value in values)
    assert sum(histogram.counts) == len(values)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_NUMBER = st.floats(allow_nan=False, allow_infinity=False)
_REASON = st.fixed_dictionaries(
    {
        "feature": _TEXT,
        "value": st.one_of(_NUMBER, st.integers(), _TEXT, st.booleans(), st.none()),
        "amount": _NUMBER,
        "unit": st.sampled_from(["points", "log-odds"]),
        "en": _TEXT,
        "zh": _TEXT,
    }
)


@given(
    st.lists(_REASON, max_size=4),
    st.one_of(st.none(), _TEXT),
    _TEXT,
    _NUMBER,
    st.sampled_from([["en", "zh"], ["zh"], ["en"]]),
)
def test_an_answer_by_hand_is_that_of_the_encoder(
    reasons: list[dict[str, object]],
    application: str | None,
    grade: str,
    pd: float,
    languages: list[str],
) -> None:
    decision = Decision(
        id="0" * 32,
        time="2024-06-30T12:00:00.000000Z",
        application=application,
        model=3,
        model_sha256="ab" * 32,
        inputs={},
        model_pd=0.1,
        pd=pd,
        score=612,
        grade=grade,
        verdict="decline",
        reasons=tuple(reasons),
        key="k",
        shadow=None,
    )
    answers = Answers(languages)
    assert json.loads(answers.text(decision)) == answers.decision(decision)


_SCHEMA = Schema(
    "x",
    {
        field.name: field
        for field in (
            Field("size", Kind.NUMERIC, min=1, max=9, missing=Missing.REJECT, unit="m"),
            Field("soft", Kind.NUMERIC, min=0, max=1, outside=Outside.MISSING),
            Field("flag", Kind.BOOLEAN, true_values=("Y",), false_values=("N",)),
            Field("kind", Kind.CATEGORICAL, values=("a", "b"), label={"en": "Kind", "zh": "类别"}),
            Field("town", Kind.CATEGORICAL),
            Field("since", Kind.DATE),
            Field("unused", Kind.NUMERIC),
        )
    },
)
_FORM = Form(_SCHEMA, ("size", "soft", "flag", "kind", "town", "since"))


@pytest.mark.parametrize(
    ("loan", "fits"),
    [
        ({"size": 1}, True),
        ({"size": 9.0, "soft": 7, "flag": True, "kind": "b", "town": "x"}, True),
        ({"size": 2, "soft": None, "flag": None, "kind": None, "town": None}, True),
        ({"size": 2, "unused": {"any": "thing"}}, True),
        ({}, False),
        ({"size": None}, False),
        ({"size": 0.5}, False),
        ({"size": "2"}, False),
        ({"size": 2, "kind": "c"}, False),
        ({"size": 2, "flag": "yes"}, False),
        ({"size": 2, "town": 3}, False),
        ({"size": 2, "other": 1}, False),
    ],
)
def test_the_description_says_what_is_taken(loan: dict[str, object], fits: bool) -> None:
    validator = jsonschema.Draft202012Validator(_FORM.json_schema())
    assert validator.is_valid(loan) is fits
    jsonschema.validate(_FORM.json_schema()["examples"][0], _FORM.json_schema())


def test_the_description_speaks_both_languages_and_names_what_counts_as_missing() -> None:
    properties = _FORM.json_schema()["properties"]
    assert properties["kind"]["description"].startswith("Kind / 类别 Values: a, b.")
    assert "Missing if below 0 or above 1." in properties["soft"]["description"]
    assert "Unit: m." in properties["size"]["description"]


def test_values_are_of_their_fields_type() -> None:
    for loan, field in (({"size": True}, "size"), ({"kind": 1}, "kind"), ({"flag": 1}, "flag")):
        with pytest.raises(Refusal) as refusal:
            _FORM.kept(loan)
        assert refusal.value.status == 422 and refusal.value.problems[0][0] == field
    assert _FORM.kept({"size": 1, "unused": 3, "odd": 4}) == {"size": 1, "odd": 4}
    other = Form(_SCHEMA, ("unused",))
    assert _FORM.kept({"size": 1, "unused": 3}, other) == {"size": 1, "unused": 3}
