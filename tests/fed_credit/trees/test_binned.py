from __future__ import annotations

import numpy as np
import pytest

from fed_credit.errors import DataError
from fed_credit.trees.binned import Bins


def test_a_bin_holds_its_lower_cut_and_missing_values_have_the_last() -> None:
    bins = Bins.of({"a": [1.0, 2.0], "b": []})
    matrix = np.array([[0.5, 7.0], [1.0, np.nan], [1.5, -1.0], [2.0, 0.0], [np.nan, 0.0]])
    assert bins.codes(matrix).tolist() == [[0, 0], [1, 1], [1, 0], [2, 0], [3, 0]]
    assert bins.last_bins.tolist() == [3, 1]


def test_values_are_compared_as_float32_with_float32_cuts() -> None:
    bins = Bins.of({"a": [0.1]})
    below = np.nextafter(np.float32(0.1), np.float32(0))
    # 0.1 as float64 is less than 0.1 as float32.
    assert bins.codes(np.array([[0.1], [float(below)]])).tolist() == [[1], [0]]


def test_cuts_that_are_equal_as_float32_are_one() -> None:
    assert Bins.of({"a": [1.0, 1.0 + 1e-12, 2.0]}).last_bins.tolist() == [3]


@pytest.mark.parametrize(("cuts", "dtype"), [(254, np.uint8), (255, np.uint16)])
def test_codes_take_a_byte_where_they_fit(cuts: int, dtype: type) -> None:
    bins = Bins.of({"a": np.arange(cuts)})
    codes = bins.codes(np.array([[1e9], [np.nan]]))
    assert codes.dtype == dtype
    assert codes.ravel().tolist() == [cuts, cuts + 1]


def test_a_code_depends_on_its_own_value_alone() -> None:
    values = np.random.default_rng(0).normal(size=(101, 2))
    bins = Bins.of({"a": np.linspace(-1, 1, 9), "b": [0.0]})
    whole = bins.codes(values)
    assert np.array_equal(whole, np.concatenate([bins.codes(values[:13]), bins.codes(values[13:])]))


def test_what_cannot_be_cuts_is_refused() -> None:
    with pytest.raises(DataError, match="rise"):
        Bins(("a",), (np.array([2.0, 1.0], np.float32),))
    with pytest.raises(DataError, match="'a'"):
        Bins.of({"a": [np.nan]})
    with pytest.raises(DataError, match="name of its own"):
        Bins(("a", "a"), (np.empty(0, np.float32),) * 2)
    with pytest.raises(DataError, match="1 columns"):
        Bins.of({"a": []}).codes(np.zeros((3, 2)))
