"""Where a bank's loans stand in trees that grow, and the log-odds that finished trees gave them.

Both are remembered from one request to the next to save time. They follow from the request alone:
what is remembered is compared with it, and made anew where it does not belong to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fed_credit.trees.nodes import FEATURE, VALUE, Trees, add_leaves, advance, steps_left
from fed_credit.trees.workers import Workers


class Standing:
    """The node where each loan stands, in each of the trees that grow side by side.

    Parameters
    ----------
    codes : numpy.ndarray
        ``(n, n_columns)`` uint8 or uint16: bins.
    last_bins : numpy.ndarray
        ``(n_columns,) int64``: the code of a missing value in each column.
    workers : Workers
        Threads.
    """

    def __init__(self, codes: np.ndarray, last_bins: np.ndarray, workers: Workers) -> None:
        self._codes = codes
        self._last_bins = last_bins
        self._workers = workers
        self._trees: list[np.ndarray] = []
        self._positions: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._trees)

    def at(self, trees: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the leaf of each loan in each tree, ``(n,) int32``, as far as the trees are grown.

        Parameters
        ----------
        trees : sequence of numpy.ndarray
            ``(n_nodes, WIDTH) int32`` each.
        """
        if len(trees) != len(self._trees) or not all(
            _grown_from(old, new) for old, new in zip(self._trees, trees, strict=True)
        ):
            self._positions = [np.zeros(len(self._codes), np.int32) for _ in trees]
            self._trees = [tree[:1] for tree in trees]
        for old, new, positions in zip(self._trees, trees, self._positions, strict=True):
            self._move(new, positions, steps_left(new, len(old)))
        self._trees = list(trees)
        return self._positions

    def _move(self, tree: np.ndarray, positions: np.ndarray, steps: int) -> None:
        def move(rows: slice) -> None:
            advance(tree, self._codes[rows], self._last_bins, positions[rows], steps)

        self._workers.over_rows(len(positions), move)


class Margins:
    """The log-odds of each loan under the finished trees.

    Parameters
    ----------
    standing : Standing
        Where the loans stand.
    n : int
        Number of loans.
    workers : Workers
        Threads.
    """

    def __init__(self, standing: Standing, n: int, workers: Workers) -> None:
        self._standing = standing
        self._workers = workers
        self._base = 0
        self._done = Trees.of([])
        self.values = np.zeros(n, np.int64)

    def follow(self, base: int, finished: Trees) -> bool:
        """Bring the log-odds to those of the finished trees.

        Parameters
        ----------
        base : int
            Log-odds before the first tree.
        finished : Trees
            All trees of the rounds before.

        Returns
        -------
        bool
            Whether they changed.
        """
        changed = False
        if base != self._base or not _begins_with(finished, self._done):
            self._base, self._done = base, Trees.of([])
            self.values[:] = base
            changed = True
        fresh = [finished[k] for k in range(len(self._done), len(finished))]
        # All trees of a round at once, since the loans already stand at their lowest splits.
        together = len(fresh) == len(self._standing)
        for trees in [fresh] if together else [[tree] for tree in fresh]:
            for tree, positions in zip(trees, self._standing.at(trees), strict=True):
                self._add(tree, positions)
        self._done = finished
        return changed or bool(fresh)

    def _add(self, tree: np.ndarray, positions: np.ndarray) -> None:
        def add(rows: slice) -> None:
            add_leaves(tree, positions[rows], self.values[rows])

        self._workers.over_rows(len(positions), add)


def _grown_from(old: np.ndarray, new: np.ndarray) -> bool:
    """Whether loans that stand in the old tree need only go on to be right in the new one."""
    if len(new) < len(old):
        return False
    inner = old[:, FEATURE] >= 0
    return bool((new[: len(old)][inner, :VALUE] == old[inner, :VALUE]).all())


def _begins_with(trees: Trees, first: Trees) -> bool:
    n = len(first.nodes)
    return (
        len(trees) >= len(first)
        and np.array_equal(trees.offsets[: len(first.offsets)], first.offsets)
        and np.array_equal(trees.nodes[:n], first.nodes)
    )
