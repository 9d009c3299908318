"""A scorecard and one application."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fed_credit.families.card import ScorecardModel
from fed_credit.scoring.cells import Value
from fed_credit.scoring.coders import coder


class CardPlan:
    """Adds up points; everything that follows from a score stands in a table."""

    unit = "points"

    def __init__(self, model: ScorecardModel) -> None:
        card = model.rule.card
        self.features = card.names
        self._classes = [
            (
                coder(one.binning.fine),
                [(one.points[k], float(max(one.points) - one.points[k])) for k in codes.tolist()],
            )
            for one in card.characteristics
            for codes in (one.binning.class_of,)
        ]
        self._base, (self._low, high) = card.base_points, card.range
        scores = np.arange(self._low, high + 1)
        self._pds = model.rule.calibration.default_probability(card, scores).tolist()

    def row(self, values: Sequence[Value]) -> list[tuple[int, float]]:
        """Return points, and points lost, by feature."""
        classes = zip(self._classes, values, strict=True)
        return [table[code(value)] for (code, table), value in classes]

    def score(self, row: Sequence[tuple[int, float]]) -> int:
        """Return the score."""
        return self._base + sum([points for points, _ in row])

    def pd(self, row: Sequence[tuple[int, float]]) -> float:
        """Return the PD of the score."""
        found: float = self._pds[self.score(row) - self._low]
        return found

    def amounts(self, row: Sequence[tuple[int, float]]) -> list[float]:
        """Return the points lost to each feature's best class."""
        return [lost for _, lost in row]
