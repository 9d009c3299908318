"""How trees are grown, and the fixed point in which they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fed_credit.errors import ConfigurationError

GRADIENT_BITS = 24
"""Fractional bits of a loan's gradient, second derivative and loss."""

MARGIN_BITS = 20
"""Fractional bits of leaf values and of the log-odds that they add up to.

A leaf is at most :data:`LARGEST_LEAF` and so has 24 significant bits: it is exact as float32, and
so is a sum of leaves below 16. XGBoost, which adds leaves up in float32, gets the same log-odds."""

MARGIN_UNIT = 2.0**-MARGIN_BITS
LARGEST_LEAF = 16
LARGEST_BAD_WEIGHT = 512.0
LARGEST_DEPTH = 12


@dataclass(frozen=True)
class BoostingSpec:
    """How an ensemble is trained. Where XGBoost has the parameter, it means the same.

    Parameters
    ----------
    rounds : int
        Most rounds of boosting.
    trees_per_round : int
        Trees that are grown side by side on the same gradients, and averaged
        (``num_parallel_tree``); they share their exchanges.
    max_depth : int
        Splits from the root to a leaf, at most.
    learning_rate : float
        Share of a round's step that is taken (``eta``).
    l2 : float
        Added to the sum of second derivatives of a leaf (``lambda``).
    min_gain : float
        Least gain of a split (``gamma``).
    min_child_weight : float
        Least sum of second derivatives on either side of a split.
    min_child_loans : int
        Least number of loans of all banks on either side of a split.
    row_share : float
        Share of the loans that a tree is grown on (``subsample``).
    column_share : float
        Share of the columns that a tree may split on (``colsample_bytree``).
    monotone : mapping of str to int
        Columns along which the log-odds of default may only rise (1) or only fall (-1). Missing
        values are outside of that order.
    bad_weight : float
        What a bad loan counts for in the loss; a good one counts 1. The log-odds are corrected.
    bad_rates : bool
        For a single tree: whether its leaves hold the bad rates of their loans, smoothed as ``l2``
        says, instead of one step towards them.
    patience : int
        Rounds without a lower loss on validation loans after which training stops; 0 for never.
    subtract_siblings : bool
        Whether banks send one of two siblings and the other one is the difference to their parent.
        Needs all banks in every exchange.
    seed : int
        Of the samples of loans and columns.

    Raises
    ------
    ConfigurationError
        If a value cannot be used.
    """

    rounds: int
    trees_per_round: int
    max_depth: int
    learning_rate: float
    l2: float
    min_gain: float
    min_child_weight: float
    min_child_loans: int
    row_share: float
    column_share: float
    monotone: Mapping[str, int]
    bad_weight: float
    bad_rates: bool
    patience: int
    subtract_siblings: bool
    seed: int

    def __post_init__(self) -> None:
        rules = {
            "rounds": (self.rounds >= 1, "at least 1"),
            "trees_per_round": (self.trees_per_round >= 1, "at least 1"),
            "max_depth": (1 <= self.max_depth <= LARGEST_DEPTH, f"from 1 to {LARGEST_DEPTH}"),
            "learning_rate": (0 < self.learning_rate <= 1, "above 0 and at most 1"),
            "l2": (self.l2 >= 0, "0 or more"),
            "min_gain": (self.min_gain >= 0, "0 or more"),
            "min_child_weight": (self.min_child_weight >= 0, "0 or more"),
            "min_child_loans": (self.min_child_loans >= 1, "at least 1"),
            "row_share": (0 < self.row_share <= 1, "above 0 and at most 1"),
            "column_share": (0 < self.column_share <= 1, "above 0 and at most 1"),
            "bad_weight": (
                0 < self.bad_weight <= LARGEST_BAD_WEIGHT,
                f"above 0 and at most {LARGEST_BAD_WEIGHT:g}",
            ),
            "bad_rates": (
                not self.bad_rates or (self.rounds == self.trees_per_round == self.bad_weight == 1),
                "false for more than one tree, and where bad loans have a weight of their own",
            ),
            "patience": (self.patience >= 0, "0 or more"),
        }
        for name, (fits, rule) in rules.items():
            if not fits:
                raise ConfigurationError(f"{name}={getattr(self, name)} must be {rule}.")
        odd = sorted(name for name, sign in self.monotone.items() if sign not in (-1, 1))
        if odd:
            raise ConfigurationError(
                f"monotone for {odd[0]} must be 1 (rising) or -1 (falling), got"
                f" {self.monotone[odd[0]]}."
            )
