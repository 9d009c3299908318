"""What a bank's policy lets in and out, and what its refusals say."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.policy import Policy
from fed_credit.config.bank import PolicySpec
from fed_credit.data.book import Part
from fed_credit.errors import ReleaseError
from fed_credit.models.protocol import Weights
from fed_credit.training.task import QUESTIONS, Task, TaskConfig

LIMITS = PolicySpec(
    tasks=[str(task) for task in Task],
    models=["loan_risk"],
    max_features=10,
    max_parameters=500,
    max_numbers=1000,
    max_rounds=30,
    max_local_epochs=5,
    max_histogram_bins=64,
    max_exchanges_per_run=100,
    min_loans=50,
    max_seconds=10.0,
    stock_actions=False,
    own_metrics=False,
)


def size(weights: Weights) -> int:
    return sum(array.size for array in weights)


def test_without_limits_everything_passes(task_config: TaskConfig, weights: Weights) -> None:
    policy = Policy.open()
    huge = replace(task_config, number=10**9, spec=replace(task_config.spec, local_epochs=10**6))
    for task in set(Task) - set(QUESTIONS):
        policy.check_request(task, huge, weights)
    policy.check_stock()
    policy.check_loans({Part.TRAIN: 0, Part.TEST: 0})
    assert policy.own_metrics and policy.max_exchanges is None


def test_a_run_within_the_limits_passes(task_config: TaskConfig, weights: Weights) -> None:
    for task in set(Task) - set(QUESTIONS):
        limits = replace(LIMITS, max_numbers=10_000)  # a reference population is counted finely
        Policy.of(limits).check_request(task, task_config, weights)
    # Before there is a preprocessor nobody knows how many columns, and so weights, there will be.
    Policy.of(LIMITS).check_request(Task.COUNTS, replace(task_config, preprocessor=None), [])


@pytest.mark.parametrize(
    ("limits", "change", "sentence"),
    [
        ({"tasks": ["counts"]}, {}, "policy.tasks .* does not name 'round'"),
        ({"models": []}, {}, "policy.models .* does not name 'loan_risk'"),
        ({"max_features": 2}, {}, "policy.max_features .* allows 2 features, .* asks for 5"),
        ({}, {"number": 31}, "policy.max_rounds .* allows 30 rounds, .* asks for 31"),
        ({"max_rounds": 2}, {}, "policy.max_rounds .* allows 2 rounds, .* asks for 3"),
        ({}, {"local_epochs": 6}, "policy.max_local_epochs .* allows 5 local epochs"),
        ({}, {"histogram_bins": 65}, "policy.max_histogram_bins .* allows 64 bins"),
        ({}, {"torch_threads": 10_000}, "asks for 10,000 threads .* at most 64"),
        ({"max_parameters": 20}, {}, r"policy.max_parameters .* allows 20 weights"),
    ],
)
def test_each_limit_is_named(
    task_config: TaskConfig,
    weights: Weights,
    limits: dict[str, Any],
    change: dict[str, Any],
    sentence: str,
) -> None:
    spec = task_config.spec
    number = change.pop("number", 1)
    asked = replace(task_config, number=number, spec=replace(spec, **change))
    with pytest.raises(ReleaseError, match=sentence) as caught:
        Policy.of(replace(LIMITS, **limits)).check_request(Task.ROUND, asked, weights)
    assert str(caught.value).endswith("; refused.")


def test_weights_are_counted_as_they_came_and_as_the_model_has_them(
    task_config: TaskConfig, weights: Weights
) -> None:
    exact = Policy.of(replace(LIMITS, max_parameters=size(weights)))
    exact.check_request(Task.ROUND, task_config, weights)
    with pytest.raises(ReleaseError, match="max_parameters"):
        exact.check_request(Task.ROUND, task_config, [*weights, np.zeros(1)])
    wide = replace(task_config.spec, model=replace(task_config.spec.model, hidden=[500]))
    with pytest.raises(ReleaseError, match="max_parameters"):
        exact.check_request(Task.ROUND, replace(task_config, spec=wide), weights)


def test_what_a_stranger_wrote_is_cut_short(task_config: TaskConfig) -> None:
    odd = replace(task_config.spec.model, family="x" * 10_000)
    asked = replace(task_config, spec=replace(task_config.spec, model=odd))
    with pytest.raises(ReleaseError, match=r"policy\.models") as caught:
        Policy.of(LIMITS).check_request(Task.COUNTS, asked, [])
    assert len(str(caught.value)) < 200


def test_stock_actions_are_refused_unless_the_bank_says_so() -> None:
    with pytest.raises(ReleaseError, match=r"policy\.stock_actions .* does not allow"):
        Policy.of(LIMITS).check_stock()
    Policy.of(replace(LIMITS, stock_actions=True)).check_stock()


@given(number=st.integers(0, 49), part=st.sampled_from(Part))
def test_too_few_loans_are_refused_without_saying_how_few(number: int, part: Part) -> None:
    policy = Policy.of(LIMITS)
    policy.check_loans({part: 50})
    with pytest.raises(ReleaseError, match=r"policy\.min_loans") as caught:
        policy.check_loans({Part.TRAIN: 5000, part: number})
    # Not even a number that the sentence might hold for another reason.
    assert not re.search(r"\d", str(caught.value))


def test_the_loans_behind_a_release_are_those_of_its_parts(
    task_config: TaskConfig,
) -> None:
    scoring = replace(task_config, score_incoming=True)
    assert task_config.parts(Task.COUNTS) == task_config.parts(Task.MOMENTS) == (Part.TRAIN,)
    assert task_config.parts(Task.ROUND) == (Part.TRAIN,)
    assert scoring.parts(Task.ROUND) == (Part.TRAIN, Part.VALIDATION)
    tested = replace(task_config, part=Part.TEST)
    assert tested.parts(Task.EVALUATION) == (Part.TEST,)
