"""Histograms of gradients: what a bank computes most, and all that it releases of its loans.

Per node, column and bin: the sum of first derivatives, of second derivatives, and the loans.
"""

from __future__ import annotations

import numpy as np

from fed_credit.trees.compile import compiled
from fed_credit.trees.prefetch import prefetch

# Gradient sum and count share one integer while a block of loans is added: 24 bits of fraction,
# 9 of the weight of a bad loan, 14 of the loans and 15 of the count are 62.
_BLOCK = 1 << 14
_COUNT_BITS = 15
_COUNT_MASK = (1 << _COUNT_BITS) - 1
_AHEAD = 12


@compiled
def add_histograms(
    codes: np.ndarray,
    derivatives: np.ndarray,
    rows: np.ndarray,
    ends: np.ndarray,
    columns: np.ndarray,
    starts: np.ndarray,
    strides: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add the loans of some nodes to their histograms.

    Parameters
    ----------
    codes : numpy.ndarray
        ``(n, n_columns)`` uint8 or uint16: bins.
    derivatives : numpy.ndarray
        ``(n, 2) int64``: first and second, see :func:`fed_credit.trees.gradients.derivatives`.
    rows : numpy.ndarray
        ``(n_rows,) int32``: loans, node by node.
    ends : numpy.ndarray
        ``(n_nodes + 1,) int64``: where the rows of each node begin and end.
    columns : numpy.ndarray
        ``(m,) int32``: columns to look at.
    starts : numpy.ndarray
        ``(m + 1,) int64``: first cell of each column within a node's histogram, and behind the
        last one's; the columns stand side by side.
    strides : numpy.ndarray
        ``(n_nodes,) int64``: first cell of each node's histogram in ``out``.
    out : numpy.ndarray
        ``(3, n_cells) int64``: sums of first and of second derivatives, and loans; added to.
    """
    m = np.uintp(len(columns))
    low = starts[0]
    size = starts[len(columns)] - low
    # Unsigned positions spare the compiled loop the question whether to count from the end.
    column = columns.astype(np.uintp)
    base = (starts - low).astype(np.uintp)
    one = np.uintp(1)
    block = np.zeros((size, 2), np.int64)
    for node in range(len(ends) - 1):
        start = strides[node] + low
        for begin in range(ends[node], ends[node + 1], _BLOCK):
            end = min(begin + _BLOCK, ends[node + 1])
            if (end - begin) * len(columns) < size:
                # Few loans: emptying the block would cost more than they do.
                for i in range(begin, end):
                    row = rows[i]
                    for j in range(len(columns)):
                        cell = start + starts[j] - low + codes[row, columns[j]]
                        out[0, cell] += derivatives[row, 0]
                        out[1, cell] += derivatives[row, 1]
                        out[2, cell] += 1
                continue
            for i in range(begin, end):
                if i + _AHEAD < end:
                    prefetch(codes, np.intp(rows[i + _AHEAD]))
                    prefetch(derivatives, np.intp(rows[i + _AHEAD]))
                at = np.uintp(rows[i])
                first = (derivatives[at, 0] << _COUNT_BITS) + 1
                second = derivatives[at, 1]
                k = np.uintp(0)
                while k < m:
                    place = base[k] + np.uintp(codes[at, column[k]])
                    block[place, 0] += first
                    block[place, 1] += second
                    k += one
            for cell in range(size):
                first = block[cell, 0]
                out[0, start + cell] += first >> _COUNT_BITS
                out[1, start + cell] += block[cell, 1]
                out[2, start + cell] += first & _COUNT_MASK
                block[cell, 0] = 0
                block[cell, 1] = 0
