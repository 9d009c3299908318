"""Curves of the contenders on test loans, thinned to what a chart can show.

Over several splits a curve is the mean of the splits' curves at the same place, so that the area
under the ROC curve drawn is (but for thinning) the mean AUC that the tables give.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fed_credit.evaluation.metrics import calibration_curve, lift_table

POINTS = 101  # of each curve, evenly spaced
_DECIMALS = 6
_WILSON_Z = 1.959963984540054  # 95 %


def curves(
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    groups: int,
    gain_good: float,
    loss_bad: float,
) -> dict[str, Any]:
    """Trace one contender's curves.

    Parameters
    ----------
    splits : sequence of (numpy.ndarray, numpy.ndarray)
        Per split ``y``, ``(n,) int8``, 1 bad, and ``p``, ``(n,) float64`` PDs, of the test loans.
    groups : int
        Groups of equal size in the calibration curve and the lift table.
    gain_good, loss_bad : float
        Profit of an approved good loan and loss of an approved bad one, per loan.

    Returns
    -------
    dict
        ``tpr``: share of the bads caught, by share of the goods refused with them; ``goods`` and
        ``bads``: share of each class among the safest loans, ``bad_rate`` among them (None where
        there is none) and ``profit`` per loan scored if these are approved, by share of all loans.
        Each has :data:`POINTS` values at even steps from 0 to 1; None where a class is missing.
        ``calibration`` (safest group first: ``n``, ``mean_pd``, ``bad_rate`` and ``lo``, ``hi``,
        its 95 % Wilson interval) and ``lift`` (riskiest first: ``lift``, ``captured``).
    """
    grid = np.linspace(0.0, 1.0, POINTS)
    traced = [_trace(y, p, grid, gain_good, loss_bad) for y, p in splits]
    y = np.concatenate([y for y, _ in splits])
    p = np.concatenate([p for _, p in splits])
    return {
        **{key: _rounded(np.mean([one[key] for one in traced], axis=0)) for key in traced[0]},
        **_groups(y, p, groups, len(splits)),
    }


def _trace(
    y: np.ndarray, p: np.ndarray, grid: np.ndarray, gain: float, loss: float
) -> dict[str, np.ndarray]:
    _, index, n = np.unique(p, return_inverse=True, return_counts=True)
    bads = np.r_[0, np.bincount(index, y, minlength=len(n)).cumsum()]
    loans = np.r_[0, n.cumsum()]
    goods = loans - bads
    total, good, bad = max(loans[-1], 1), goods[-1] or np.nan, bads[-1] or np.nan
    # Loans of equal PD are approved together or by lot: straight lines between distinct PDs.
    bads_at = np.interp(grid, loans / total, bads)
    with np.errstate(invalid="ignore", divide="ignore"):
        bad_rate = bads_at / (grid * total)
    return {
        "tpr": _roc((good - goods) / good, (bad - bads) / bad, grid),
        "goods": np.interp(grid, loans / total, goods) / good,
        "bads": bads_at / bad,
        "bad_rate": bad_rate,
        "profit": gain * grid - (gain + loss) * bads_at / total,
    }


def _roc(fpr: np.ndarray, tpr: np.ndarray, grid: np.ndarray) -> np.ndarray:
    if np.isnan(fpr).any() or np.isnan(tpr).any():
        return np.full(len(grid), np.nan)
    # From the riskiest on; of several bads at one place on the abscissa the last counts.
    x, last = np.unique(fpr, return_index=True)
    return np.asarray(np.interp(grid, x, tpr[last]))


def _groups(y: np.ndarray, p: np.ndarray, groups: int, splits: int) -> dict[str, Any]:
    curve = calibration_curve(y, p, groups=groups)
    lift = lift_table(curve)
    # A loan counts once, in however many splits it was tested.
    lo, hi = wilson(curve.bad_rate, curve.n / splits)
    return {
        "calibration": {
            "n": [int(n) for n in curve.n],
            "mean_pd": _rounded(curve.mean_pd),
            "bad_rate": _rounded(curve.bad_rate),
            "lo": _rounded(lo),
            "hi": _rounded(hi),
        },
        "lift": {"lift": _rounded(lift.lift), "captured": _rounded(lift.captured)},
    }


def wilson(share: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % score interval of shares (Wilson, JASA 22, 1927).

    Parameters
    ----------
    share : numpy.ndarray
        ``(k,) float64`` in [0, 1].
    n : numpy.ndarray
        ``(k,)``: how many each is a share of; above 0.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        Lower and upper ends, ``(k,) float64``.
    """
    z2 = _WILSON_Z**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _WILSON_Z / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def _rounded(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in np.round(values, _DECIMALS)]
