"""What a set of loans adds to a monitor: counts by group, and sums in fixed point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.drift.groups import Groups, ScoreGroups
from fed_credit.evaluation.sums import ScoreSums, sums_by_cell
from fed_credit.releases import quantise

PD_BITS = 24


@dataclass(frozen=True, eq=False)
class MonthSums:
    """Loans decided in one month, whatever became of them.

    Parameters
    ----------
    loans : int
        How many.
    pd_sum : float
        Sum of the calibrated PDs, a multiple of ``2**-24``.
    score : numpy.ndarray
        ``(cells,) int64``: loans by cell of the score.
    features : mapping of str to numpy.ndarray
        ``(groups + 2,) int64`` by feature, as in a :class:`~fed_credit.drift.profile.Profile`.
    left_out : int
        Banks that are not in it, because they had too few loans.
    """

    loans: int
    pd_sum: float
    score: np.ndarray
    features: Mapping[str, np.ndarray]
    left_out: int = 0

    @classmethod
    def zero(cls, groups: Groups, left_out: int = 0) -> MonthSums:
        """Return the sums over no loans."""
        features = {one.name: np.zeros(one.size, np.int64) for one in groups.features}
        return cls(0, 0.0, np.zeros(groups.score.size, np.int64), features, left_out)

    @classmethod
    def of(
        cls, groups: Groups, frame: pd.DataFrame, model_pd: np.ndarray, pd_: np.ndarray
    ) -> MonthSums:
        """Count loans.

        Parameters
        ----------
        groups : Groups
            What they are counted by.
        frame : pandas.DataFrame
            ``(n, ...)`` with a column for every feature.
        model_pd, pd_ : numpy.ndarray
            ``(n,) float64``: the model's own PD, and the calibrated one.
        """
        return cls(
            len(frame),
            float(np.ldexp(float(quantise(pd_, PD_BITS).sum()), -PD_BITS)),
            np.bincount(groups.score.cells(model_pd), minlength=groups.score.size),
            {one.name: one.count(frame[one.name]) for one in groups.features},
        )

    def __add__(self, other: MonthSums) -> MonthSums:
        return MonthSums(
            self.loans + other.loans,
            self.pd_sum + other.pd_sum,
            self.score + other.score,
            {name: counts + other.features[name] for name, counts in self.features.items()},
            self.left_out + other.left_out,
        )


@dataclass(frozen=True, eq=False)
class VintageSums:
    """Loans decided in one quarter, whose performance window has closed.

    Parameters
    ----------
    scores : ScoreSums
        By cell of the model's own PD; PDs and losses are those of the calibrated one.
    left_out : int
        Banks that are not in it, because they had too few loans.
    """

    scores: ScoreSums
    left_out: int = 0

    @classmethod
    def of(
        cls, groups: ScoreGroups, y: np.ndarray, model_pd: np.ndarray, pd_: np.ndarray
    ) -> VintageSums:
        """Count loans by their outcome, ``(n,) int8``; see :meth:`MonthSums.of`."""
        return cls(sums_by_cell(y, pd_, groups.cells(model_pd), groups.size))

    def __add__(self, other: VintageSums) -> VintageSums:
        return VintageSums(self.scores + other.scores, self.left_out + other.left_out)
