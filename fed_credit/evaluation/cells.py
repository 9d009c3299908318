"""Loans counted by PD: one form for loans one by one and for sums, from which all else follows.

Loans one by one are cells of one PD each, and every figure is exact. Sums that banks release are
cells of a width; the loans of a cell are then taken to have its mean PD.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fed_credit.evaluation.bounds import ks, roc_area
from fed_credit.evaluation.intervals import Interval, area_interval, delong_cells
from fed_credit.evaluation.metrics import CalibrationCurve, check, group_cells
from fed_credit.evaluation.sums import ScoreSums, edges


@dataclass(frozen=True, eq=False)
class ScoreCells:
    """Goods and bads by PD.

    Parameters
    ----------
    pd : numpy.ndarray
        ``(k,) float64``: PD of the loans of each cell, ascending, each once.
    goods, bads : numpy.ndarray
        ``(k,) int64``: loans of either kind; no cell is empty.
    """

    pd: np.ndarray
    goods: np.ndarray
    bads: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, p: np.ndarray) -> ScoreCells:
        """Count loans one by one.

        Parameters
        ----------
        y : numpy.ndarray
            ``(n,) int8``: 1 bad, 0 good.
        p : numpy.ndarray
            ``(n,) float64``: PDs.

        Returns
        -------
        ScoreCells
            The same whatever the order of the loans.

        Raises
        ------
        ValueError
            See :func:`fed_credit.evaluation.metrics.check`.
        """
        check(y, p)
        return cls._joined(np.asarray(p, np.float64), (y == 0).astype(np.int64), y == 1)

    @classmethod
    def of_sums(cls, sums: ScoreSums) -> ScoreCells:
        """Take what banks have released."""
        held = (sums.goods + sums.bads) > 0
        goods, bads = sums.goods[held], sums.bads[held]
        # A sum in fixed point may lie half a unit beyond what a probability can be.
        return cls._joined(np.clip(sums.pd_sum[held] / (goods + bads), 0.0, 1.0), goods, bads)

    @classmethod
    def none(cls) -> ScoreCells:
        """Return the cells of no loans."""
        return cls(np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))

    @classmethod
    def _joined(cls, pd: np.ndarray, goods: np.ndarray, bads: np.ndarray) -> ScoreCells:
        value, cell = np.unique(pd, return_inverse=True)
        counts = [np.bincount(cell, part, len(value)).astype(np.int64) for part in (goods, bads)]
        return cls(value, *counts)

    @property
    def loans(self) -> np.ndarray:
        """Loans of each cell, ``(k,) int64``."""
        return np.asarray(self.goods + self.bads)

    @property
    def n(self) -> int:
        """Loans in all."""
        return int(self.loans.sum())

    @property
    def bad(self) -> int:
        """Bad loans in all."""
        return int(self.bads.sum())

    @property
    def mean_pd(self) -> float:
        """Mean PD of all loans; NaN without any."""
        return float((self.loans * self.pd).sum() / self.n) if self.n else float("nan")

    def at(self, pd: np.ndarray) -> ScoreCells:
        """Return the same loans at other PDs, ``(k,) float64``, one for each cell."""
        return self._joined(pd, self.goods, self.bads)

    def coarse(self, bins: int) -> ScoreCells:
        """Return the same loans in the cells of :func:`fed_credit.evaluation.sums.edges`.

        Parameters
        ----------
        bins : int
            Cells at most.

        Returns
        -------
        ScoreCells
            At their mean PDs.
        """
        cell = np.minimum(np.searchsorted(edges(bins), self.pd, side="right") - 1, bins - 1)
        sums = [np.bincount(cell, part, bins) for part in (self.goods, self.bads)]
        held = (sums[0] + sums[1]) > 0
        goods, bads = (part[held].astype(np.int64) for part in sums)
        pd_sum = np.bincount(cell, self.loans * self.pd, bins)[held]
        return self._joined(pd_sum / (goods + bads), goods, bads)

    def auc(self, confidence: float) -> Interval:
        """Return the AUC with DeLong's interval; see :func:`~.intervals.auc_interval`."""
        area, variance = delong_cells(self.goods, self.bads)
        return area_interval(area, variance, min(self.bad, self.n - self.bad), confidence)

    @property
    def gini(self) -> float:
        """``2 * AUC - 1``."""
        return 2.0 * roc_area(self.goods, self.bads).value - 1.0

    @property
    def ks(self) -> float:
        """Largest distance of the two classes' distributions of PD, either way."""
        return ks(self.goods, self.bads).value

    @property
    def brier(self) -> float:
        """Mean squared error of the PD; NaN without loans."""
        if not self.n:
            return float("nan")
        error = self.goods * self.pd**2 + self.bads * (1.0 - self.pd) ** 2
        return float(error.sum() / self.n)

    @property
    def log_loss(self) -> float:
        """Mean negative log likelihood, PDs kept a machine epsilon away from 0 and 1."""
        if not self.n:
            return float("nan")
        epsilon = np.finfo(np.float64).eps
        p = np.clip(self.pd, epsilon, 1.0 - epsilon)
        return float(-(self.goods * np.log(1.0 - p) + self.bads * np.log(p)).sum() / self.n)

    def curve(self, groups: int) -> CalibrationCurve:
        """Return promised against observed risk, in groups of equal size by PD."""
        return group_cells(self.loans, self.bads, self.loans * self.pd, groups=groups)
