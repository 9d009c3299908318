"""Coarse classing: the best way to merge neighbouring bins under constraints.

Dynamic programming over all ways to cut ``m`` ordered bins into at most ``k`` runs finds the
highest information value subject to least counts, a trend and the significance of neighbouring
differences, in ``O(k m^3)`` vectorised steps. (The approach of Navas-Palencia, *Optimal binning:
mathematical programming formulation and solution approach*, 2020. Pooling adjacent violators, the
usual shortcut, minimises squared errors under the trend alone, and can merge no run for its size
without losing that optimum.) Comparisons of bad rates and of counts are made in integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fed_credit.config.scorecard import BinningSpec, Trend
from fed_credit.scorecard.evidence import information

_NONE = -np.inf


@dataclass(frozen=True)
class Classing:
    """Runs of bins.

    Parameters
    ----------
    starts : tuple of int
        First bin of each run, rising from 0.
    information : float
        What the runs add to the information value.
    trend : Trend
        Of the weight of evidence over the runs, as it was asked for, or found if that was
        ``auto``.
    """

    starts: tuple[int, ...]
    information: float
    trend: Trend


def best_classing(
    goods: np.ndarray,
    bads: np.ndarray,
    total_goods: int,
    total_bads: int,
    trend: Trend,
    spec: BinningSpec,
) -> Classing:
    """Merge neighbouring bins.

    Parameters
    ----------
    goods, bads : numpy.ndarray
        ``(m,) int64``: loans per bin, in order; at least one bin.
    total_goods, total_bads : int
        Over all loans, with those that stand apart.
    trend : Trend
        How the weight of evidence moves from run to run.
    spec : BinningSpec
        Least counts, number of classes, significance.

    Returns
    -------
    Classing
        The highest information value; of equal ones that with fewer runs, and ascending before
        descending. One run if nothing else meets the constraints.
    """
    if trend is Trend.AUTO:
        found = [
            best_classing(goods, bads, total_goods, total_bads, way, spec)
            for way in (Trend.ASCENDING, Trend.DESCENDING)
        ]
        return max(found, key=lambda classing: classing.information)
    runs = _Runs(goods, bads, total_goods, total_bads, spec)
    return runs.best(trend, spec)


class _Runs:
    """All runs ``[a, b)`` of bins: counts, and what each adds to the information value."""

    def __init__(
        self,
        goods: np.ndarray,
        bads: np.ndarray,
        total_goods: int,
        total_bads: int,
        spec: BinningSpec,
    ) -> None:
        self.m = len(goods)
        ends = [np.r_[0, np.cumsum(counts)] for counts in (goods, bads)]
        self.goods, self.bads = (end[None, :] - end[:, None] for end in ends)
        self.loans = self.goods + self.bads
        ahead = np.triu(np.ones((self.m + 1, self.m + 1), dtype=bool), 1)
        enough = (
            (self.goods >= spec.min_goods)
            & (self.bads >= spec.min_bads)
            & (self.loans >= max(1, spec.min_cell))
            & (self.loans >= spec.min_share * (total_goods + total_bads))
        )
        value = np.full(ahead.shape, _NONE)
        usable = ahead & enough
        value[usable] = information(
            self.goods[usable], self.bads[usable], total_goods, total_bads, spec.smoothing
        )
        self.value = value

    def best(self, trend: Trend, spec: BinningSpec) -> Classing:
        """Return the best runs that cover all bins."""
        m, least = self.m, _least_difference(spec.max_p_value)
        # reach[k][a, b]: highest value of k + 1 runs that cover [0, b), the last being [a, b).
        reach = np.full((spec.max_classes, m + 1, m + 1), _NONE)
        before = np.zeros((spec.max_classes, m + 1, m + 1), dtype=np.int64)
        reach[0, 0] = self.value[0]
        for a in range(1, m):
            follows = self._follows(a, trend, least)
            for k in range(1, min(spec.max_classes, a + 1)):
                options = np.where(follows, reach[k - 1, :a, a][:, None], _NONE)
                first = options.argmax(axis=0)
                reach[k, a, a + 1 :] = (
                    options[first, np.arange(options.shape[1])] + self.value[a, a + 1 :]
                )
                before[k, a, a + 1 :] = first
        ways = reach[:, :, m].max(axis=1)
        if not np.isfinite(ways).any():
            return Classing((0,), 0.0, trend)
        k = int(ways.argmax())
        a, b, starts = int(reach[k, :, m].argmax()), m, []
        for runs in range(k, -1, -1):
            starts.append(a)
            a, b = int(before[runs, a, b]), a
        return Classing(tuple(reversed(starts)), float(ways.max()), trend)

    def _follows(self, a: int, trend: Trend, least: float) -> np.ndarray:
        """Whether run ``[a, b)`` may follow run ``[c, a)``, by ``c`` and ``b``."""
        b1, n1 = self.bads[:a, a][:, None], self.loans[:a, a][:, None]
        b2, n2 = self.bads[a, a + 1 :][None, :], self.loans[a, a + 1 :][None, :]
        safer = b1 * n2 - b2 * n1  # positive where the bad rate falls, so that the WoE rises
        if trend is Trend.ASCENDING:
            follows = safer > 0
        elif trend is Trend.DESCENDING:
            follows = safer < 0
        else:
            follows = safer != 0
        if least > 0.0:
            bads, loans = b1 + b2, (n1 + n2).astype(np.float64)
            spread = n1.astype(np.float64) * n2 * bads * (loans - bads)
            follows &= safer.astype(np.float64) ** 2 * loans >= least * spread
        return np.asarray(follows)


def _least_difference(max_p_value: float | None) -> float:
    """Return the least chi-squared of two proportions (Pearson's, one degree of freedom)."""
    if max_p_value is None:
        return 0.0
    from statistics import NormalDist

    return NormalDist().inv_cdf(1.0 - max_p_value / 2.0) ** 2
