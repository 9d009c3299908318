from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import ks_2samp
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from fed_credit.evaluation.metrics import auc, calibration_curve, ks, lift_table, measure

COARSE_PD = st.integers(0, 20).map(lambda i: i / 20)  # many ties, and 0 and 1 themselves
FINE_PD = st.floats(0.0, 1.0)


@st.composite
def scored_loans(draw: st.DrawFn, both: bool = False) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(2 if both else 1, 60))
    p = draw(hnp.arrays(np.float64, n, elements=draw(st.sampled_from([COARSE_PD, FINE_PD]))))
    y = draw(hnp.arrays(np.int8, n, elements=st.integers(0, 1)))
    if both:
        y[0], y[1] = 0, 1
    return y, p


@given(scored_loans(both=True))
def test_metrics_equal_those_of_scikit_learn_and_scipy(loans):
    y, p = loans
    metrics = measure(y, p, calibration_bins=5)
    assert metrics.auc == pytest.approx(roc_auc_score(y, p), abs=1e-12)
    assert metrics.gini == pytest.approx(2 * roc_auc_score(y, p) - 1, abs=1e-12)
    assert metrics.ks == pytest.approx(ks_2samp(p[y == 0], p[y == 1]).statistic, abs=1e-12)
    assert metrics.pr_auc == pytest.approx(average_precision_score(y, p), abs=1e-12)
    assert metrics.log_loss == pytest.approx(log_loss(y, p, labels=[0, 1]), abs=1e-12)
    assert metrics.brier == pytest.approx(brier_score_loss(y, p), abs=1e-12)


@given(scored_loans(both=True), st.randoms(use_true_random=False))
def test_order_of_loans_does_not_matter(loans, random):
    y, p = loans
    order = list(range(len(y)))
    random.shuffle(order)
    assert dataclasses.astuple(measure(y[order], p[order], calibration_bins=4)) == pytest.approx(
        dataclasses.astuple(measure(y, p, calibration_bins=4)), abs=1e-12
    )


def test_rank_metrics_ignore_monotone_transformations_and_the_others_do_not():
    rng = np.random.default_rng(3)
    y = (rng.random(400) < 0.2).astype(np.int8)
    p = np.clip(rng.beta(1, 6, 400) + 0.1 * y, 0.0, 1.0)
    plain, bent = (measure(y, q, calibration_bins=10) for q in (p, np.sqrt(p)))
    assert (plain.auc, plain.ks, plain.pr_auc) == (bent.auc, bent.ks, bent.pr_auc)
    assert bent.ece > plain.ece + 0.1
    assert bent.brier > plain.brier


@pytest.mark.parametrize("outcome", [0, 1])
def test_one_class_leaves_rank_metrics_undefined_and_the_others_defined(outcome):
    y, p = np.full(6, outcome, np.int8), np.linspace(0.1, 0.6, 6)
    metrics = measure(y, p, calibration_bins=3)
    assert all(math.isnan(v) for v in (metrics.auc, metrics.gini, metrics.ks, metrics.pr_auc))
    assert metrics.brier == pytest.approx(np.mean((p - outcome) ** 2))
    assert metrics.log_loss == pytest.approx(-np.log(p if outcome else 1 - p).mean())
    assert metrics.ece == pytest.approx(abs(p.mean() - outcome))


def test_no_loans_leave_everything_undefined():
    metrics = measure(np.empty(0, np.int8), np.empty(0), calibration_bins=3)
    assert all(math.isnan(value) for value in dataclasses.astuple(metrics))


def test_equal_scores_say_nothing():
    y, p = np.array([0, 1, 0, 0], np.int8), np.full(4, 0.25)
    assert auc(y, p) == 0.5
    assert ks(y, p) == 0.0
    assert measure(y, p, calibration_bins=2).ece == 0.0


@pytest.mark.parametrize(
    ("y", "p"),
    [([0, 1], [0.1, np.nan]), ([0, 1], [0.1, 1.2]), ([0, 2], [0.1, 0.2]), ([0, 1], [0.1])],
)
def test_what_cannot_be_measured_is_refused(y, p):
    with pytest.raises(ValueError, match="must"):
        measure(np.array(y, np.int8), np.array(p), calibration_bins=2)


def test_calibration_groups_of_distinct_scores_are_quantile_groups():
    rng = np.random.default_rng(0)
    p = rng.random(103)
    y = (rng.random(103) < p).astype(np.int8)
    curve = calibration_curve(y, p, groups=10)
    assert set(curve.n.tolist()) == {10, 11}
    order = np.argsort(p)
    ends = np.concatenate([[0], curve.n.cumsum()])
    parts = [order[a:b] for a, b in itertools.pairwise(ends)]
    assert curve.mean_pd == pytest.approx([p[part].mean() for part in parts])
    assert curve.bad_rate == pytest.approx([y[part].mean() for part in parts])
    gap = [len(part) * abs(p[part].mean() - y[part].mean()) for part in parts]
    assert curve.ece == pytest.approx(sum(gap) / 103)


@given(scored_loans(), st.integers(1, 12))
def test_calibration_groups_never_part_equal_scores_and_lose_no_loan(loans, groups):
    y, p = loans
    curve = calibration_curve(y, p, groups=groups)
    assert len(curve.n) <= groups
    assert curve.n.sum() == len(y) and curve.bads.sum() == y.sum()
    assert curve.pd_sum.sum() == pytest.approx(p.sum())
    order = np.sort(p)
    cuts = curve.n.cumsum()[:-1]
    assert np.all(order[cuts - 1] < order[cuts])


def test_lift_table_by_hand():
    p = np.arange(1, 9) / 10
    y = np.array([0, 0, 0, 1, 0, 0, 1, 1], np.int8)
    table = lift_table(calibration_curve(y, p, groups=4))
    assert table.bads.tolist() == [2, 0, 1, 0]
    assert table.bad_rate.tolist() == [1.0, 0.0, 0.5, 0.0]
    assert table.lift == pytest.approx([8 / 3, 0, 4 / 3, 0])
    assert table.captured == pytest.approx([2 / 3, 2 / 3, 1, 1])


def test_lift_without_bads_is_undefined():
    table = lift_table(calibration_curve(np.zeros(4, np.int8), np.arange(4) / 4, groups=2))
    assert np.isnan(table.lift).all() and np.isnan(table.captured).all()
