"""The bank's edge: the one function that makes a release of an answer.

A client's answer in ordinary arrays becomes a release: weights become ``a (w_k - w)``, everything
is written in fixed point, and what does not fit the layout is refused. Masks and noise belong here
and nowhere else; policy and ledger come before and after, see :mod:`clients.gate`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clients.bank import Bank
from fed_credit.data.book import Part
from fed_credit.errors import ReleaseError
from fed_credit.models.protocol import Weights
from fed_credit.training.task import Task, TaskConfig
from fed_credit.training.updates import aggregation_weight, weighted_update


def release(
    bank: Bank, task: Task, config: TaskConfig, incoming: Weights, answer: Sequence[np.ndarray]
) -> np.ndarray:
    """Turn a client's answer into the vector that leaves the bank.

    Parameters
    ----------
    bank : Bank
        Whose answer it is.
    task : Task
        What was asked.
    config : TaskConfig
        How it was asked.
    incoming : list of numpy.ndarray
        Weights that came with the request.
    answer : sequence of numpy.ndarray
        What the client's ``fit`` returned.

    Returns
    -------
    numpy.ndarray
        ``(layout size,) int64``.

    Raises
    ------
    ReleaseError
        If the answer does not fit the layout.
    """
    layout = config.layout(task)
    arrays: dict[str, np.ndarray] = {}
    names = [entry.name for entry in layout.entries]
    rest = list(answer)
    if task is Task.ROUND:
        weights = [name for name, _ in config.weight_shapes]
        trained, rest = rest[: len(weights)], rest[len(weights) :]
        # Asked here, since subtraction would broadcast a wrong shape into a wrong update.
        shapes = [shape for _, shape in config.weight_shapes]
        if not [a.shape for a in trained] == [a.shape for a in incoming] == shapes:
            raise ReleaseError(
                f"Task '{task}' takes and gives weights of shapes {shapes}; others are refused."
            )
        weight = aggregation_weight(
            config.spec.weighting, len(bank.rows(Part.TRAIN)), bank.exposure(Part.TRAIN)
        )
        arrays = weighted_update(weights, incoming, trained, weight)
    remaining = [name for name in names if name not in arrays]
    if len(remaining) != len(rest):
        raise ReleaseError(
            f"Task '{task}' answered with {len(rest)} arrays where its layout has"
            f" {len(remaining)}; refused."
        )
    return layout.encode({**arrays, **dict(zip(remaining, rest, strict=True))})
