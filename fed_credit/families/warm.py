"""Machine code of the trees, read into a process before it is needed."""

from __future__ import annotations

import numpy as np

from fed_credit.families.binned import sampled
from fed_credit.trees.binned import Bins
from fed_credit.trees.central import train
from fed_credit.trees.spec import BoostingSpec

_SPEC = BoostingSpec(
    rounds=2,
    trees_per_round=1,
    max_depth=2,
    learning_rate=0.3,
    l2=1.0,
    min_gain=0.0,
    min_child_weight=0.0,
    min_child_loans=1,
    row_share=1.0,
    column_share=1.0,
    monotone={},
    bad_weight=1.0,
    bad_rates=False,
    patience=1,
    subtract_siblings=True,
    seed=1,
)


def warm_up() -> None:
    """Grow two trees on six loans, so that processes forked from this one need not compile."""
    bins = Bins.of({"x": [0.5]})
    matrix = np.array([[0.0], [1.0], [0.0], [1.0], [np.nan], [1.0]], np.float32)
    y = np.array([0, 1, 0, 1, 0, 0], np.int8)
    loans = sampled(bins.codes(matrix), y)
    train(bins, [(loans, loans)], _SPEC).ensemble.default_probability(matrix)
