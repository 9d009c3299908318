"""``LoanRiskModel``: the log-odds of default by a network of the size that Hydra chooses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from fed_credit.config.spec import ModelSpec
from fed_credit.models.protocol import TrainJob, TrainResult, Weights


class LoanRiskModel(nn.Module):
    """A multilayer perceptron with one output, the log-odds of default.

    Without hidden layers it is logistic regression.

    Parameters
    ----------
    n_columns : int
        Columns of the preprocessed matrix.
    hidden : sequence of int
        Units of the hidden layers.
    dropout : float
        Dropout after each hidden layer.
    """

    def __init__(self, n_columns: int, hidden: Sequence[int] = (), dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = n_columns
        for units in hidden:
            layers += [nn.Linear(width, units), nn.ReLU()]
            if dropout > 0:
                layers.append(nn.Dropout(dropout))
            width = units
        layers.append(nn.Linear(width, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the log-odds of default, ``(n,) float32``, of loans ``(n, n_columns) float32``."""
        return self.layers(x).squeeze(1)


class LoanRiskFamily:
    """Networks trained with AdamW (Loshchilov and Hutter, 2019) on the log loss."""

    def shapes(self, n_columns: int, spec: ModelSpec) -> list[tuple[str, tuple[int, ...]]]:
        """Return name and shape of each weight array; see :class:`ModelFamily`."""
        with torch.device("meta"):
            model = LoanRiskModel(n_columns, spec.hidden, spec.dropout)
        return [(name, tuple(value.shape)) for name, value in model.state_dict().items()]

    def initial_weights(self, n_columns: int, spec: ModelSpec, seed: int) -> Weights:
        """Return seeded initial weights: uniform within one over the root of a layer's inputs."""
        rng = np.random.default_rng(seed)
        weights: Weights = []
        limit = 1.0
        for name, shape in self.shapes(n_columns, spec):
            if name.endswith("weight"):
                limit = 1.0 / math.sqrt(shape[1])
            weights.append(rng.uniform(-limit, limit, size=shape).astype(np.float32))
        return weights

    def trainer(self, threads: int) -> LoanRiskTrainer:
        """Return a trainer that uses so many threads."""
        return LoanRiskTrainer(threads)

    def train_centrally(self, job: TrainJob, rounds: int, threads: int) -> Iterator[TrainResult]:
        """Train on loans that are all at hand, the optimiser's state kept; yield each round."""
        with _deterministic(threads, job.seed):
            session = _Session(job)
        for number in range(rounds):
            with _deterministic(threads, job.seed + number):
                yield session.run()

    def log_odds(self, weights: Sequence[np.ndarray], x: np.ndarray, spec: ModelSpec) -> np.ndarray:
        """Return the log-odds of default, ``(n,) float64``."""
        model = _load(weights, x.shape[1], spec).eval()
        with torch.inference_mode():
            return model(torch.from_numpy(x)).numpy().astype(np.float64)


class LoanRiskTrainer:
    """Trains one job after the other with eager PyTorch.

    Parameters
    ----------
    threads : int
        PyTorch's threads. Their number can change a matrix product's last bits, so it is fixed.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads

    def run(self, jobs: Iterable[TrainJob]) -> Iterator[TrainResult]:
        """Yield one result per job, in the order of the jobs."""
        for job in jobs:
            with _deterministic(self._threads, job.seed):
                yield _Session(job).run()


class _Session:
    """A model, its optimiser and a bank's loans."""

    def __init__(self, job: TrainJob) -> None:
        self._job = job
        self._model = _load(job.weights, job.x.shape[1], job.model)
        self._optimiser = torch.optim.AdamW(
            self._model.parameters(),
            lr=job.model.learning_rate,
            weight_decay=job.model.weight_decay,
            fused=True,
        )
        self._x = torch.from_numpy(job.x)
        self._y = torch.from_numpy(job.y.astype(np.float32))
        self._loss = nn.BCEWithLogitsLoss(
            pos_weight=None if job.bad_weight == 1.0 else torch.tensor(job.bad_weight)
        )

    def run(self) -> TrainResult:
        model, optimiser, loss = self._model.train(), self._optimiser, self._loss
        size = self._job.model.batch_size
        steps = 0
        for _ in range(self._job.epochs):
            order = torch.randperm(len(self._y))
            # One gather per epoch instead of one per batch: the batches are then views.
            x, y = self._x[order], self._y[order]
            for x_batch, y_batch in zip(x.split(size), y.split(size), strict=True):
                optimiser.zero_grad()
                loss(model(x_batch), y_batch).backward()
                optimiser.step()
                steps += 1
        return TrainResult(
            [value.detach().numpy().copy() for value in model.state_dict().values()], steps
        )


def _load(weights: Sequence[np.ndarray], n_columns: int, spec: ModelSpec) -> LoanRiskModel:
    with torch.device("meta"):
        model = LoanRiskModel(n_columns, spec.hidden, spec.dropout)
    names = model.state_dict().keys()
    # Copies: training writes into the model's own tensors, never into the arrays it was given.
    state = {name: torch.tensor(value) for name, value in zip(names, weights, strict=True)}
    model.load_state_dict(state, assign=True)
    return model


@contextmanager
def _deterministic(threads: int, seed: int) -> Iterator[None]:
    """Fix what PyTorch keeps globally, for this job alone: its generator and its threads."""
    before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
