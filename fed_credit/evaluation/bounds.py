"""Metrics of loans of which only counts per cell of PD are known, and how far off they can be.

Cells are in ascending order of PD; ``goods`` and ``bads`` are ``(cells,) int64``. Each value is the
metric with the loans of a cell taken as ties. Its bound holds for every way in which the loans may
really lie inside their cells, ties included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fed_credit.evaluation.metrics import group_cells

_ROUNDING = 1e-12  # what float arithmetic may add to a bound on a number in [0, 1]


@dataclass(frozen=True)
class Bounded:
    """A value and how far the exact one can be from it.

    Parameters
    ----------
    value : float
        The value; NaN where the metric is not defined.
    bound : float
        The exact value lies within ``value - bound`` and ``value + bound``.
    """

    value: float
    bound: float


_UNDEFINED = Bounded(float("nan"), float("nan"))


def roc_area(goods: np.ndarray, bads: np.ndarray) -> Bounded:
    """Return the AUC.

    Pairs of a good and a bad in different cells are ordered as they are; each pair in one cell
    counts one half and is really worth 0, one half or 1. So the bound is the share of pairs that
    share a cell, halved.

    Parameters
    ----------
    goods, bads : numpy.ndarray
        ``(cells,) int64``.

    Returns
    -------
    Bounded
        NaN if only one class is at hand.
    """
    if not goods.any() or not bads.any():
        return _UNDEFINED
    g, b = goods / goods.sum(), bads / bads.sum()
    same = g * b
    return Bounded(
        float(((g.cumsum() - g) * b).sum() + same.sum() / 2), float(same.sum() / 2) + _ROUNDING
    )


def ks(goods: np.ndarray, bads: np.ndarray) -> Bounded:
    """Return the two-sided Kolmogorov-Smirnov distance.

    At the edges of the cells the difference ``D`` of the two distributions is known, so the
    distance is at least the largest ``|D|`` there, which is the value. Inside a cell that ``D``
    enters at ``d``, it can rise to no more than ``d`` plus the cell's share of the goods (all goods
    first) and fall to no less than ``d`` minus its share of the bads (all bads first).

    Parameters
    ----------
    goods, bads : numpy.ndarray
        ``(cells,) int64``.

    Returns
    -------
    Bounded
        NaN if only one class is at hand.
    """
    if not goods.any() or not bads.any():
        return _UNDEFINED
    g, b = goods / goods.sum(), bads / bads.sum()
    after = g.cumsum() - b.cumsum()
    before = np.concatenate([[0.0], after[:-1]])
    at_edges = np.abs(after).max()
    inside = np.maximum(before + g, b - before).max()
    return Bounded(float(at_edges), float(max(inside - at_edges, 0.0)) + _ROUNDING)


def average_precision(goods: np.ndarray, bads: np.ndarray) -> Bounded:
    """Return the average precision of finding bads.

    It is the mean over bads of the precision at their PD. Let ``B`` bads and ``G`` goods lie in
    riskier cells than a cell with ``b`` bads and ``g`` goods. The precision at its i-th riskiest
    bad is at least ``(B + i) / (B + i + G + g)`` (all goods first) and at most
    ``(B + b) / (B + b + G)`` (all bads first, tied).

    Parameters
    ----------
    goods, bads : numpy.ndarray
        ``(cells,) int64``.

    Returns
    -------
    Bounded
        NaN if only one class is at hand.
    """
    if not goods.any() or not bads.any():
        return _UNDEFINED
    held = np.flatnonzero(bads)[::-1]
    g, b = goods[held], bads[held]
    goods_through = goods[::-1].cumsum()[::-1][held]
    bads_through = b.cumsum()
    total = int(bads_through[-1])
    value = (b * bads_through / (bads_through + goods_through)).sum() / total
    highest = (b * bads_through / (bads_through + goods_through - g)).sum() / total
    ith = np.arange(1, total + 1)
    lowest = (ith / (ith + np.repeat(goods_through, b))).sum() / total
    return Bounded(float(value), float(max(value - lowest, highest - value)) + _ROUNDING)


def calibration_error(
    goods: np.ndarray,
    bads: np.ndarray,
    pd_sum: np.ndarray,
    edges: np.ndarray,
    *,
    groups: int,
    unit: float,
) -> Bounded:
    """Return the expected calibration error over groups of equal size.

    Let ``C(j)`` be the sum of ``p - y`` over the loans of the first ``j`` groups. The error is the
    total variation of that path, ``sum_j |C(j) - C(j - 1)| / n``. ``C(j)`` is known where an edge
    of the groups meets an edge of the cells. Elsewhere the edge cuts a cell, and ``C(j)``
    lies in an interval (see :func:`_cut`). The bound comes from the paths of least and of largest
    variation through these intervals.

    Parameters
    ----------
    goods, bads : numpy.ndarray
        ``(cells,) int64``.
    pd_sum : numpy.ndarray
        ``(cells,) float64``: sum of the PDs.
    edges : numpy.ndarray
        ``(cells + 1,) float64``: edges of the cells.
    groups : int
        Groups asked for.
    unit : float
        How far a loan's PD in ``pd_sum`` can be off (fixed point).

    Returns
    -------
    Bounded
        NaN if there are no loans.
    """
    n = goods + bads
    through = n.cumsum()
    loans = int(through[-1])
    if not loans:
        return _UNDEFINED
    value = group_cells(n, bads, pd_sum, groups=groups).ece
    path = np.concatenate([[0.0], (pd_sum - bads).cumsum()])
    intervals: list[tuple[float, float]] = []
    for j in range(1, groups):
        # In units of 1 / groups of a loan, so that edges that meet are seen to meet.
        cell = int(np.searchsorted(through * groups, loans * j))
        twice_below = 2 * (loans * j / groups - (through[cell] - n[cell]))
        if int(through[cell]) * groups == loans * j:
            intervals.append((float(path[cell + 1]), float(path[cell + 1])))
        else:
            intervals.append(
                _cut(
                    int(goods[cell]),
                    int(bads[cell]),
                    float(pd_sum[cell] / n[cell]),
                    (float(edges[cell]), float(edges[cell + 1])),
                    (float(path[cell]), float(path[cell + 1])),
                    twice_below,
                )
            )
    intervals.append((float(path[-1]), float(path[-1])))
    least, largest = _variations(intervals)
    off = max(value - least / loans, largest / loans - value, 0.0)
    return Bounded(value, off + (2 * groups + 2) * unit + _ROUNDING)


def _cut(
    g: int,
    b: int,
    mean: float,
    edge: tuple[float, float],
    path: tuple[float, float],
    twice_below: float,
) -> tuple[float, float]:
    """Return the interval of ``C`` where an edge of the groups cuts a cell.

    The lower part of the cell holds its loans of smallest PD: those whose mid-rank lies below the
    edge. Ties may shift how many those are, from ``2m - n`` to ``2m`` where ``m`` ranks lie below
    the edge. A lower part of ``s`` loans has a sum of PDs between ``s`` times the cell's lower edge
    and ``s`` times the cell's mean PD, and between ``s - g`` and ``b`` bads; the upper part mirrors
    it. Both expressions are piecewise linear in ``s``, with their extreme at ``g`` or ``b``.
    """
    n = g + b
    least = max(0, int(np.ceil(twice_below - n - 1e-9)))
    most = min(n, int(np.floor(twice_below + 1e-9)))

    def highest(price: float, least: int, most: int) -> float:
        s = min(max(g, least), most)
        return s * price - max(0, s - g)

    def lowest(price: float, least: int, most: int) -> float:
        s = min(max(b, least), most)
        return s * price - min(b, s)

    lo = max(
        path[0] + lowest(edge[0], least, most), path[1] - highest(edge[1], n - most, n - least)
    )
    hi = min(path[0] + highest(mean, least, most), path[1] - lowest(mean, n - most, n - least))
    return min(lo, hi), max(lo, hi)


def _variations(intervals: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the least and largest total variation of a path from 0 through the intervals."""
    least, lo, hi = 0.0, 0.0, 0.0  # the path of least variation can end anywhere in [lo, hi]
    largest, last = (0.0, 0.0), (0.0, 0.0)  # variation is convex: the largest turns at the ends
    for low, high in intervals:
        if low > hi:
            least, lo, hi = least + low - hi, low, low
        elif high < lo:
            least, lo, hi = least + lo - high, high, high
        else:
            lo, hi = max(lo, low), min(hi, high)
        to_low, to_high = (
            max(cost + abs(end - start) for cost, start in zip(largest, last, strict=True))
            for end in (low, high)
        )
        largest, last = (to_low, to_high), (low, high)
    return least, max(largest)
