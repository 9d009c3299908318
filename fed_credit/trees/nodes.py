"""Trees as they travel: one row of small integers per node, and how loans move down them.

The rows of a tree begin with its root; two children stand side by side, behind their parent. A
loan goes left if its bin is at most the node's, and as the node says if its value is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fed_credit.errors import ReleaseError
from fed_credit.trees.compile import compiled

FEATURE, BIN, MISSING_LEFT, LEFT, VALUE = range(5)
"""Columns of a node's row: column of the matrix (-1: a leaf), last bin on the left, whether missing
values go left, position of the left child within the tree (the right one is next), and the leaf's
value in units of ``2**-MARGIN_BITS``."""
WIDTH = 5
LEAF = -1
_BLOCK = 4096  # loans that are moved together, so that their codes stay in the cache


@dataclass(frozen=True, eq=False)
class Trees:
    """Several trees, one after the other.

    Parameters
    ----------
    nodes : numpy.ndarray
        ``(n_nodes, WIDTH) int32``.
    offsets : numpy.ndarray
        ``(n_trees + 1,) int64``: tree ``k`` has the rows ``offsets[k]:offsets[k + 1]``.
    """

    nodes: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, trees: Sequence[np.ndarray]) -> Trees:
        """Put trees of ``(n_nodes, WIDTH) int32`` one after the other."""
        offsets = np.zeros(len(trees) + 1, np.int64)
        np.cumsum([len(tree) for tree in trees], out=offsets[1:])
        none = np.empty((0, WIDTH), np.int32)
        return cls(np.concatenate([none, *trees]).astype(np.int32), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, k: int) -> np.ndarray:
        return np.asarray(self.nodes[self.offsets[k] : self.offsets[k + 1]])

    def check(self, last_bins: np.ndarray) -> None:
        """Make sure that no walk down the trees can leave them; what comes by wire is not trusted.

        Parameters
        ----------
        last_bins : numpy.ndarray
            ``(n_columns,) int64``: the code of a missing value in each column, which is the last.

        Raises
        ------
        ReleaseError
            If they are no trees over such columns.
        """
        nodes, offsets = self.nodes, self.offsets
        fits = (
            nodes.dtype == np.int32
            and nodes.ndim == 2
            and nodes.shape[1] == WIDTH
            and offsets.dtype == np.int64
            and offsets.ndim == 1
            and len(offsets) >= 1
            and offsets[0] == 0
            and offsets[-1] == len(nodes)
            and bool((np.diff(offsets) >= 1).all())
        )
        if fits:
            sizes = np.diff(offsets)
            own = np.arange(len(nodes)) - np.repeat(offsets[:-1], sizes)
            inner = nodes[:, FEATURE] != LEAF
            rows, size = nodes[inner], np.repeat(sizes, sizes)[inner]
            fits = bool(
                ((rows[:, FEATURE] >= 0) & (rows[:, FEATURE] < len(last_bins))).all()
                and (rows[:, LEFT] > own[inner]).all()
                and (rows[:, LEFT] < size - 1).all()
                and (rows[:, BIN] >= 0).all()
                and (rows[:, BIN] < last_bins[rows[:, FEATURE]]).all()
                # Each node but a root is one of the two children of one parent.
                and 2 * len(rows) == len(nodes) - len(sizes)
                and _all_differ(rows[:, LEFT] + np.repeat(offsets[:-1], sizes)[inner])
            )
        if not fits:
            raise ReleaseError(
                "The request holds something that is no tree over the run's columns; refused."
            )


def _all_differ(left: np.ndarray) -> bool:
    """Whether no node is a child of two parents."""
    return int(np.bincount(np.concatenate([left, left + 1])).max(initial=0)) <= 1


@compiled
def steps_left(nodes: np.ndarray, grown: int) -> int:
    """Return how many splits a loan passes at most below the first ``grown`` nodes' leaves.

    Parameters
    ----------
    nodes : numpy.ndarray
        ``(n_nodes, WIDTH) int32``: the tree.
    grown : int
        Size of the tree in which the loans stand at leaves; the first nodes are the same, but that
        leaves may have become splits.

    Returns
    -------
    int
    """
    below = np.zeros(len(nodes), np.int32)
    most = 0
    for at in range(len(nodes)):  # children stand behind their parent
        left = nodes[at, LEFT]
        if nodes[at, FEATURE] >= 0 and left >= grown:
            below[left] = below[left + 1] = below[at] + 1
            most = max(most, below[left])
    return most


@compiled
def advance(
    nodes: np.ndarray, codes: np.ndarray, last_bins: np.ndarray, positions: np.ndarray, steps: int
) -> None:
    """Move each loan down one tree, from the node where it stands.

    Parameters
    ----------
    nodes : numpy.ndarray
        ``(n_nodes, WIDTH) int32``: the tree, as far as it is grown.
    codes : numpy.ndarray
        ``(n, n_columns)`` uint8 or uint16: bins.
    last_bins : numpy.ndarray
        ``(n_columns,) int64``: the code of a missing value in each column.
    positions : numpy.ndarray
        ``(n,) int32``: where the loans stand; changed in place.
    steps : int
        Splits to pass; loans that have reached a leaf stay there.
    """
    # The loops hold no branch that could be guessed wrong: at a leaf a step leads nowhere.
    # Unsigned positions spare the question whether to count from the end.
    n, one = np.uintp(len(positions)), np.uintp(1)
    start = np.uintp(0)
    while start < n:
        end = min(start + np.uintp(_BLOCK), n)
        for _ in range(steps):
            i = start
            while i < end:
                at = np.uintp(positions[i])
                feature = nodes[at, FEATURE]
                inner = feature >= 0
                column = np.uintp(feature if inner else 0)
                code = np.int64(codes[i, column])
                missing = code == last_bins[column]
                above = (code > nodes[at, BIN]) & (not missing)
                right = above | (missing & (nodes[at, MISSING_LEFT] == 0))
                child = nodes[at, LEFT] + right
                positions[i] = child if inner else at
                i += one
        start = end


@compiled
def add_leaves(nodes: np.ndarray, positions: np.ndarray, margins: np.ndarray) -> None:
    """Add the value of each loan's leaf to its log-odds, ``(n,) int64``, in place."""
    for i in range(len(positions)):
        margins[i] += nodes[positions[i], VALUE]
