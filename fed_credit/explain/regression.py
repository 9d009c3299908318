"""A logistic regression, taken apart: each column times its coefficient."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fed_credit.explain.explainer import Parts, Point, thinned
from fed_credit.families.logistic import LogisticModel
from fed_credit.features.steps import CategoricalStep, NumericStep, Step
from fed_credit.models.elementwise import sigmoid

_REACH = 2.0  # standard deviations to either side of the mean at which a number is looked at


class RegressionExplainer:
    """Explains a logistic regression; its matrix is the regression's.

    Parameters
    ----------
    model : LogisticModel
        With the columns' means, which stand for an average loan.
    """

    tolerance = 0.0

    def __init__(self, model: LogisticModel) -> None:
        self._model = model
        self._steps = model.preprocessor.steps
        self.features = tuple(step.feature.name for step in self._steps)
        whose = np.repeat(np.arange(len(self._steps)), [len(step.columns) for step in self._steps])
        self.owner = whose[list(model.design.columns.kept)]
        self._slopes, self._means = model.slopes, model.means

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the regression's columns, ``(n, n_columns) float32``."""
        return self._model.design.matrix(frame)

    def log_odds(self, matrix: np.ndarray) -> np.ndarray:
        """Return the log-odds of default, ``(n,) float64``."""
        return self._model.log_odds(matrix)

    def default_probability(self, log_odds: np.ndarray) -> np.ndarray:
        """Return the PD of log-odds, ``(n,) float64``."""
        return sigmoid(log_odds)

    def contributions(self, matrix: np.ndarray) -> Parts:
        """Compare each column with its mean over the training loans."""
        amounts = np.zeros((len(matrix), len(self.features)))
        for k, (owner, slope, mean) in enumerate(
            zip(self.owner, self._slopes, self._means, strict=True)
        ):
            amounts[:, owner] += slope * (matrix[:, k].astype(np.float64) - mean)
        reference = self._model.intercept + float(np.sum(self._slopes * self._means))
        return Parts(amounts, reference, 1.0, "log-odds")

    def lost(self, matrix: np.ndarray) -> Parts:
        """Return the contributions."""
        return self.contributions(matrix)

    def grid(self, feature: int, most: int) -> list[Point]:
        """Return numbers about the mean, both answers, or the groups of categories."""
        step = self._steps[feature]
        return [
            Point(label, value, self._own(step, row))
            for label, value, row in step_points(step, most)
        ]

    def _own(self, step: Step, row: np.ndarray) -> np.ndarray:
        """Take the columns of a step that the regression uses."""
        at = self._steps.index(step)
        first = sum(len(other.columns) for other in self._steps[:at])
        kept = [k - first for k in self._model.design.columns.kept]
        return row[[k for k in kept if 0 <= k < len(step.columns)]]

    def own_importance(self) -> dict[str, dict[str, float]]:
        """Return the largest coefficient per standard deviation of a feature's columns."""
        deviations = self._deviations()
        found = dict.fromkeys(self.features, 0.0)
        for owner, slope, deviation in zip(self.owner, self._slopes, deviations, strict=True):
            name = self.features[owner]
            found[name] = max(found[name], abs(float(slope * deviation)))
        return {name: {"standardised": value} for name, value in found.items()}

    def _deviations(self) -> np.ndarray:
        """Return the columns' standard deviations: 1 for numbers, else those of a share."""
        numbers = {step.feature.name for step in self._steps if isinstance(step, NumericStep)}
        return np.array(
            [
                1.0 if name in numbers else float(np.sqrt(max(0.0, mean * (1.0 - mean))))
                for name, mean in zip(self._model.columns, self._means, strict=True)
            ]
        )


def step_points(step: Step, most: int) -> list[tuple[str, float | None, np.ndarray]]:
    """Return values of a prepared feature at which to look.

    Parameters
    ----------
    step : Step
        How the feature becomes columns.
    most : int
        Values at most besides missing.

    Returns
    -------
    list of (str, float or None, numpy.ndarray)
        Label, place on a number's axis, and the step's columns, ``(n_columns,) float32``.
    """
    if isinstance(step, CategoricalStep):
        rows = np.eye(len(step.columns), dtype=np.float32)
        return [
            (_group(step.feature.name, step.columns[k]), None, rows[k])
            for k in thinned(len(step.columns), most)
        ]
    values: list[float] = [0.0, 1.0]
    labels = ["no", "yes"]
    if isinstance(step, NumericStep):
        reach = step.mean + step.scale * np.linspace(-_REACH, _REACH, most)
        values = np.unique(np.clip(reach, step.low, step.high)).tolist()
        labels = [f"{value:.6g}" for value in values]
    if step.indicator:
        values, labels = [*values, float("nan")], [*labels, "missing"]
    rows = np.zeros((len(values), len(step.columns)), np.float32)
    step.write(pd.Series(values, dtype=np.float64), rows)
    numeric = isinstance(step, NumericStep)
    return [
        (label, value if numeric and not np.isnan(value) else None, row)
        for label, value, row in zip(labels, values, rows, strict=True)
    ]


def _group(feature: str, column: str) -> str:
    """Return what a column says of its feature."""
    return column.removeprefix(feature).removeprefix(" = ").removeprefix(" is ")
