from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.features.bins import (
    NUM_BINS,
    REFINED_BINS,
    SUB_BINS,
    ZERO_BIN,
    bin_edges,
    bin_index,
    refined_index,
    refined_value,
)

INSIDE = st.floats(2.0**-31, 2.0**47, exclude_max=True)  # magnitudes with bins of their own
ANY = st.floats(allow_nan=False, allow_infinity=False)


def index_of(value: float) -> int:
    return int(bin_index(np.array([value]))[0])


@settings(max_examples=300, deadline=None)
@given(st.lists(ANY, min_size=1, max_size=30))
def test_the_index_never_falls_with_the_value(values):
    index = bin_index(np.sort(np.array(values)))
    assert index.dtype == np.int64
    assert index.min() >= 0 and index.max() < NUM_BINS
    assert (np.diff(index) >= 0).all()


@settings(max_examples=300, deadline=None)
@given(INSIDE, st.sampled_from([-1.0, 1.0]))
def test_a_bin_holds_its_values_and_is_narrow(magnitude, sign):
    value = sign * magnitude
    low, high = bin_edges(index_of(value))
    assert low <= value <= high
    # Closed towards zero: a value on an edge belongs to the bin farther out.
    assert value != (high if sign > 0 else low)
    assert (high - low) / magnitude <= 1 / SUB_BINS


@settings(max_examples=200, deadline=None)
@given(ANY)
def test_bins_mirror_at_zero(value):
    assert index_of(value) + index_of(-value) == 2 * ZERO_BIN


def test_bins_tile_the_line_without_gap_or_overlap():
    edges = [bin_edges(index) for index in range(NUM_BINS)]
    for position, ((_, high), (low, _)) in enumerate(pairwise(edges)):
        if position + 1 == ZERO_BIN or position == ZERO_BIN:
            assert abs(high - low) == 2.0**-31  # between zero and the smallest magnitude
        else:
            assert high == low
    assert edges[0][0] == -(2.0**47) and edges[-1][1] == 2.0**47
    assert edges[ZERO_BIN] == (0.0, 0.0)


@pytest.mark.parametrize(
    ("value", "index"),
    [
        (0.0, ZERO_BIN),
        (-0.0, ZERO_BIN),
        (5e-324, ZERO_BIN + 1),
        (-5e-324, ZERO_BIN - 1),
        (1e-12, ZERO_BIN + 1),
        (1.7976931348623157e308, NUM_BINS - 1),
        (-1.7976931348623157e308, 0),
        (2.0**47, NUM_BINS - 1),
    ],
)
def test_extremes_share_the_innermost_and_outermost_bins(value, index):
    assert index_of(value) == index


@settings(max_examples=300, deadline=None)
@given(st.integers(0, NUM_BINS - 1), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_refined_parts_hold_their_values(index, positions):
    low, high = bin_edges(index)
    values = np.clip(low + np.sort(np.array(positions)) * (high - low), low, high)
    part = refined_index(values, low, high)
    assert (np.diff(part) >= 0).all() and part.min() >= 0 and part.max() < REFINED_BINS
    width = (high - low) / REFINED_BINS
    for value, k in zip(values, part, strict=True):
        edge = refined_value(int(k), low, high)
        assert abs(value - edge) <= width
        assert abs(edge) <= abs(value)  # the edge towards zero
        assert refined_index(np.array([edge]), low, high)[0] == k


@pytest.mark.parametrize("sign", [-1, 1])
def test_whole_numbers_below_8192_are_read_back_exactly(sign):
    for value in sign * np.r_[np.arange(1.0, 300.0), 4095.0, 8191.0]:
        low, high = bin_edges(index_of(value))
        assert (
            refined_value(int(refined_index(np.array([value]), low, high)[0]), low, high) == value
        )


def test_values_outside_the_interval_fall_into_the_first_or_last_part():
    outside = np.array([-9.0, 0.5, 1.0625, 9.0])
    assert refined_index(outside, 1.0, 1.0625).tolist() == [
        0,
        0,
        REFINED_BINS - 1,
        REFINED_BINS - 1,
    ]
    assert refined_index(outside, 0.0, 0.0).tolist() == [0, 0, 0, 0]
    assert refined_value(0, 0.0, 0.0) == 0.0
