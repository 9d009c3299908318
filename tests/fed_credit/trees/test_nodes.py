from __future__ import annotations

import numpy as np
import pytest

from fed_credit.errors import ReleaseError
from fed_credit.trees.nodes import WIDTH, Trees, add_leaves, advance, steps_left

LAST = np.array([5, 3], np.int64)
# Column 0 at most 2: left, where missing values go too; then column 1 at most 0, missing right.
TREE = np.array(
    [[0, 2, 1, 1, 0], [1, 0, 0, 3, 0], [-1, 0, 0, 0, 30], [-1, 0, 0, 0, 10], [-1, 0, 0, 0, 20]],
    np.int32,
)
CODES = np.array([[0, 0], [2, 1], [5, 3], [3, 0], [4, 3]], np.uint8)
LEAVES = [3, 4, 4, 2, 2]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_loans_go_down_to_their_leaves(dtype: type) -> None:
    positions = np.zeros(5, np.int32)
    advance(TREE, CODES.astype(dtype), LAST, positions, steps_left(TREE, 1))
    assert positions.tolist() == LEAVES
    margins = np.full(5, 100, np.int64)
    add_leaves(TREE, positions, margins)
    assert margins.tolist() == [110, 120, 120, 130, 130]


def test_loans_go_on_from_where_they_stand() -> None:
    young = TREE[:3].copy()
    young[1] = [-1, 0, 0, 0, 0]
    positions = np.zeros(5, np.int32)
    advance(young, CODES, LAST, positions, steps_left(young, 1))
    assert positions.tolist() == [1, 1, 1, 2, 2]
    assert steps_left(TREE, 3) == 1
    advance(TREE, CODES, LAST, positions, steps_left(TREE, 3))
    assert positions.tolist() == LEAVES
    assert steps_left(TREE, 5) == 0


def test_a_loan_alone_ends_where_it_ends_among_many() -> None:
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(0, 6, 9000), rng.integers(0, 4, 9000)], axis=1).astype(np.uint8)
    together, alone = np.zeros(9000, np.int32), np.zeros(9000, np.int32)
    advance(TREE, codes, LAST, together, 2)
    for k in range(0, 9000, 7):
        advance(TREE, codes[k : k + 7], LAST, alone[k : k + 7], 2)
    assert np.array_equal(together, alone)


def test_trees_in_a_row_are_read_back() -> None:
    trees = Trees.of([TREE, TREE[2:3]])
    trees.check(LAST)
    assert len(trees) == 2
    assert np.array_equal(trees[0], TREE) and np.array_equal(trees[1], TREE[2:3])
    assert len(Trees.of([])) == 0
    Trees.of([]).check(LAST)


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [
        (0, 0, 2),  # no such column of the matrix
        (0, 0, -2),
        (0, 1, 5),  # the bin of missing values
        (0, 1, -1),
        (0, 3, 0),  # a walk that does not end
        (1, 3, 1),
        (0, 3, 4),  # a right child behind the tree
        (0, 3, 99),
    ],
)
def test_what_is_no_tree_is_refused(row: int, column: int, value: int) -> None:
    wrong = TREE.copy()
    wrong[row, column] = value
    with pytest.raises(ReleaseError, match="no tree"):
        Trees.of([wrong, TREE]).check(LAST)


def test_trees_of_another_shape_are_refused() -> None:
    whole = Trees.of([TREE])
    for nodes, offsets in [
        (whole.nodes.astype(np.int64), whole.offsets),
        (whole.nodes[:, : WIDTH - 1], whole.offsets),
        (whole.nodes, whole.offsets[:0]),
        (whole.nodes, np.array([0, 4])),
        (whole.nodes, np.array([0, 0, 5])),
        (whole.nodes, np.array([0.0, 5.0])),
    ]:
        with pytest.raises(ReleaseError, match="no tree"):
            Trees(nodes, offsets).check(LAST)
