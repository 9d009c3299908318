"""The protocol behind which model families stand.

Clients, strategies and runtimes see a model only through it: a list of weight arrays, a matrix of
loans, and what a bank's training answers with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fed_credit.config.spec import ModelSpec

Weights = list[np.ndarray]

ROWS = 2**16
"""Rows for which a network's log-odds are computed at a time."""


@dataclass(frozen=True)
class TrainJob:
    """Everything that one bank's training in one round depends on; there is no hidden state.

    Parameters
    ----------
    institution : str
        Whose loans they are.
    weights : list of numpy.ndarray
        Where training starts.
    x : numpy.ndarray
        ``(n, n_columns) float32`` training loans.
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    bad_weight : float
        What a bad loan counts for in the loss; a good one counts 1.
    epochs : int
        Passes over the loans.
    seed : int
        Of the batch order; keyed by run seed, bank and round.
    model : ModelSpec
        Size and hyperparameters.
    proximal_mu : float, default=0.0
        Weight of half the squared distance from ``weights`` in the loss.
    """

    institution: str
    weights: Weights
    x: np.ndarray
    y: np.ndarray
    bad_weight: float
    epochs: int
    seed: int
    model: ModelSpec
    proximal_mu: float = 0.0


@dataclass(frozen=True)
class TrainResult:
    """What training leaves: the weights, and how many optimiser steps it took."""

    weights: Weights
    steps: int


class Trainer(Protocol):
    """Runs training jobs; the in-process runtime may hand over all banks' jobs at once."""

    def run(self, jobs: Iterable[TrainJob]) -> Iterator[TrainResult]:
        """Yield one result per job, in the order of the jobs."""
        ...


class ModelFamily(Protocol):
    """One family of models."""

    def shapes(self, n_columns: int, spec: ModelSpec) -> list[tuple[str, tuple[int, ...]]]:
        """Return name and shape of each weight array."""
        ...

    def initial_weights(self, n_columns: int, spec: ModelSpec, seed: int) -> Weights:
        """Return seeded initial weights, float32."""
        ...

    def trainer(self, threads: int) -> Trainer:
        """Return a trainer that uses so many threads."""
        ...

    def train_centrally(self, job: TrainJob, rounds: int, threads: int) -> Iterator[TrainResult]:
        """Train on loans that are all at hand, ``job.epochs`` passes a round; yield each round."""
        ...

    def log_odds(
        self, weights: Sequence[np.ndarray], x: np.ndarray, spec: ModelSpec, rows: int = ROWS
    ) -> np.ndarray:
        """Return the log-odds of default, ``(n,) float64``, before any prior correction.

        ``rows`` of the matrix are computed at a time. A matrix product may add in another order
        for another number of rows, but in the same one for the same number, wherever a row stands.
        """
        ...
