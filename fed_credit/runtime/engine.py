"""The ``simulation`` runtime: Flower's own engine, on Ray, over the same apps."""

from __future__ import annotations

import importlib.util
import os
import shutil
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from clients.adapter import make_client_app
from clients.bank import Bank
from clients.gate import Gate
from fed_credit.config.spec import RuntimeSpec
from fed_credit.data.book import Dataset
from fed_credit.data.store import load_book, save_book
from fed_credit.errors import ConfigurationError, ReleaseError
from fed_credit.job import FederatedJob, FederatedOutcome, run_job
from fed_credit.runtime.streaming import StreamingGrid
from fed_credit.training.run_spec import RunSpec


@lru_cache(maxsize=256)
def _load(path: Path) -> Bank:
    return Bank(*load_book(path))


class StoredBanks:
    """The banks whose books lie in a folder, for the engine's worker processes.

    Parameters
    ----------
    folder : Path
        Holds ``<k>.parquet`` for institution ``k``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def gate(self, context: Context) -> Gate:
        """Return the gate that lets everything pass: all banks are in one hand."""
        return Gate.open()

    def name(self, context: Context) -> str:
        """Return the name of a node's bank."""
        return self._stored(context).name

    def bank(self, context: Context, spec: RunSpec) -> Bank:
        """Return the bank of a node, loaded once a worker."""
        return self._stored(context)

    def watched(self, context: Context, spec: RunSpec, as_of: str) -> Bank:
        """Refuse: see :meth:`fed_credit.runtime.run.DatasetBanks.watched`."""
        raise ReleaseError(
            f"{self.name(context)} has labelled loans alone here, and a monitor of periods looks"
            " at all; refused."
        )

    def _stored(self, context: Context) -> Bank:
        return _load(self._folder / f"{int(context.node_config['partition-id'])}.parquet")


def run_on_engine(
    runtime: RuntimeSpec, dataset: Dataset, parts: np.ndarray, job: FederatedJob, folder: Path
) -> FederatedOutcome:
    """Run a federated job on Flower's simulation engine.

    Parameters
    ----------
    runtime : RuntimeSpec
        CPUs of the engine and of a bank's process.
    dataset : Dataset
        Loans of all banks; each bank's book is stored for the workers, which load only those
        they are asked for.
    parts : numpy.ndarray
        ``(n_loans,) int8`` split codes.
    job : FederatedJob
        What to run.
    folder : Path
        Where the books are stored.

    Returns
    -------
    FederatedOutcome

    Raises
    ------
    ConfigurationError
        If the engine is not installed.
    """
    if importlib.util.find_spec("ray") is None:
        raise ConfigurationError(
            "runtime=simulation needs Flower's engine; install it with"
            " pip install 'fed-credit[simulation]', or use runtime=local."
        )
    from flwr.simulation import run_simulation

    outcomes: list[FederatedOutcome] = []
    stop = threading.Event()
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        outcomes.append(run_job(StreamingGrid(grid, stop), job))

    with (
        _stopping(stop),
        _stored(dataset, parts, folder),
        _own_environment(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        run_simulation(
            server_app=app,
            client_app=make_client_app(StoredBanks(folder.resolve())),
            num_supernodes=len(dataset.names),
            backend_config={
                "client_resources": {"num_cpus": runtime.num_cpus, "num_gpus": 0.0},
                "init_args": {
                    "num_cpus": runtime.max_cpus,
                    "log_to_driver": False,
                    "include_dashboard": False,
                },
            },
        )
    return outcomes[0]


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Let the engine's thread that runs the job end with this one, whatever ends it."""
    try:
        yield
    finally:
        stop.set()


@contextmanager
def _stored(dataset: Dataset, parts: np.ndarray, folder: Path) -> Iterator[None]:
    """Store the books for the workers; a run folder keeps no copy of the loans."""
    try:
        for k, book in enumerate(dataset.books()):
            save_book(folder / f"{k}.parquet", book, parts[dataset.rows(k)])
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _own_environment() -> Iterator[None]:
    """Quieten Ray's advice on accelerators, and undo what engines add to the environment."""
    before = dict(os.environ)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
