"""Sums over loans of products of columns, exact in fixed point and fast.

A product of two integers below ``2**18`` and ``2**19`` is exact as a float64, and so is every sum
of :data:`BLOCK` of them, in any order and with fused operations or without. So columns are rounded
to fixed point first, a block's sums are taken by an ordinary matrix product, and blocks are added
as int64. The result is one integer per cell, the same however loans are divided, at the speed of
the matrix library. It may need more than the bits of a release's cell, so it travels as two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fed_credit.errors import ReleaseError
from fed_credit.releases import Entry

BLOCK = 2048
"""Loans handled at a time: what is computed of them stays in the processor's cache."""

COLUMN_BITS = 18
PRODUCT_BITS = 2 * COLUMN_BITS
MAX_LOANS = 2**26
"""Loans of one bank for which no sum can overflow."""

_LOW_BITS = 31
_HIGH, _LOW = "high", "low"


def wide_entries(name: str, size: int) -> tuple[Entry, Entry]:
    """Lay out integers of up to 62 bits as two entries each.

    Parameters
    ----------
    name : str
        Name of the array; the entries are called ``<name>/high`` and ``<name>/low``.
    size : int
        Number of integers.

    Returns
    -------
    tuple of Entry
    """
    return (
        Entry(f"{name}/{_HIGH}", (size,), 0, float(2 ** (62 - _LOW_BITS))),
        Entry(f"{name}/{_LOW}", (size,), 0, float(2**_LOW_BITS)),
    )


def split_wide(name: str, totals: np.ndarray) -> dict[str, np.ndarray]:
    """Write int64 totals, ``(size,)``, as the two arrays of :func:`wide_entries`."""
    return {
        f"{name}/{_HIGH}": totals >> _LOW_BITS,
        f"{name}/{_LOW}": totals & ((1 << _LOW_BITS) - 1),
    }


def join_wide(name: str, sums: Mapping[str, np.ndarray], bits: int) -> np.ndarray:
    """Read the sum over banks of :func:`split_wide` as float64, each rounded once.

    Parameters
    ----------
    name : str
        Name of the array.
    sums : dict of str to numpy.ndarray
        Decoded sums.
    bits : int
        Fractional bits of the totals.

    Returns
    -------
    numpy.ndarray
        ``(size,) float64``. Both parts are exact as floats, so their sum is the nearest float to
        the total, however it was divided into banks.
    """
    high, low = (sums[f"{name}/{part}"].astype(np.float64) for part in (_HIGH, _LOW))
    total: np.ndarray = np.ldexp(np.ldexp(high, _LOW_BITS) + low, -bits)
    return total


def column_blocks(x: np.ndarray, exponents: Sequence[int]) -> Iterator[tuple[slice, np.ndarray]]:
    """Give a matrix block by block, transposed and scaled to [-1, 1], with a row of ones before.

    Parameters
    ----------
    x : numpy.ndarray
        ``(n, p)`` floats.
    exponents : sequence of int
        Column ``j`` lies within ``[-2**exponents[j], 2**exponents[j]]``.

    Yields
    ------
    rows : slice
        Which loans.
    block : numpy.ndarray
        ``(p + 1, b) float64``, where ``b`` is at most :data:`BLOCK`; its memory is used again.

    Raises
    ------
    ReleaseError
        If there are too many loans, or a value is not finite or lies outside its column's range.
    """
    n, p = x.shape
    if n > MAX_LOANS:
        raise ReleaseError(
            f"{n} loans are more than the {MAX_LOANS} for which sums cannot overflow; divide them"
            " into two institutions."
        )
    scale = np.ldexp(1.0, -np.asarray(exponents, dtype=np.int64))[:, None]
    whole = np.empty((p + 1, min(n, BLOCK)))
    for start in range(0, n, BLOCK):
        rows = slice(start, min(start + BLOCK, n))
        block = whole if rows.stop - start == whole.shape[1] else whole[:, : n - start].copy()
        block[0] = 1.0
        np.multiply(x[rows].T, scale, out=block[1:])
        if not (np.abs(block[1:]) <= 1.0).all():
            worst = int(np.argmin((np.abs(block[1:]) <= 1.0).all(axis=1)))
            raise ReleaseError(
                f"Column {worst} of the design holds a value that is no number or exceeds"
                f" 2**{exponents[worst]}, the range that was agreed; refused."
            )
        yield rows, block


def to_columns_grid(block: np.ndarray) -> np.ndarray:
    """Round values of [-1, 1] to whole multiples of ``2**-COLUMN_BITS``, given as those counts."""
    grid: np.ndarray = np.rint(block * float(2**COLUMN_BITS))
    return grid


def triangle(p: int) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column of each cell on and below the diagonal of a ``p`` by ``p`` matrix."""
    return np.tril_indices(p)


def symmetric(cells: np.ndarray, p: int) -> np.ndarray:
    """Make the ``(p, p)`` symmetric matrix of the cells in the order of :func:`triangle`."""
    matrix = np.zeros((p, p))
    rows, columns = triangle(p)
    matrix[rows, columns] = cells
    matrix[columns, rows] = cells
    return matrix
