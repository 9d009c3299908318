"""How trees are grown, in types; as in :mod:`fed_credit.config.spec`, no field has a default."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class TreesSpec:
    """One tree, or many that are boosted; rounds of boosting are ``federation.num_rounds``.

    Parameters
    ----------
    trees_per_round : int
        Trees that are grown side by side on the same gradients, and averaged; they share their
        exchanges.
    max_depth : int
        Splits from the root to a leaf, at most.
    learning_rate : float
        Share of a round's step that is taken.
    l2 : float
        Added to the sum of second derivatives of a leaf.
    min_gain : float
        Least gain of a split.
    min_child_weight : float
        Least sum of second derivatives on either side of a split.
    min_child_loans : int
        Least number of loans of all banks on either side of a split.
    row_share, column_share : float
        Share of the loans that a tree is grown on, and of the columns that it may split on.
    monotone : dict of str to int
        Features along which the log-odds of default may only rise (1) or only fall (-1).
    patience : int
        Rounds without a lower loss on validation loans after which boosting stops, and the best
        round is kept; 0 for never.
    subtract_siblings : bool
        Whether banks send one of two siblings only; needs all banks in every exchange.
    categories_apart : int
        Categories up to which each has a column of its own; beyond, they share one, in the order of
        their bad rates.
    rare_share : float
        Share of the loans below which a category has no place of its own.
    """

    trees_per_round: int
    max_depth: int
    learning_rate: float
    l2: float
    min_gain: float
    min_child_weight: float
    min_child_loans: int
    row_share: float
    column_share: float
    monotone: dict[str, int]
    patience: int
    subtract_siblings: bool
    categories_apart: int
    rare_share: float
