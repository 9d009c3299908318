"""Shapley values of trees for one loan after the other, as a service asks for them.

:class:`~fed_credit.trees.reasons.Reasons` computes a leaf's shares for each pattern that occurs
among many loans. For single loans they are computed beforehand, for all patterns, and looked up;
the bits are the same. Where trees are so deep that the table would be large it is done without.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from fed_credit.trees.compile import compiled
from fed_credit.trees.ensemble import Ensemble
from fed_credit.trees.reasons import Reasons

_LARGEST = 2**22  # numbers in the table: 32 MiB


class SingleReasons:
    """Explains an ensemble's decisions, one at a time.

    Parameters
    ----------
    ensemble : Ensemble
        The ensemble.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        self._reasons = Reasons(ensemble)
        self._cuts = [cuts.tolist() for cuts in ensemble.bins.cuts]
        self._last = ensemble.bins.last_bins
        self._paths = self._reasons.paths
        self._table = self._reasons.pattern_table(_LARGEST)

    def contributions(self, row: np.ndarray) -> list[float]:
        """Return what each column adds to a loan's log-odds.

        Parameters
        ----------
        row : numpy.ndarray
            ``(1, n_columns) float32``, NaN where missing.

        Returns
        -------
        list of float
            As :meth:`Reasons.contributions` for a matrix of one row.
        """
        if self._table is None:
            found: list[float] = self._reasons.contributions(row)[0].tolist()
            return found
        codes = np.array(
            [
                len(cuts) + 1 if value != value else bisect_right(cuts, value)
                for cuts, value in zip(self._cuts, row[0].tolist(), strict=True)
            ],
            np.int64,
        )
        out = np.zeros(len(codes))
        starts, table = self._table
        _look_up(codes, self._last, self._paths.offsets, self._paths.ranges, starts, table, out)
        looked_up: list[float] = out.tolist()
        return looked_up


@compiled
def _look_up(
    codes: np.ndarray,
    last_bins: np.ndarray,
    offsets: np.ndarray,
    ranges: np.ndarray,
    starts: np.ndarray,
    table: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add every leaf's contributions for the pattern of one loan to ``out``, ``(n_columns,)``."""
    for leaf in range(len(offsets) - 1):
        first, d = offsets[leaf], offsets[leaf + 1] - offsets[leaf]
        pattern = 0
        for k in range(d):
            code = codes[ranges[first + k, 0]]
            fits = (code >= ranges[first + k, 1]) & (code <= ranges[first + k, 2])
            absent = (code == last_bins[ranges[first + k, 0]]) & (ranges[first + k, 3] != 0)
            pattern |= int(fits | absent) << k
        at = starts[leaf] + pattern * d
        for k in range(d):
            out[ranges[first + k, 0]] += table[at + k]
