"""Training on loans that are all at hand: one bank alone, pooled data, or several banks at once.

Takes the same road as a federation does, release by release, so it equals the federated training on
the same loans.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from fed_credit.releases import ReleaseSpec
from fed_credit.trees.bank import TreeBank
from fed_credit.trees.binned import BinnedLoans, Bins
from fed_credit.trees.ensemble import Ensemble
from fed_credit.trees.grow import Grower, RoundLoss
from fed_credit.trees.request import Request
from fed_credit.trees.spec import BoostingSpec


@dataclass(frozen=True)
class _Answering:
    """One bank's part of an exchange."""

    request: Request
    layout: ReleaseSpec

    def __call__(self, bank: TreeBank) -> np.ndarray:
        return self.layout.encode(bank.answer(self.request))


@dataclass(frozen=True)
class Trained:
    """What a training left.

    Parameters
    ----------
    ensemble : Ensemble
        The trees of the best rounds.
    losses : tuple of RoundLoss
        By round.
    exchanges : int
        How often the banks were asked.
    cells : int
        Numbers that one bank released in all.
    """

    ensemble: Ensemble
    losses: tuple[RoundLoss, ...]
    exchanges: int
    cells: int


def train(
    bins: Bins,
    books: Sequence[tuple[BinnedLoans, BinnedLoans]],
    spec: BoostingSpec,
    threads: int = 1,
) -> Trained:
    """Train on the loans of one or more banks.

    Parameters
    ----------
    bins : Bins
        The common cuts.
    books : sequence of tuple of BinnedLoans
        Per bank its training loans and its validation loans.
    spec : BoostingSpec
        How trees are grown.
    threads : int, default=1
        Threads to compute with; they do not change a bit.

    Returns
    -------
    Trained
    """
    # Threads go to the banks; one that is alone divides its own loans among them.
    own = threads if len(books) == 1 else 1
    banks = [TreeBank(fit, validation, bins.last_bins, own) for fit, validation in books]
    loans = sum(len(fit) for fit, _ in books)
    grower = Grower(bins, spec, loans, int(sum(fit.y.sum(dtype=np.int64) for fit, _ in books)))
    exchanges = cells = 0
    with ThreadPoolExecutor(max(1, min(threads, len(banks)))) as pool:
        while (request := grower.request()) is not None:
            layout = request.layout(bins.last_bins)
            total = np.zeros(layout.size, np.int64)
            for vector in pool.map(_Answering(request, layout), banks):
                total += vector
            grower.take(total)
            exchanges, cells = exchanges + 1, cells + layout.size
    return Trained(grower.ensemble, tuple(grower.losses), exchanges, cells)
