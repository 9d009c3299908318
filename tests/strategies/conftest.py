"""A consortium over the in-memory data set, whose banks may misbehave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from clients.adapter import Banks, make_client_app
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.book import Dataset
from fed_credit.runtime.local import InProcessGrid
from fed_credit.runtime.run import DatasetBanks, node_names
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import TrainingState
from fed_credit.training.task import TaskConfig
from strategies.consortium import Consortium, Terms
from strategies.exchange import Roster


@dataclass
class World:
    """Three banks, the grid between them and the consortium, and what it asks for."""

    grid: InProcessGrid
    roster: Roster
    spec: RunSpec
    consortium: Consortium
    banks: Banks

    def prepared(self) -> tuple[TrainingState, TaskConfig]:
        state = self.consortium.prepare()
        return state, self.consortium.task(state)


@pytest.fixture(scope="session")
def make_world(
    dataset: Dataset,
    parts: np.ndarray,
    make_run_spec: Callable[..., RunSpec],
    make_spec: Callable[..., SimulationSpec],
) -> Callable[..., World]:
    def make(
        *overrides: str,
        grid: type[InProcessGrid] = InProcessGrid,
        banks: Banks | None = None,
        shuffle: int | None = None,
    ) -> World:
        banks = DatasetBanks(dataset, parts) if banks is None else banks
        nodes = {node: {"partition-id": node - 2} for node in node_names(dataset)}
        made = grid(make_client_app(banks), nodes, shuffle)
        federation = make_spec(*overrides).federation
        terms = Terms(federation.num_rounds, federation.quorum, federation.round_timeout_s)
        roster, spec = Roster(node_names(dataset)), make_run_spec(*overrides)
        return World(made, roster, spec, Consortium(made, roster, spec, terms), banks)

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
