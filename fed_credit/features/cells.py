"""Cells of the number line, as fine as sums over banks resolve it.

A float64 is a sign, an exponent and 52 bits. A universal bin fixes the first 4 of the bits, a part
of it 8 more, a grain of that another 8: values in one grain agree to one in a million. Of the 40
bits below a part a bank also tells how many of the part's loans have each one set. That says
whether all of them share one value, and which: each bit is then set in all of them or in none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fed_credit.features.bins import (
    NUM_BINS,
    REFINED_BINS,
    SUB_BINS,
    ZERO_BIN,
    bin_edges,
    bin_index,
    bin_limits,
    mirrored,
)

_REST_BITS = 40
DETAIL = REFINED_BINS + _REST_BITS
"""Counts that a part is looked into by: of its grains, then of the bits below it."""

Place = tuple[int, int, int]
"""A universal bin, a part of it and a grain of that, each counted from the edge towards zero;
:data:`WHOLE` for all of it."""

WHOLE = -1


@dataclass(frozen=True)
class Cell:
    """Loans whose value lies in ``start <= value < stop``.

    Parameters
    ----------
    place : tuple of int
        Where it is.
    start, stop : float
        Limits.
    loans : int
        How many loans there are.
    single : bool
        Whether their values are known to agree to one in a million.
    """

    place: Place
    start: float
    stop: float
    loans: int
    single: bool


def refinable(index: int) -> bool:
    """Whether a bin has parts: not that of zero, nor those that reach to zero or to infinity."""
    return 1 < abs(index - ZERO_BIN) < ZERO_BIN


def histogram(values: np.ndarray) -> np.ndarray:
    """Count values per universal bin.

    Parameters
    ----------
    values : numpy.ndarray
        ``(n,) float64``, finite.

    Returns
    -------
    numpy.ndarray
        ``(NUM_BINS,) int64``.
    """
    return np.bincount(bin_index(values), minlength=NUM_BINS)


def part_counts(values: np.ndarray, bins: Sequence[int]) -> np.ndarray:
    """Count values per part of some bins.

    Parameters
    ----------
    values : numpy.ndarray
        ``(n,) float64``, finite.
    bins : sequence of int
        Refinable bins, rising.

    Returns
    -------
    numpy.ndarray
        ``(len(bins), REFINED_BINS) int64``.
    """
    row, there = _find(bin_index(values), np.asarray(bins, dtype=np.int64))
    part, _ = _digits(values[there])
    return _table(row, part, len(bins))


def detail_counts(values: np.ndarray, parts: Sequence[tuple[int, int]]) -> np.ndarray:
    """Count values per grain of some parts, and how many have each bit below the part set.

    Parameters
    ----------
    values : numpy.ndarray
        ``(n,) float64``, finite.
    parts : sequence of (int, int)
        Refinable bins and parts of them, rising.

    Returns
    -------
    numpy.ndarray
        ``(len(parts), DETAIL) int64``: grains, then bits, the lowest first.
    """
    keys = np.array([index * REFINED_BINS + part for index, part in parts], dtype=np.int64)
    index = bin_index(values)
    _, near = _find(index, np.unique(keys // REFINED_BINS))
    part, rest = _digits(values[near])
    row, there = _find(index[near] * REFINED_BINS + part, keys)
    rest = rest[there]
    grains = _table(row, rest >> (_REST_BITS - 8), len(parts))
    bits = [
        np.bincount(row[(rest >> bit) & 1 == 1], minlength=len(parts)) for bit in range(_REST_BITS)
    ]
    return np.column_stack([grains, *bits])


def bin_cell(index: int, loans: int) -> Cell:
    """Return the cell of a whole bin."""
    return Cell((index, WHOLE, WHOLE), *bin_limits(index), loans, index == ZERO_BIN)


def part_cells(index: int, counts: np.ndarray) -> list[Cell]:
    """Return the cells of a bin's occupied parts.

    Parameters
    ----------
    index : int
        The bin.
    counts : numpy.ndarray
        ``(REFINED_BINS,)``: a row of the sum of :func:`part_counts`.
    """
    near, width = _edge_and_width(index)
    return [
        _cell((index, part, WHOLE), near + part * width, width, int(counts[part]), False)
        for part in np.flatnonzero(counts).tolist()
    ]


def detail_cells(index: int, part: int, counts: np.ndarray) -> list[Cell]:
    """Return the cells of a part's occupied grains, or of the one value that its loans share.

    Parameters
    ----------
    index, part : int
        The bin, and the part of it.
    counts : numpy.ndarray
        ``(DETAIL,)``: a row of the sum of :func:`detail_counts`.
    """
    grains, bits = counts[:REFINED_BINS], counts[REFINED_BINS:]
    loans = int(grains.sum())
    occupied = np.flatnonzero(grains).tolist()
    near, width = _edge_and_width(index)
    near += part * width
    if loans and np.all((bits == 0) | (bits == loans)):
        rest = sum(1 << bit for bit in np.flatnonzero(bits).tolist())
        value = near + rest * (width / 2.0**_REST_BITS)
        unit = float(np.nextafter(value, np.inf)) - value
        return [_cell((index, part, occupied[0]), value, unit, loans, True)]
    width /= REFINED_BINS
    return [
        _cell((index, part, grain), near + grain * width, width, int(grains[grain]), True)
        for grain in occupied
    ]


def _edge_and_width(index: int) -> tuple[float, float]:
    """Return a bin's edge towards zero, as a magnitude, and the width of its parts."""
    near, far = sorted(abs(edge) for edge in bin_edges(index))
    return near, (far - near) / REFINED_BINS


def _cell(place: Place, near: float, width: float, loans: int, single: bool) -> Cell:
    limits = near, near + width
    return Cell(place, *(limits if place[0] > ZERO_BIN else mirrored(*limits)), loans, single)


def _digits(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return part and remaining bits of values of refinable bins; each step is exact."""
    mantissa, _ = np.frexp(np.abs(values))
    scaled = (mantissa - 0.5) * (2 * SUB_BINS)
    scaled = (scaled - np.floor(scaled)) * REFINED_BINS
    part = np.floor(scaled)
    rest = (scaled - part) * 2.0**_REST_BITS
    return part.astype(np.int64), rest.astype(np.int64)


def _table(row: np.ndarray, column: np.ndarray, rows: int) -> np.ndarray:
    counts = np.bincount(row * REFINED_BINS + column, minlength=rows * REFINED_BINS)
    return counts.reshape(rows, REFINED_BINS)


def _find(keys: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions among rising ``wanted`` of those keys that are there, and which are."""
    row = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
    there = wanted[row] == keys
    return row[there], there
