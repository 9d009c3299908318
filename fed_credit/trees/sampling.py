"""Samples of loans and columns that are the same however the loans are divided over banks.

Whether a loan is in a tree's sample depends on the run's seed, the tree and the loan's own key, and
on nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from fed_credit.trees.compile import compiled

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S2 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(2)
_DRAWS = 2**62


def threshold(share: float) -> int:
    """Return what a draw, uniform below ``2**62``, must be below to be in the sample."""
    return round(share * _DRAWS)


def salt(seed: int, tree: int) -> int:
    """Return the part of a draw that a tree's loans have in common, below ``2**63``."""
    digest = hashlib.sha256(f"loans/{seed}/{tree}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@compiled
def rows_at(
    positions: np.ndarray,
    slots: np.ndarray,
    n_slots: int,
    keys: np.ndarray,
    salt: int,
    below: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Gather the sampled loans of some nodes, node by node, in the order of the loans.

    Parameters
    ----------
    positions : numpy.ndarray
        ``(n,) int32``: node where each loan stands.
    slots : numpy.ndarray
        ``(n_nodes,) int32``: place of a node among those asked for; ``n_slots`` for others.
    n_slots : int
        How many nodes are asked for.
    keys : numpy.ndarray
        ``(n,) uint64``: the loans' own keys.
    salt, below : int
        Of :func:`salt` and :func:`threshold`.

    Returns
    -------
    tuple of numpy.ndarray
        Rows, ``int32``, and ``(n_slots + 1,) int64`` where those of each slot begin.
    """
    n = len(positions)
    everyone = below >= _DRAWS
    place = np.empty(n, np.int32)
    heads = np.zeros(n_slots + 2, np.int64)
    for i in range(n):
        slot = slots[positions[i]]
        if not everyone:
            # SplitMix64 (Steele, Lea and Flood, 2014), with the loan's key for its state.
            z = (keys[i] ^ np.uint64(salt)) + _GAMMA
            z = (z ^ (z >> _S30)) * _MIX_1
            z = (z ^ (z >> _S27)) * _MIX_2
            z = z ^ (z >> _S31)
            slot = slot if (z >> _S2) < np.uint64(below) else n_slots
        place[i] = slot
        heads[slot + 1] += 1
    for slot in range(n_slots + 1):
        heads[slot + 1] += heads[slot]
    ends = heads[: n_slots + 1].copy()
    # The loans that nobody asked for fill the end: a loop without branches is faster.
    rows = np.empty(n, np.int32)
    for i in range(n):
        slot = place[i]
        rows[heads[slot]] = i
        heads[slot] += 1
    return rows[: ends[n_slots]], ends


def columns_of(seed: int, tree: int, names: Sequence[str], share: float) -> np.ndarray:
    """Return the columns that a tree may split on.

    Parameters
    ----------
    seed, tree : int
        Of the run, and the tree's number.
    names : sequence of str
        All columns.
    share : float
        Share of them to take; at least one is taken.

    Returns
    -------
    numpy.ndarray
        Their positions, ascending, int32.
    """
    take = max(1, round(share * len(names)))
    draws = [hashlib.sha256(f"columns/{seed}/{tree}/{name}".encode()).digest() for name in names]
    first = sorted(range(len(names)), key=lambda k: (draws[k], k))[:take]
    return np.array(sorted(first), np.int32)
