"""Trees, taken apart by exact Shapley values, feature by feature."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd

from fed_credit.data.schema import Kind
from fed_credit.explain.explainer import Parts, Point, thinned
from fed_credit.families.boosted import TreesModel
from fed_credit.models.elementwise import sigmoid
from fed_credit.trees.columns import Column
from fed_credit.trees.reasons import Reasons


class TreesExplainer:
    """Explains grown trees; its matrix is theirs.

    Parameters
    ----------
    model : TreesModel
        The trees.
    """

    tolerance = 0.0

    def __init__(self, model: TreesModel) -> None:
        self._columns, self._ensemble = model.made_of, model.ensemble
        names = [column.fine.feature.name for column in self._columns.columns]
        self.features = tuple(dict.fromkeys(names))
        self.owner = np.array([self.features.index(name) for name in names], np.int64)

    @cached_property
    def _reasons(self) -> Reasons:
        return Reasons(self._ensemble)

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the columns of the trees, ``(n, n_columns) float32``."""
        return self._columns.matrix(frame)

    def log_odds(self, matrix: np.ndarray) -> np.ndarray:
        """Return the log-odds of default, ``(n,) float64``."""
        return self._ensemble.log_odds(matrix)

    def default_probability(self, log_odds: np.ndarray) -> np.ndarray:
        """Return the PD of log-odds, ``(n,) float64``."""
        return sigmoid(log_odds)

    def contributions(self, matrix: np.ndarray) -> Parts:
        """Return Shapley values; those of a feature's columns are added up."""
        columns = self._reasons.contributions(matrix)
        amounts = np.zeros((len(matrix), len(self.features)))
        for k, owner in enumerate(self.owner):
            amounts[:, owner] += columns[:, k]
        return Parts(amounts, self._reasons.expected, 1.0, "log-odds")

    def lost(self, matrix: np.ndarray) -> Parts:
        """Return the contributions."""
        return self.contributions(matrix)

    def grid(self, feature: int, most: int) -> list[Point]:
        """Return a feature's cuts, both answers, or its categories."""
        own = [
            column
            for column, owner in zip(self._columns.columns, self.owner, strict=True)
            if owner == feature
        ]
        fine = own[0].fine
        if fine.feature.kind is Kind.CATEGORICAL:
            codes = thinned(fine.num_values - 1, most)
            return [
                Point(fine.name(code), None, _levels(own, code)) for code in [*codes, fine.missing]
            ]
        missing = Point("missing", None, np.array([np.nan], np.float32))
        if fine.feature.kind is Kind.BOOLEAN:
            answers = [(0.0, "no"), (1.0, "yes")]
            return [*(Point(word, None, np.array([v], np.float32)) for v, word in answers), missing]
        cuts = np.asarray(own[0].cuts, np.float32)
        if not len(cuts):
            return [missing]
        below = Point(
            f"under {cuts[0]:.6g}",
            float(cuts[0]),
            np.nextafter(cuts[:1], np.float32(-np.inf)),
        )
        kept = cuts[thinned(len(cuts), max(1, most - 1))]
        at = [Point(f"{cut:.6g}", float(cut), np.array([cut], np.float32)) for cut in kept]
        return [below, *at, missing]

    def own_importance(self) -> dict[str, dict[str, float]]:
        """Return each feature's share of the trees' gain."""
        by_column = self._ensemble.importance()
        found = dict.fromkeys(self.features, 0.0)
        for column, owner in zip(self._columns.columns, self.owner, strict=True):
            found[self.features[owner]] += by_column[column.name]
        return {name: {"gain": share} for name, share in found.items()}


def _levels(columns: list[Column], code: int) -> np.ndarray:
    levels = [column.levels[code] for column in columns]
    return np.array([np.nan if level is None else level for level in levels], np.float32)
