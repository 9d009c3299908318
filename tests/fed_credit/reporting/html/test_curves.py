"""Curves agree with the metrics they draw."""

from __future__ import annotations

import numpy as np
import pytest

from fed_credit.evaluation.cut_off import profit_at
from fed_credit.evaluation.metrics import auc, ks
from fed_credit.reporting.html.curves import POINTS, curves, wilson


def _loans(n: int = 4000, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(1.5, 6.0, n)
    return (rng.random(n) < p).astype(np.int8), p


def _curves(*splits: tuple[np.ndarray, np.ndarray]) -> dict:
    return curves(splits, groups=10, gain_good=1.0, loss_bad=5.0)


def test_the_area_under_the_curve_is_the_mean_auc() -> None:
    splits = [_loans(seed=seed) for seed in (1, 2, 3)]
    drawn = np.trapezoid(_curves(*splits)["tpr"], dx=1 / (POINTS - 1))
    assert drawn == pytest.approx(np.mean([auc(y, p) for y, p in splits]), abs=2e-3)


def test_the_widest_gap_is_the_ks() -> None:
    y, p = _loans()
    found = _curves((y, p))
    gap = np.abs(np.subtract(found["goods"], found["bads"])).max()
    assert gap == pytest.approx(ks(y, p), abs=0.01)


def test_profit_and_bad_rate_are_those_of_the_loans_approved() -> None:
    y, p = _loans()
    found = _curves((y, p))
    at = 60
    cut_off = np.sort(p)[int(len(p) * at / (POINTS - 1))]
    assert found["profit"][at] == pytest.approx(profit_at(y, p, cut_off, 1.0, 5.0), abs=2e-3)
    assert found["bad_rate"][at] == pytest.approx(y[p < cut_off].mean(), abs=1e-3)
    assert found["bad_rate"][0] is None
    assert found["bad_rate"][-1] == pytest.approx(y.mean(), abs=1e-6)


def test_equal_pds_know_nothing() -> None:
    y, _ = _loans()
    found = _curves((y, np.full(len(y), 0.2)))
    np.testing.assert_allclose(found["goods"], np.linspace(0, 1, POINTS), atol=1e-6)
    assert np.trapezoid(found["tpr"], dx=1 / (POINTS - 1)) == pytest.approx(0.5, abs=1e-6)


def test_one_class_has_no_roc_but_a_profit() -> None:
    found = _curves((np.zeros(50, np.int8), np.linspace(0.1, 0.9, 50)))
    assert set(found["tpr"]) == {None} and set(found["bads"]) == {None}
    assert found["profit"][-1] == 1.0
    assert set(found["lift"]["lift"]) == {None}


def test_loans_tested_in_several_splits_count_once_in_the_interval() -> None:
    y, p = _loans()
    once, thrice = _curves((y, p)), _curves((y, p), (y, p), (y, p))
    np.testing.assert_allclose(once["calibration"]["lo"], thrice["calibration"]["lo"], atol=1e-5)
    assert thrice["calibration"]["n"][0] == 3 * once["calibration"]["n"][0]


def test_wilson_as_published() -> None:
    """Newcombe (1998), table I: 81 of 263, and 0 of 20."""
    lo, hi = wilson(np.array([81 / 263, 0.0]), np.array([263, 20]))
    np.testing.assert_allclose(lo, [0.2553, 0.0], atol=5e-5)
    np.testing.assert_allclose(hi, [0.3662, 0.1611], atol=5e-5)
