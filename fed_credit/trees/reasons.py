"""What each column adds to a loan's log-odds: Shapley values of trees, exact.

The path-dependent values of Lundberg et al. (*From local explanations to global understanding with
explainable AI for trees*, Nature Machine Intelligence 2, 2020), as ``shap.TreeExplainer`` and
XGBoost's ``pred_contribs`` give them: where a column is unknown, a loan goes down both sides in the
shares of the training loans (by their second derivatives).

A leaf's share depends only on which of the columns on its path the loan satisfies. So it is
computed once for each such pattern that occurs, and looked up for all other loans (the idea of
Yang, *Fast TreeSHAP*, 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fed_credit.trees.compile import compiled
from fed_credit.trees.ensemble import Ensemble, Tree
from fed_credit.trees.nodes import BIN, FEATURE, LEAF, LEFT, MISSING_LEFT, VALUE
from fed_credit.trees.spec import MARGIN_UNIT
from fed_credit.trees.workers import Workers


@dataclass(frozen=True, eq=False)
class Paths:
    """The paths to all leaves, with one entry for each column that is on the path.

    Parameters
    ----------
    values : numpy.ndarray
        ``(n_leaves,) float64``: the leaf's log-odds.
    offsets : numpy.ndarray
        ``(n_leaves + 1,) int64``: entries of each leaf.
    ranges : numpy.ndarray
        ``(n_entries, 4) int64``: column, first and last bin that lead to the leaf, and whether a
        missing value does.
    shares : numpy.ndarray
        ``(n_entries,) float64``: share of the training loans that go the leaf's way at the splits
        on that column.
    """

    values: np.ndarray
    offsets: np.ndarray
    ranges: np.ndarray
    shares: np.ndarray


class Reasons:
    """Explains an ensemble's decisions.

    Parameters
    ----------
    ensemble : Ensemble
        The ensemble.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble
        self.paths = _paths(ensemble)
        expected = sum(_expected(tree) for tree in ensemble.trees)
        self.expected = ensemble.base * MARGIN_UNIT + expected
        """Mean log-odds of the training loans, to which a loan's contributions are added."""

    def contributions(self, matrix: np.ndarray, threads: int = 1) -> np.ndarray:
        """Return what each column adds to the log-odds of each loan.

        Parameters
        ----------
        matrix : numpy.ndarray
            ``(n, n_columns)`` floats, NaN where missing.
        threads : int, default=1
            Threads to compute with; they do not change a bit.

        Returns
        -------
        numpy.ndarray
            ``(n, n_columns) float64``. A row and :attr:`expected` add up to the loan's log-odds.
            A loan's row does not depend on the other loans.

        Raises
        ------
        DataError
            If the matrix has another number of columns.
        """
        bins = self._ensemble.bins
        codes = np.ascontiguousarray(bins.codes(matrix).T)
        out = np.zeros((len(matrix), len(bins.names)))
        paths = self.paths

        def explain(rows: slice) -> None:
            found = np.zeros((len(bins.names), rows.stop - rows.start))
            own = np.ascontiguousarray(codes[:, rows])
            _explain(
                own, bins.last_bins, paths.values, paths.offsets, paths.ranges, paths.shares, found
            )
            out[rows] = found.T

        Workers(threads).over_rows(len(matrix), explain)
        return out

    def pattern_table(self, largest: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return what each leaf adds for every pattern, for whoever explains one loan at a time.

        Parameters
        ----------
        largest : int
            Numbers that the table may hold.

        Returns
        -------
        (numpy.ndarray, numpy.ndarray) or None
            ``(n_leaves,) int64``: where a leaf's part of the table begins, and the table, float64:
            for each pattern one number per column of the path. None if it would be larger.
        """
        depths = np.diff(self.paths.offsets)
        sizes = depths << depths
        if sizes.sum() > largest:
            return None
        starts = np.cumsum([0, *sizes])[:-1].astype(np.int64)
        table = np.zeros(int(sizes.sum()))
        _all_patterns(self.paths.values, self.paths.offsets, self.paths.shares, starts, table)
        return starts, table


def _expected(tree: Tree) -> float:
    """Return the mean log-odds of a tree over its training loans."""
    means = np.where(tree.inner, 0.0, tree.rows[:, VALUE] * MARGIN_UNIT)
    for at in np.flatnonzero(tree.inner)[::-1]:
        left = tree.rows[at, LEFT]
        share = _share(tree, at, left)
        means[at] = share * means[left] + (1.0 - share) * means[left + 1]
    return float(means[0])


def _share(tree: Tree, at: int, left: int) -> float:
    """Return the share of a split's training loans that go left."""
    total = int(tree.hessians[at])
    return int(tree.hessians[left]) / total if total else 0.5


def _paths(ensemble: Ensemble) -> Paths:
    last = ensemble.bins.last_bins
    values: list[float] = []
    sizes: list[int] = []
    entries: list[tuple[int, int, int, bool, float]] = []
    for tree in ensemble.trees:
        rows = tree.rows.tolist()
        # Per node what its path asks of each column: bins from, to, missing, share.
        waiting: list[tuple[int, dict[int, tuple[int, int, bool, float]]]] = [(0, {})]
        while waiting:
            at, path = waiting.pop()
            row = rows[at]
            column = row[FEATURE]
            if column == LEAF:
                values.append(row[VALUE] * MARGIN_UNIT)
                sizes.append(len(path))
                entries += [(k, *what) for k, what in sorted(path.items())]
                continue
            low, high, missing, share = path.get(column, (0, int(last[column]) - 1, True, 1.0))
            goes = bool(row[MISSING_LEFT])
            left = _share(tree, at, row[LEFT])
            below = (low, min(high, row[BIN]), missing and goes, share * left)
            above = (max(low, row[BIN] + 1), high, missing and not goes, share * (1.0 - left))
            waiting.append((row[LEFT] + 1, {**path, column: above}))
            waiting.append((row[LEFT], {**path, column: below}))
    return Paths(
        np.array(values),
        np.cumsum([0, *sizes]).astype(np.int64),
        np.array([entry[:4] for entry in entries], np.int64).reshape(-1, 4),
        np.array([entry[4] for entry in entries]),
    )


@compiled
def _pattern(pattern: int, shares: np.ndarray, value: float, out: np.ndarray) -> None:
    """Compute what a leaf adds for each column of its path, for one pattern.

    Bit ``k`` of the pattern says whether the loan satisfies the leaf's column ``k``. The
    contribution of ``k`` is ``value * (bit - share)`` times the sum, over the sets ``S`` of other
    columns that are known, of ``|S|! (d - 1 - |S|)! / d!`` times the weight of the path. That
    weight is the coefficient of ``x**|S|`` in the product of ``share + bit * x`` over the others.
    """
    d = len(shares)
    coefficients = np.zeros(d)
    for k in range(d):
        coefficients[:] = 0.0
        coefficients[0] = 1.0
        size = 1
        for j in range(d):
            if j == k:
                continue
            if (pattern >> j) & 1:
                for power in range(size, 0, -1):
                    coefficients[power] = coefficients[power] * shares[j] + coefficients[power - 1]
                coefficients[0] *= shares[j]
                size += 1
            else:
                for power in range(size):
                    coefficients[power] *= shares[j]
        factor = 1.0 / d  # 0! (d - 1)! / d!
        total = coefficients[0] * factor
        for power in range(1, size):
            factor *= power / (d - power)
            total += coefficients[power] * factor
        out[k] = value * (((pattern >> k) & 1) - shares[k]) * total


@compiled
def _all_patterns(
    values: np.ndarray,
    offsets: np.ndarray,
    shares: np.ndarray,
    starts: np.ndarray,
    table: np.ndarray,
) -> None:
    """Fill the table of :meth:`Reasons.pattern_table`."""
    for leaf in range(len(values)):
        first, d = offsets[leaf], offsets[leaf + 1] - offsets[leaf]
        for pattern in range(1 << d):
            at = starts[leaf] + pattern * d
            _pattern(pattern, shares[first : first + d], values[leaf], table[at : at + d])


@compiled
def _explain(
    codes: np.ndarray,
    last_bins: np.ndarray,
    values: np.ndarray,
    offsets: np.ndarray,
    ranges: np.ndarray,
    shares: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add every leaf's contributions to ``out``; it and the codes are ``(n_columns, n)``."""
    n = codes.shape[1]
    patterns = np.zeros(n, np.int32)
    deepest = 0
    for leaf in range(len(values)):
        deepest = max(deepest, offsets[leaf + 1] - offsets[leaf])
    table = np.zeros((1 << deepest, max(deepest, 1)))
    known = np.zeros(1 << deepest, np.bool_)
    for leaf in range(len(values)):
        first, d = offsets[leaf], offsets[leaf + 1] - offsets[leaf]
        patterns[:] = 0
        for k in range(d):
            column, low, high, missing = ranges[first + k]
            # Codes count from 0, and that of a missing value is above all others.
            absent = last_bins[column]
            for i in range(n):
                code = np.int64(codes[column, i])
                fits = ((code >= low) & (code <= high)) | ((code == absent) & (missing != 0))
                patterns[i] |= np.int32(fits) << np.int32(k)
        known[: 1 << d] = False
        for i in range(n):
            if not known[patterns[i]]:
                known[patterns[i]] = True
                _pattern(patterns[i], shares[first : first + d], values[leaf], table[patterns[i]])
        for k in range(d):
            column = ranges[first + k, 0]
            for i in range(n):
                out[column, i] += table[patterns[i], k]
