"""A bank refuses questions that no monitor puts: forged groups, open periods, other features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fed_credit.data.book import Dataset
from fed_credit.decision.calibration import PdCalibration
from fed_credit.drift.groups import Groups
from fed_credit.drift.question import PeriodsQuestion, read_question, write_question
from fed_credit.drift.received import check_monitor
from fed_credit.drift.reference import ReferenceQuestion, reference_at_hand
from fed_credit.errors import ReleaseError
from fed_credit.features.spec import FeatureSpec
from fed_credit.training.run_spec import RunSpec

BINS = 64
TODAY = np.datetime64("2024-06-30", "D")


@pytest.fixture(scope="module")
def features(make_run_spec: Callable[..., RunSpec]) -> tuple[FeatureSpec, ...]:
    return make_run_spec().features


@pytest.fixture(scope="module")
def question(dataset: Dataset, features: tuple[FeatureSpec, ...]) -> PeriodsQuestion:
    pds = np.random.default_rng(5).beta(2, 12, len(dataset))
    made = reference_at_hand(
        features, BINS, dataset.features, dataset.y, dataset.y, pds, 24, None
    ).profile
    return PeriodsQuestion(
        made.groups, PdCalibration.identity(), ("2024-05",), ("2022-Q1",), "2024-06-30"
    )


def _check(question: Any, features: tuple[FeatureSpec, ...], window: int | None = 24) -> None:
    check_monitor(question, features, BINS, window, TODAY)


def test_what_a_monitor_asks_passes_and_survives_the_wire(
    question: PeriodsQuestion, features: tuple[FeatureSpec, ...]
) -> None:
    _check(question, features)
    read = read_question(write_question(question), features)
    assert read == question and read.layout().fingerprint == question.layout().fingerprint
    reference = ReferenceQuestion(features[:3], BINS)
    _check(reference, features)
    assert read_question(write_question(reference), features) == reference


def _feature(question: PeriodsQuestion, which: str, **changes: Any) -> PeriodsQuestion:
    changed = tuple(
        replace(one, **changes) if one.name == which else one for one in question.groups.features
    )
    return replace(question, groups=Groups(changed, question.groups.score))


def _score(question: PeriodsQuestion, **changes: Any) -> PeriodsQuestion:
    score = replace(question.groups.score, **changes)
    return replace(question, groups=replace(question.groups, score=score))


FORGED: dict[str, Callable[[PeriodsQuestion], PeriodsQuestion]] = {
    "a limit between universal bins": lambda q: _feature(
        q, "turnover", cuts=(1234567.0, 1234568.0), groups=((0,), (1,), (2,))
    ),
    "limits that fall": lambda q: _feature(
        q, "turnover", cuts=(2.0**20, 2.0**19), groups=((0,), (1,), (2,))
    ),
    "far too many groups": lambda q: _feature(
        q,
        "turnover",
        cuts=tuple(2.0**k for k in range(-5, 25)),
        groups=tuple((k,) for k in range(31)),
    ),
    "groups joined": lambda q: _feature(q, "turnover", cuts=(2.0**20,), groups=((0, 1),)),
    "no number": lambda q: _feature(q, "turnover", cuts=(float("nan"),), groups=((0,), (1,))),
    "infinity": lambda q: _feature(q, "turnover", cuts=(float("inf"),), groups=((0,), (1,))),
    "another list of values": lambda q: _feature(q, "sector", values=("farming", "Zhang's")),
    "a category twice": lambda q: _feature(q, "sector", groups=((0,), (1,), (1, 2))),
    "a category left out": lambda q: _feature(q, "sector", groups=((0,), (1,))),
    "an empty group": lambda q: _feature(q, "sector", groups=((0,), (1,), (2,), ())),
    "cuts of categories": lambda q: _feature(q, "sector", cuts=(1.0,)),
    "other buckets": lambda q: _feature(q, "branch", hash_buckets=9),
    "a feature of another name": lambda q: _feature(q, "turnover", name="owner_income"),
    "a feature twice": lambda q: replace(
        q, groups=Groups((*q.groups.features, q.groups.features[0]), q.groups.score)
    ),
    "cells between universal ones": lambda q: _score(q, cuts=(0.1234,), starts=(0,)),
    "other cells": lambda q: _score(q, bins=65),
    "groups without a first cell": lambda q: _score(q, starts=(1,)),
    "groups beyond the cells": lambda q: _score(q, starts=(0, 99)),
    "no groups": lambda q: _score(q, starts=()),
    "a calibration that explodes": lambda q: replace(
        q, calibration=PdCalibration(1e300, 1.0, 0.0, "shift", 0, 0, None, False)
    ),
    "a day to come": lambda q: replace(q, as_of="2024-07-01"),
    "no day": lambda q: replace(q, as_of="yesterday"),
    "an open month": lambda q: replace(q, as_of="2024-06-29", months=("2024-06",)),
    "an open vintage": lambda q: replace(q, vintages=("2022-Q3",)),
    "no month": lambda q: replace(q, months=("2024-5",)),
    "a month twice": lambda q: replace(q, months=("2024-05", "2024-05")),
    "nothing": lambda q: replace(q, months=(), vintages=()),
    "too many months": lambda q: replace(
        q, months=tuple(f"{1900 + k // 12}-{k % 12 + 1:02d}" for k in range(300))
    ),
}


@pytest.mark.parametrize("forged", FORGED)
def test_forged_questions_are_refused(
    question: PeriodsQuestion, features: tuple[FeatureSpec, ...], forged: str
) -> None:
    asked = FORGED[forged](question)
    with pytest.raises(ReleaseError, match="refused"):
        _check(asked, features)


def test_vintages_need_a_window(
    question: PeriodsQuestion, features: tuple[FeatureSpec, ...]
) -> None:
    with pytest.raises(ReleaseError, match="without a window"):
        _check(question, features, window=None)
    _check(replace(question, vintages=()), features, window=None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"kind": "periods"}',
        '{"kind": "reference", "bins": 64, "features": ["x"]}',
        '{"kind": "other"}',
        "[" * 5000,
    ],
)
def test_what_is_no_question_is_refused_in_a_sentence(
    features: tuple[FeatureSpec, ...], text: str
) -> None:
    with pytest.raises(ReleaseError, match="monitor's question"):
        read_question(text, features)


def test_a_reference_is_about_features_of_the_run(features: tuple[FeatureSpec, ...]) -> None:
    with pytest.raises(ReleaseError, match="number of score cells"):
        _check(ReferenceQuestion(features, BINS + 1), features)
    with pytest.raises(ReleaseError, match="several times"):
        _check(ReferenceQuestion((features[0], features[0]), BINS), features)
    with pytest.raises(ReleaseError, match="no feature"):
        _check(ReferenceQuestion((), BINS), features)
