from __future__ import annotations

import numpy as np

from fed_credit.trees.sampling import columns_of, rows_at, salt, threshold

N = 20_000
KEYS = np.random.default_rng(0).integers(0, 2**64, size=N, dtype=np.uint64)


def _sampled(keys: np.ndarray, seed: int, tree: int, share: float) -> set[int]:
    root = np.zeros(1, np.int32)
    positions = np.zeros(len(keys), np.int32)
    rows, _ = rows_at(positions, root, 1, keys, salt(seed, tree), threshold(share))
    return {int(key) for key in keys[rows]}


def test_rows_come_node_by_node_in_the_order_of_the_loans() -> None:
    positions = np.array([3, 1, 1, 0, 3, 2, 1], np.int32)
    slots = np.array([2, 1, 2, 0], np.int32)  # node 3 is asked for first, then 1; 0 and 2 are not
    rows, ends = rows_at(positions, slots, 2, KEYS[:7], 1, threshold(1.0))
    assert rows.tolist() == [0, 4, 1, 2, 6]
    assert ends.tolist() == [0, 2, 5]


def test_a_loan_is_in_a_sample_whoever_holds_it() -> None:
    whole = _sampled(KEYS, 5, 3, 0.4)
    shuffled = np.random.default_rng(1).permutation(KEYS)
    parts = [_sampled(part, 5, 3, 0.4) for part in np.array_split(shuffled, 13)]
    assert set().union(*parts) == whole
    assert abs(len(whole) / N - 0.4) < 0.02


def test_trees_and_seeds_have_samples_of_their_own() -> None:
    first = _sampled(KEYS, 5, 3, 0.5)
    for other in (_sampled(KEYS, 5, 4, 0.5), _sampled(KEYS, 6, 3, 0.5)):
        assert abs(len(first & other) / N - 0.25) < 0.02


def test_keys_in_a_row_are_sampled_as_well_as_any() -> None:
    assert abs(len(_sampled(np.arange(N, dtype=np.uint64), 5, 3, 0.1)) / N - 0.1) < 0.01


def test_a_smaller_sample_is_part_of_a_greater_one() -> None:
    assert _sampled(KEYS, 1, 1, 0.2) < _sampled(KEYS, 1, 1, 0.7) < _sampled(KEYS, 1, 1, 1.0)


def test_columns_are_a_sample_by_name() -> None:
    names = [f"x{k}" for k in range(20)]
    taken = columns_of(1, 0, names, 0.3)
    assert len(taken) == 6 and (np.diff(taken) > 0).all()
    assert {tuple(columns_of(1, tree, names, 0.3)) for tree in range(5)} != {tuple(taken)}
    turned = columns_of(1, 0, names[::-1], 0.3)
    assert {names[::-1][k] for k in turned} == {names[k] for k in taken}
    assert len(columns_of(1, 0, names, 0.001)) == 1
    assert columns_of(1, 0, names, 1.0).tolist() == list(range(20))
