from __future__ import annotations

from decimal import Decimal, getcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.models.elementwise import LARGEST, exp_negative, logistic, sigmoid

LOG_ODDS = st.floats(-40.0, 40.0)


def relative_error(found: float, exact: Decimal) -> float:
    return abs(float((Decimal(found) - exact) / exact))


@settings(max_examples=300, deadline=None)
@given(LOG_ODDS)
def test_values_are_right_to_the_last_places(log_odds):
    getcontext().prec = 60
    exact = Decimal(log_odds)
    probability, softplus = (float(v[0]) for v in logistic(np.array([log_odds])))
    assert relative_error(probability, 1 / (1 + (-exact).exp())) < 5e-16
    assert relative_error(softplus, (1 + exact.exp()).ln()) < 1e-15
    assert sigmoid(np.array([log_odds]))[0] == probability
    assert relative_error(float(exp_negative(-np.abs([log_odds]))[0]), (-abs(exact)).exp()) < 3e-16


def test_the_ends_are_finite():
    ends = np.array([-1e308, -LARGEST, -0.0, 0.0, LARGEST, 1e308])
    probability, softplus = logistic(ends)
    assert probability.tolist()[2:] == [0.5, 0.5, 1.0, 1.0]
    assert 0 < probability[0] == probability[1] < 1e-300
    assert softplus.tolist()[2:] == pytest.approx([np.log(2), np.log(2), LARGEST, LARGEST])


def test_a_values_bits_do_not_depend_on_what_stands_beside_it():
    values = np.random.default_rng(0).normal(0.0, 6.0, 1037)
    whole = logistic(values)
    for k in (0, 1, 2, 3, 5, 8, 500, 1036):
        for stop in (k + 1, k + 2, k + 7, k + 64):
            part = logistic(values[k:stop])
            assert all(np.array_equal(a, b[k:stop]) for a, b in zip(part, whole, strict=True))
    apart = logistic(np.repeat(values, 3)[1::3])  # not contiguous
    assert all(np.array_equal(a, b) for a, b in zip(apart, whole, strict=True))
