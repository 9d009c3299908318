"""The consortium's run: pooled preprocessing from sums, the best round, and resuming anywhere."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fed_credit.config.spec import SimulationSpec
from fed_credit.data.book import Dataset, Part
from fed_credit.errors import ConfigurationError
from fed_credit.evaluation.sums import score_sums
from fed_credit.features.preprocessor import fit_pooled
from fed_credit.training.checkpoint import weights_sha256
from fed_credit.training.predict import default_probability
from fed_credit.training.state import TrainingState
from strategies.build import STRATEGIES, build_strategy


def _train(world: Any, state: TrainingState, after: Any = lambda state: None) -> TrainingState:
    strategy = STRATEGIES["fedavg"](world.roster, world.consortium.task(state))
    return world.consortium.train(state, strategy, after)


def _bits(state: TrainingState) -> tuple[object, ...]:
    return (
        state.preprocessor.fingerprint,
        weights_sha256(state.weights),
        weights_sha256(state.best_weights),
        state.round,
        state.best_round,
        tuple(state.history),
    )


@pytest.mark.parametrize("class_weighting", ["none", "balanced"])
def test_the_preprocessor_is_the_pooled_one(
    make_world: Any, dataset: Dataset, parts: np.ndarray, class_weighting: str
) -> None:
    world = make_world(f"model.class_weighting={class_weighting}")
    state = world.consortium.prepare()
    rows = np.flatnonzero(parts == Part.TRAIN)
    y, spec = dataset.y[rows], world.spec
    pooled = fit_pooled(spec.features, dataset.features.iloc[rows], y, spec.preprocessing)
    assert state.preprocessor.fingerprint == pooled.fingerprint
    if class_weighting == "balanced":
        assert state.bad_weight == (y == 0).sum() / (y == 1).sum()
        assert state.log_odds_offset == pytest.approx(-np.log(state.bad_weight))
    else:
        assert (state.bad_weight, state.log_odds_offset) == (1.0, 0.0)


def test_equal_runs_give_equal_bits_in_any_order(make_world: Any) -> None:
    runs = []
    for shuffle in (None, None, 1, 2):
        world = make_world(shuffle=shuffle)
        runs.append(_bits(_train(world, world.consortium.prepare())))
    assert runs[1:] == runs[:1] * 3


def test_another_seed_gives_another_model(make_world: Any) -> None:
    world = make_world()
    one = world.consortium.prepare()
    world.consortium._spec = replace(world.spec, seed=8)
    two = world.consortium.prepare()
    assert one.preprocessor.fingerprint == two.preprocessor.fingerprint
    assert weights_sha256(one.weights) != weights_sha256(two.weights)


def test_a_run_goes_on_from_any_state_to_the_same_bits(make_world: Any) -> None:
    world = make_world("federation.num_rounds=4")
    states: list[TrainingState] = []
    whole = _train(
        world, world.consortium.prepare(), lambda state: states.append(copy.deepcopy(state))
    )
    # Before the first round, after each of the four, and once the last model is measured.
    assert [state.round for state in states] == [0, 1, 2, 3, 4, 4]
    assert [len(state.history) for state in states] == [0, 0, 1, 2, 3, 4]
    for state in states:
        again = make_world("federation.num_rounds=4")
        assert _bits(_train(again, state)) == _bits(whole)


def test_the_best_round_has_the_lowest_validation_loss(
    make_world: Any, dataset: Dataset, parts: np.ndarray
) -> None:
    world = make_world("federation.num_rounds=6", "model.learning_rate=0.3")
    models: dict[int, list[np.ndarray]] = {}
    state = _train(
        world,
        world.consortium.prepare(),
        lambda state: models.setdefault(state.round, state.weights),
    )
    rows = np.flatnonzero(parts == Part.VALIDATION)
    x = state.preprocessor.transform(dataset.features.iloc[rows])
    losses = {}
    for number, weights in models.items():
        p = default_probability(weights, x, world.spec.model, 0.0)
        losses[number] = score_sums(dataset.y[rows], p, bins=4).log_loss / len(rows)
    assert [m.number for m in state.history] == [1, 2, 3, 4, 5, 6]
    for measured in state.history:
        assert measured.loss == pytest.approx(losses[measured.number], abs=1e-6)
    best = min(state.history, key=lambda m: m.loss)
    assert state.best_round == best.number < 6  # so large a step that later rounds are worse
    assert weights_sha256(state.best_weights) == weights_sha256(models[best.number])


def test_test_sums_are_over_all_test_loans(world: Any, dataset: Dataset, parts: np.ndarray) -> None:
    state = world.consortium.prepare()
    sums = world.consortium.evaluate(state, state.weights, Part.TEST)
    y = dataset.y[parts == Part.TEST]
    assert (sums.goods.sum(), sums.bads.sum()) == ((y == 0).sum(), (y == 1).sum())


def test_an_unknown_strategy_is_refused(
    world: Any, make_spec: Callable[..., SimulationSpec]
) -> None:
    _, task = world.prepared()
    spec = make_spec()
    federation = spec.federation
    odd = replace(spec.strategy, name="fedavgg")
    with pytest.raises(ConfigurationError, match="Did you mean 'fedavg'"):
        build_strategy(odd, federation, world.roster, task)
    odd.name = "fedavg"
    assert type(build_strategy(odd, federation, world.roster, task)) is STRATEGIES["fedavg"]
