from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.features.decimals import shortest_decimal, significant_digits


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (12.5, 24.0, 20.0),
        (3.0000001, 4.0, 4.0),
        (149968.0, 150031.0, 150000.0),
        (-1.0, 2.0, 0.0),
        (-0.0831, -0.0822, -0.083),
        (0.1, 0.1, 0.1),
        (9.97, 10.02, 10.0),
        (1e-9, 3e-9, 2e-9),
        (99.0, 9e15, 5e15),
    ],
)
def test_known_numbers(low, high, expected):
    assert shortest_decimal(low, high) == expected


@settings(max_examples=300, deadline=None)
@given(st.floats(-1e15, 1e15), st.floats(-1e15, 1e15))
def test_it_lies_inside_and_no_shorter_number_does(a, b):
    low, high = min(a, b), max(a, b)
    found = shortest_decimal(low, high)
    assert low <= found <= high
    assert significant_digits(found) <= min(significant_digits(low), significant_digits(high))


def test_digits_are_those_that_are_written():
    assert [significant_digits(v) for v in (0.0, 5.0, -0.25, 150000.0, 1e22, 5.3)] == [
        *(1, 1, 2, 2, 1, 2)
    ]
