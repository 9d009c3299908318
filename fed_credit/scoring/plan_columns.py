"""Models on a preprocessor's columns and one application: exact regressions and networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fed_credit.artefact import Artefact
from fed_credit.explain.explainer import explainer_of
from fed_credit.families.logistic import LogisticModel
from fed_credit.families.network import NetworkModel
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.features.steps import BooleanStep, CategoricalStep, NumericStep, Step
from fed_credit.scoring.cells import Value
from fed_credit.scoring.coders import Code, category_coder
from fed_credit.scoring.numbers import sigmoid


class _Columns:
    """A preprocessor's columns of one application, float32 as numbers of Python.

    Parameters
    ----------
    preprocessor : Preprocessor
        The preprocessor.
    """

    def __init__(self, preprocessor: Preprocessor) -> None:
        self.features = tuple(step.feature.name for step in preprocessor.steps)
        self.steps = preprocessor.steps
        self._codes = [_step_code(step) for step in self.steps]
        self._tables = [step_table(step) for step in self.steps]
        self._scaled = [
            (k, step.median, step.low, step.high, step.mean, step.scale)
            for k, step in enumerate(self.steps)
            if isinstance(step, NumericStep)
        ]

    def numbers(self, values: Sequence[Value]) -> list[float]:
        """Return the numeric features' first columns, rounded to float32."""
        scaled = []
        for k, median, low, high, mean, scale in self._scaled:
            value: Any = values[k]
            scaled.append((min(max(median if value is None else value, low), high) - mean) / scale)
        found: list[float] = np.array(scaled, np.float64).astype(np.float32).tolist()
        return found

    def codes(self, values: Sequence[Value]) -> list[int]:
        """Return which row of its table each feature's value leads to."""
        return [code(value) for code, value in zip(self._codes, values, strict=True)]

    def matrix(self, values: Sequence[Value]) -> np.ndarray:
        """Return the columns, ``(1, n_columns) float32``."""
        out: list[float] = []
        numbers = iter(self.numbers(values))
        for step, table, code in zip(self.steps, self._tables, self.codes(values), strict=True):
            if isinstance(step, NumericStep):
                out.append(next(numbers))
                out.extend(table[code][1:])
            else:
                out.extend(table[code])
        return np.array([out], np.float64).astype(np.float32)


def _step_code(step: Step) -> Code:
    if isinstance(step, CategoricalStep):
        return category_coder(step.feature)
    if isinstance(step, BooleanStep):
        return lambda value: 2 if value is None else int(value)
    return lambda value: int(value is None)


def step_table(step: Step) -> list[list[float]]:
    """Return a step's columns for each code; a number's own column is filled in by its value."""
    if isinstance(step, CategoricalStep):
        n = len(step.columns)
        return [[float(group == k) for k in range(n)] for group in step.groups]
    if isinstance(step, BooleanStep):
        share = float(np.float32(step.share_true))
        rows = [[0.0, 0.0], [1.0, 0.0], [share, 1.0]]
    else:
        rows = [[0.0, 0.0], [0.0, 1.0]]
    return [row[: len(step.columns)] for row in rows]


class RegressionPlan:
    """Adds up coefficients column by column, in the order of the columns."""

    unit = "log-odds"

    def __init__(self, model: LogisticModel) -> None:
        self._columns = _Columns(model.preprocessor)
        self.features = self._columns.features
        self._intercept = model.intercept
        slopes, means = model.slopes.tolist(), model.means.tolist()
        kept = {column: k for k, column in enumerate(model.design.columns.kept)}
        # Of each feature: slope and mean of a number's own column, then per code of the others what
        # they add to the log-odds, in order and without zeros, and to the reasons.
        self._parts: list[tuple[tuple[float, float] | None, bool, list[Any]]] = []
        first = 0
        for step in model.preprocessor.steps:
            own = [kept.get(c) for c in range(first, first + len(step.columns))]
            first += len(step.columns)
            numeric = isinstance(step, NumericStep)
            number = None
            if numeric:
                k = own.pop(0)
                number = None if k is None else (slopes[k], means[k])
            rows = []
            for row in step_table(step):
                levels = row[1:] if numeric else row
                used = [(x, k) for x, k in zip(levels, own, strict=True) if k is not None]
                terms = [slopes[k] * x for x, k in used if x != 0.0]
                rows.append((terms, [slopes[k] * (x - means[k]) for x, k in used]))
            self._parts.append((number, numeric, rows))

    def row(self, values: Sequence[Value]) -> tuple[list[float], list[int]]:
        """Return the numbers' columns, and codes."""
        return self._columns.numbers(values), self._columns.codes(values)

    def pd(self, row: tuple[list[float], list[int]]) -> float:
        """Return the PD."""
        numbers, codes = row
        total, at = self._intercept, 0
        for (number, numeric, rows), code in zip(self._parts, codes, strict=True):
            if numeric:
                if number is not None:
                    total += number[0] * numbers[at]
                at += 1
            for term in rows[code][0]:
                total += term
        return sigmoid(total)

    def amounts(self, row: tuple[list[float], list[int]]) -> list[float]:
        """Return what sets each feature apart from its mean."""
        numbers, codes = row
        found, at = [], 0
        for (number, numeric, rows), code in zip(self._parts, codes, strict=True):
            amount = 0.0
            if numeric:
                if number is not None:
                    amount += number[0] * (numbers[at] - number[1])
                at += 1
            for part in rows[code][1]:
                amount += part
            found.append(amount)
        return found


class NetworkPlan:
    """Runs the network on a matrix of one row."""

    unit = "log-odds"

    def __init__(self, artefact: Artefact, model: NetworkModel) -> None:
        self._model, self._columns = model, _Columns(model.preprocessor)
        self.features = self._columns.features
        self._explainer = explainer_of(artefact)
        self.pd(self.row([None] * len(self.features)))  # imports PyTorch now, which takes a second

    def row(self, values: Sequence[Value]) -> np.ndarray:
        """Return the network's columns, ``(1, n_columns) float32``."""
        return self._columns.matrix(values)

    def pd(self, row: np.ndarray) -> float:
        """Return the PD."""
        return float(self._model.score_matrix(row)[0])

    def amounts(self, row: np.ndarray) -> list[float]:
        """Return integrated gradients, added up by feature."""
        found: list[float] = self._explainer.lost(row).amounts[0].tolist()
        return found
