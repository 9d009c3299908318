from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.features.bins import NUM_BINS, REFINED_BINS, ZERO_BIN, bin_index, bin_limits
from fed_credit.features.cells import (
    detail_cells,
    detail_counts,
    part_cells,
    part_counts,
    refinable,
)

FINITE = st.floats(-1e12, 1e12, allow_nan=False).filter(lambda v: v == 0 or abs(v) > 1e-8)


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_bins_limits_are_those_of_the_values_it_holds(value):
    index = int(bin_index(np.array([value]))[0])
    start, stop = bin_limits(index)
    assert start <= value < stop
    for other in (0, 1, ZERO_BIN - 1, ZERO_BIN, ZERO_BIN + 1, NUM_BINS - 1):
        if other != index:
            low, high = bin_limits(other)
            assert not low <= value < high


def test_bins_follow_each_other_without_gaps():
    limits = [bin_limits(k) for k in range(NUM_BINS)]
    assert all(a[1] == b[0] for a, b in pairwise(limits))
    assert limits[-1][1] == np.inf


@settings(max_examples=200, deadline=None)
@given(st.lists(FINITE.filter(lambda v: v != 0), min_size=1, max_size=30))
def test_parts_and_grains_hold_the_values_that_are_counted_in_them(values):
    values = np.array(values)
    bins = sorted({int(k) for k in bin_index(values)})
    rows = part_counts(values, bins)
    assert rows.sum() == len(values)
    for index, row in zip(bins, rows, strict=True):
        parts = part_cells(index, row)
        for cell in parts:
            assert np.sum((values >= cell.start) & (values < cell.stop)) == cell.loans
        places = [cell.place[:2] for cell in parts]
        details = detail_counts(values, sorted(places))
        for (k, part), detail in zip(sorted(places), details, strict=True):
            for cell in detail_cells(k, part, detail):
                assert np.sum((values >= cell.start) & (values < cell.stop)) == cell.loans


@settings(max_examples=200, deadline=None)
@given(FINITE.filter(lambda v: v != 0), st.integers(1, 50))
def test_loans_that_share_one_value_give_it_exactly(value, loans):
    values = np.full(loans, value)
    index = int(bin_index(values)[0])
    (part,) = np.flatnonzero(part_counts(values, [index])[0])
    (cell,) = detail_cells(index, int(part), detail_counts(values, [(index, int(part))])[0])
    assert cell.start == value and cell.loans == loans and cell.single
    assert cell.stop == np.nextafter(value, np.inf)


def test_two_values_of_one_part_come_apart_if_they_differ_by_more_than_one_in_a_million():
    values = np.array([0.8, 0.8, 0.80001])
    index = int(bin_index(values)[0])
    (part,) = np.flatnonzero(part_counts(values, [index])[0])
    cells = detail_cells(index, int(part), detail_counts(values, [(index, int(part))])[0])
    assert [cell.loans for cell in cells] == [2, 1]
    assert all(cell.stop / cell.start < 1 + 1e-6 for cell in cells)


def test_only_bins_with_two_finite_edges_of_their_own_are_refined():
    assert [k for k in range(NUM_BINS) if not refinable(k)] == [
        *(0, ZERO_BIN - 1, ZERO_BIN, ZERO_BIN + 1, NUM_BINS - 1)
    ]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_counts_are_of_the_bins_asked_for_alone(sign):
    values = sign * np.array([5.0, 5.1, 9.0])
    bins = [int(bin_index(np.array([sign * 5.0]))[0])]
    assert part_counts(values, bins).shape == (1, REFINED_BINS)
    assert part_counts(values, bins).sum() == 2
