"""Indices, shares, levels and default rates against brute force, golden figures and luck itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from fed_credit.config.monitor import Control
from fed_credit.drift.calibration import shape_test
from fed_credit.drift.default_rate import RateTest
from fed_credit.drift.index import critical_index, index_of, index_p_value, joined, noise
from fed_credit.drift.levels import shared_level
from fed_credit.drift.rank import fall_p_value
from fed_credit.drift.shares import critical_change, share_p_value
from fed_credit.evaluation.sums import score_sums


def test_the_index_of_no_change_is_as_large_as_published() -> None:
    # Yurdakul and Naranjo 2020: 95th percentile of chi-square with 9 degrees of freedom is 16.92.
    assert critical_index(0.05, noise(1000, 1000), 10, 0.0) == pytest.approx(0.0338, abs=1e-4)
    assert critical_index(0.05, noise(100, 100), 10, 0.0) == pytest.approx(0.338, abs=1e-3)


@pytest.mark.parametrize("limit", [0.0, 0.1, 0.25])
@pytest.mark.parametrize("loans", [60, 400, 20_000])
def test_the_critical_index_has_the_level_for_its_p_value(limit: float, loans: int) -> None:
    scale = noise(loans, 5000)
    for level in (0.05, 0.001):
        value = critical_index(level, scale, 10, limit)
        assert index_p_value(value, scale, 10, limit) == pytest.approx(level, rel=1e-6)
        assert value > limit


@pytest.mark.parametrize(("loans", "reference"), [(50, 2000), (200, 800), (2000, 5000)])
def test_no_change_is_found_as_often_as_the_level_says(loans: int, reference: int) -> None:
    rng = np.random.default_rng(1)
    shares = np.full(10, 0.1)
    values = np.array(
        [
            index_of(rng.multinomial(loans, shares), rng.multinomial(reference, shares))
            for _ in range(4000)
        ]
    )
    found = (values >= critical_index(0.01, noise(loans, reference), 10, 0.0)).mean()
    # The index has a heavier tail than its limit where groups are small: twice the level at most.
    assert 0.005 < found < 0.025


def test_a_true_change_at_the_limit_is_rarely_called_beyond_it() -> None:
    rng = np.random.default_rng(2)
    before = np.full(10, 0.1)
    after = before * np.exp(0.31 * np.linspace(-1, 1, 10) * 1.6)
    after /= after.sum()
    true = float(((after - before) * np.log(after / before)).sum())
    for loans in (200, 1000):
        scale = noise(loans, 4000)
        values = [
            index_of(rng.multinomial(loans, after), rng.multinomial(4000, before))
            for _ in range(3000)
        ]
        beyond = np.mean(np.array(values) >= critical_index(0.01, scale, 10, true))
        assert beyond < 0.025


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 400)), min_size=1, max_size=14),
    st.booleans(),
)
def test_joining_groups_loses_no_loan_and_leaves_none_rare(
    pairs: list[tuple[int, int]], ordered: bool
) -> None:
    counts, reference = (np.array(part) for part in zip(*pairs, strict=True))
    now, before = joined(counts, reference, ordered=ordered)
    assert now.sum() == counts.sum() and before.sum() == reference.sum()
    if reference.sum() and len(before) > 1:
        assert before.min() >= 0.02 * reference.sum()
    # Which groups join follows from the reference alone.
    other, _ = joined(counts[::-1].copy() * 0 + 1, reference, ordered=ordered)
    assert len(other) == len(now)


def test_a_share_against_a_huge_reference_is_the_exact_binomial_test() -> None:
    huge = 10**12
    for count, loans, before in ((9, 60, 0.05), (40, 200, 0.1), (3, 500, 0.001)):
        exact = binomtest(count, loans, before, alternative="greater").pvalue
        found = share_p_value(count, loans, int(before * huge), huge, 0.0)
        assert found == pytest.approx(min(1.0, 2 * exact), rel=1e-6)
        at_limit = binom.sf(count - 1, loans, before + 0.02)
        assert share_p_value(count, loans, int(before * huge), huge, 0.02) == pytest.approx(
            at_limit, rel=1e-6
        )


def test_a_share_that_falls_mirrors_one_that_rises() -> None:
    up = share_p_value(80, 100, 500, 1000, 0.1)
    down = share_p_value(20, 100, 500, 1000, 0.1)
    assert up == pytest.approx(down, rel=1e-12) and up < 0.01
    assert share_p_value(50, 100, 500, 1000, 0.0) == 1.0
    assert share_p_value(0, 100, 0, 1000, 0.01) == 1.0


@pytest.mark.parametrize("limit", [0.0, 0.05])
@pytest.mark.parametrize("up", [True, False])
def test_the_critical_change_has_the_level_for_its_p_value(limit: float, up: bool) -> None:
    loans, held, reference = 400, 300, 1000
    change = critical_change(0.01, loans, held, reference, limit, up=up)
    share = held / reference + (change if up else -change)
    for step, above in ((0.004, True), (-0.004, False)):
        count = (share + (step if up else -step)) * loans
        found = share_p_value(round(count), loans, held, reference, limit)
        assert (found < 0.012) is above or abs(count - round(count)) > 0.5
    assert change >= limit


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=30),
    st.sampled_from([0.01, 0.05, 0.2]),
    st.sampled_from(list(Control)),
)
def test_a_shared_level_rejects_what_the_procedure_rejects(
    p_values: list[float], level: float, control: Control
) -> None:
    order = np.argsort(p_values)
    tests, rejected = len(p_values), set()
    if control is Control.HOLM:
        for rank, place in enumerate(order.tolist()):
            if p_values[place] > level / (tests - rank):
                break
            rejected.add(place)
    else:
        last = max(
            (
                rank
                for rank, place in enumerate(order.tolist(), start=1)
                if p_values[place] <= level * rank / tests
            ),
            default=0,
        )
        rejected = set(order[:last].tolist())
    shared = shared_level(p_values, level, control)
    assert {k for k, p in enumerate(p_values) if p <= shared} >= rejected
    assert all(p_values[k] <= shared for k in rejected)
    assert all(
        p_values[k] > shared or p_values[k] in {p_values[j] for j in rejected}
        for k in range(tests)
        if k not in rejected
    )


def test_without_common_luck_the_default_rate_has_the_exact_binomial_test() -> None:
    test = RateTest(np.array([300]), np.array([27.0]), 0.0)
    for bads in (10, 27, 41):
        low = binomtest(bads, 300, 0.09, alternative="less").pvalue
        high = binomtest(bads, 300, 0.09, alternative="greater").pvalue
        assert test.p_value(bads) == pytest.approx(min(1.0, 2 * min(low, high)), rel=1e-9)


@pytest.mark.parametrize("correlation", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("loans", [200, 5000])
def test_luck_leaves_the_range_as_often_as_the_level_says(correlation: float, loans: int) -> None:
    from scipy.special import ndtr, ndtri

    pds = np.array([0.02, 0.06, 0.15, 0.3])
    sizes = np.array([loans // 4] * 4)
    low, high = RateTest(sizes, sizes * pds, correlation).range(0.02)
    rng = np.random.default_rng(3)
    z = rng.normal(size=(40_000, 1))
    given = ndtr((ndtri(pds) - np.sqrt(correlation) * z) / np.sqrt(1 - correlation))
    rates = rng.binomial(sizes, given).sum(axis=1) / sizes.sum()
    assert 0.006 < np.mean((rates < low) | (rates > high)) < 0.024


def test_more_common_luck_widens_the_range() -> None:
    sizes = np.array([1000])
    ranges = [RateTest(sizes, np.array([80.0]), r).range(0.01) for r in (0.0, 0.02, 0.1)]
    assert ranges[0][1] < ranges[1][1] < ranges[2][1]
    assert ranges[0][0] > ranges[1][0] > ranges[2][0]


def test_the_shape_of_pds_is_judged_apart_from_their_level() -> None:
    loans = np.full(10, 500)
    pds = np.linspace(0.02, 0.25, 10)
    right = np.rint(loans * pds).astype(np.int64)
    misplaced, p_value = shape_test(loans, right, loans * pds)
    assert misplaced < 0.01 and p_value > 0.99
    # Twice the odds everywhere is a matter of the level.
    odds = 2 * pds / (1 - pds)
    doubled = np.rint(loans * odds / (1 + odds)).astype(np.int64)
    assert shape_test(loans, doubled, loans * pds)[1] > 0.99
    flat = np.full(10, right.sum() // 10)
    misplaced, p_value = shape_test(loans, flat, loans * pds)
    assert misplaced > 0.2 and p_value < 1e-6
    assert np.isnan(shape_test(loans, loans * 0, loans * pds)).all()


def test_a_fall_of_the_auc_is_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(4)

    def draw(n: int, strength: float):  # type: ignore[no-untyped-def]
        y = (rng.random(n) < 0.2).astype(np.int8)
        p = 1 / (1 + np.exp(-(strength * (y - 0.2) * 2 + rng.normal(0, 1, n) - 1.5)))
        return score_sums(y, p, bins=40)

    reference = draw(3000, 0.8)
    same = [fall_p_value(draw(400, 0.8), reference) for _ in range(300)]
    assert np.mean(np.array(same) < 0.05) < 0.1
    worse = [fall_p_value(draw(400, 0.2), reference) for _ in range(50)]
    assert np.mean(np.array(worse) < 0.05) > 0.95
