"""The logistic loss of a loan and its derivatives, in fixed point.

A loan's log-odds are an integer, and what follows from them is computed from additions,
multiplications and divisions of float64 alone, which IEEE 754 defines to the last bit. A library's
``exp`` may differ between machines, and even between the body and the tail of one array. So every
bank gets the same integer for the same log-odds and outcome.
"""

from __future__ import annotations

import math

import numpy as np

from fed_credit.trees.compile import compiled
from fed_credit.trees.spec import GRADIENT_BITS, MARGIN_UNIT

_UNIT = 2.0**GRADIENT_BITS
# exp(-40) is below 2**-57: a probability that far out rounds to 0 or 1 in the fixed point.
_FAR = 40.0
_LOG2_E = 1.4426950408889634
# ln 2 in two parts (Cody and Waite, 1980): the first has trailing zeros, so that k * _LN2_HIGH is
# exact for the small whole numbers k that occur.
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_POWERS = np.ldexp(1.0, -np.arange(64))
_INVERSE_FACTORIALS = np.array([1.0 / math.factorial(k) for k in range(14)])
_INVERSE_ODD = np.array([1.0 / (2 * k + 1) for k in range(18)])


@compiled
def _exp_of_minus(x: float) -> float:
    """Return ``exp(-x)`` for ``x >= 0``, to 1e-15, by Taylor's series around multiples of ln 2."""
    x = min(x, _FAR)
    k = math.floor(x * _LOG2_E + 0.5)
    r = k * _LN2_LOW + (k * _LN2_HIGH - x)
    total: float = _INVERSE_FACTORIALS[13]
    for power in range(12, -1, -1):
        total = total * r + _INVERSE_FACTORIALS[power]
    power_of_two: float = _POWERS[int(k)]
    return total * power_of_two


@compiled
def _log1p(t: float) -> float:
    """Return ``log(1 + t)`` for ``0 <= t <= 1``, to 1e-15, by the series of the area tangent."""
    s = t / (2.0 + t)
    square = s * s
    total: float = _INVERSE_ODD[17]
    for k in range(16, -1, -1):
        total = total * square + _INVERSE_ODD[k]
    return 2.0 * s * total


@compiled
def derivatives(margins: np.ndarray, y: np.ndarray, bad_weight: float) -> np.ndarray:
    """Return the first and second derivative of each loan's loss in its log-odds.

    Parameters
    ----------
    margins : numpy.ndarray
        ``(n,) int64``: log-odds of default in units of ``2**-MARGIN_BITS``.
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    bad_weight : float
        What a bad loan counts for.

    Returns
    -------
    numpy.ndarray
        ``(n, 2) int64`` in units of ``2**-GRADIENT_BITS``: ``w (p - y)`` and ``w p (1 - p)``.
    """
    out = np.empty((len(margins), 2), np.int64)
    for i in range(len(margins)):
        t = _exp_of_minus(abs(margins[i]) * MARGIN_UNIT)
        near = 1.0 / (1.0 + t)  # the probability of the likelier outcome
        far = t * near
        p = near if margins[i] >= 0 else far
        unit = _UNIT * bad_weight if y[i] else _UNIT
        out[i, 0] = np.int64(np.rint((p - y[i]) * unit))
        out[i, 1] = np.int64(np.rint(near * far * unit))
    return out


@compiled
def log_loss(margins: np.ndarray, y: np.ndarray, offset: int) -> int:
    """Return the summed logistic loss of loans.

    Parameters
    ----------
    margins, y : numpy.ndarray
        As in :func:`derivatives`.
    offset : int
        Added to each loan's log-odds, in the same units.

    Returns
    -------
    int
        In units of ``2**-GRADIENT_BITS``; each loan's loss is rounded before it is added.
    """
    total = 0
    for i in range(len(margins)):
        margin = (margins[i] + offset) * MARGIN_UNIT
        wrong = -margin if y[i] else margin
        loss = max(wrong, 0.0) + _log1p(_exp_of_minus(abs(margin)))
        total += int(np.rint(loss * _UNIT))
    return total


@compiled
def default_probability(margins: np.ndarray) -> np.ndarray:
    """Return the probability of default, ``(n,) float64``, of log-odds ``(n,) int64``."""
    out = np.empty(len(margins), np.float64)
    for i in range(len(margins)):
        t = _exp_of_minus(abs(margins[i]) * MARGIN_UNIT)
        out[i] = (1.0 if margins[i] >= 0 else t) / (1.0 + t)
    return out


def base_margin(loans: int, bads: int, bad_weight: float) -> int:
    """Return the log-odds at which boosting starts: those of all training loans.

    Parameters
    ----------
    loans, bads : int
        Summed over the banks.
    bad_weight : float
        What a bad loan counts for.

    Returns
    -------
    int
        In units of ``2**-MARGIN_BITS``; half a loan is added to either side, so that it is finite.
    """
    odds: float = bad_weight * (bads + 0.5) / (loans - bads + 0.5)
    return round(math.log(odds) / MARGIN_UNIT)
