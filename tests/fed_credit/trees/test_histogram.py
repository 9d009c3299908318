from __future__ import annotations

import numpy as np
import pytest

from fed_credit.trees.histogram import add_histograms


def _reference(
    codes: np.ndarray, derivatives: np.ndarray, rows: np.ndarray, columns: list[int], bins: int
) -> np.ndarray:
    out = np.zeros((3, len(columns) * bins), np.int64)
    for j, column in enumerate(columns):
        for row in rows:
            cell = j * bins + int(codes[row, column])
            out[:, cell] += [*derivatives[row], 1]
    return out


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("n", [5, 1500, 40_000])
def test_cells_hold_the_sums_of_their_loans(n: int, dtype: type) -> None:
    rng = np.random.default_rng(n)
    bins, columns = 9, [0, 2, 3]
    codes = rng.integers(0, bins, size=(n, 5)).astype(dtype)
    derivatives = np.stack(
        [rng.integers(-(2**33), 2**33, size=n), rng.integers(0, 2**31, size=n)], axis=1
    )
    derivatives[0] = [-(2**33), 0]  # the weight of a bad loan at its largest
    nodes = [np.arange(0, n, 3), np.arange(1, n, 3)]
    rows = np.concatenate(nodes).astype(np.int32)
    ends = np.cumsum([0, *map(len, nodes)])
    starts = np.arange(len(columns) + 1) * bins
    size = int(starts[-1])
    expected = np.concatenate(
        [_reference(codes, derivatives, part, columns, bins) for part in nodes], axis=1
    )
    places = np.array([0, size])
    wanted = np.array(columns, np.int32)

    whole = np.zeros((3, 2 * size), np.int64)
    add_histograms(codes, derivatives, rows, ends, wanted, starts, places, whole)
    assert np.array_equal(whole, expected)

    by_columns = np.zeros((3, 2 * size), np.int64)
    for part in (slice(0, 1), slice(1, 3)):
        edges = starts[part.start : part.stop + 1]
        add_histograms(codes, derivatives, rows, ends, wanted[part], edges, places, by_columns)
    assert np.array_equal(by_columns, expected)


def test_no_loans_add_nothing() -> None:
    out = np.zeros((3, 4), np.int64)
    add_histograms(
        np.empty((0, 1), np.uint8),
        np.empty((0, 2), np.int64),
        np.empty(0, np.int32),
        np.array([0, 0]),
        np.array([0], np.int32),
        np.array([0, 4]),
        np.array([0]),
        out,
    )
    assert not out.any()
