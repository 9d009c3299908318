"""A default rate against mean PD, where defaults share luck.

Defaults of one vintage are not independent: all firms live through the same years. In the
one-factor model of Vasicek (2002), which the Basel formulas rest on, a firm with probability of
default ``p`` defaults under the common factor ``z`` with ``Phi((Phi^-1(p) - sqrt(r) z) / sqrt(1 -
r))``, ``r`` being the asset correlation. Given ``z`` defaults are independent, and their number is
binomial; the chance of a number like the one found is the mean over ``z`` (Basel Committee, Working
Paper 14, "Studies on the Validation of Internal Rating Systems", 2005, section on tests with
dependence). With ``r = 0`` it is the exact binomial test. PDs that differ make the number vary a
little less than the binomial of their mean (Hoeffding 1956), so the test errs on the quiet side.

For small firms asset correlations of 1 to 3% were found (Dietsch and Petey 2004, Journal of Banking
and Finance 28); Basel's formula for retail gives 3 to 16%.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

# Of the common factor. Given it, the number of defaults of many loans is next to certain, so the
# integrand is a step, and only a fine grid meets it.
_REACH, _STEP = 8.0, 0.005


class RateTest:
    """The number of defaults that a vintage may have by luck.

    Parameters
    ----------
    loans : numpy.ndarray
        ``(cells,) int64``.
    pd_sum : numpy.ndarray
        ``(cells,) float64``: sum of the PDs of each cell, whose loans are taken to have its mean.
    correlation : float
        Asset correlation, from 0 to below 1.
    """

    def __init__(self, loans: np.ndarray, pd_sum: np.ndarray, correlation: float) -> None:
        held = loans > 0
        self._loans = loans[held]
        # A sum in fixed point may lie half a unit beyond what a probability can be.
        self._pd = np.clip(pd_sum[held] / self._loans, 0.0, 1.0)
        self._correlation = correlation
        self._n = int(self._loans.sum())

    def p_value(self, bads: int) -> float:
        """Return the chance of a number as far off, on both sides, at most 1."""
        from scipy.stats import binom

        more = float((self._weights * binom.sf(bads - 1, self._n, self._rates)).sum())
        fewer = float((self._weights * binom.cdf(bads, self._n, self._rates)).sum())
        return min(1.0, 2.0 * min(more, fewer))

    def range(self, level: float) -> tuple[float, float]:
        """Return the lowest and highest default rate whose p-value is above the level."""
        low = self._first(lambda bads: self.p_value(bads) > level, 0, self._middle)
        high = self._first(lambda bads: self.p_value(bads) <= level, self._middle, self._n + 1)
        return low / self._n, (high - 1) / self._n

    @cached_property
    def _middle(self) -> int:
        return round(float((self._loans * self._pd).sum()))

    @staticmethod
    def _first(holds, low: int, high: int) -> int:  # type: ignore[no-untyped-def]
        """Return the first number from which on it holds, or ``high``."""
        while low < high:
            middle = (low + high) // 2
            if holds(middle):
                high = middle
            else:
                low = middle + 1
        return low

    @cached_property
    def _nodes(self) -> tuple[np.ndarray, np.ndarray]:
        if self._correlation == 0.0:
            return np.zeros(1), np.ones(1)
        place = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
        weight = np.exp(-place * place / 2.0)
        return place, weight / weight.sum()

    @property
    def _weights(self) -> np.ndarray:
        return self._nodes[1]

    @cached_property
    def _rates(self) -> np.ndarray:
        """Mean PD under each value of the common factor, ``(nodes,)``."""
        from scipy.special import ndtr, ndtri

        z, r = self._nodes[0][:, None], self._correlation
        shifted = ndtr((ndtri(self._pd) - np.sqrt(r) * z) / np.sqrt(1.0 - r))
        rates: np.ndarray = np.clip((shifted * self._loans).sum(axis=1) / self._n, 0.0, 1.0)
        return rates
