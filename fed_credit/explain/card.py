"""A scorecard, taken apart: every class of a feature has its points."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fed_credit.explain.explainer import Parts, Point
from fed_credit.models.elementwise import sigmoid
from fed_credit.scorecard.points import factor_and_offset
from fed_credit.scorecard.rule import ScoringRule
from fed_credit.scorecard.table import class_label


class CardExplainer:
    """Explains a scorecard; its matrix holds each feature's points.

    Parameters
    ----------
    rule : ScoringRule
        Points and calibration.
    """

    tolerance = 0.0

    def __init__(self, rule: ScoringRule) -> None:
        self._card, self._calibration = rule.card, rule.calibration
        self.features = rule.card.names
        self.owner = np.arange(len(self.features))
        factor, _ = factor_and_offset(rule.card.scaling)
        self._per_point = rule.calibration.slope / factor

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the points of loans by feature, ``(n, n_features) int64``."""
        return self._card.points(frame)

    def log_odds(self, matrix: np.ndarray) -> np.ndarray:
        """Return the calibrated log-odds of default, ``(n,) float64``."""
        raw = self._card.log_odds(self.scores(matrix))
        found: np.ndarray = self._calibration.shift + self._calibration.slope * raw
        return found

    def scores(self, matrix: np.ndarray) -> np.ndarray:
        """Return the score of loans, ``(n,) int64``."""
        found: np.ndarray = self._card.base_points + matrix.sum(axis=1)
        return found

    def default_probability(self, log_odds: np.ndarray) -> np.ndarray:
        """Return the PD of log-odds, not below the floor, ``(n,) float64``."""
        found: np.ndarray = np.maximum(self._calibration.floor, sigmoid(log_odds))
        return found

    def contributions(self, matrix: np.ndarray) -> Parts:
        """Compare each class with one of the bad rate of all loans."""
        neutral = np.array([one.neutral_points for one in self._card.characteristics], np.int64)
        amounts = (neutral - matrix) * self._per_point
        return Parts(amounts, float(self.log_odds(neutral[None, :])[0]), 1.0, "log-odds")

    def lost(self, matrix: np.ndarray) -> Parts:
        """Count the points that each feature lacks to its best class; whole numbers."""
        best = np.array([max(one.points) for one in self._card.characteristics], np.int64)
        amounts = (best - matrix).astype(np.float64)
        return Parts(amounts, float(self.log_odds(best[None, :])[0]), self._per_point, "points")

    def grid(self, feature: int, most: int) -> list[Point]:
        """Return a feature's classes."""
        one = self._card.characteristics[feature]
        return [
            Point(class_label(one.binning, k), None, np.array([points]))
            for k, points in enumerate(one.points)
        ]

    def own_importance(self) -> dict[str, dict[str, float]]:
        """Return information value, and the points between best and worst class."""
        return {
            one.name: {
                "information": one.binning.information,
                "points_spread": float(max(one.points) - min(one.points)),
            }
            for one in self._card.characteristics
        }
