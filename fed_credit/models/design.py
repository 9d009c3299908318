"""The design of an exact logistic regression: the preprocessor's columns, one level per feature
dropped, with the range of each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fed_credit.features.preprocessor import Preprocessor
from fed_credit.features.steps import CategoricalStep, NumericStep


@dataclass(frozen=True)
class Design:
    """Which columns of a matrix a regression uses, and within which powers of two they lie.

    Parameters
    ----------
    kept : tuple of int
        Columns of the matrix.
    names : tuple of str
        Their names.
    exponents : tuple of int
        Column ``j`` lies within ``[-2**exponents[j], 2**exponents[j]]``.
    """

    kept: tuple[int, ...]
    names: tuple[str, ...]
    exponents: tuple[int, ...]

    @classmethod
    def of(cls, preprocessor: Preprocessor) -> Design:
        """Take a preprocessor's columns that are not fixed by the others.

        All levels of a categorical feature add up to the intercept, so the first one is left out;
        a category without training loans then counts as that one. A numeric column that is zero
        for all loans, since only its missingness varies, is left out too.
        """
        kept: list[int] = []
        exponents: list[int] = []
        start = 0
        for step in preprocessor.steps:
            columns = list(range(start, start + len(step.columns)))
            start += len(step.columns)
            reach = [0] * len(columns)
            if isinstance(step, NumericStep):
                limits = (step.low, step.high)
                reach[0] = exponent(max(abs(limit - step.mean) / step.scale for limit in limits))
            if isinstance(step, CategoricalStep) or (
                isinstance(step, NumericStep) and step.low == step.high
            ):
                columns, reach = columns[1:], reach[1:]
            kept.extend(columns)
            exponents.extend(reach)
        names = tuple(preprocessor.columns[k] for k in kept)
        return cls(tuple(kept), names, tuple(exponents))

    def take(self, matrix: np.ndarray) -> np.ndarray:
        """Return the columns of the design, ``(n, len(kept))``."""
        return matrix[:, list(self.kept)]

    def coefficients(self, fitted: Sequence[float], columns: int) -> np.ndarray:
        """Return coefficients over all columns of the matrix, zero for those left out.

        Parameters
        ----------
        fitted : sequence of float
            Of the kept columns, without the intercept.
        columns : int
            Columns of the matrix.

        Returns
        -------
        numpy.ndarray
            ``(columns,) float64``.
        """
        full = np.zeros(columns)
        full[list(self.kept)] = fitted
        return full


def exponent(largest: float) -> int:
    """Return the least ``e`` for which ``2**e`` is above a magnitude, with room for rounding.

    Parameters
    ----------
    largest : float
        Magnitude of a column's largest value; its float32 may be a little larger.
    """
    if largest == 0.0:
        return 0
    return math.frexp(largest * (1.0 + 2.0**-20))[1]
