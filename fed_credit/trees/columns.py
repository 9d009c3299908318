"""From loans to the columns that trees look at: numbers only, as XGBoost's JSON can say them.

A numeric feature is one column, with its common cuts. A boolean one is a column of 0 and 1. A
categorical one with few categories is a column of 0 and 1 for each; one with many is one column, in
which each category has a number by its place among the others, so that a split parts the first of
them from the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.data.schema import Kind
from fed_credit.errors import ArtefactError, DataError, SchemaError
from fed_credit.features.fine_bins import FineBins
from fed_credit.trees.binned import Bins


@dataclass(frozen=True)
class Column:
    """One column of the trees.

    Parameters
    ----------
    name : str
        Name of the feature, and for one category what it says.
    fine : FineBins
        Where the values come from.
    levels : tuple of float or None
        Number of each code of a categorical feature, None for missing; empty for others.
    """

    name: str
    fine: FineBins
    levels: tuple[float | None, ...] = ()

    @property
    def cuts(self) -> np.ndarray:
        """Where the column may be split, float32: the least value of each upper part."""
        if self.levels:
            known = np.unique([level for level in self.levels if level is not None])
            return np.asarray((known[1:] + known[:-1]) / 2, np.float32)
        if self.fine.feature.kind is Kind.BOOLEAN:
            return np.array([0.5], np.float32)
        # A special value is a number among others, with a bin of its own.
        specials = np.asarray(self.fine.specials, np.float32)
        apart = [specials, np.nextafter(specials, np.float32(np.inf))]
        return np.unique(np.concatenate([np.asarray(self.fine.cuts, np.float32), *apart]))

    def says(self, threshold: float, left: bool, missing: bool) -> str:
        """Return what going left or right at a split means, as a sentence about a loan.

        Parameters
        ----------
        threshold : float
            Values below it go left.
        left : bool
            Which side.
        missing : bool
            Whether missing values go there too.
        """
        name = self.fine.feature.name
        if threshold > self.cuts.max(initial=-np.inf):
            return f"{name} is known" if left else f"{name} is missing"
        # In columns of one category, a missing value is a code like others.
        if missing and not (self.levels and self.levels[self.fine.missing] is not None):
            name += " is missing or"
        if self.fine.feature.kind is Kind.BOOLEAN:
            return f"{name} is {'no' if left else 'yes'}"
        if not self.levels:
            return f"{name} {'<' if left else '>='} {np.float32(threshold):.6g}"
        there: list[str] = []
        others: list[str] = []
        for code, level in enumerate(self.levels):
            if level is not None:
                (there if (level < threshold) == left else others).append(self.fine.name(code))
        if len(there) == 1 or len(others) == 1:
            return f"{name} is {there[0] if len(there) == 1 else 'not ' + others[0]}"
        if len(there) <= len(others):
            return f"{name} in {', '.join(there)}"
        return f"{name} not in {', '.join(others)}"

    @cached_property
    def table(self) -> np.ndarray:
        """Number of each code of a categorical feature, ``(n_codes,) float32``, NaN if missing."""
        return np.array([np.nan if level is None else level for level in self.levels], np.float32)


@dataclass(frozen=True)
class Columns:
    """All columns of the trees.

    Parameters
    ----------
    columns : tuple of Column
        In the order of the matrix.
    """

    columns: tuple[Column, ...]

    @cached_property
    def bins(self) -> Bins:
        """The cuts of all columns."""
        return Bins.of({column.name: column.cuts for column in self.columns})

    @property
    def features(self) -> list[str]:
        """The feature of each column."""
        return [column.fine.feature.name for column in self.columns]

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Turn loans into the matrix of the trees.

        Parameters
        ----------
        frame : pandas.DataFrame
            ``(n, ...)`` with a column for every feature, as in a loan book.

        Returns
        -------
        numpy.ndarray
            ``(n, n_columns) float32``, NaN where missing. Each element depends on its own loan
            alone.

        Raises
        ------
        DataError
            If a feature has no column.
        """
        lacking = sorted(set(self.features) - set(frame.columns))
        if lacking:
            raise DataError(
                f"The loans lack {', '.join(lacking)}, which the trees look at; add the columns,"
                " empty where unknown."
            )
        out = np.empty((len(frame), len(self.columns)), np.float32)
        codes: dict[str, np.ndarray] = {}  # of a categorical feature, which may have many columns
        for k, column in enumerate(self.columns):
            name = column.fine.feature.name
            if not column.levels:
                out[:, k] = frame[name].to_numpy(dtype=np.float64)
                continue
            if name not in codes:
                codes[name] = column.fine.codes(frame[name])
            out[:, k] = column.table[codes[name]]
        return out

    def to_list(self) -> list[dict[str, Any]]:
        """Return plain data, which :meth:`from_list` reads."""
        return [
            {"name": one.name, "fine": one.fine.as_dict(), "levels": list(one.levels)}
            for one in self.columns
        ]

    @classmethod
    def from_list(cls, body: Sequence[Mapping[str, Any]]) -> Columns:
        """Read what :meth:`to_list` wrote, also after a detour through JSON.

        Raises
        ------
        ArtefactError
            If it is no description of columns.
        """
        try:
            return cls(
                tuple(
                    Column(one["name"], FineBins.from_dict(one["fine"]), tuple(one["levels"]))
                    for one in body
                )
            )
        except (SchemaError, LookupError, TypeError, ValueError) as error:
            reason = str(error).rstrip(".")
            raise ArtefactError(f"Not the columns of trees: {reason}; restore the file.") from None


