"""Round numbers for people to read."""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def shortest_decimal(low: float, high: float) -> float:
    """Return the roundest number in ``[low, high]``.

    Parameters
    ----------
    low, high : float
        Finite, ``low <= high``.

    Returns
    -------
    float
        The multiple of the largest power of ten that has one there, the one nearest to the middle.
    """
    if low <= 0.0 <= high:
        return 0.0
    middle = (Fraction(low) + Fraction(high)) / 2
    power = int(np.floor(np.log10(max(abs(low), abs(high))))) + 1
    while True:
        multiple = round(middle / Fraction(10) ** power)
        number = float(f"{multiple}e{power}")
        if low <= number <= high:
            return number
        power -= 1


def significant_digits(number: float) -> int:
    """Return how many significant digits a number is written with."""
    digits = repr(abs(float(number))).split("e")[0].replace(".", "").strip("0")
    return max(1, len(digits))
