"""The bank's edge: what becomes a release, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clients.bank import Bank
from clients.edge import release
from clients.tasks import CLIENTS
from fed_credit.config.spec import Weighting
from fed_credit.data.book import Part
from fed_credit.errors import ReleaseError
from fed_credit.models.protocol import Weights
from fed_credit.training.task import Task, TaskConfig
from fed_credit.training.updates import EXPOSURE_UNIT, UPDATE_BITS


@pytest.mark.parametrize("weighting", list(Weighting))
def test_weights_become_the_weighted_update(
    banks: list[Bank], task_config: TaskConfig, weights: Weights, weighting: Weighting
) -> None:
    bank = banks[0]
    config = replace(task_config, spec=replace(task_config.spec, weighting=weighting))
    trained = [array + np.float32(0.25) for array in weights]
    vector = release(bank, Task.ROUND, config, weights, trained)
    assert vector.dtype == np.int64
    sums = config.layout(Task.ROUND).decode(vector)
    expected = {
        Weighting.LOANS: len(bank.rows(Part.TRAIN)),
        Weighting.EXPOSURE: bank.exposure(Part.TRAIN) / EXPOSURE_UNIT,
        Weighting.EQUAL: 1.0,
    }[weighting]
    unit = 2.0**-UPDATE_BITS
    assert float(sums["weight"]) == pytest.approx(expected, abs=unit)
    for (name, _), before, after in zip(config.weight_shapes, weights, trained, strict=True):
        exact = expected * (after.astype(np.float64) - before)
        np.testing.assert_allclose(sums[f"update/{name}"], exact, atol=unit, rtol=0)


def test_scores_follow_the_weights(
    banks: list[Bank], task_config: TaskConfig, weights: Weights
) -> None:
    config = replace(task_config, score_incoming=True)
    answer, n, _ = CLIENTS[Task.ROUND](banks[1]).fit(weights, config.to_config())
    sums = config.layout(Task.ROUND).decode(release(banks[1], Task.ROUND, config, weights, answer))
    assert n == len(banks[1].rows(Part.TRAIN)) == float(sums["weight"])
    y = banks[1].labels(Part.VALIDATION)
    assert sums["scores/bads"].sum() == y.sum()
    assert sums["scores/goods"].sum() == len(y) - y.sum()


@pytest.mark.parametrize("fault", ["too few", "too many", "shape", "not finite", "too large"])
def test_an_answer_that_does_not_fit_is_refused(
    banks: list[Bank], task_config: TaskConfig, weights: Weights, fault: str
) -> None:
    answer = [array.copy() for array in weights]
    if fault == "too few":
        answer.pop()
    elif fault == "too many":
        answer.append(np.zeros(3))
    elif fault == "shape":
        answer[0] = answer[0][:, :1]
    elif fault == "not finite":
        answer[-1][...] = np.nan
    else:
        answer[-1][...] = 1e9
    with pytest.raises(ReleaseError, match="refused"):
        release(banks[0], Task.ROUND, task_config, weights, answer)
