"""One tree while it grows, at the server: which histograms it needs, and what it does with them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from fed_credit.errors import ReleaseError
from fed_credit.trees.ensemble import Tree
from fed_credit.trees.nodes import FEATURE, LEAF, VALUE
from fed_credit.trees.spec import GRADIENT_BITS, LARGEST_LEAF, MARGIN_BITS, BoostingSpec
from fed_credit.trees.split import Split, Totals, best_split, leaf_weight, totals


@dataclass
class _Node:
    """A node: where it hangs, what its loans add up to, and within which limits its leaves are."""

    depth: int
    sums: Totals | None
    low: float = -math.inf
    high: float = math.inf
    gain: float = 0.0


class GrowingTree:
    """A tree that grows level by level.

    Parameters
    ----------
    spec : BoostingSpec
        How it is grown.
    columns : numpy.ndarray
        ``(m,) int32``: columns that it may split on.
    starts : numpy.ndarray
        ``(m + 1,) int64``: where they begin within a histogram.
    signs : numpy.ndarray
        ``(n_columns,) int8``: which columns are monotone.
    """

    def __init__(
        self, spec: BoostingSpec, columns: np.ndarray, starts: np.ndarray, signs: np.ndarray
    ) -> None:
        self.columns = columns
        self._spec, self._starts, self._signs = spec, starts, signs
        self._rows = [[LEAF, 0, 0, 0, 0]]
        self._nodes = [_Node(0, None)]
        self._open = [0]
        # Histograms that are the difference of their parent's and their sibling's.
        self._derived: dict[int, tuple[int, np.ndarray]] = {}

    @property
    def rows(self) -> np.ndarray:
        """The tree as far as it is grown, ``(n_nodes, WIDTH) int32``."""
        return np.array(self._rows, np.int32)

    @property
    def asked(self) -> np.ndarray:
        """Leaves whose histograms it needs, rising, int32; empty when it is grown."""
        direct = set(self._open) - set(self._derived)
        siblings = {sibling for sibling, _ in self._derived.values()}
        return np.array(sorted(direct | siblings), np.int32)

    def take(self, histograms: Mapping[int, np.ndarray]) -> None:
        """Grow by one level.

        Parameters
        ----------
        histograms : mapping of int to numpy.ndarray
            ``(3, n_cells) int64`` per asked leaf: sums over the banks.

        Raises
        ------
        ReleaseError
            If a histogram and its parent's are not of the same loans.
        """
        known = dict(histograms)
        for node, (sibling, parent) in self._derived.items():
            known[node] = parent - histograms[sibling]
            if (known[node][2] < 0).any():
                raise ReleaseError(
                    "The histograms of two exchanges do not belong to the same loans, so some"
                    " banks answered one of them only; ask all banks, or set"
                    " subtract_siblings=false."
                )
        opened, self._open, self._derived = self._open, [], {}
        for node in opened:
            self._grow(node, known[node])

    def finished(self, leaf: Callable[[float], float]) -> Tree:
        """Return the grown tree.

        Parameters
        ----------
        leaf : callable
            Turns the step that lowers the loss most into the log-odds that a leaf adds.
        """
        rows = self.rows
        largest = LARGEST_LEAF << MARGIN_BITS
        for row, node, sums in zip(rows, self._nodes, self._sums(), strict=True):
            if row[FEATURE] == LEAF:
                value = leaf(leaf_weight(sums, self._spec, node.low, node.high))
                row[VALUE] = min(max(round(value * 2**MARGIN_BITS), -largest), largest)
        return Tree(
            rows,
            gains=np.array([node.gain for node in self._nodes]),
            gradients=np.array([sums.gradient for sums in self._sums()], np.int64),
            hessians=np.array([sums.hessian for sums in self._sums()], np.int64),
            loans=np.array([sums.loans for sums in self._sums()], np.int64),
        )

    def _sums(self) -> list[Totals]:
        return [node.sums or Totals(0, 0, 0) for node in self._nodes]

    def _grow(self, at: int, histogram: np.ndarray) -> None:
        node = self._nodes[at]
        if node.sums is None:
            node.sums = totals(histogram, self._starts)
        split = best_split(
            histogram, self.columns, self._starts, self._signs, self._spec, node.low, node.high
        )
        if split is None:
            return
        node.gain = split.gain
        left, right = self._add_children(at, node, split)
        wanted = [child for child in (left, right) if self._may_split(self._nodes[child])]
        self._open += wanted
        if wanted and self._spec.subtract_siblings:
            few, many = (left, right) if split.left.loans <= split.right.loans else (right, left)
            if many in wanted:
                self._derived[many] = (few, histogram)

    def _add_children(self, at: int, node: _Node, split: Split) -> tuple[int, int]:
        left = len(self._rows)
        self._rows[at] = [split.column, split.bin, int(split.missing_left), left, 0]
        limits = [(node.low, node.high)] * 2
        if split.middle is not None:
            limits = [(node.low, split.middle), (split.middle, node.high)]
            if self._signs[split.column] < 0:
                limits.reverse()
        for sums, (low, high) in zip((split.left, split.right), limits, strict=True):
            self._rows.append([LEAF, 0, 0, 0, 0])
            self._nodes.append(_Node(node.depth + 1, sums, low, high))
        return left, left + 1

    def _may_split(self, node: _Node) -> bool:
        assert node.sums is not None
        weight = node.sums.hessian / 2**GRADIENT_BITS
        return (
            node.depth < self._spec.max_depth
            and node.sums.loans >= 2 * self._spec.min_child_loans
            and weight >= 2 * self._spec.min_child_weight
        )
