"""What a column says of the outcome, as counts over the whole file, added up chunk by chunk.

Every value is counted by outcome and by half: two halves of the loans, dealt out by row, so that
what one half says of a value can be tried on the other.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.data.convert import Converted
from fed_credit.data.schema import Field, Kind
from fed_credit.features.bins import NUM_BINS, bin_index

_MOST_VALUES = 5000  # distinct values counted one by one


def halves(rows: np.ndarray) -> np.ndarray:
    """Return the half, 0 or 1, of each row; not simply odd or even, for files may alternate.

    Parameters
    ----------
    rows : numpy.ndarray
        ``(n,) int64``: 0-based rows of the file.

    Returns
    -------
    numpy.ndarray
        ``(n,) int64``.
    """
    mixed = (rows.astype(np.uint64) * np.uint64(2654435761)) >> np.uint64(16)
    return (mixed & np.uint64(1)).astype(np.int64)


@dataclass
class Tally:
    """Counts of one column.

    Parameters
    ----------
    field : Field
        What the column seems to be.
    filled, nonzero : numpy.ndarray
        ``(2,) int64``: labelled loans, good and bad, whose value is there (and not 0).
    labelled : numpy.ndarray
        ``(2,) int64``: labelled loans, good and bad.
    rows, given, broken : int
        All rows, those with a value, and those whose value is none of the field's kind.
    low, high : float
        Smallest and largest number; for dates days since 1970.
    values : pandas.DataFrame or None
        Rows by value (numbers, months since 1970, or text), with the missing ones left out: good
        and bad of half 0, good and bad of half 1, and unlabelled; None beyond some thousand values.
    histogram : numpy.ndarray or None
        ``(NUM_BINS, 4) int64``: the same for labelled numbers, over universal bins.
    compared, after : int
        Rows with this date and the decision's, and those where this one is later.
    """

    field: Field
    filled: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    nonzero: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(2, dtype=np.int64))
    labelled: np.ndarray = dataclasses.field(
        default_factory=lambda: np.zeros((2, 2), dtype=np.int64)
    )
    rows: int = 0
    given: int = 0
    broken: int = 0
    low: float = np.inf
    high: float = -np.inf
    values: pd.DataFrame | None = dataclasses.field(
        default_factory=lambda: pd.DataFrame(columns=range(5))
    )
    histogram: np.ndarray | None = None
    compared: int = 0
    after: int = 0

    def add(
        self, read: Converted, y: np.ndarray, half: np.ndarray, decided: np.ndarray | None
    ) -> None:
        """Add a chunk.

        Parameters
        ----------
        read : Converted
            ``(n,)`` values of the column.
        y : numpy.ndarray
            ``(n,) int8``: 1 bad, 0 good, -1 unlabelled.
        half : numpy.ndarray
            ``(n,) int64``, see :func:`halves`.
        decided : numpy.ndarray or None
            ``(n,) datetime64[D]``, if the loans have a date of decision.
        """
        series = read.values
        there = series.notna().to_numpy(dtype=bool)
        known = y >= 0
        self.rows += len(series)
        self.given += int(there.sum())
        self.broken += int(read.broken.sum())
        self.labelled += np.bincount(half[known] * 2 + y[known], minlength=4).reshape(2, 2)
        self.filled += np.bincount(y[there & known], minlength=2)
        key: np.ndarray = np.zeros(0)
        if self.field.kind in (Kind.NUMERIC, Kind.BOOLEAN):
            key = series.to_numpy(dtype=np.float64)
            self._numbers(key, y, half, there)
        elif self.field.kind is Kind.DATE:
            days = series.to_numpy().astype("datetime64[D]")
            if there.any():
                self.low = min(self.low, float(days[there].min().astype(np.int64)))
                self.high = max(self.high, float(days[there].max().astype(np.int64)))
            if decided is not None:
                both = there & ~np.isnat(decided)
                self.compared += int(both.sum())
                self.after += int((days[both] > decided[both]).sum())
            key = days.astype("datetime64[M]").astype(np.int64)
            self.nonzero += np.bincount(y[there & known], minlength=2)
        else:
            key = series.to_numpy(dtype=object)
            self.nonzero += np.bincount(y[there & known], minlength=2)
        self._values(key[there], np.where(known, half * 2 + y, 4)[there])

    def _numbers(self, key: np.ndarray, y: np.ndarray, half: np.ndarray, there: np.ndarray) -> None:
        if there.any():
            self.low = min(self.low, float(key[there].min()))
            self.high = max(self.high, float(key[there].max()))
        known = there & (y >= 0)
        self.nonzero += np.bincount(y[known & (key != 0)], minlength=2)
        if self.field.kind is Kind.NUMERIC:
            if self.histogram is None:
                self.histogram = np.zeros((NUM_BINS, 4), dtype=np.int64)
            place = bin_index(key[known]) * 4 + half[known] * 2 + y[known]
            self.histogram += np.bincount(place, minlength=4 * NUM_BINS).reshape(-1, 4)

    def _values(self, key: np.ndarray, cell: np.ndarray) -> None:
        if self.values is None:
            return
        codes, found = pd.factorize(key)
        counts = np.bincount(codes * 5 + cell, minlength=5 * len(found)).reshape(-1, 5)
        new = pd.DataFrame(counts, index=pd.Index(found), columns=range(5))
        if len(self.values):
            new = pd.concat([self.values, new]).groupby(level=0, sort=False).sum()
        self.values = new if len(new) <= _MOST_VALUES else None

    @property
    def missing_share(self) -> float:
        """Share of the rows without a value."""
        return 1.0 - self.given / self.rows if self.rows else 1.0

    def table(self) -> np.ndarray | None:
        """Return ``(n_values + 1, 2, 2)`` counts by value, half and outcome, the missing last.

        Values are in their order if they have one; None if there are too many to count.
        """
        if self.values is not None:
            ordered = self.field.kind in (Kind.NUMERIC, Kind.BOOLEAN, Kind.DATE)
            listed = self.values.sort_index() if ordered else self.values
            counts = listed.to_numpy(dtype=np.int64).reshape(-1, 5)[:, :4]
        elif self.histogram is not None:
            counts = self.histogram[self.histogram.any(axis=1)]
        else:
            return None
        counts = counts.reshape(-1, 2, 2)
        missing = self.labelled - counts.sum(axis=0)
        return np.concatenate([counts, missing[None]])
