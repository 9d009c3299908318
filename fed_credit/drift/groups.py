"""Groups that loans are counted by, known before anyone counts: of each feature, and of the score.

They are made once, from the loans that a model was trained on, and travel with the model. A number
falls into one of about ten groups of equal share, whose limits are limits of universal bins; a
listed value or hash bucket has a group of its own if it is not rare. Values that are not listed and
missing ones are counted apart. Scores are grouped by the **model's** PD: the calibrated one is a
rising function of it, so the groups are the same ones, and they stay when the calibration changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.data.schema import Kind, KnownAt
from fed_credit.features.bins import bin_limits
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.spec import FeatureSpec

GROUPS = 10
"""Groups of equal share of a number or of the score: the limits .1 and .25 of the index go with
ten of them."""
SCORE_CELLS = 40
"""Cells of equal share that AUC and calibration are taken from; the ten groups are made of them."""
RARE = 0.02
"""Categories with a smaller share are one group: an index over nearly empty cells says nothing."""
OTHERS = "others"


@dataclass(frozen=True)
class FeatureGroups:
    """The groups of one feature.

    Parameters
    ----------
    name : str
        The feature.
    kind : Kind
        Numeric, boolean or categorical.
    values : tuple of str
        Listed values of a categorical feature.
    hash_buckets : int
        Of one without a list.
    cuts : tuple of float
        Of a numeric feature, rising; group ``k`` holds ``cuts[k - 1] <= value < cuts[k]``.
    groups : tuple of tuple of int
        Positions of the values (or buckets) in each group; for a number one position each.
    """

    name: str
    kind: Kind
    values: tuple[str, ...]
    hash_buckets: int
    cuts: tuple[float, ...]
    groups: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """Counts: of the groups, then of values that are not listed, then of missing ones."""
        return len(self.groups) + 2

    @property
    def names(self) -> tuple[str, ...]:
        """What each group is called, for people."""
        if self.kind is Kind.NUMERIC:
            limits = ["", *(f"{cut:.6g}" for cut in self.cuts), ""]
            return tuple(
                f"{low} to {high}" if low and high else f"below {high}" if high else f"from {low}"
                for low, high in pairwise(limits)
            )
        if self.kind is Kind.BOOLEAN:
            return ("no", "yes")
        return tuple(
            self._fine.name(group[0]) if len(group) == 1 else OTHERS for group in self.groups
        )

    def count(self, column: pd.Series) -> np.ndarray:
        """Count loans.

        Parameters
        ----------
        column : pandas.Series
            ``(n,)`` values as in a loan book.

        Returns
        -------
        numpy.ndarray
            ``(size,) int64``.
        """
        return self.folded(np.bincount(self._fine.codes(column), minlength=self._fine.size))

    def folded(self, counts: np.ndarray) -> np.ndarray:
        """Return counts by code as counts by group, ``(size,) int64``."""
        kept = [counts[list(group)].sum() for group in self.groups]
        categorical = self.kind is Kind.CATEGORICAL
        unlisted = counts[self._fine.missing - 1] if categorical else 0
        return np.array([*kept, unlisted, counts[self._fine.missing]], dtype=np.int64)

    @cached_property
    def _fine(self) -> FineBins:
        feature = FeatureSpec(
            self.name, self.kind, KnownAt.APPLICATION, "", self.values, self.hash_buckets
        )
        return FineBins(feature, self.cuts)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, which :meth:`from_dict` reads."""
        return {
            "name": self.name,
            "kind": str(self.kind),
            "values": list(self.values),
            "hash_buckets": self.hash_buckets,
            "cuts": list(self.cuts),
            "groups": [list(group) for group in self.groups],
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> FeatureGroups:
        """Read what :meth:`as_dict` wrote, also after a detour through JSON."""
        return cls(
            str(raw["name"]),
            Kind(raw["kind"]),
            tuple(str(value) for value in raw["values"]),
            int(raw["hash_buckets"]),
            tuple(float(cut) for cut in raw["cuts"]),
            tuple(tuple(int(code) for code in group) for group in raw["groups"]),
        )


@dataclass(frozen=True)
class ScoreGroups:
    """The cells and groups of the score.

    Parameters
    ----------
    bins : int
        The cells' limits are among :func:`fed_credit.evaluation.sums.edges` of so many.
    cuts : tuple of float
        Model's PDs, rising; cell ``k`` holds ``cuts[k - 1] <= PD < cuts[k]``.
    starts : tuple of int
        First cell of each group, from 0.
    """

    bins: int
    cuts: tuple[float, ...]
    starts: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of cells."""
        return len(self.cuts) + 1

    def cells(self, model_pd: np.ndarray) -> np.ndarray:
        """Return the cell of each PD, ``(n,) int64``."""
        return np.searchsorted(np.array(self.cuts), model_pd, side="right")

    def grouped(self, cells: np.ndarray) -> np.ndarray:
        """Return counts (or sums) by cell as those by group."""
        return np.add.reduceat(cells, self.starts)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, which :meth:`from_dict` reads."""
        return {"bins": self.bins, "cuts": list(self.cuts), "starts": list(self.starts)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ScoreGroups:
        """Read what :meth:`as_dict` wrote, also after a detour through JSON."""
        return cls(
            int(raw["bins"]),
            tuple(float(cut) for cut in raw["cuts"]),
            tuple(int(start) for start in raw["starts"]),
        )


@dataclass(frozen=True)
class Groups:
    """All that loans are counted by.

    Parameters
    ----------
    features : tuple of FeatureGroups
        Of the model's features.
    score : ScoreGroups
        Of the score.
    """

    features: tuple[FeatureGroups, ...]
    score: ScoreGroups

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, which :meth:`from_dict` reads."""
        return {
            "features": [feature.as_dict() for feature in self.features],
            "score": self.score.as_dict(),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Groups:
        """Read what :meth:`as_dict` wrote, also after a detour through JSON."""
        features = tuple(FeatureGroups.from_dict(one) for one in raw["features"])
        return cls(features, ScoreGroups.from_dict(raw["score"]))


def number_groups(feature: FeatureSpec, histogram: np.ndarray) -> FeatureGroups:
    """Make the groups of a numeric feature.

    Parameters
    ----------
    feature : FeatureSpec
        The feature.
    histogram : numpy.ndarray
        ``(NUM_BINS,) int64``: loans per universal bin, over all banks.
    """
    cuts = tuple(bin_limits(after + 1)[0] for after in equal_shares(histogram, GROUPS))
    groups = tuple((code,) for code in range(len(cuts) + 1))
    return FeatureGroups(feature.name, feature.kind, (), 0, cuts, groups)


def category_groups(feature: FeatureSpec, counts: np.ndarray) -> FeatureGroups:
    """Make the groups of a boolean or categorical feature.

    Parameters
    ----------
    feature : FeatureSpec
        The feature.
    counts : numpy.ndarray
        ``(k,) int64``: loans per listed value or bucket, or false and true, over all banks.
    """
    own = list(range(len(counts)))
    rare: list[int] = []
    if feature.kind is Kind.CATEGORICAL:
        least = RARE * counts.sum()
        rare = [code for code in own if counts[code] < least]
        own = [code for code in own if counts[code] >= least]
        if own and rare and counts[rare].sum() < least:
            # Nearly empty as a group too: it joins the smallest.
            smallest = min(own, key=lambda code: (counts[code], code))
            own.remove(smallest)
            rare = sorted([*rare, smallest])
    groups = [(code,) for code in own] + ([tuple(rare)] if rare else [])
    return FeatureGroups(
        feature.name, feature.kind, feature.values, feature.hash_buckets, (), tuple(groups)
    )


def score_groups(loans: np.ndarray, edges: np.ndarray) -> ScoreGroups:
    """Make the cells and groups of the score.

    Parameters
    ----------
    loans : numpy.ndarray
        ``(bins,) int64``: loans per universal cell of the PD, over all banks.
    edges : numpy.ndarray
        ``(bins + 1,) float64``: their limits.
    """
    after = equal_shares(loans, SCORE_CELLS)
    through = np.concatenate([[0], loans.cumsum()])
    cells = np.diff(through[[0, *(cut + 1 for cut in after), len(loans)]])
    starts = [0, *(cut + 1 for cut in equal_shares(cells, GROUPS))]
    return ScoreGroups(len(loans), tuple(float(edges[k + 1]) for k in after), tuple(starts))


def equal_shares(counts: np.ndarray, groups: int) -> list[int]:
    """Divide cells in a row into groups of nearly equal share.

    Parameters
    ----------
    counts : numpy.ndarray
        ``(k,) int64``: loans per cell.
    groups : int
        Most groups; fewer where one cell holds more than a group should.

    Returns
    -------
    list of int
        Last cell of each group but the last, rising. No group has less than half its share.
    """
    through = np.cumsum(counts)
    total = int(through[-1]) if len(through) else 0
    least = total / (2 * groups)
    found: list[int] = []
    taken = 0
    for number in range(1, groups):
        wanted = number * total / groups
        place = int(np.searchsorted(through, wanted))
        if place > 0 and wanted - through[place - 1] < through[place] - wanted:
            place -= 1
        # Of cells that hold nothing the first one that reaches the sum.
        place = int(np.searchsorted(through, through[place]))
        here = int(through[place])
        if total and here - taken >= least and total - here >= least:
            found.append(place)
            taken = here
    return found


def by_name(features: Sequence[FeatureGroups]) -> dict[str, FeatureGroups]:
    """Return groups by the name of their feature."""
    return {feature.name: feature for feature in features}
