"""Loans as trees look at them: bins, and keys that say which loans are sampled."""

from __future__ import annotations

import numpy as np

from fed_credit.trees.binned import BinnedLoans

_GAMMA, _MIX_1, _MIX_2 = (
    np.uint64(constant) for constant in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def sampled(codes: np.ndarray, y: np.ndarray) -> BinnedLoans:
    """Return loans with their keys.

    Parameters
    ----------
    codes : numpy.ndarray
        ``(n, n_columns)`` bins.
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    """
    return BinnedLoans(codes, y, loan_keys(codes))


def loan_keys(codes: np.ndarray) -> np.ndarray:
    """Return what decides whether a loan is in a sample, the same whoever holds it.

    Parameters
    ----------
    codes : numpy.ndarray
        ``(n, n_columns)`` bins.

    Returns
    -------
    numpy.ndarray
        ``(n,) uint64``: a hash of the loan's bins. Loans that trees cannot tell apart are sampled
        together.
    """
    keys = np.zeros(len(codes), np.uint64)
    for column in codes.T:
        # SplitMix64 (Steele, Lea and Flood, 2014); unsigned integers wrap around.
        keys = (keys ^ column.astype(np.uint64)) + _GAMMA
        keys = (keys ^ (keys >> np.uint64(30))) * _MIX_1
        keys = (keys ^ (keys >> np.uint64(27))) * _MIX_2
        keys ^= keys >> np.uint64(31)
    return keys
