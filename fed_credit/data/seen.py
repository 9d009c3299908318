"""Which loans were seen before, over chunks that are not kept."""

from __future__ import annotations

import numpy as np
import pandas as pd


class SeenLoans:
    """The loans seen so far, as 64-bit hashes: 8 bytes each, in a few sorted runs.

    Two of ten million different loans share a hash (SipHash, as pandas has it) with probability
    3e-6; the later one would then be taken for a repetition.
    """

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def repeated(self, keys: pd.DataFrame) -> np.ndarray:
        """Say which rows repeat an earlier row, of these or of a former call, and remember them.

        Parameters
        ----------
        keys : pandas.DataFrame
            ``(n, n_keys) str``: what identifies a loan.

        Returns
        -------
        numpy.ndarray
            ``(n,) bool``.
        """
        hashes = pd.util.hash_pandas_object(keys, index=False).to_numpy(dtype=np.uint64)
        if not len(hashes):
            return np.zeros(0, dtype=bool)
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        fresh = np.r_[True, ordered[1:] != ordered[:-1]]
        again = np.empty(len(hashes), dtype=bool)
        again[order] = ~fresh
        for run in self._runs:
            place = np.minimum(np.searchsorted(run, hashes), len(run) - 1)
            again |= run[place] == hashes
        self._remember(ordered[fresh])
        return again

    def _remember(self, run: np.ndarray) -> None:
        # Runs grow at least twofold from last to first, so there are few of them.
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)
