from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from fed_credit.trees.spec import GRADIENT_BITS, BoostingSpec
from fed_credit.trees.split import Split, Totals, best_split, leaf_weight

UNIT = 2**GRADIENT_BITS
FREE = np.zeros(3, np.int8)
Find = Callable[..., Split | None]


@pytest.fixture
def find(make_spec: Callable[..., BoostingSpec]) -> Find:
    """Search a histogram given as columns of (gradient, hessian, loans), the last one missing."""

    def search(
        columns: list[list[tuple[float, float, int]]],
        signs: np.ndarray = FREE,
        low: float = -math.inf,
        high: float = math.inf,
        **changes: object,
    ) -> Split | None:
        cells = np.array([cell for column in columns for cell in column], float).T
        histogram = np.rint(cells * np.array([[UNIT], [UNIT], [1]])).astype(np.int64)
        starts = np.cumsum([0, *map(len, columns)])
        which = np.arange(len(columns), dtype=np.int32)
        spec = make_spec(min_child_weight=0.0, **changes)
        return best_split(histogram, which, starts, signs, spec, low, high)

    return search


NONE = (0.0, 0.0, 0)


def test_the_best_split_is_that_of_all_which_gains_most(find: Find) -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        columns = []
        base = [
            (float(rng.normal()), float(rng.random()), int(rng.integers(1, 9))) for _ in range(5)
        ]
        for _ in range(3):
            rng.shuffle(base)
            columns.append([tuple(cell) for cell in base])
        found = find(columns, l2=0.5)
        best = max(_all_gains(columns, Fraction(1, 2)).items(), key=lambda item: item[1])
        assert found is not None
        assert (found.column, found.bin, found.missing_left) == best[0]
        assert found.gain == pytest.approx(float(best[1]), rel=1e-12)


def _all_gains(columns: list, l2: Fraction) -> dict[tuple[int, int, bool], Fraction]:
    def score(cells: list) -> Fraction:
        g, h = (
            sum((Fraction(round(c[k] * UNIT), UNIT) for c in cells), Fraction(0)) for k in (0, 1)
        )
        return g * g / (h + l2)

    gains = {}
    for k, cells in enumerate(columns):
        values, missing = cells[:-1], cells[-1:]
        for last in range(len(values)):
            left, right = values[: last + 1], values[last + 1 :]
            whole = score(cells)
            gains[k, last, False] = score(left) + score(right + missing) - whole
            if right:
                gains[k, last, True] = score(left + missing) + score(right) - whole
    return gains


def test_the_first_of_equal_splits_is_taken(find: Find) -> None:
    column = [(1.0, 1.0, 4), NONE, NONE, (-1.0, 1.0, 4), NONE]
    found = find([[(0.0, 2.0, 8), NONE], column, column])
    assert found is not None
    assert (found.column, found.bin) == (1, 0)


def test_missing_values_go_where_the_loss_falls_most(find: Find) -> None:
    for sign, left in ((1.0, True), (-1.0, False)):
        found = find([[(1.0, 1.0, 4), (-1.0, 1.0, 4), (sign, 1.0, 4)]])
        assert found is not None and found.missing_left is left


def test_where_nothing_is_missing_missing_values_go_with_the_greater_part(find: Find) -> None:
    for many, left in ((9, True), (2, False)):
        found = find([[(1.0, 1.0, many), (-1.0, 1.0, 4), NONE]])
        assert found is not None and found.missing_left is left


def test_what_is_missing_can_be_parted_from_what_is_known(find: Find) -> None:
    found = find([[(1.0, 1.0, 4), (1.0, 1.0, 4), (-2.0, 1.0, 4)]])
    assert found is not None
    assert (found.bin, found.missing_left) == (1, False)
    assert found.right == Totals(-2 * UNIT, UNIT, 4)


@pytest.mark.parametrize(
    "changes", [{"min_child_loans": 5}, {"min_gain": 3.0}, {"l2": 1e9}], ids=lambda c: next(iter(c))
)
def test_a_split_leaves_enough_and_gains_enough(find: Find, changes: dict[str, object]) -> None:
    column = [(1.0, 1.0, 4), (-1.0, 1.0, 4), NONE]
    assert find([column], l2=0.0) is not None  # gains 2
    assert find([column], **{"l2": 0.0, **changes}) is None


def test_min_child_weight_holds_on_both_sides(make_spec: Callable[..., BoostingSpec]) -> None:
    histogram = np.array([[UNIT, -UNIT, 0], [UNIT, 3 * UNIT, 0], [4, 4, 0]])
    arguments = (np.array([0], np.int32), np.array([0, 3]), FREE)
    spec = make_spec(min_child_weight=1.0)
    assert best_split(histogram, *arguments, spec, -math.inf, math.inf) is not None
    spec = replace(spec, min_child_weight=1.01)
    assert best_split(histogram, *arguments, spec, -math.inf, math.inf) is None


def test_a_monotone_column_is_not_split_the_wrong_way(find: Find) -> None:
    # The right side is riskier: its gradient is negative, its step positive.
    column = [(1.0, 1.0, 4), (-1.0, 1.0, 4), NONE]
    rising, falling = np.array([1], np.int8), np.array([-1], np.int8)
    found = find([column], signs=rising)
    assert found is not None and found.middle == pytest.approx(0.0)
    assert find([column], signs=falling) is None
    # Whether a value is known is outside of the order.
    apart = [(1.0, 1.0, 4), (-1.0, 1.0, 4)]
    found = find([apart], signs=falling)
    assert found is not None and found.middle is None


def test_limits_of_monotone_columns_above_lower_a_gain(find: Find) -> None:
    column = [(1.0, 1.0, 4), (-1.0, 1.0, 4), NONE]
    signs = np.array([1], np.int8)
    free, limited = find([column], signs=signs), find([column], signs=signs, high=0.1)
    assert free is not None and limited is not None
    assert limited.gain < free.gain


def test_a_leaf_takes_the_newton_step_within_its_limits(
    make_spec: Callable[..., BoostingSpec],
) -> None:
    node = Totals(-3 * UNIT, 5 * UNIT, 40)
    assert leaf_weight(node, make_spec(l2=1.0), -math.inf, math.inf) == 0.5
    assert leaf_weight(node, make_spec(l2=1.0), -math.inf, 0.25) == 0.25
    assert leaf_weight(Totals(0, 0, 0), make_spec(l2=0.0), -math.inf, math.inf) == 0.0
