"""Flower's strategies over our sums: what they compute, whom they ask, and that they resume."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fed_credit.config.names import STRATEGIES as NAMES
from fed_credit.config.spec import SimulationSpec
from fed_credit.training.checkpoint import load_checkpoint, save_checkpoint, weights_sha256
from fed_credit.training.state import TrainingState
from strategies.build import build_strategy
from strategies.exchange import Roster
from strategies.summed import SummedFedAvg


@pytest.fixture
def train(make_world: Any, make_spec: Callable[..., SimulationSpec]) -> Callable[..., Any]:
    """Train with a strategy by name, from the start or from a state."""

    def run(
        *overrides: str, state: TrainingState | None = None, after: Any = lambda state: None
    ) -> TrainingState:
        world = make_world(*overrides)
        state = world.consortium.prepare() if state is None else state
        spec = make_spec(*overrides)
        task = world.consortium.task(state)
        strategy = build_strategy(spec.strategy, spec.federation, world.roster, task)
        return world.consortium.train(state, strategy, after)

    return run


def _flat(weights: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([array.ravel() for array in weights])


@pytest.mark.parametrize("name", NAMES)
def test_a_run_resumes_from_any_checkpoint_to_the_same_bits(
    train: Callable[..., Any], make_world: Any, tmp_path: Path, name: str
) -> None:
    overrides = (f"strategy={name}", "federation.num_rounds=4", "federation.fraction=0.6")
    spec = make_world(*overrides).spec
    states: list[TrainingState] = []
    whole = train(*overrides, after=lambda state: states.append(copy.deepcopy(state)))
    for k, state in enumerate(states):
        path = tmp_path / f"{k}.safetensors"
        save_checkpoint(path, state, spec)
        resumed = train(*overrides, state=load_checkpoint(path, spec))
        assert weights_sha256(resumed.weights) == weights_sha256(whole.weights)
        assert resumed.history == whole.history
    assert all(array.dtype == np.float32 for array in whole.weights)


def test_strategies_differ_from_the_mean_and_from_each_other(train: Callable[..., Any]) -> None:
    found = {name: weights_sha256(train(f"strategy={name}").weights) for name in NAMES}
    assert len(set(found.values())) == len(NAMES)


def test_momentum_without_memory_is_the_mean(train: Callable[..., Any]) -> None:
    plain = train("strategy=fedavg")
    still = train("strategy=fedavgm", "strategy.server_momentum=0.0")
    assert weights_sha256(still.weights) == weights_sha256(plain.weights)


def test_momentum_keeps_its_share_of_the_last_step(train: Callable[..., Any]) -> None:
    beta = 0.5
    steps: list[np.ndarray] = []
    train(
        "strategy=fedavgm",
        f"strategy.server_momentum={beta}",
        "federation.num_rounds=2",
        after=lambda state: steps.append(_flat(state.weights)),
    )
    # The second round's own mean update, from the model that the first one ended with.
    one = train("strategy=fedavgm", f"strategy.server_momentum={beta}", "federation.num_rounds=1")
    one.server = {}
    one.history = []
    alone = train("strategy=fedavg", "federation.num_rounds=2", state=one)
    own = _flat(alone.weights) - steps[1]
    np.testing.assert_allclose(steps[2] - steps[1], own + beta * (steps[1] - steps[0]), atol=1e-6)


def test_adam_moves_by_its_formula_in_the_first_round(train: Callable[..., Any]) -> None:
    eta, beta_1, beta_2, tau = 0.02, 0.8, 0.9, 0.01
    start = _flat(train("strategy=fedavg", state=None, after=_stop_at_start()).weights)
    mean = _flat(train("strategy=fedavg", "federation.num_rounds=1").weights) - start
    moved = train(
        "strategy=fedadam",
        "federation.num_rounds=1",
        f"strategy.eta={eta}",
        f"strategy.beta_1={beta_1}",
        f"strategy.beta_2={beta_2}",
        f"strategy.tau={tau}",
    )
    rate = eta * np.sqrt(1 - beta_2**2) / (1 - beta_1**2)  # Flower counts rounds from one
    step = rate * (1 - beta_1) * mean / (np.sqrt((1 - beta_2) * mean**2) + tau)
    np.testing.assert_allclose(_flat(moved.weights) - start, step, atol=1e-5)


def test_the_proximal_term_holds_banks_back(train: Callable[..., Any]) -> None:
    start = _flat(train("strategy=fedavg", after=_stop_at_start()).weights)

    def moved(mu: float) -> float:
        state = train("strategy=fedprox", f"strategy.proximal_mu={mu}", "federation.num_rounds=1")
        return float(np.linalg.norm(_flat(state.weights) - start))

    plain = train("strategy=fedavg", "federation.num_rounds=1")
    assert moved(0.0) == float(np.linalg.norm(_flat(plain.weights) - start))
    assert moved(100.0) < moved(1.0) < moved(0.0)


def test_a_sample_is_drawn_by_name_and_all_banks_judge_the_round(
    train: Callable[..., Any], make_world: Any
) -> None:
    world = make_world()
    _, task = world.prepared()

    def drawn(names: dict[int, str]) -> list[list[str]]:
        strategy = SummedFedAvg()
        strategy.join(Roster(names), task, quorum=1.0, share=0.5)
        return [[names[node] for node in strategy.sample(number)] for number in range(1, 30)]

    names = {k: f"bank {k}" for k in range(7)}
    renumbered = {100 - k: name for k, name in names.items()}
    rounds = drawn(names)
    assert drawn(renumbered) == rounds
    assert {len(banks) for banks in rounds} == {4}
    assert {bank for banks in rounds for bank in banks} == set(names.values())
    assert len({tuple(banks) for banks in rounds}) > 10

    whole, part = train(), train("federation.fraction=0.3")
    assert [(m.loans, m.banks) for m in part.history] == [(m.loans, m.banks) for m in whole.history]
    assert weights_sha256(part.weights) != weights_sha256(whole.weights)


def _stop_at_start() -> Callable[[TrainingState], None]:
    """Freeze the state before the first round: what is trained afterwards goes elsewhere."""
    held: list[TrainingState] = []

    def hold(state: TrainingState) -> None:
        held.append(copy.deepcopy(state))
        state.weights = held[0].weights
        state.server = {}

    return hold
