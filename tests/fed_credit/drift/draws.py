"""Months drawn again and again from one population, to be judged by a monitor."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fed_credit.config.monitor import MonitorSpec
from fed_credit.drift.groups import Groups
from fed_credit.drift.months import judge_month
from fed_credit.drift.sums import MonthSums
from fed_credit.drift.verdicts import MonthVerdict, State

LOUD = (State.WATCH, State.ALERT)
SIZES = (50, 200, 1000, 5000)


class Draws:
    """Loans with their scores, in memory.

    Parameters
    ----------
    frame : DataFrame
        Features.
    pds : ndarray of float64, shape (loans,)
        PDs of the loans.
    groups : Groups
        What the loans are counted by.
    """

    def __init__(self, frame: pd.DataFrame, pds: np.ndarray, groups: Groups) -> None:
        self.frame, self.pds, self.groups = frame, pds, groups

    def draw(
        self, rng: np.random.Generator, n: int, weights: np.ndarray | None = None
    ) -> MonthSums:
        rows = rng.choice(len(self.frame), n, p=weights)
        return MonthSums.of(self.groups, self.frame.iloc[rows], self.pds[rows], self.pds[rows])

    def tilted(self, index: float) -> np.ndarray:
        """Return weights of loans under which the score's true index is this one."""
        score = self.groups.score
        group = np.searchsorted(np.array(score.starts), score.cells(self.pds), side="right") - 1
        before = np.bincount(group) / len(group)
        low, high = 0.0, 2.0
        for _ in range(60):
            strength = (low + high) / 2
            after = before * np.exp(strength * np.linspace(-1, 1, len(before)))
            after /= after.sum()
            found = float(((after - before) * np.log(after / before)).sum())
            low, high = (strength, high) if found < index else (low, strength)
        weights = (after / before)[group]
        return weights / weights.sum()

    def judged(self, sums: MonthSums, reference: MonthSums, settings: MonitorSpec) -> MonthVerdict:
        return judge_month("2024-01", sums, reference, self.groups, settings.drift, settings.alarms)
