"""Classes of a feature with their weight of evidence, from summed counts alone.

Fine bins of a numeric or boolean feature are merged in their order. Those of a categorical one are
put in the order of their bad rate first: among all ways to merge categories the best ones merge
neighbours in that order (Fisher, 1958). Missing and special values stand apart where they are many
enough to say something, and categories that are rare are put together first.

No class with fewer loans than the minimum cell is made, so none can be shown. Values that are too
few to say anything join the *neutral* bin, whose bad rate is nearest to that of all loans; so does
what no training loan had.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.config.scorecard import BinningSpec, Trend
from fed_credit.data.schema import Kind
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.questions import Arrays
from fed_credit.scorecard.classing import best_classing
from fed_credit.scorecard.evidence import information, weight_of_evidence


@dataclass(frozen=True)
class CoarseClass:
    """One class of a feature.

    Parameters
    ----------
    codes : tuple of int
        Its fine bins, rising.
    goods, bads : int
        Loans in it.
    woe : float
        Weight of evidence: positive where it is safer than the whole.
    information : float
        What it adds to the information value.
    """

    codes: tuple[int, ...]
    goods: int
    bads: int
    woe: float
    information: float

    @property
    def loans(self) -> int:
        """Goods and bads."""
        return self.goods + self.bads


@dataclass(frozen=True)
class Binning:
    """The classes of one feature.

    Parameters
    ----------
    fine : FineBins
        The fine bins that are merged.
    classes : tuple of CoarseClass
        Classes of values in their order (numeric: rising; categorical: by falling weight of
        evidence), then those of special and missing values.
    trend : Trend
        Of the weight of evidence over the classes of values.
    neutral : int
        The class that holds the neutral bin.
    """

    fine: FineBins
    classes: tuple[CoarseClass, ...]
    trend: Trend
    neutral: int

    @property
    def name(self) -> str:
        """Name of the feature."""
        return self.fine.feature.name

    @property
    def information(self) -> float:
        """Information value of the feature."""
        return sum(one.information for one in self.classes)

    @cached_property
    def class_of(self) -> np.ndarray:
        """Class of each fine code, ``(fine.size,) int64``."""
        found = np.full(self.fine.size, self.neutral, dtype=np.int64)
        for k, one in enumerate(self.classes):
            found[list(one.codes)] = k
        return found

    def encode(self, column: pd.Series) -> np.ndarray:
        """Return the class of each value of a column, ``(n,) int64``."""
        found: np.ndarray = self.class_of[self.fine.codes(column)]
        return found

    def woe(self, column: pd.Series) -> np.ndarray:
        """Return the weight of evidence of each value of a column, ``(n,) float64``."""
        weights = np.array([one.woe for one in self.classes])
        found: np.ndarray = weights[self.encode(column)]
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, which :meth:`from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Binning:
        """Read what :meth:`as_dict` wrote, also after a detour through JSON."""
        return cls(
            FineBins.from_dict(raw["fine"]),
            tuple(
                CoarseClass(**{**one, "codes": tuple(int(code) for code in one["codes"])})
                for one in raw["classes"]
            ),
            Trend(raw["trend"]),
            int(raw["neutral"]),
        )


def bin_features(bins: Sequence[FineBins], sums: Arrays, spec: BinningSpec) -> tuple[Binning, ...]:
    """Merge the fine bins of all features into classes.

    Parameters
    ----------
    bins : sequence of FineBins
        Of all features.
    sums : mapping of str to numpy.ndarray
        The decoded sum of :class:`~fed_credit.scorecard.counts.ClassCountsQuestion`.
    spec : BinningSpec
        Constraints.

    Returns
    -------
    tuple of Binning
        In the order of the features; one class each where all loans are good or all are bad.
    """
    return tuple(bin_feature(fine, sums[f"{fine.feature.name}/counts"], spec) for fine in bins)


def bin_feature(fine: FineBins, counts: np.ndarray, spec: BinningSpec) -> Binning:
    """Merge the fine bins of one feature into classes.

    Parameters
    ----------
    fine : FineBins
        The fine bins.
    counts : numpy.ndarray
        ``(2, fine.size) int64``: summed goods, then bads.
    spec : BinningSpec
        Constraints.

    Returns
    -------
    Binning
    """
    goods, bads = counts
    work = _Work(fine, goods, bads, spec)
    if work.total_goods == 0 or work.total_bads == 0:
        return work.binning([[*range(fine.size)]], Trend.NONE, 0)
    apart, left = work.stand_apart(range(fine.num_values, fine.size))
    trend = spec.trends.get(fine.feature.name, spec.trend)
    if fine.feature.kind is Kind.CATEGORICAL:
        items, rare = work.by_bad_rate()
        left, trend = left + rare, Trend.NONE
    else:
        items = [[code] for code in range(fine.num_values)]
    neutral = work.neutral(items)
    items[neutral] = items[neutral] + left
    g, b = (np.array([c[item].sum() for item in items]) for c in (goods, bads))
    found = best_classing(g, b, work.total_goods, work.total_bads, trend, spec)
    ends = [*found.starts[1:], len(items)]
    values = [
        [code for item in items[start:end] for code in item]
        for start, end in zip(found.starts, ends, strict=True)
    ]
    if len(values) == 1 and apart and work.loans(values[0]) < max(1, spec.min_cell):
        values, apart = [values[0] + apart[0]], apart[1:]
    return work.binning([*values, *apart], found.trend, bisect_right(found.starts, neutral) - 1)


class _Work:
    """One feature's counts while its codes are put into groups."""

    def __init__(
        self, fine: FineBins, goods: np.ndarray, bads: np.ndarray, spec: BinningSpec
    ) -> None:
        self.fine, self.goods, self.bads, self.spec = fine, goods, bads, spec
        self.total_goods, self.total_bads = int(goods.sum()), int(bads.sum())
        self.total = self.total_goods + self.total_bads

    def loans(self, codes: list[int]) -> int:
        return int(self.goods[codes].sum() + self.bads[codes].sum())

    def tells(self, codes: list[int]) -> bool:
        """Whether codes are many enough to have a class of their own."""
        n = self.loans(codes)
        goods, bads = int(self.goods[codes].sum()), int(self.bads[codes].sum())
        several = goods >= self.spec.min_goods and bads >= self.spec.min_bads
        return n >= max(1, self.spec.min_cell) and (
            several or n >= self.spec.min_share * self.total
        )

    def stand_apart(self, codes: Iterable[int]) -> tuple[list[list[int]], list[int]]:
        """Return special and missing values that have classes of their own, and the others."""
        alone = [[code] for code in codes if self.tells([code])]
        rest = [code for code in codes if not self.tells([code])]
        return ([*alone, rest], []) if self.tells(rest) else (alone, rest)

    def by_bad_rate(self) -> tuple[list[list[int]], list[int]]:
        """Return categories by rising bad rate, rare ones as one, and those that say nothing."""
        least = max(1, self.spec.min_cell, self.spec.rare_share * self.total)
        codes = range(self.fine.num_values)
        items = [[code] for code in codes if self.loans([code]) >= least]
        rare = [code for code in codes if self.loans([code]) < least]
        if self.tells(rare) or not items:
            items.append(rare)
            rare = []
        return sorted(items, key=lambda item: (self.bad_rate(item), item)), rare

    def neutral(self, items: Sequence[list[int]]) -> int:
        """Return the item, half as large as the average at least, whose bad rate is nearest to that
        of all loans.
        """
        loans = [self.loans(item) for item in items]
        overall = self.total_bads / self.total
        away = [
            abs(self.bad_rate(item) - overall) if 2 * n * len(items) >= sum(loans) else np.inf
            for item, n in zip(items, loans, strict=True)
        ]
        return int(np.argmin(away))

    def bad_rate(self, codes: list[int]) -> float:
        return float(self.bads[codes].sum()) / max(1, self.loans(codes))

    def binning(self, groups: Sequence[list[int]], trend: Trend, neutral: int) -> Binning:
        goods, bads = (np.array([c[g].sum() for g in groups]) for c in (self.goods, self.bads))
        weights = adds = np.zeros(len(groups))
        if self.total_goods and self.total_bads:
            totals = self.total_goods, self.total_bads, self.spec.smoothing
            weights = weight_of_evidence(goods, bads, *totals)
            adds = information(goods, bads, *totals)
        classes = tuple(
            CoarseClass(tuple(sorted(codes)), int(g), int(b), float(weight), float(add))
            for codes, g, b, weight, add in zip(groups, goods, bads, weights, adds, strict=True)
        )
        return Binning(self.fine, classes, trend, neutral)
