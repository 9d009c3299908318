from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm, t

from fed_credit.evaluation.intervals import (
    Interval,
    auc_interval,
    delong,
    delong_paired,
    difference_interval,
    normal_interval,
    resampled_interval,
)

SCORES = st.one_of(st.integers(0, 6).map(float), st.floats(-5.0, 5.0))


@st.composite
def scored_loans(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = draw(st.integers(4, 40))
    y = draw(hnp.arrays(np.int8, n, elements=st.integers(0, 1)))
    y[:4] = 0, 0, 1, 1
    a, b = (draw(hnp.arrays(np.float64, n, elements=SCORES)) for _ in range(2))
    return y, a, b


def by_all_pairs(y: np.ndarray, scores: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """DeLong et al. (1988), eq. 3-6, pair by pair: the AUCs and their covariance matrix."""
    bad, good = y == 1, y == 0
    kernels = [np.heaviside(p[bad][:, None] - p[good][None, :], 0.5) for p in scores]
    s10 = np.cov([k.mean(axis=1) for k in kernels])
    s01 = np.cov([k.mean(axis=0) for k in kernels])
    return np.array([k.mean() for k in kernels]), s10 / bad.sum() + s01 / good.sum()


@given(scored_loans())
def test_delong_by_ranks_equals_delong_by_all_pairs(loans):
    y, a, b = loans
    aucs, covariance = by_all_pairs(y, [a, b])
    assert delong(y, a) == pytest.approx((aucs[0], covariance[0, 0]), abs=1e-12)
    assert delong_paired(y, a, b) == pytest.approx(
        (aucs[0] - aucs[1], covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]), abs=1e-12
    )


def test_delong_by_hand():
    # Bads 2, 2, 5 against goods 1, 2: placements .75, .75, 1 of the bads, 1 and 2/3 of the goods;
    # their variances 1/48 and 1/18, so that 1/48/3 + 1/18/2 = 5/144.
    y, p = np.array([1, 1, 1, 0, 0], np.int8), np.array([2.0, 2.0, 5.0, 1.0, 2.0])
    assert delong(y, p) == pytest.approx((5 / 6, 5 / 144), abs=1e-15)
    # Against 1, 3, 4 (bads) and 2, 0 (goods): placements .5, 1, 1 and 2/3, 1, so the differences
    # are .25, -.25, 0 and 1/3, -1/3, of variance 1/16 and 2/9: 1/16/3 + 2/9/2 = 19/144.
    other = np.array([1.0, 3.0, 4.0, 2.0, 0.0])
    assert delong_paired(y, p, other) == pytest.approx((0.0, 19 / 144), abs=1e-15)


@given(scored_loans())
def test_intervals_ignore_monotone_transformations_and_pairs_are_antisymmetric(loans):
    y, a, b = loans
    bent = np.searchsorted(np.unique(a), a) ** 3.0
    assert auc_interval(y, bent, 0.95) == auc_interval(y, a, 0.95)
    there, back = difference_interval(y, a, b, 0.95), difference_interval(y, b, a, 0.95)
    assert (there.value, there.lo, there.hi) == pytest.approx((-back.value, -back.hi, -back.lo))
    assert there.lo <= there.value <= there.hi
    assert there.lo >= -1.0 and there.hi <= 1.0


@given(scored_loans(), st.sampled_from([0.8, 0.95, 0.999]))
def test_auc_interval_stays_inside_what_is_possible(loans, confidence):
    y, a, _ = loans
    interval = auc_interval(y, a, confidence)
    assert 0.0 <= interval.lo <= interval.value + 1e-12
    assert interval.value - 1e-12 <= interval.hi <= 1.0


def test_auc_interval_is_normal_on_the_logit_scale():
    rng = np.random.default_rng(2)
    y = (rng.random(300) < 0.2).astype(np.int8)
    p = rng.normal(y * 0.9)
    area, variance = delong(y, p)
    interval = auc_interval(y, p, 0.9)
    half = norm.ppf(0.95) * math.sqrt(variance) / (area * (1 - area))
    logits = [math.log(v / (1 - v)) for v in (interval.lo, interval.value, interval.hi)]
    assert np.diff(logits) == pytest.approx([half, half])


def test_perfect_separation_is_not_taken_for_certainty():
    y = np.array([0] * 50 + [1] * 10, np.int8)
    p = np.arange(60.0)
    assert delong(y, p) == (1.0, 0.0)
    interval = auc_interval(y, p, 0.95)
    assert (interval.value, interval.hi) == (1.0, 1.0)
    assert interval.lo == pytest.approx(0.025**0.1)
    mirrored = auc_interval(y, -p, 0.95)
    assert (mirrored.lo, mirrored.hi) == (0.0, pytest.approx(1 - 0.025**0.1))
    both = difference_interval(y, p, p, 0.95)
    assert (both.value, both.lo, both.hi) == pytest.approx((0, 0.025**0.1 - 1, 1 - 0.025**0.1))
    against_nothing = difference_interval(y, p, np.zeros(60), 0.95)
    assert (against_nothing.lo, against_nothing.hi) == pytest.approx((0.025**0.1 - 0.5, 0.5))


def test_equal_rankings_do_not_differ():
    y = np.array([0, 1, 0, 1, 0], np.int8)
    p = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    assert difference_interval(y, p, np.exp(p), 0.95) == Interval(0.0, 0.0, 0.0)
    assert auc_interval(y, np.zeros(5), 0.95) == Interval(0.5, 0.5, 0.5)


def test_a_single_bad_leaves_the_widest_interval_and_one_class_none():
    y, p = np.array([0, 0, 0, 1], np.int8), np.array([0.1, 0.4, 0.2, 0.3])
    assert auc_interval(y, p, 0.95) == Interval(pytest.approx(2 / 3), 0.0, 1.0)
    assert difference_interval(y, p, -p, 0.95) == Interval(pytest.approx(1 / 3), -1.0, 1.0)
    for none in (auc_interval(0 * y, p, 0.95), difference_interval(0 * y, p, -p, 0.95)):
        assert all(math.isnan(v) for v in (none.value, none.lo, none.hi))


def test_paired_interval_covers_the_true_difference():
    # Two correlated normal scores of known separation: AUC = Phi(d / sqrt 2).
    rng = np.random.default_rng(11)
    separation = np.array([1.1, 0.7])
    true = float(np.diff(norm.cdf(separation / math.sqrt(2)))[0] * -1)
    y = np.repeat([0, 1], [240, 40]).astype(np.int8)
    covered, runs = 0, 800
    for _ in range(runs):
        common = rng.normal(size=(280, 1))
        scores = (
            math.sqrt(0.6) * common
            + math.sqrt(0.4) * rng.normal(size=(280, 2))
            + separation * y[:, None]
        )
        interval = difference_interval(y, scores[:, 0], scores[:, 1], 0.95)
        covered += interval.lo <= true <= interval.hi
    # Three standard errors of a share of .95 over 800 runs are .023.
    assert covered / runs == pytest.approx(0.95, abs=0.023)


def test_resampled_interval_by_hand():
    interval = resampled_interval([0.70, 0.74, 0.72], 0.25, 0.95, limits=(0.0, 1.0))
    half = t.ppf(0.975, 2) * math.sqrt(0.0004 * (1 / 3 + 0.25))
    assert interval.value == pytest.approx(0.72)
    assert (interval.lo, interval.hi) == pytest.approx((0.72 - half, 0.72 + half))


def test_resampled_interval_edges():
    assert resampled_interval([0.2, 0.9], 9.0, 0.95, limits=(0.0, 1.0)) == Interval(
        pytest.approx(0.55), 0.0, 1.0
    )
    assert math.isnan(resampled_interval([0.2, math.nan], 0.25, 0.95, limits=(0, 1)).lo)
    # Unknown training loans: no correction can be made, so nothing is known.
    assert resampled_interval([0.2, 0.3], math.nan, 0.95, limits=(-1, 1)).hi == 1
    with pytest.raises(ValueError, match="at least two splits"):
        resampled_interval([0.2], 0.25, 0.95, limits=(0.0, 1.0))


def test_resampled_interval_covers_where_the_naive_one_does_not():
    # Ten random splits of 200 draws with the mean as the model-free "metric" of the test part.
    rng = np.random.default_rng(4)
    covered, naive, runs = 0, 0, 400
    for _ in range(runs):
        draws = rng.normal(size=200)
        values = [float(draws[rng.permutation(200)[:40]].mean()) for _ in range(10)]
        interval = resampled_interval(values, 40 / 160, 0.95, limits=(-9.0, 9.0))
        uncorrected = normal_interval(
            float(np.mean(values)), float(np.var(values, ddof=1)) / 10, 0.95, limits=(-9.0, 9.0)
        )
        covered += interval.lo <= 0.0 <= interval.hi
        naive += uncorrected.lo <= 0.0 <= uncorrected.hi
    assert covered / runs > 0.92
    assert naive / runs < 0.85
