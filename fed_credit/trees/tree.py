"""A single decision tree that can be read: leaves are bad rates, splits are sentences.

From constant log-odds a split's second-order gain is proportional to what it takes off the Gini
impurity, so one round of boosting grows the tree of CART (Breiman et al., 1984).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fed_credit.errors import DataError
from fed_credit.trees.columns import Columns
from fed_credit.trees.ensemble import Ensemble
from fed_credit.trees.gradients import default_probability, derivatives
from fed_credit.trees.nodes import FEATURE, LEFT, MISSING_LEFT, VALUE
from fed_credit.trees.spec import GRADIENT_BITS, BoostingSpec


def single_tree(spec: BoostingSpec) -> BoostingSpec:
    """Return the specification of one tree, grown on all loans and columns.

    Parameters
    ----------
    spec : BoostingSpec
        Depth, regularisation, least loans of a leaf and monotone columns are taken from it.
    """
    return replace(
        spec,
        rounds=1,
        trees_per_round=1,
        learning_rate=1.0,
        row_share=1.0,
        column_share=1.0,
        bad_weight=1.0,
        bad_rates=True,
        patience=0,
    )


@dataclass(frozen=True)
class Rule:
    """A leaf, and the way to it.

    Parameters
    ----------
    conditions : tuple of str
        What holds for its loans, from the root on.
    loans, bads : int
        Training loans of all banks that end there, and bad ones among them.
    pd : float
        The probability of default that the tree gives them.
    """

    conditions: tuple[str, ...]
    loans: int
    bads: int
    pd: float


class DecisionTree:
    """Reads an ensemble of one tree.

    Parameters
    ----------
    ensemble : Ensemble
        One tree, trained to the specification of :func:`single_tree`.
    columns : Columns
        What its columns mean.

    Raises
    ------
    DataError
        If it is not one tree.
    """

    def __init__(self, ensemble: Ensemble, columns: Columns) -> None:
        if len(ensemble.trees) != 1:
            raise DataError(
                f"Rules are read from a single tree, got {len(ensemble.trees)}; train with"
                " model=tree."
            )
        self._tree = ensemble.trees[0]
        self._columns = columns
        self._thresholds = ensemble.thresholds(self._tree)
        margins = ensemble.base + self._tree.rows[:, VALUE].astype(np.int64)
        self._pds = default_probability(margins)
        # All loans start from the same log-odds, so the sum of gradients counts the bad ones.
        start = np.array([ensemble.base], np.int64)
        good = int(derivatives(start, np.zeros(1, np.int8), 1.0)[0, 0])
        bads = np.ldexp(self._tree.loans * good - self._tree.gradients, -GRADIENT_BITS)
        self._bads = np.rint(bads).astype(np.int64)

    def rules(self) -> list[Rule]:
        """Return the leaves, from left to right."""
        return [
            Rule(path, int(self._tree.loans[at]), int(self._bads[at]), float(self._pds[at]))
            for at, path in self._walk(0, ())
            if not self._tree.inner[at]
        ]

    def text(self) -> str:
        """Return the tree as indented lines: condition, loans, bad rate, and the PD of a leaf."""
        lines = []
        for at, path in self._walk(0, ()):
            loans, bads = int(self._tree.loans[at]), int(self._bads[at])
            line = f"{'  ' * len(path)}{path[-1] if path else 'all loans'}: {loans:,} loans"
            line += f", {bads / loans:.1%} bad" if loans else ""
            if not self._tree.inner[at]:
                line += f" -> PD {self._pds[at]:.2%}"
            lines.append(line)
        return "\n".join(lines)

    def _walk(self, at: int, path: tuple[str, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Go through the nodes, a parent before its children, with the conditions on the way."""
        yield at, path
        if self._tree.inner[at]:
            row = self._tree.rows[at]
            column = self._columns.columns[row[FEATURE]]
            threshold, missing_left = float(self._thresholds[at]), bool(row[MISSING_LEFT])
            for left in (True, False):
                says = column.says(threshold, left, missing_left == left)
                yield from self._walk(int(row[LEFT]) + (not left), (*path, says))