def tree_columns(
    bins: Sequence[FineBins],
    counts: Mapping[str, np.ndarray],
    most_apart: int,
    rare_share: float,
) -> Columns:
    """Choose the columns of the trees.

    Parameters
    ----------
    bins : sequence of FineBins
        Of all features.
    counts : mapping of str to numpy.ndarray
        ``<name>/counts`` of each categorical feature, ``(2, fine.size) int64``: goods and bads by
        code, summed over the banks.
    most_apart : int
        Categories up to which each has a column of its own; beyond, they share one, in the order
        of their bad rates.
    rare_share : float
        Share of the loans below which a category has no place of its own.

    Returns
    -------
    Columns
        Categories that no loan has, and rare ones, are 0 in columns of their own. In an order they
        stand with the category whose bad rate is nearest to that of all loans.
    """
    columns: list[Column] = []
    for fine in bins:
        if fine.feature.kind is not Kind.CATEGORICAL:
            columns.append(Column(fine.feature.name, fine))
            continue
        goods, bads = (np.asarray(row, np.int64) for row in counts[f"{fine.feature.name}/counts"])
        least = max(1.0, rare_share * int((goods + bads).sum()))
        kept = [code for code in range(fine.size) if goods[code] + bads[code] >= least]
        if len(kept) <= most_apart:
            columns += [_one_category(fine, code) for code in kept]
        else:
            columns.append(_in_order(fine, goods, bads, kept))
    return Columns(tuple(columns))


def _one_category(fine: FineBins, code: int) -> Column:
    word = "is" if code >= fine.size - 2 else "="
    levels = tuple(float(k == code) for k in range(fine.size))
    return Column(f"{fine.feature.name} {word} {fine.name(code)}", fine, levels)


def _in_order(fine: FineBins, goods: np.ndarray, bads: np.ndarray, kept: list[int]) -> Column:
    """Put the kept categories into the order of their bad rates; what is missing stays so."""
    loans = goods + bads
    overall = int(bads.sum()) / max(1, int(loans.sum()))
    rates = {code: int(bads[code]) / int(loans[code]) for code in kept if code != fine.missing}
    ranked = sorted(rates, key=lambda code: (rates[code], code))
    neutral = min(ranked, key=lambda code: abs(rates[code] - overall), default=0)
    level = {code: float(place) for place, code in enumerate(ranked)}
    levels = [level.get(code, level.get(neutral, 0.0)) for code in range(fine.missing)]
    return Column(fine.feature.name, fine, (*levels, None))
