"""The server's side of growing trees: what to ask in each exchange, what to do with the sums.

A tree of depth ``d`` takes ``d`` exchanges: each asks for the histograms of one level, and the last
level's splits hold what its leaves need. All trees of a round share their exchanges. The loss of
the finished trees comes with the first exchange of the next round, so early stopping costs one
exchange in all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fed_credit.errors import ConfigurationError, DataError
from fed_credit.trees.binned import Bins
from fed_credit.trees.ensemble import Ensemble, Tree
from fed_credit.trees.gradients import base_margin
from fed_credit.trees.growing import GrowingTree
from fed_credit.trees.nodes import Trees
from fed_credit.trees.request import HISTOGRAM, Request
from fed_credit.trees.sampling import columns_of
from fed_credit.trees.spec import GRADIENT_BITS, MARGIN_BITS, MARGIN_UNIT, BoostingSpec

_LEAST_RATE = 1e-6


@dataclass(frozen=True)
class RoundLoss:
    """The mean log loss after some rounds of boosting.

    Parameters
    ----------
    rounds : int
        Finished rounds; 0 is the default rate alone.
    fit : float
        Over the training loans of all banks, sampled or not.
    validation : float
        Over the validation loans of all banks; NaN if there are none.
    """

    rounds: int
    fit: float
    validation: float


class Grower:
    """Grows an ensemble from sums.

    Ask all banks for :meth:`request`, add up their answers, and hand the sum to :meth:`take`, until
    the request is None.

    Parameters
    ----------
    bins : Bins
        The common cuts.
    spec : BoostingSpec
        How trees are grown.
    loans, bads : int
        Training loans of all banks, and bad ones among them.
    trees : sequence of Tree, default=()
        Finished trees of an interrupted training, to go on from.
    losses : sequence of RoundLoss, default=()
        As known at that time.
    base : int or None, default=None
        Log-odds before the first tree, in units of ``2**-MARGIN_BITS``, where trees of other loans
        are gone on from; ``None`` takes the default rate of these.

    Raises
    ------
    ConfigurationError
        If a monotone column is not among the columns.
    DataError
        If the loans are all good or all bad.
    """

    def __init__(
        self,
        bins: Bins,
        spec: BoostingSpec,
        loans: int,
        bads: int,
        trees: Sequence[Tree] = (),
        losses: Sequence[RoundLoss] = (),
        base: int | None = None,
    ) -> None:
        if not 0 < bads < loans:
            raise DataError(
                f"Of {loans} training loans {bads} are bad; trees need good and bad ones."
            )
        self._bins, self._spec = bins, spec
        self._signs = _signs(bins, spec)
        self._base = base_margin(loans, bads, spec.bad_weight) if base is None else base
        self._offset = -round(math.log(spec.bad_weight) * 2**MARGIN_BITS)
        self.trees = list(trees)
        self.losses = list(losses)
        self._finished = Trees.of([tree.rows for tree in trees])
        self._growing: list[GrowingTree] = []
        self._grown = False
        self._begin()

    @property
    def rounds(self) -> int:
        """Finished rounds."""
        return len(self.trees) // self._spec.trees_per_round

    @property
    def best_rounds(self) -> int:
        """Rounds that the ensemble keeps: up to the lowest loss on validation loans, if asked."""
        known = [loss for loss in self.losses if not math.isnan(loss.validation)]
        if not self._spec.patience or not known:
            return self.rounds
        return min(known, key=lambda loss: loss.validation).rounds

    @property
    def ensemble(self) -> Ensemble:
        """The trees of the best rounds, corrected for the weight of bad loans."""
        kept = self.trees[: self.best_rounds * self._spec.trees_per_round]
        return Ensemble(
            self._bins, self._base + self._offset, tuple(kept), self._spec.trees_per_round
        )

    def request(self) -> Request | None:
        """Return what to ask next; the same until the answer is taken. None: training is over."""
        spec, first = self._spec, len(self.losses) <= self.rounds
        if self._grown and not (first and spec.patience):
            return None
        return Request(
            round=self.rounds,
            seed=spec.seed,
            row_share=spec.row_share,
            bad_weight=spec.bad_weight,
            base=self._base,
            offset=self._offset,
            scored=first,
            finished=self._finished,
            growing=Trees.of([tree.rows for tree in self._growing]),
            columns=tuple(tree.columns for tree in self._growing),
            nodes=tuple(tree.asked for tree in self._growing),
        )

    def take(self, total: np.ndarray) -> None:
        """Go on with the sum of all banks' answers.

        Parameters
        ----------
        total : numpy.ndarray
            ``(size,) int64`` in the layout of the request.

        Raises
        ------
        ReleaseError
            If it does not belong to the same loans as the sums before.
        """
        request = self.request()
        assert request is not None
        cells = sum(
            len(nodes) * int(request.starts(k, self._bins.last_bins)[-1])
            for k, nodes in enumerate(request.nodes)
        )
        histograms = total[: len(HISTOGRAM) * cells].reshape(len(HISTOGRAM), cells)
        if request.scored:
            self._score(total[len(HISTOGRAM) * cells :])
            if self._grown:
                return
        first = 0
        for k, (tree, nodes) in enumerate(zip(self._growing, request.nodes, strict=True)):
            size = int(request.starts(k, self._bins.last_bins)[-1])
            parts = np.split(histograms[:, first : first + size * len(nodes)], len(nodes) or 1, 1)
            tree.take(dict(zip(nodes.tolist(), parts, strict=False)))
            first += size * len(nodes)
        if not any(len(tree.asked) for tree in self._growing):
            self._end_round()

    def _score(self, sums: np.ndarray) -> None:
        loans, loss, other_loans, other_loss = (int(value) for value in sums)
        self.losses.append(
            RoundLoss(self.rounds, _mean(loss, loans), _mean(other_loss, other_loans))
        )
        patience = self._spec.patience
        if patience and self.rounds - self.best_rounds >= patience:
            self._grown = True
            self._growing = []

    def _end_round(self) -> None:
        spec = self._spec
        leaf = self._bad_rate if spec.bad_rates else self._step
        new = [tree.finished(leaf) for tree in self._growing]
        self.trees += new
        self._finished = Trees.of([tree.rows for tree in self.trees])
        # On the same loans and columns the next round would not find a split either.
        sampled = spec.row_share < 1 or spec.column_share < 1
        self._grown = not sampled and not any(tree.inner.any() for tree in new)
        self._begin()

    def _step(self, weight: float) -> float:
        return weight * (self._spec.learning_rate / self._spec.trees_per_round)

    def _bad_rate(self, weight: float) -> float:
        """Return the log-odds of a leaf's bad rate, less those of all loans.

        From constant log-odds the step is ``(r - p) / (p (1 - p))``, where ``r`` is the leaf's bad
        rate with ``l2 / (p (1 - p))`` loans at the overall rate ``p`` added.
        """
        overall = 1.0 / (1.0 + math.exp(-self._base * MARGIN_UNIT))
        rate = overall + weight * overall * (1.0 - overall)
        rate = min(max(rate, _LEAST_RATE), 1.0 - _LEAST_RATE)
        return math.log(rate / (1.0 - rate)) - self._base * MARGIN_UNIT

    def _begin(self) -> None:
        spec = self._spec
        self._growing = []
        self._grown = self._grown or self.rounds >= spec.rounds
        if self._grown:
            return
        for k in range(spec.trees_per_round):
            number = self.rounds * spec.trees_per_round + k
            columns = columns_of(spec.seed, number, self._bins.names, spec.column_share)
            starts = np.concatenate([[0], np.cumsum(self._bins.last_bins[columns] + 1)])
            self._growing.append(GrowingTree(spec, columns, starts, self._signs))


def _signs(bins: Bins, spec: BoostingSpec) -> np.ndarray:
    odd = sorted(set(spec.monotone) - set(bins.names))
    if odd:
        raise ConfigurationError(
            f"monotone names {odd[0]}, which is no column of the trees; the columns are"
            f" {', '.join(bins.names)}."
        )
    return np.array([spec.monotone.get(name, 0) for name in bins.names], np.int8)


def _mean(total: int, loans: int) -> float:
    return total / 2**GRADIENT_BITS / loans if loans else math.nan
