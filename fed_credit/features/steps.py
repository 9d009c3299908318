"""What a fitted preprocessor does to one feature: how its values become columns of the matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.features.spec import FeatureSpec
from fed_credit.features.statistics import category_codes


@dataclass(frozen=True)
class NumericStep:
    """How a numeric feature becomes one or two columns.

    Parameters
    ----------
    feature : FeatureSpec
        The feature.
    low, high : float
        Clip limits; both the median where only missingness varies, and the column is then zero.
    median : float
        Replaces missing values; within ``median_width`` of the exact median.
    median_width : float
        Width of the refined bin that holds the median.
    mean, scale : float
        Of the clipped, imputed training values.
    indicator : bool
        Whether a second column says that the value was missing.
    """

    feature: FeatureSpec
    low: float
    high: float
    median: float
    median_width: float
    mean: float
    scale: float
    indicator: bool

    @property
    def columns(self) -> list[str]:
        """Names of the columns made."""
        return _with_indicator(self.feature.name, self.indicator)

    def write(self, column: pd.Series, out: np.ndarray) -> None:
        """Fill ``out``, ``(n, len(columns)) float32``."""
        values = column.to_numpy(dtype=np.float64)
        missing = np.isnan(values)
        values = np.where(missing, self.median, values)
        out[:, 0] = (np.clip(values, self.low, self.high) - self.mean) / self.scale
        if self.indicator:
            out[:, 1] = missing


@dataclass(frozen=True)
class BooleanStep:
    """How a boolean feature becomes one or two columns.

    Parameters
    ----------
    feature : FeatureSpec
        The feature.
    share_true : float
        Replaces missing values.
    indicator : bool
        Whether a second column says that the value was missing.
    """

    feature: FeatureSpec
    share_true: float
    indicator: bool

    @property
    def columns(self) -> list[str]:
        """Names of the columns made."""
        return _with_indicator(self.feature.name, self.indicator)

    def write(self, column: pd.Series, out: np.ndarray) -> None:
        """Fill ``out``, ``(n, len(columns)) float32``."""
        values = column.to_numpy(dtype=np.float64)
        missing = np.isnan(values)
        out[:, 0] = np.where(missing, self.share_true, values)
        if self.indicator:
            out[:, 1] = missing


@dataclass(frozen=True)
class CategoricalStep:
    """How a categorical feature becomes one column per kept category.

    Parameters
    ----------
    feature : FeatureSpec
        The feature.
    groups : tuple of int
        Column of each code of :func:`~fed_credit.features.statistics.category_codes` (listed
        values or buckets, then not listed, then missing); -1 for none, which leaves zeros.
    columns : tuple of str
        Names of the columns made.
    """

    feature: FeatureSpec
    groups: tuple[int, ...]
    columns: tuple[str, ...]

    def write(self, column: pd.Series, out: np.ndarray) -> None:
        """Fill ``out``, ``(n, len(columns)) float32``."""
        group = np.asarray(self.groups, dtype=np.int64)[category_codes(self.feature, column)]
        rows = np.flatnonzero(group >= 0)
        out[rows, group[rows]] = 1.0


Step = NumericStep | BooleanStep | CategoricalStep


def _with_indicator(name: str, indicator: bool) -> list[str]:
    return [name, f"{name} is missing"] if indicator else [name]
