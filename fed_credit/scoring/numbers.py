"""Logistic functions of one number, the same bits as the array functions give.

:mod:`fed_credit.models.elementwise`, :func:`fed_credit.decision.calibration.logit` and the trees'
own exponential are made of steps that IEEE 754 rounds exactly. Python's floats take the same steps
here; for a single loan that is several times as fast as an array of one.
"""

from __future__ import annotations

import math

from fed_credit.models.elementwise import LARGEST

_LOG2_E = 1.4426950408889634
# log(2) in two parts (Cody and Waite, 1980), as in the array functions.
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_EXP = tuple(1.0 / math.factorial(k) for k in range(13, -1, -1))
_ARTANH = tuple(1.0 / (2 * k + 1) for k in range(10, -1, -1))
_SMALLEST = 1e-15
_ROOT_HALF = math.sqrt(0.5)
_FAR = 40.0


def sigmoid(log_odds: float) -> float:
    """Return what :func:`fed_credit.models.elementwise.sigmoid` gives for one number."""
    clipped = min(max(log_odds, -LARGEST), LARGEST)
    value = -abs(clipped)
    k = round(value * _LOG2_E)  # halves to even, as NumPy's rint
    rest = value - k * _LN2_HIGH
    rest -= k * _LN2_LOW
    small = _EXP[0]
    for coefficient in _EXP[1:]:
        small *= rest
        small += coefficient
    small = math.ldexp(small, k)
    return (1.0 if clipped >= 0 else small) / (1.0 + small)


def logit(pd: float) -> float:
    """Return what :func:`fed_credit.decision.calibration.logit` gives for one number."""
    clipped = min(max(pd, _SMALLEST), 1.0 - _SMALLEST)
    return _log(clipped) - _log(1.0 - clipped)


def _log(x: float) -> float:
    mantissa, exponent = math.frexp(x)
    if mantissa < _ROOT_HALF:
        mantissa *= 2.0
        exponent -= 1
    u = (mantissa - 1.0) / (mantissa + 1.0)
    squared = u * u
    series = _ARTANH[0]
    for coefficient in _ARTANH[1:]:
        series = series * squared + coefficient
    return exponent * _LN2_HIGH + (2.0 * u * series + exponent * _LN2_LOW)


def tree_probability(log_odds: float) -> float:
    """Return what :func:`fed_credit.trees.gradients.default_probability` gives for one number.

    Parameters
    ----------
    log_odds : float
        The sum of leaves, in log-odds of default.
    """
    x = min(abs(log_odds), _FAR)
    k = math.floor(x * _LOG2_E + 0.5)
    rest = k * _LN2_LOW + (k * _LN2_HIGH - x)
    total = _EXP[0]
    for coefficient in _EXP[1:]:
        total = total * rest + coefficient
    small = math.ldexp(total, -k)
    return (1.0 if log_odds >= 0 else small) / (1.0 + small)
