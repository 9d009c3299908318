"""Universal bins for numeric values: log-spaced, the same for every bank, from no bank's range.

A bin is a sign, a binary exponent and the leading bits of the mantissa, so edges are exact binary
fractions and a value's bin is found without rounding. Sixteen bins an octave give a relative width
of at most 1/16. The idea is that of HdrHistogram (Tene, 2012).
"""

from __future__ import annotations

import numpy as np

SUB_BINS = 16
_MIN_EXPONENT = -30  # magnitudes below 2**-31 share the innermost bins
_MAX_EXPONENT = 47  # magnitudes from 2**47 on share the outermost bins
_PER_SIGN = (_MAX_EXPONENT - _MIN_EXPONENT + 1) * SUB_BINS
ZERO_BIN = _PER_SIGN
NUM_BINS = 2 * _PER_SIGN + 1
REFINED_BINS = 256
SMALLEST = 5e-324  # the float next to zero


def bin_index(values: np.ndarray) -> np.ndarray:
    """Return the universal bin of each value.

    Parameters
    ----------
    values : numpy.ndarray
        ``(n,) float64``, finite.

    Returns
    -------
    numpy.ndarray
        ``(n,) int64`` in ``[0, NUM_BINS)``, rising with the value.
    """
    mantissa, exponent = np.frexp(np.abs(values))
    sub = ((mantissa - 0.5) * (2 * SUB_BINS)).astype(np.int64)
    magnitude = (exponent.astype(np.int64) - _MIN_EXPONENT) * SUB_BINS + sub
    magnitude = np.clip(magnitude, 0, _PER_SIGN - 1)
    index = np.where(values > 0, ZERO_BIN + 1 + magnitude, ZERO_BIN - 1 - magnitude)
    return np.where(values == 0, ZERO_BIN, index)


def bin_edges(index: int) -> tuple[float, float]:
    """Return the inner limits ``(low, high)`` of one bin, ``low <= high``.

    The bin of zero is ``(0, 0)``.
    """
    if index == ZERO_BIN:
        return 0.0, 0.0
    magnitude = index - ZERO_BIN - 1 if index > ZERO_BIN else ZERO_BIN - 1 - index
    octave, sub = divmod(magnitude, SUB_BINS)
    unit = np.ldexp(0.5 / SUB_BINS, octave + _MIN_EXPONENT)
    near, far = float((SUB_BINS + sub) * unit), float((SUB_BINS + sub + 1) * unit)
    return (near, far) if index > ZERO_BIN else (-far, -near)


def refined_index(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return which of :data:`REFINED_BINS` equal parts of ``[low, high]`` holds each value.

    Values outside fall into the first or last part. A part holds its edge towards zero, as a bin
    does.
    """
    if high <= low:
        return np.zeros(len(values), dtype=np.int64)
    position = (values - low) * (REFINED_BINS / (high - low))
    part = np.floor(position) if low >= 0 else np.ceil(position) - 1
    return np.clip(part, 0, REFINED_BINS - 1).astype(np.int64)


def refined_value(part: int, low: float, high: float) -> float:
    """Return the edge towards zero of one part of ``[low, high]``, which the part holds."""
    return low + (part if low >= 0 else part + 1) * (high - low) / REFINED_BINS


def bin_limits(index: int) -> tuple[float, float]:
    """Return ``(start, stop)`` of the values that one bin holds, ``start <= value < stop``.

    Unlike :func:`bin_edges` it says which edge belongs to the bin, and how far the innermost and
    outermost bins reach.
    """
    if index == ZERO_BIN:
        return 0.0, SMALLEST
    near, far = sorted(abs(edge) for edge in bin_edges(index))
    start = SMALLEST if abs(index - ZERO_BIN) == 1 else near
    stop = np.inf if index in (0, NUM_BINS - 1) else far
    return (start, stop) if index > ZERO_BIN else mirrored(start, stop)


def mirrored(start: float, stop: float) -> tuple[float, float]:
    """Return ``(start, stop)`` of the negatives of the values in ``start <= value < stop``."""
    return float(np.nextafter(-stop, np.inf)), float(np.nextafter(-start, np.inf))
