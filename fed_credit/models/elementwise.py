"""Logistic functions of single values, the same bits wherever a loan stands and on any machine.

NumPy's ``exp`` and ``log1p`` choose another routine by processor, memory layout and position in the
array, so the last bits of a loan's value may depend on which loans stand beside it. These here are
made of additions, multiplications and divisions of whole arrays, each of which IEEE 754 rounds
exactly, so a value depends on its argument alone. They err by a few units in the last place.
"""

from __future__ import annotations

import numpy as np

LARGEST = 700.0
"""Log-odds beyond this are taken as this: ``exp(-700)`` is still a normal number."""

_LOG2_E = 1.4426950408889634
# Cody & Waite (1980): log(2) in two parts, so that k * high is exact for |k| < 2**20.
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# 1 / k!: on |r| <= log(2) / 2 the rest of the series is below 2**-57.
_EXP = tuple(1.0 / f for f in np.cumprod([1.0, *range(1, 14)]))
# log1p(t) = 2 artanh(t / (2 + t)); on t <= 1 the rest of the series is below 2**-58.
_ARTANH = tuple(1.0 / (2 * k + 1) for k in range(18))


def exp_negative(values: np.ndarray) -> np.ndarray:
    """Return ``exp(values)`` of values from ``-LARGEST`` to 0.

    Parameters
    ----------
    values : numpy.ndarray
        ``(n,) float64`` in ``[-LARGEST, 0]``.

    Returns
    -------
    numpy.ndarray
        ``(n,) float64``.
    """
    k = np.rint(values * _LOG2_E)
    rest = values - k * _LN2_HIGH
    rest -= k * _LN2_LOW
    result = _horner(_EXP, rest)
    # A power of two by its exponent's bits; multiplying with it is exact.
    result *= ((k.astype(np.int64) + 1023) << 52).view(np.float64)
    return result


def logistic(log_odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return probability and loss of each value of the log-odds.

    Parameters
    ----------
    log_odds : numpy.ndarray
        ``(n,) float64``, finite; clipped to :data:`LARGEST` on either side.

    Returns
    -------
    probability : numpy.ndarray
        ``(n,) float64``: ``1 / (1 + exp(-log_odds))``.
    softplus : numpy.ndarray
        ``(n,) float64``: ``log(1 + exp(log_odds))``, the loss of a good loan; that of a bad one is
        ``softplus - log_odds``.
    """
    clipped = np.clip(log_odds, -LARGEST, LARGEST)
    small = exp_negative(-np.abs(clipped))
    above = 1.0 + small
    probability = np.where(clipped >= 0, 1.0, small) / above
    u = small / (2.0 + small)
    softplus = _horner(_ARTANH, u * u)
    softplus *= u
    softplus *= 2.0
    softplus += np.maximum(clipped, 0.0)
    return probability, softplus


def sigmoid(log_odds: np.ndarray) -> np.ndarray:
    """Return ``1 / (1 + exp(-log_odds))``, ``(n,) float64``; see :func:`logistic`."""
    clipped = np.clip(log_odds, -LARGEST, LARGEST)
    small = exp_negative(-np.abs(clipped))
    probability: np.ndarray = np.where(clipped >= 0, 1.0, small) / (1.0 + small)
    return probability


def _horner(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    result = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        result *= x
        result += coefficient
    return result
