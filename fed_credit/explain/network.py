"""A network, taken apart by integrated gradients; approximate, unlike the exact families.

Integrated gradients (Sundararajan, Taly and Yan, *Axiomatic attribution for deep networks*, ICML
2017): a column adds its distance from a reference loan times the mean slope of the log-odds on the
straight way from that loan to this one. The mean is taken at so many points that what the columns
add is the difference of the log-odds, to :data:`TOLERANCE`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from fed_credit.explain.explainer import Parts, Point
from fed_credit.explain.regression import step_points
from fed_credit.families.network import NetworkModel
from fed_credit.features.steps import BooleanStep, CategoricalStep, Step
from fed_credit.models.elementwise import sigmoid

TOLERANCE = 1e-3
"""Log-odds by which the amounts of a loan may miss their sum."""

_POINTS = 64  # on the way, at first; doubled until the tolerance is met
_MOST_POINTS = 2**14


class NetworkExplainer:
    """Explains a network; its matrix is the network's.

    The reference is an average loan as far as a network's files tell: numbers at their mean,
    answers at their share of yes, nothing missing, and every kept category in equal parts, since
    their shares are not in the files.

    Parameters
    ----------
    model : NetworkModel
        A multilayer perceptron of rectified units (family ``loan_risk``).
    """

    tolerance = TOLERANCE

    def __init__(self, model: NetworkModel) -> None:
        self._model = model
        self._steps = model.preprocessor.steps
        self.features = tuple(step.feature.name for step in self._steps)
        self.owner = np.repeat(
            np.arange(len(self._steps)), [len(step.columns) for step in self._steps]
        )
        weights = [np.asarray(array, np.float64) for array in model.weights]
        self._layers = list(zip(weights[::2], weights[1::2], strict=True))
        self._start = np.concatenate([_average(step) for step in self._steps])
        self._reference = float(self.log_odds(self._start[None, :])[0])

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the network's columns, ``(n, n_columns) float32``."""
        return self._model.matrix(frame)

    def log_odds(self, matrix: np.ndarray) -> np.ndarray:
        """Return the log-odds of default, ``(n,) float64``.

        The network's own are computed in float32; these differ by some 1e-6.
        """
        return self._forward(np.asarray(matrix, np.float64))[0]

    def default_probability(self, log_odds: np.ndarray) -> np.ndarray:
        """Return the PD of log-odds, ``(n,) float64``."""
        return sigmoid(log_odds)

    def contributions(self, matrix: np.ndarray) -> Parts:
        """Return integrated gradients, added up by feature; each row by its own loan alone."""
        amounts = np.zeros((len(matrix), len(self.features)))
        for row, loan in zip(amounts, np.asarray(matrix, np.float64), strict=True):
            np.add.at(row, self.owner, self._integrated(loan))
        return Parts(amounts, self._reference, 1.0, "log-odds")

    def lost(self, matrix: np.ndarray) -> Parts:
        """Return the contributions."""
        return self.contributions(matrix)

    def grid(self, feature: int, most: int) -> list[Point]:
        """Return numbers about the mean, both answers, or the groups of categories."""
        return [Point(*one) for one in step_points(self._steps[feature], most)]

    def own_importance(self) -> dict[str, dict[str, float]]:
        """Return the steepest slope of the log-odds along a feature's columns, at the reference."""
        steep = np.abs(self._slopes(self._forward(self._start[None, :])[1]))[0]
        found = np.zeros(len(self.features))
        np.maximum.at(found, self.owner, steep)
        return {
            name: {"slope": value}
            for name, value in zip(self.features, found.tolist(), strict=True)
        }

    def _integrated(self, loan: np.ndarray) -> np.ndarray:
        """Return what each column adds, ``(n_columns,)``."""
        away = loan - self._start
        total = float(self.log_odds(loan[None, :])[0]) - self._reference
        points = _POINTS
        while True:
            # In the middle of equal parts of the way: no point lies on the ends' own kinks.
            at = (np.arange(points) + 0.5) / points
            passed = self._forward(self._start + at[:, None] * away)[1]
            amounts: np.ndarray = away * self._slopes(passed).mean(axis=0)
            if abs(float(amounts.sum()) - total) <= TOLERANCE or points >= _MOST_POINTS:
                return amounts
            points *= 2

    def _forward(self, x: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return log-odds, ``(n,)``, and which units of each hidden layer let them through."""
        passed = []
        for weight, bias in self._layers[:-1]:
            x = x @ weight.T + bias
            passed.append(x > 0.0)
            x = np.where(passed[-1], x, 0.0)
        weight, bias = self._layers[-1]
        return (x @ weight.T + bias)[:, 0] + self._model.log_odds_offset, passed

    def _slopes(self, passed: list[np.ndarray]) -> np.ndarray:
        """Return the gradient of the log-odds, ``(n, n_columns)``."""
        n = len(passed[0]) if passed else 1
        slopes = np.repeat(self._layers[-1][0], n, axis=0)
        for (weight, _), open_units in zip(self._layers[-2::-1], passed[::-1], strict=True):
            slopes = (slopes * open_units) @ weight
        return slopes


def _average(step: Step) -> np.ndarray:
    """Return the columns of an average loan."""
    n = len(step.columns)
    if isinstance(step, CategoricalStep):
        return np.full(n, 1.0 / n)
    average = np.zeros(n)
    if isinstance(step, BooleanStep):
        average[0] = step.share_true
    return average
