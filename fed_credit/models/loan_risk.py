"""``LoanRiskModel``: the log-odds of default by a network of the size that Hydra chooses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, linear, relu
from torch.nn.functional import dropout as dropped
from torch.optim.adamw import adamw

from fed_credit.config.spec import ModelSpec
from fed_credit.models.protocol import ROWS, TrainJob, TrainResult, Weights


def forward(
    parameters: Sequence[torch.Tensor], x: torch.Tensor, dropout: float = 0.0
) -> torch.Tensor:
    """Return the log-odds of default.

    Parameters
    ----------
    parameters : sequence of torch.Tensor
        Weight and bias of each layer in turn.
    x : torch.Tensor
        ``(n, n_columns) float32`` loans.
    dropout : float, default=0.0
        Dropout after each hidden layer.

    Returns
    -------
    torch.Tensor
        ``(n,) float32``.
    """
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        x = relu(linear(x, weight, bias))
        if dropout > 0:
            x = dropped(x, dropout)
    return linear(x, parameters[-2], parameters[-1]).squeeze(1)


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
        Dropout after each hidden layer, in training.
    """

    def __init__(self, n_columns: int, hidden: Sequence[int] = (), dropout: float = 0.0) -> None:
        super().__init__()
        widths = [n_columns, *hidden, 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.dropout = dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the log-odds of default, ``(n,) float32``, of loans ``(n, n_columns) float32``."""
        return forward(list(self.parameters()), x, self.dropout if self.training else 0.0)


class LoanRiskFamily:
    """Networks trained with AdamW (Loshchilov and Hutter, 2019) on the log loss."""

    def shapes(self, n_columns: int, spec: ModelSpec) -> list[tuple[str, tuple[int, ...]]]:
        """Return name and shape of each weight array; see :class:`ModelFamily`."""
        shapes: list[tuple[str, tuple[int, ...]]] = []
        for k, (inputs, units) in enumerate(pairwise([n_columns, *spec.network.hidden, 1])):
            shapes += [(f"layers.{k}.weight", (units, inputs)), (f"layers.{k}.bias", (units,))]
        return shapes

    def initial_weights(self, n_columns: int, spec: ModelSpec, seed: int) -> Weights:
        """Return seeded initial weights: uniform within one over the root of a layer's inputs."""
        rng = np.random.default_rng(seed)
        weights: Weights = []
        limit = 1.0
        for name, shape in self.shapes(n_columns, spec):
            if name.endswith("weight"):
                limit = 1.0 / math.sqrt(max(1, shape[1]))  # a bank of one loan has no columns
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
                result = session.run()
            yield result  # outside, so that whoever takes it finds PyTorch as it was

    def log_odds(
        self, weights: Sequence[np.ndarray], x: np.ndarray, spec: ModelSpec, rows: int = ROWS
    ) -> np.ndarray:
        """Return the log-odds of default, ``(n,) float64``, of so many rows at a time."""
        # One thread: others gain little on matrices of this width, and could change last bits.
        with _threads(1), torch.inference_mode():
            parameters = [torch.tensor(array) for array in weights]
            # In parts, so that the hidden layers of a large book do not fill the memory.
            parts = [forward(parameters, part) for part in torch.split(torch.from_numpy(x), rows)]
            return torch.cat(parts).numpy().astype(np.float64)


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
                result = _Session(job).run()
            yield result  # outside, so that whoever takes it finds PyTorch as it was


class _Session:
    """Weights in training, the state of AdamW, and a bank's loans.

    AdamW is called as a function: for models of this size the bookkeeping of an optimiser object
    takes a fifth of a step.
    """

    def __init__(self, job: TrainJob) -> None:
        self._job = job
        self._network = job.model.network
        # Copies: training changes them in place, never the arrays it was given.
        self._parameters = [torch.tensor(array, requires_grad=True) for array in job.weights]
        # The same values without gradients: what moves them need not switch autograd off and on.
        self._values = [parameter.detach() for parameter in self._parameters]
        self._mean, self._square = (
            [torch.zeros_like(value) for value in self._values] for _ in range(2)
        )
        self._steps = [torch.tensor(0.0) for _ in self._values]
        self._anchor = [torch.tensor(array) for array in job.weights] if job.proximal_mu else []
        self._x = torch.from_numpy(job.x)
        self._y = torch.from_numpy(job.y.astype(np.float32))
        self._bad_weight = None if job.bad_weight == 1.0 else torch.tensor(job.bad_weight)

    def run(self) -> TrainResult:
        """Pass over the loans ``epochs`` times; without loans the weights stay as they are."""
        size, dropout = self._network.batch_size, self._network.dropout
        steps = 0
        for _ in range(self._job.epochs if len(self._y) else 0):
            order = torch.randperm(len(self._y))
            # One gather per epoch instead of one per batch: the batches are then views.
            x_shuffled, y_shuffled = self._x[order], self._y[order]
            for start in range(0, len(order), size):
                x, y = x_shuffled[start : start + size], y_shuffled[start : start + size]
                log_odds = forward(self._parameters, x, dropout)
                loss = binary_cross_entropy_with_logits(log_odds, y, pos_weight=self._bad_weight)
                self._step(torch.autograd.grad(loss, self._parameters))
                steps += 1
        return TrainResult([value.numpy().copy() for value in self._values], steps)

    def _step(self, gradients: Sequence[torch.Tensor]) -> None:
        gradients = list(gradients)
        # The gradient of half the squared distance from where the round began (FedProx).
        for gradient, value, anchor in zip(gradients, self._values, self._anchor):  # noqa: B905
            gradient.add_(value - anchor, alpha=self._job.proximal_mu)
        adamw(
            self._values,
            gradients,
            self._mean,
            self._square,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._network.learning_rate,
            weight_decay=self._network.weight_decay,
            eps=1e-8,
            maximize=False,
        )


@contextmanager
def _deterministic(threads: int, seed: int) -> Iterator[None]:
    """Fix what PyTorch keeps globally, for this job alone: its CPU generator and its threads.

    ``torch.manual_seed`` would also visit every accelerator, which takes longer than a short job.
    """
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(seed)
    with _threads(threads):
        try:
            yield
        finally:
            generator.set_state(before)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    if before == number:
        yield
        return
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
