"""What follows from a cut-off: approval rate, bad rate among the approved, and profit.

A loan is approved when its PD lies below the cut-off; so a cut-off of 0 approves none. Profit is
per loan *scored*, approved or not, which makes contenders and splits comparable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fed_credit.evaluation.cells import ScoreCells


@dataclass(frozen=True)
class ApprovalCurve:
    """Approval rate against the bad rate among the approved, from approving none to all.

    Parameters
    ----------
    cut_off : numpy.ndarray
        ``(k,) float64``, ascending.
    approval_rate : numpy.ndarray
        ``(k,) float64``: share of the loans with a PD below the cut-off.
    bad_rate : numpy.ndarray
        ``(k,) float64``: share of bads among them; NaN where none is approved.
    """

    cut_off: np.ndarray
    approval_rate: np.ndarray
    bad_rate: np.ndarray


@dataclass(frozen=True)
class ProfitCurve:
    """Profit against the cut-off, from approving none to all.

    Parameters
    ----------
    cut_off : numpy.ndarray
        ``(k,) float64``, ascending.
    approval_rate : numpy.ndarray
        ``(k,) float64``: share of the loans with a PD below the cut-off.
    profit : numpy.ndarray
        ``(k,) float64``: profit per loan scored.
    """

    cut_off: np.ndarray
    approval_rate: np.ndarray
    profit: np.ndarray


def approval_curve(y: np.ndarray, p: np.ndarray, *, points: int = 101) -> ApprovalCurve:
    """Trace the approval rate and the bad rate among the approved.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    p : numpy.ndarray
        ``(n,) float64``: PDs.
    points : int
        At most so many points, spread evenly over the approval rate; at least 2.

    Returns
    -------
    ApprovalCurve
        Empty if there are no loans.

    Raises
    ------
    ValueError
        See :func:`fed_credit.evaluation.metrics.check`.
    """
    cut_off, approved, bads = _thinned(y, p, points)
    with np.errstate(invalid="ignore"):
        bad_rate = bads / approved
    return ApprovalCurve(cut_off, approved / max(len(y), 1), bad_rate)


def profit_curve(
    y: np.ndarray, p: np.ndarray, gain_good: float, loss_bad: float, *, points: int = 101
) -> ProfitCurve:
    """Trace the profit per loan scored.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    p : numpy.ndarray
        ``(n,) float64``: PDs.
    gain_good, loss_bad : float
        Gain from an approved good loan and loss (a positive number) from an approved bad one.
    points : int
        At most so many points, spread evenly over the approval rate; at least 2.

    Returns
    -------
    ProfitCurve
        Empty if there are no loans.

    Raises
    ------
    ValueError
        See :func:`fed_credit.evaluation.metrics.check`.
    """
    cut_off, approved, bads = _thinned(y, p, points)
    loans = max(len(y), 1)
    profit = (gain_good * (approved - bads) - loss_bad * bads) / loans
    return ProfitCurve(cut_off, approved / loans, profit)


def profit_at(
    y: np.ndarray, p: np.ndarray, cut_off: float, gain_good: float, loss_bad: float
) -> float:
    """Return the profit per loan scored at a cut-off.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    p : numpy.ndarray
        ``(n,) float64``: PDs.
    cut_off : float
        Loans with a PD below it are approved.
    gain_good, loss_bad : float
        Gain from an approved good loan and loss (a positive number) from an approved bad one.

    Returns
    -------
    float
        NaN if there are no loans.
    """
    if not len(y):
        return float("nan")
    approved = p < cut_off
    bads = int(y[approved].sum())
    return float((gain_good * (int(approved.sum()) - bads) - loss_bad * bads) / len(y))


def best_cut_off(y: np.ndarray, p: np.ndarray, gain_good: float, loss_bad: float) -> float:
    """Return the cut-off of highest profit; choose it on validation loans, never on test loans.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    p : numpy.ndarray
        ``(n,) float64``: PDs.
    gain_good, loss_bad : float
        Gain from an approved good loan and loss (a positive number) from an approved bad one.

    Returns
    -------
    float
        Halfway between the last PD approved and the next; the lowest of equally good ones. 0 where
        approving none is best; NaN if there are no loans.

    Raises
    ------
    ValueError
        See :func:`fed_credit.evaluation.metrics.check`.
    """
    return best_cut_off_of_cells(ScoreCells.of(y, p), gain_good, loss_bad)


def best_cut_off_of_cells(cells: ScoreCells, gain_good: float, loss_bad: float) -> float:
    """Return the cut-off of highest profit over counted loans; see :func:`best_cut_off`."""
    if not cells.n:
        return float("nan")
    cut_off, approved, bads = _cut_offs(cells)
    return float(cut_off[np.argmax(gain_good * (approved - bads) - loss_bad * bads)])


def _cut_offs(cells: ScoreCells) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every cut-off that makes a difference, with the loans and bads approved at it."""
    value, n, bads = cells.pd, cells.loans, cells.bads
    if not len(value):
        return np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64)
    # Halfway between neighbours; where no float lies between them, the upper one parts them too.
    middle = (value[:-1] + value[1:]) / 2
    between = np.where(middle > value[:-1], middle, value[1:])
    above_all = 1.0 if value[-1] < 1.0 else np.nextafter(1.0, 2.0)
    cut_off = np.concatenate([[0.0], between, [above_all]])
    return cut_off, np.concatenate([[0], n.cumsum()]), np.concatenate([[0], bads.cumsum()])


def _thinned(
    y: np.ndarray, p: np.ndarray, points: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cut_off, approved, bads = _cut_offs(ScoreCells.of(y, p))
    if len(cut_off) > points:
        wanted = np.linspace(0, len(y), max(points, 2))
        kept = np.unique(np.searchsorted(approved, wanted))
        cut_off, approved, bads = cut_off[kept], approved[kept], bads[kept]
    return cut_off, approved, bads
