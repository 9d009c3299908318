"""Run a federated job on the runtime that configuration names."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from flwr.app import Context, RecordDict
from flwr.app.user_config import UserConfig

from clients.adapter import make_client_app
from clients.bank import Bank
from clients.gate import Gate
from fed_credit.config.spec import RuntimeKind, RuntimeSpec
from fed_credit.data.book import Dataset
from fed_credit.errors import ReleaseError
from fed_credit.job import FederatedJob, FederatedOutcome, make_server_app
from fed_credit.runtime.local import InProcessGrid
from fed_credit.training.run_spec import RunSpec


class DatasetBanks:
    """The banks of a data set that is in this process.

    Parameters
    ----------
    dataset : Dataset
        Loans of all banks.
    parts : numpy.ndarray
        ``(n_loans,) int8`` split codes.
    """

    def __init__(self, dataset: Dataset, parts: np.ndarray) -> None:
        self._dataset = dataset
        self._parts = parts
        self._banks: dict[int, Bank] = {}

    def gate(self, context: Context) -> Gate:
        """Return the gate that lets everything pass: all banks are in one hand."""
        return Gate.open()

    def name(self, context: Context) -> str:
        """Return the name of a node's bank."""
        return self._dataset.names[int(context.node_config["partition-id"])]

    def bank(self, context: Context, spec: RunSpec) -> Bank:
        """Return the bank of a node; its book is a view, its matrices are made once."""
        k = int(context.node_config["partition-id"])
        if k not in self._banks:
            self._banks[k] = Bank(self._dataset.book(k), self._parts[self._dataset.rows(k)])
        return self._banks[k]

    def watched(self, context: Context, spec: RunSpec, as_of: str) -> Bank:
        """Refuse: a data set holds labelled loans alone."""
        raise ReleaseError(
            f"{self.name(context)} has labelled loans alone here, and a monitor of periods looks"
            " at all; refused."
        )


def node_names(dataset: Dataset) -> dict[int, str]:
    """Name the nodes of the local runtime: institution ``k`` is node ``k + 2``, the server 1."""
    return {k + 2: name for k, name in enumerate(dataset.names)}


def run_federated(
    runtime: RuntimeSpec, dataset: Dataset, parts: np.ndarray, job: FederatedJob, folder: Path
) -> FederatedOutcome:
    """Run a federated job over a data set's banks.

    Parameters
    ----------
    runtime : RuntimeSpec
        Which runtime.
    dataset : Dataset
        Loans of all banks.
    parts : numpy.ndarray
        ``(n_loans,) int8`` split codes.
    job : FederatedJob
        What to run.
    folder : Path
        For the books that another process has to read.

    Returns
    -------
    FederatedOutcome
    """
    # Flower logs each step of its own; the run's progress and errors come from here.
    logging.getLogger("flwr").setLevel(logging.ERROR)
    if runtime.kind is RuntimeKind.SIMULATION:
        from fed_credit.runtime.engine import run_on_engine

        return run_on_engine(runtime, dataset, parts, job, folder)
    outcomes: list[FederatedOutcome] = []
    nodes: dict[int, UserConfig] = {
        node: {"partition-id": node - 2} for node in node_names(dataset)
    }
    grid = InProcessGrid(make_client_app(DatasetBanks(dataset, parts)), nodes)
    app = make_server_app(job, outcomes.append)
    app(grid, Context(1, 1, {}, RecordDict(), {}))
    return outcomes[0]
