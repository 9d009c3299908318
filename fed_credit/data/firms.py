"""Which loans are of one firm.

A firm is known by a 64-bit hash of its identifier, not by a running number, so that it is the same
whatever other loans, institutions or rows the source holds, and in whatever order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import pandas as pd

_BLOCK = 500_000


def firm_codes(
    firm_id: pd.Series | None, loan_key: Callable[[np.ndarray], pd.Series], num_loans: int
) -> np.ndarray:
    """Return a code per loan, equal for loans of one firm.

    Parameters
    ----------
    firm_id : pandas.Series or None
        ``(n_loans,) str``: identifier of the firm; a loan without one counts as its own firm.
    loan_key : callable
        Takes which loans have no firm, ``(n_loans,) bool``, and returns for these, ``(n,) str``,
        what identifies the loan itself.
    num_loans : int
        ``n_loans``.

    Returns
    -------
    numpy.ndarray
        ``(n_loans,) int64``: the first 8 bytes of BLAKE2b; two of ten million firms share a code
        with probability 3e-6.
    """
    if firm_id is None:
        return _hashed(loan_key(np.ones(num_loans, dtype=bool)), b"loan")
    codes = _hashed(firm_id, b"firm")
    own = firm_id.isna().to_numpy(dtype=bool)
    if own.any():
        codes[own] = _hashed(loan_key(own), b"loan")
    return codes


def at_several(firm: np.ndarray, institution: np.ndarray) -> np.ndarray:
    """Return whether a loan's firm has loans at more than one institution.

    Parameters
    ----------
    firm, institution : numpy.ndarray
        ``(n_loans,) int64``.

    Returns
    -------
    numpy.ndarray
        ``(n_loans,) bool``.
    """
    if not len(firm):
        return np.zeros(0, dtype=bool)
    order = np.lexsort((institution, firm))
    firms, institutions = firm[order], institution[order]
    new_firm = np.r_[True, firms[1:] != firms[:-1]]
    moved = np.r_[False, institutions[1:] != institutions[:-1]] & ~new_firm
    group = np.cumsum(new_firm) - 1
    several = np.bincount(group, weights=moved) > 0
    result = np.empty(len(firm), dtype=bool)
    result[order] = several[group]
    return result


def uniform_keys(firm: np.ndarray, seed: int) -> np.ndarray:
    """Return a pseudo-random 64-bit key per loan that depends on the firm and the seed alone.

    The finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
    generators", OOPSLA 2014) is a bijection, so two firms never share a key.

    Parameters
    ----------
    firm : numpy.ndarray
        ``(n_loans,) int64``.
    seed : int
        Seed of the split.

    Returns
    -------
    numpy.ndarray
        ``(n_loans,) uint64``, uniform over firms.
    """
    offset = np.random.SeedSequence([seed, 0x5917]).generate_state(1, np.uint64)[0]
    z = _mixed(np.asarray(firm, dtype=np.int64).view(np.uint64)) ^ offset
    return _mixed(z + np.uint64(0x9E3779B97F4A7C15))


def _mixed(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def _hashed(text: pd.Series, person: bytes) -> np.ndarray:
    # By blocks, since as objects texts take many times their length.
    codes = np.empty(len(text), dtype=np.int64)
    for start in range(0, len(text), _BLOCK):
        block = slice(start, start + _BLOCK)
        codes[block] = _hashed_block(text.iloc[block], person)
    return codes


def _hashed_block(text: pd.Series, person: bytes) -> np.ndarray:
    places, uniques = pd.factorize(text.to_numpy(dtype=object))
    digests = b"".join(
        hashlib.blake2b(str(value).encode("utf-8"), digest_size=8, person=person).digest()
        for value in uniques
    )
    table: np.ndarray = np.append(np.frombuffer(digests, dtype="<i8").astype(np.int64), 0)
    found: np.ndarray = table[places]
    return found
