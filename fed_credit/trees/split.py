"""Where to split a node, from the summed histogram of its loans.

Second-order gains of Chen and Guestrin (XGBoost, KDD 2016), equations 6 and 7 without the factor
one half, as in XGBoost's code. Sums are exact integers; only gains and weights are float64. They
are computed by the server alone, one operation after the other, so they are the same bits whatever
banks the sums came from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fed_credit.trees.compile import compiled
from fed_credit.trees.spec import GRADIENT_BITS, BoostingSpec

_UNIT = 2.0**-GRADIENT_BITS
_LEAST_GAIN = 1e-6  # below this, rounding speaks; XGBoost has the same limit


@dataclass(frozen=True)
class Totals:
    """What the loans of a node add up to.

    Parameters
    ----------
    gradient, hessian : int
        Sums of first and second derivatives, in units of ``2**-GRADIENT_BITS``.
    loans : int
        Number of loans.
    """

    gradient: int
    hessian: int
    loans: int

    def __sub__(self, other: Totals) -> Totals:
        return Totals(
            self.gradient - other.gradient,
            self.hessian - other.hessian,
            self.loans - other.loans,
        )


@dataclass(frozen=True)
class Split:
    """The best split of a node.

    Parameters
    ----------
    column : int
        Column of the matrix.
    bin : int
        Last bin on the left.
    missing_left : bool
        Where missing values go.
    gain : float
        What the split takes off the loss, doubled.
    left, right : Totals
        Of the children.
    middle : float or None
        Log-odds that part the children, where the column is monotone.
    """

    column: int
    bin: int
    missing_left: bool
    gain: float
    left: Totals
    right: Totals
    middle: float | None


@compiled
def _weight(gradient: float, hessian: float, l2: float, low: float, high: float) -> float:
    """Return the step that lowers the loss most, within limits."""
    if hessian + l2 <= 0.0:
        return min(max(0.0, low), high)
    return min(max(-gradient / (hessian + l2), low), high)


@compiled
def _score(
    gradient: float, hessian: float, l2: float, low: float, high: float, limited: bool
) -> float:
    """Return twice what that step takes off the loss."""
    if hessian + l2 <= 0.0:
        return 0.0
    if not limited:
        return gradient * gradient / (hessian + l2)
    weight = _weight(gradient, hessian, l2, low, high)
    return -(2.0 * gradient * weight + (hessian + l2) * weight * weight)


@compiled
def _search(
    histogram: np.ndarray,
    starts: np.ndarray,
    signs: np.ndarray,
    limited: bool,
    low: float,
    high: float,
    l2: float,
    min_gain: float,
    min_weight: float,
    min_loans: int,
) -> tuple[float, int, int, bool, int, int, int]:
    """Return gain, column (-1: none), bin, direction of missing values, and sums of the left."""
    best_gain, best_column, best_bin, best_direction = min_gain, -1, 0, False
    best_g, best_h, best_n = 0, 0, 0
    total_g, total_h, total_n = 0, 0, 0
    for cell in range(starts[0], starts[1]):
        total_g += histogram[0, cell]
        total_h += histogram[1, cell]
        total_n += histogram[2, cell]
    parent = _score(total_g * _UNIT, total_h * _UNIT, l2, low, high, limited)
    for j in range(len(starts) - 1):
        last = starts[j + 1] - 1
        some_missing = histogram[2, last] > 0
        g, h, n = 0, 0, 0
        for cell in range(starts[j], last if some_missing else last - 1):
            g += histogram[0, cell]
            h += histogram[1, cell]
            n += histogram[2, cell]
            # A bin without loans parts them as the bin before does.
            if histogram[2, cell] == 0:
                continue
            # Above the highest value: the values go left, what is missing goes right.
            apart = cell == last - 1
            for direction in range(2 if some_missing and not apart else 1):
                left_g, left_h, left_n = g, h, n
                if direction == 1:
                    left_g += histogram[0, last]
                    left_h += histogram[1, last]
                    left_n += histogram[2, last]
                right_n = total_n - left_n
                if left_n < min_loans or right_n < min_loans:
                    continue
                lg, lh = left_g * _UNIT, left_h * _UNIT
                rg, rh = (total_g - left_g) * _UNIT, (total_h - left_h) * _UNIT
                if lh < min_weight or rh < min_weight:
                    continue
                if signs[j] != 0 and not apart:
                    step = _weight(rg, rh, l2, low, high) - _weight(lg, lh, l2, low, high)
                    if step * signs[j] < 0.0:
                        continue
                gain = _score(lg, lh, l2, low, high, limited)
                gain += _score(rg, rh, l2, low, high, limited)
                gain -= parent
                if gain > best_gain:
                    best_gain, best_column, best_bin = gain, j, cell - starts[j]
                    # Where no loan shows the way, a missing value goes with the greater part.
                    best_direction = direction == 1 if some_missing else left_n >= right_n
                    best_g, best_h, best_n = left_g, left_h, left_n
    return best_gain, best_column, best_bin, best_direction, best_g, best_h, best_n


def totals(histogram: np.ndarray, starts: np.ndarray) -> Totals:
    """Add up a node's loans from the cells of its first column.

    Parameters
    ----------
    histogram : numpy.ndarray
        ``(3, n_cells) int64``.
    starts : numpy.ndarray
        ``(m + 1,) int64``: where the columns begin.
    """
    return Totals(*(int(part) for part in histogram[:, starts[0] : starts[1]].sum(axis=1)))


def leaf_weight(node: Totals, spec: BoostingSpec, low: float, high: float) -> float:
    """Return the step of a leaf before shrinkage: ``-G / (H + l2)``, within ``[low, high]``."""
    weight: float = _weight(node.gradient * _UNIT, node.hessian * _UNIT, spec.l2, low, high)
    return weight


def best_split(
    histogram: np.ndarray,
    columns: np.ndarray,
    starts: np.ndarray,
    signs: np.ndarray,
    spec: BoostingSpec,
    low: float,
    high: float,
) -> Split | None:
    """Find the split of a node with the highest gain.

    Of splits with the same gain the first counts: by column, then by bin, then missing values to
    the right before missing values to the left.

    Parameters
    ----------
    histogram : numpy.ndarray
        ``(3, n_cells) int64``: sums of first and of second derivatives, and loans, of all banks.
    columns : numpy.ndarray
        ``(m,) int32``: the columns whose bins stand side by side in the histogram.
    starts : numpy.ndarray
        ``(m + 1,) int64``: where they begin; a column's last cell holds what is missing.
    signs : numpy.ndarray
        ``(n_columns,) int8``: 1 rising, -1 falling, 0 free.
    spec : BoostingSpec
        Regularisation.
    low, high : float
        What the log-odds of the node's leaves must lie within, because of monotone columns above.

    Returns
    -------
    Split or None
        None if no split has a gain above ``spec.min_gain`` and leaves enough on either side.
    """
    gain, j, last, missing_left, g, h, n = _search(
        histogram,
        starts,
        signs[columns],
        bool(signs.any()),
        low,
        high,
        spec.l2,
        max(spec.min_gain, _LEAST_GAIN),
        spec.min_child_weight,
        spec.min_child_loans,
    )
    if j < 0:
        return None
    left = Totals(int(g), int(h), int(n))
    right = totals(histogram, starts) - left
    apart = last == starts[j + 1] - starts[j] - 2
    middle = None
    if signs[columns[j]] and not apart:
        sides = (leaf_weight(side, spec, low, high) for side in (left, right))
        middle = sum(sides) / 2
    return Split(int(columns[j]), int(last), bool(missing_left), float(gain), left, right, middle)
