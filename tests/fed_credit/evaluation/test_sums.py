from __future__ import annotations

import dataclasses
import math
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fed_credit.errors import ReleaseError
from fed_credit.evaluation.metrics import lift_table, measure
from fed_credit.evaluation.sums import (
    FRACTION_BITS,
    ScoreSums,
    edges,
    measure_sums,
    score_sums,
    shapes,
)
from fed_credit.releases import Entry, ReleaseSpec

# Few cells and few distinct PDs make every way in which loans can lie in a cell likely.
PDS = (
    st.integers(0, 12).map(lambda i: i / 12),
    st.floats(0.0, 1.0),
    st.floats(0.05, 0.3),
    st.sampled_from([0.0, 1.0, 0.25, 1e-300, 1.0 - 2**-53]),
)


@st.composite
def scored_loans(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(1, 80))
    p = draw(hnp.arrays(np.float64, n, elements=draw(st.sampled_from(PDS))))
    return draw(hnp.arrays(np.int8, n, elements=st.integers(0, 1))), p


def same(a: ScoreSums, b: ScoreSums) -> bool:
    return all(np.array_equal(a.arrays()[name], b.arrays()[name]) for name in FRACTION_BITS)


@settings(max_examples=300, deadline=None)
@given(scored_loans(), st.integers(1, 5), st.integers(1, 40), st.integers(1, 6), st.data())
def test_exact_metrics_lie_within_the_bounds_for_any_partition(loans, banks, bins, groups, data):
    y, p = loans
    bank = data.draw(hnp.arrays(np.int64, len(y), elements=st.integers(0, banks - 1)))
    sums = reduce(add, (score_sums(y[bank == k], p[bank == k], bins=bins) for k in range(banks)))
    assert same(sums, score_sums(y, p, bins=bins))
    exact, bounded = (
        measure(y, p, calibration_bins=groups),
        measure_sums(sums, calibration_bins=groups),
    )
    for field in dataclasses.fields(exact):
        true = getattr(exact, field.name)
        value, bound = dataclasses.astuple(getattr(bounded, field.name))
        assert math.isnan(true) == math.isnan(value), field.name
        assert math.isnan(true) or abs(true - value) <= bound, field.name


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.02, 0.1, 0.3, 0.7, 0.98]))),
    st.integers(1, 2),
    st.integers(2, 3),
)
@example([(1, 0.02), (0, 0.7), (0, 0.98), (0, 0.7)], 1, 2)
def test_calibration_bound_holds_where_ties_shift_what_a_group_holds(loans, bins, groups):
    y = np.array([outcome for outcome, _ in loans], np.int8)
    p = np.array([pd for _, pd in loans], np.float64)
    exact = measure(y, p, calibration_bins=groups).ece
    ece = measure_sums(score_sums(y, p, bins=bins), calibration_bins=groups).ece
    assert math.isnan(exact) == math.isnan(ece.value)
    assert math.isnan(exact) or abs(exact - ece.value) <= ece.bound


@given(scored_loans(), st.integers(1, 40))
def test_values_are_the_metrics_of_pds_rounded_to_their_cells(loans, bins):
    y, p = loans
    bounded = measure_sums(score_sums(y, p, bins=bins), calibration_bins=3)
    cell = np.minimum(np.searchsorted(edges(bins), p, side="right") - 1, bins - 1)
    rounded = measure(y, (cell + 0.5) / bins, calibration_bins=3)
    for name in ("auc", "gini", "ks", "pr_auc"):
        assert getattr(bounded, name).value == pytest.approx(
            getattr(rounded, name), abs=1e-9, nan_ok=True
        )


@given(scored_loans(), st.permutations(range(4)))
def test_sums_add_to_the_same_bits_in_any_order(loans, order):
    y, p = loans
    parts = [score_sums(y[k::4], p[k::4], bins=16) for k in range(4)]
    forward = sum(parts, ScoreSums.zero(16))
    assert same(forward, reduce(add, (parts[k] for k in order)))
    assert forward.n == len(y)


def small_business_loans(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = rng.normal(-2.4, 1.0, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-(z + rng.normal(0, 0.7, n))))).astype(np.int8)
    return y, 1 / (1 + np.exp(-z))


def test_bounds_at_256_cells_are_small_enough_to_be_of_use():
    y, p = small_business_loans(20_000, 1)
    bounded = measure_sums(score_sums(y, p, bins=256), calibration_bins=10)
    assert bounded.auc.bound < 0.005
    assert bounded.ks.bound < 0.015
    assert bounded.pr_auc.bound < 0.02
    assert bounded.log_loss.bound < 1e-6 and bounded.brier.bound < 1e-6
    assert bounded.ece.bound < 0.02


def test_more_cells_tighten_the_bounds():
    y, p = small_business_loans(5_000, 2)
    bounds = np.array(
        [
            [
                getattr(measure_sums(score_sums(y, p, bins=bins), calibration_bins=10), name).bound
                for name in ("auc", "ks", "pr_auc", "ece")
            ]
            for bins in (16, 64, 256, 1024)
        ]
    )
    assert (np.diff(bounds, axis=0) < 0).all()


def test_a_release_carries_the_sums_without_loss():
    y, p = small_business_loans(500, 3)
    sums = score_sums(y, p, bins=32)
    assert {name: a.shape for name, a in sums.arrays().items()} == shapes(32)
    spec = ReleaseSpec(
        "scores",
        tuple(Entry(name, s, FRACTION_BITS[name], 2.0**26) for name, s in shapes(32).items()),
    )
    assert same(ScoreSums.from_arrays(spec.decode(spec.encode(sums.arrays()))), sums)


def test_calibration_curve_of_sums_counts_every_loan():
    y, p = small_business_loans(3_000, 4)
    sums = score_sums(y, p, bins=256)
    curve = sums.calibration_curve(10)
    assert curve.n.sum() == 3_000 and curve.bads.sum() == y.sum()
    assert np.abs(curve.n - 300).max() < 60
    assert lift_table(curve).captured[-1] == 1.0
    assert curve.ece == measure_sums(sums, calibration_bins=10).ece.value


def test_no_loans_leave_every_metric_undefined():
    bounded = measure_sums(ScoreSums.zero(8), calibration_bins=3)
    assert all(
        math.isnan(getattr(bounded, field.name).value) for field in dataclasses.fields(bounded)
    )


def test_arrays_that_do_not_fit_are_refused():
    arrays = score_sums(*small_business_loans(50, 5), bins=8).arrays()
    with pytest.raises(ReleaseError, match="same cells"):
        ScoreSums.from_arrays({**arrays, "bads": arrays["bads"][:-1]})
    with pytest.raises(ReleaseError, match="same cells"):
        ScoreSums.from_arrays({k: v for k, v in arrays.items() if k != "log_loss"})
    with pytest.raises(ReleaseError, match="negative"):
        ScoreSums.from_arrays({**arrays, "goods": arrays["goods"] - 100})
    with pytest.raises(ValueError, match="cannot be added"):
        ScoreSums.zero(8) + ScoreSums.zero(9)
