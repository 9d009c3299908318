"""Fine bins of one feature: what every bank counts and codes its loans by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.data.schema import Kind
from fed_credit.features.spec import FeatureSpec
from fed_credit.features.statistics import category_codes


@dataclass(frozen=True)
class FineBins:
    """The fine bins of one feature, the same at every bank.

    Codes from 0 are, for a numeric feature, the bins between its cuts, then its special values; for
    a boolean one false and true; for a categorical one its values or hash buckets, then values that
    are not listed. The last code is that of missing values.

    Parameters
    ----------
    feature : FeatureSpec
        The feature.
    cuts : tuple of float
        Rising; bin ``k`` of a numeric feature holds ``cuts[k - 1] <= value < cuts[k]``.
    specials : tuple of float
        Values of a numeric feature with bins of their own.
    rank_error : float
        The cuts' distance from the quantiles of the pooled loans is at most this share of the
        loans, leaving aside loans that share one value.
    """

    feature: FeatureSpec
    cuts: tuple[float, ...] = ()
    specials: tuple[float, ...] = ()
    rank_error: float = 0.0

    @property
    def num_values(self) -> int:
        """Number of codes apart from special and missing values."""
        if self.feature.kind is Kind.NUMERIC:
            return len(self.cuts) + 1
        if self.feature.kind is Kind.BOOLEAN:
            return 2
        return self.feature.num_categories + 1

    @property
    def size(self) -> int:
        """Number of codes."""
        return self.num_values + len(self.specials) + 1

    @property
    def missing(self) -> int:
        """Code of missing values."""
        return self.size - 1

    def codes(self, column: pd.Series) -> np.ndarray:
        """Code a column.

        Parameters
        ----------
        column : pandas.Series
            ``(n,)`` values as in a loan book.

        Returns
        -------
        numpy.ndarray
            ``(n,) uint16``; each depends on its own value alone.
        """
        if self.feature.kind is Kind.CATEGORICAL:
            return category_codes(self.feature, column).astype(np.uint16)
        values = column.to_numpy(dtype=np.float64)
        if self.feature.kind is Kind.BOOLEAN:
            codes = (values > 0.0).astype(np.uint16)
        else:
            codes = np.searchsorted(np.array(self.cuts), values, side="right").astype(np.uint16)
        for k, special in enumerate(self.specials):
            codes[values == special] = self.num_values + k
        codes[np.isnan(values)] = self.missing
        return codes

    def name(self, code: int) -> str:
        """Return what a single code stands for, leaving aside the bins between cuts."""
        if code == self.missing:
            return "missing"
        if self.feature.kind is Kind.NUMERIC:
            return f"= {self.specials[code - self.num_values]:.12g}"
        if self.feature.kind is Kind.BOOLEAN:
            return ("no", "yes")[code]
        if code == self.feature.num_categories:
            return "not listed"
        return self.feature.values[code] if self.feature.values else f"bucket {code}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, which :meth:`from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> FineBins:
        """Read what :meth:`as_dict` wrote, also after a detour through JSON."""
        return cls(
            FeatureSpec.from_dict(raw["feature"]),
            tuple(float(cut) for cut in raw["cuts"]),
            tuple(float(value) for value in raw["specials"]),
            float(raw["rank_error"]),
        )
