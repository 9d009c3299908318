from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fed_credit.evaluation.cut_off import approval_curve, best_cut_off, profit_at, profit_curve

PDS = st.one_of(st.integers(0, 8).map(lambda i: i / 8), st.floats(0.0, 1.0))


@st.composite
def scored_loans(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(1, 40))
    y = draw(hnp.arrays(np.int8, n, elements=st.integers(0, 1)))
    return y, draw(hnp.arrays(np.float64, n, elements=PDS))


@given(scored_loans(), st.floats(0.1, 3.0), st.floats(0.1, 20.0))
def test_no_set_of_the_safest_loans_earns_more_than_the_best_cut_off(loans, gain, loss):
    y, p = loans
    best = profit_at(y, p, best_cut_off(y, p, gain, loss), gain, loss)
    # Every set of approved loans that a cut-off can make: none, and all up to each PD.
    sets = [p < 0.0] + [p <= limit for limit in np.unique(p)]
    earned = [np.where(y == 1, -loss, gain)[chosen].sum() / len(y) for chosen in sets]
    assert best == pytest.approx(max(earned), abs=1e-9)


def test_best_cut_off_lies_between_the_last_approved_and_the_next():
    p = np.array([0.1, 0.2, 0.4, 0.6])
    y = np.array([0, 0, 1, 1], np.int8)
    assert best_cut_off(y, p, 1.0, 5.0) == pytest.approx(0.3)
    assert best_cut_off(1 - y, p, 1.0, 5.0) == 0.0
    assert best_cut_off(np.zeros(4, np.int8), p, 1.0, 5.0) == 1.0
    assert math.isnan(best_cut_off(y[:0], p[:0], 1.0, 5.0))


def test_neighbouring_floats_and_a_pd_of_one_are_still_parted():
    p = np.array([0.5, np.nextafter(0.5, 1.0), 1.0])
    only_first = best_cut_off(np.array([0, 1, 1], np.int8), p, 1.0, 1.0)
    assert (p < only_first).tolist() == [True, False, False]
    everyone = best_cut_off(np.zeros(3, np.int8), p, 1.0, 1.0)
    assert (p < everyone).all()


def test_profit_by_hand():
    y, p = np.array([0, 1, 0, 0], np.int8), np.array([0.05, 0.1, 0.2, 0.5])
    assert profit_at(y, p, 0.3, 1.0, 5.0) == pytest.approx((2 - 5) / 4)
    assert profit_at(y, p, 0.0, 1.0, 5.0) == 0.0


def test_curves_run_from_none_to_all_and_agree_with_direct_counts():
    rng = np.random.default_rng(5)
    p = rng.beta(1, 8, 2000)
    y = (rng.random(2000) < p).astype(np.int8)
    curve = approval_curve(y, p, points=21)
    assert len(curve.cut_off) == 21
    assert curve.approval_rate == pytest.approx(np.linspace(0, 1, 21))
    assert np.isnan(curve.bad_rate[0])
    assert curve.bad_rate[-1] == pytest.approx(y.mean())
    assert curve.bad_rate[10] == pytest.approx(y[p < curve.cut_off[10]].mean())
    profits = profit_curve(y, p, 1.0, 5.0, points=21)
    assert profits.profit == pytest.approx([profit_at(y, p, c, 1.0, 5.0) for c in profits.cut_off])
    assert profits.profit[0] == 0.0
    assert len(approval_curve(y[:0], p[:0]).cut_off) == 0
