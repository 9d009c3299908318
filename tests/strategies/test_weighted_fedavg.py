"""The weighted mean by hand, in any order of banks, and against Flower's own FedAvg."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message
from flwr.serverapp.strategy import FedAvg

from clients.tasks import TrainingClient
from fed_credit.config.spec import Weighting
from fed_credit.data.book import Dataset, Part
from fed_credit.errors import QuorumError
from fed_credit.models.protocol import Weights
from fed_credit.training.task import TaskConfig
from strategies.weighted_fedavg import WeightedFedAvg


def _round(
    world: Any, weights: Weights, task: TaskConfig, number: int = 1
) -> tuple[Weights, dict[str, Any]]:
    strategy = WeightedFedAvg(world.roster, task)
    messages = strategy.configure_train(number, ArrayRecord(weights), ConfigRecord(), world.grid)
    arrays, metrics = strategy.aggregate_train(number, world.grid.send_and_receive(messages))
    assert arrays is not None and metrics is not None
    return arrays.to_numpy_ndarrays(), dict(metrics)


def _by_hand(world: Any, weights: Weights, task: TaskConfig) -> Weights:
    """The mean of the banks' trained weights, in double precision and without fixed point."""
    total, sums = 0.0, [np.zeros(array.shape) for array in weights]
    for node in world.roster.nodes:
        bank = world.banks.bank(world.grid._contexts[node], task.spec)
        trained, n, _ = TrainingClient(bank).fit(weights, task.to_config())
        share = {
            Weighting.LOANS: float(n),
            Weighting.EXPOSURE: bank.exposure(Part.TRAIN),
            Weighting.EQUAL: 1.0,
        }[task.spec.weighting]
        total += share
        for array, after in zip(sums, trained, strict=True):
            array += share * after.astype(np.float64)
    return [array / total for array in sums]


@pytest.mark.parametrize("weighting", list(Weighting))
def test_the_weighted_mean_is_that_by_hand(make_world: Any, weighting: Weighting) -> None:
    world = make_world(f"strategy.weighting={weighting}")
    state, task = world.prepared()
    got, _ = _round(world, state.weights, task)
    expected = _by_hand(world, state.weights, replace(task, number=1))
    assert all(array.dtype == np.float32 for array in got)
    for one, two in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-7, rtol=0)


def test_weightings_differ(make_world: Any) -> None:
    models = []
    for weighting in Weighting:
        world = make_world(f"strategy.weighting={weighting}")
        state, task = world.prepared()
        models.append(_round(world, state.weights, task)[0])
    for k in (1, 2):
        assert not np.allclose(models[0][0], models[k][0], atol=1e-6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_arrival_does_not_matter(make_world: Any, seed: int) -> None:
    world, shuffled = make_world(), make_world(shuffle=seed)
    state, task = world.prepared()
    one, measured = _round(world, state.weights, task)
    two, again = _round(shuffled, state.weights, task)
    assert measured == again
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_metrics_are_of_the_incoming_model_over_all_validation_loans(
    world: Any, dataset: Dataset, parts: np.ndarray
) -> None:
    from fed_credit.evaluation.metrics import measure
    from fed_credit.training.predict import default_probability

    state, task = world.prepared()
    _, metrics = _round(world, state.weights, task)
    rows = np.flatnonzero(parts == Part.VALIDATION)
    x = state.preprocessor.transform(dataset.features.iloc[rows])
    p = default_probability(state.weights, x, world.spec.model, 0.0)
    exact = measure(dataset.y[rows], p, calibration_bins=10)
    assert (metrics["loans"], metrics["banks"]) == (len(rows), 3)
    assert metrics["loss"] == pytest.approx(exact.log_loss, abs=1e-6)
    assert metrics["auc"] == pytest.approx(exact.auc, abs=0.1)  # 64 cells over few loans


def test_too_few_replies_end_the_round(world: Any) -> None:
    state, task = world.prepared()
    strategy = WeightedFedAvg(world.roster, task)
    messages = strategy.configure_train(1, ArrayRecord(state.weights), ConfigRecord(), world.grid)
    replies = list(world.grid.send_and_receive(messages))
    with pytest.raises(QuorumError, match="'round' in round 1, 3 are needed"):
        strategy.aggregate_train(1, replies[:2])


def test_a_reply_of_the_round_before_does_not_count(world: Any) -> None:
    state, task = world.prepared()
    strategy = WeightedFedAvg(world.roster, task)
    arrays = ArrayRecord(state.weights)
    stale = list(
        world.grid.send_and_receive(strategy.configure_train(1, arrays, ConfigRecord(), world.grid))
    )
    strategy.configure_train(2, arrays, ConfigRecord(), world.grid)
    with pytest.raises(QuorumError, match="Only 0 of 3"):
        strategy.aggregate_train(2, stale)


def test_flowers_own_loop_drives_the_strategy(world: Any) -> None:
    state, task = world.prepared()
    result = WeightedFedAvg(world.roster, task).start(
        world.grid, ArrayRecord(state.weights), num_rounds=2, timeout=5.0
    )
    first, _ = _round(world, state.weights, task)
    second, measured = _round(world, first, task, number=2)
    for one, two in zip(result.arrays.to_numpy_ndarrays(), second, strict=True):
        np.testing.assert_array_equal(one, two)
    assert dict(result.train_metrics_clientapp[2]) == measured


def test_stock_fedavg_drives_the_same_clients(
    world: Any, dataset: Dataset, parts: np.ndarray
) -> None:
    """Weighted by loans, Flower's mean is ours up to fixed point and single precision."""
    state, task = world.prepared()
    # The number is part of the batch order's key: ask both for the same round.
    config = ConfigRecord(replace(task, number=1).to_config())
    result = FedAvg().start(
        world.grid,
        ArrayRecord(state.weights),
        num_rounds=1,
        train_config=config,
        evaluate_config=ConfigRecord(task.to_config()),
    )
    ours, _ = _round(world, state.weights, task)
    theirs = result.arrays.to_numpy_ndarrays()
    for one, two in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6, rtol=0)
    # Stock evaluation weighs the banks' mean losses by loans: the loss over all validation loans.
    scores = world.consortium.evaluate(state, theirs, Part.VALIDATION)
    loss = result.evaluate_metrics_clientapp[1]["loss"]
    assert loss == pytest.approx(scores.log_loss / scores.n, abs=1e-9)
    assert scores.n == np.sum(parts == Part.VALIDATION)


def test_nothing_is_asked_before_its_reply_is_wanted(world: Any) -> None:
    state, task = world.prepared()
    strategy = WeightedFedAvg(world.roster, task)
    messages = strategy.configure_train(1, ArrayRecord(state.weights), ConfigRecord(), world.grid)
    assert not isinstance(messages, list)
    assert isinstance(next(iter(messages)), Message)
