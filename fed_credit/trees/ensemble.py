"""A trained ensemble of trees, as it is kept: typed, immutable, the same bits everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fed_credit.errors import DataError
from fed_credit.trees.binned import Bins
from fed_credit.trees.compile import compiled
from fed_credit.trees.gradients import default_probability
from fed_credit.trees.nodes import BIN, FEATURE, LEAF, LEFT, MISSING_LEFT, VALUE
from fed_credit.trees.spec import MARGIN_UNIT
from fed_credit.trees.workers import Workers

_ABOVE_ALL = np.finfo(np.float32).max
_BLOCK = 64


@dataclass(frozen=True, eq=False)
class Tree:
    """A grown tree and what its training loans added up to, node by node.

    Parameters
    ----------
    rows : numpy.ndarray
        ``(n_nodes, WIDTH) int32``, see :mod:`fed_credit.trees.nodes`.
    gains : numpy.ndarray
        ``(n_nodes,) float64``: gain of the split; 0 for leaves.
    gradients, hessians : numpy.ndarray
        ``(n_nodes,) int64``: sums of derivatives in units of ``2**-GRADIENT_BITS``.
    loans : numpy.ndarray
        ``(n_nodes,) int64``: sampled loans of all banks.
    """

    rows: np.ndarray
    gains: np.ndarray
    gradients: np.ndarray
    hessians: np.ndarray
    loans: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.rows, self.gains, self.gradients, self.hessians, self.loans):
            array.setflags(write=False)

    @property
    def inner(self) -> np.ndarray:
        """Which nodes are splits, ``(n_nodes,) bool``."""
        return np.asarray(self.rows[:, FEATURE] != LEAF)

    @cached_property
    def depths(self) -> np.ndarray:
        """Splits from the root to each node, ``(n_nodes,) int64``."""
        depths = np.zeros(len(self.rows), np.int64)
        for at in np.flatnonzero(self.inner):  # children stand behind their parent
            left = self.rows[at, LEFT]
            depths[left : left + 2] = depths[at] + 1
        return depths


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Trees whose leaves add up to the log-odds of default.

    Parameters
    ----------
    bins : Bins
        The columns that the trees look at, and their cuts.
    base : int
        Log-odds before the first tree, in units of ``2**-MARGIN_BITS``.
    trees : tuple of Tree
        In the order in which they were grown.
    trees_per_round : int
        How many were grown side by side.
    """

    bins: Bins
    base: int
    trees: tuple[Tree, ...]
    trees_per_round: int

    def margins(self, matrix: np.ndarray, threads: int = 1) -> np.ndarray:
        """Return the log-odds of default as the integers that leaves add up to.

        Parameters
        ----------
        matrix : numpy.ndarray
            ``(n, n_columns)`` floats, NaN where missing.
        threads : int, default=1
            Threads to compute with; they do not change a bit.

        Returns
        -------
        numpy.ndarray
            ``(n,) int64`` in units of ``2**-MARGIN_BITS``.

        Raises
        ------
        DataError
            If the matrix has another number of columns.
        """
        if matrix.ndim != 2 or matrix.shape[1] != len(self.bins.names):
            raise DataError(
                f"The trees look at {len(self.bins.names)} columns, got a matrix of shape"
                f" {matrix.shape}."
            )
        values = np.ascontiguousarray(matrix, dtype=np.float32)
        margins = np.full(len(values), self.base, np.int64)

        def add(rows: slice) -> None:
            _add_trees(values[rows], *self._flat, margins[rows])

        Workers(threads).over_rows(len(values), add)
        return margins

    def log_odds(self, matrix: np.ndarray, threads: int = 1) -> np.ndarray:
        """Return the log-odds of default, ``(n,) float64``; see :meth:`margins`."""
        return self.margins(matrix, threads) * MARGIN_UNIT

    def default_probability(self, matrix: np.ndarray, threads: int = 1) -> np.ndarray:
        """Return the probability of default, ``(n,) float64``; see :meth:`margins`."""
        return default_probability(self.margins(matrix, threads))

    def importance(self) -> dict[str, float]:
        """Return each column's share of all trees' gain, highest first."""
        gains = np.zeros(len(self.bins.names))
        for tree in self.trees:
            np.add.at(gains, tree.rows[tree.inner, FEATURE], tree.gains[tree.inner])
        shares = gains / max(float(gains.sum()), np.finfo(float).tiny)
        order = np.argsort(-shares, kind="stable")
        return {self.bins.names[k]: float(shares[k]) for k in order}

    def thresholds(self, tree: Tree) -> np.ndarray:
        """Return the value below which loans go left, ``(n_nodes,) float32``; 0 for leaves."""
        found = np.zeros(len(tree.rows), np.float32)
        for at in np.flatnonzero(tree.inner):
            cuts, last = self.bins.cuts[tree.rows[at, FEATURE]], tree.rows[at, BIN]
            # Behind the last cut all values go left, and only what is missing goes right.
            found[at] = cuts[last] if last < len(cuts) else _ABOVE_ALL
        return found

    @cached_property
    def _flat(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """All trees in a row, where a leaf is a split that leads back to itself."""
        sizes = [len(tree.rows) for tree in self.trees]
        roots = np.cumsum([0, *sizes])[:-1].astype(np.int64)
        depths = np.array([tree.depths.max() for tree in self.trees], np.int64)
        n = sum(sizes)
        nodes = np.zeros((n, 3), np.int32)
        thresholds = np.full(n, np.nan, np.float32)
        values = np.zeros(n, np.int64)
        for root, tree in zip(roots, self.trees, strict=True):
            rows, inner = tree.rows, tree.inner
            own = slice(root, root + len(rows))
            nodes[own, 0] = np.where(inner, rows[:, FEATURE], 0)
            nodes[own, 1] = root + np.where(inner, rows[:, LEFT], np.arange(len(rows)))
            nodes[own, 2] = inner & (rows[:, MISSING_LEFT] == 0)
            thresholds[own] = np.where(inner, self.thresholds(tree), np.nan)
            values[own] = np.where(inner, 0, rows[:, VALUE])
        return nodes, thresholds, values, roots, depths


def first_rounds(ensemble: Ensemble, rounds: int) -> Ensemble:
    """Return the ensemble after its first rounds of boosting."""
    kept = ensemble.trees[: rounds * ensemble.trees_per_round]
    return Ensemble(ensemble.bins, ensemble.base, kept, ensemble.trees_per_round)


def shifted(ensemble: Ensemble, offset: int) -> Ensemble:
    """Return the ensemble with all log-odds moved by ``offset``, in units of its base."""
    return Ensemble(ensemble.bins, ensemble.base + offset, ensemble.trees, ensemble.trees_per_round)


@compiled
def _add_trees(
    matrix: np.ndarray,
    nodes: np.ndarray,
    thresholds: np.ndarray,
    values: np.ndarray,
    roots: np.ndarray,
    depths: np.ndarray,
    margins: np.ndarray,
) -> None:
    """Add each tree's leaf to the log-odds, for a block of loans at a time.

    All loans of a block take as many steps as the tree is deep. Such loops hold no branch to be
    guessed wrong, and their steps do not wait for each other.
    """
    at = np.zeros(_BLOCK, np.int32)
    n, one = np.uintp(len(margins)), np.uintp(1)
    start = np.uintp(0)
    while start < n:
        size = min(np.uintp(_BLOCK), n - start)
        for tree in range(len(roots)):
            at[:] = roots[tree]
            for _ in range(depths[tree]):
                i = np.uintp(0)
                while i < size:
                    node = np.uintp(at[i])
                    value = matrix[start + i, np.uintp(nodes[node, 0])]
                    # A comparison with NaN, of a missing value or at a leaf, says left.
                    right = (value >= thresholds[node]) | (np.isnan(value) & (nodes[node, 2] != 0))
                    at[i] = nodes[node, 1] + right
                    i += one
            i = np.uintp(0)
            while i < size:
                margins[start + i] += values[np.uintp(at[i])]
                i += one
        start += np.uintp(_BLOCK)
