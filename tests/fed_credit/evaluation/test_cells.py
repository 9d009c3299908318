"""Loans counted by PD give what loans one by one give."""

from __future__ import annotations

import numpy as np
import pytest

from fed_credit.evaluation.cells import ScoreCells
from fed_credit.evaluation.cut_off import best_cut_off, best_cut_off_of_cells
from fed_credit.evaluation.intervals import auc_interval, delong, delong_cells
from fed_credit.evaluation.metrics import calibration_curve, measure
from fed_credit.evaluation.sums import score_sums


def loans(n: int = 900, seed: int = 3, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(1.2, 7.0, n)
    if ties:
        p = np.round(p, 2)
    return (rng.random(n) < p).astype(np.int8), p


@pytest.mark.parametrize("ties", [True, False])
def test_figures_are_those_of_single_loans(ties: bool) -> None:
    y, p = loans(ties=ties)
    cells, metrics = ScoreCells.of(y, p), measure(y, p, calibration_bins=10)
    assert (cells.n, cells.bad) == (len(y), int(y.sum()))
    assert cells.mean_pd == pytest.approx(p.mean())
    for name in ("gini", "ks", "brier", "log_loss"):
        assert getattr(cells, name) == pytest.approx(getattr(metrics, name), abs=1e-12)
    found, expected = cells.auc(0.9), auc_interval(y, p, 0.9)
    assert (found.value, found.lo, found.hi) == pytest.approx(
        (expected.value, expected.lo, expected.hi), abs=1e-12
    )
    assert delong_cells(cells.goods, cells.bads) == pytest.approx(delong(y, p), abs=1e-15)
    curve = calibration_curve(y, p, groups=7)
    np.testing.assert_array_equal(cells.curve(7).n, curve.n)
    np.testing.assert_allclose(cells.curve(7).mean_pd, curve.mean_pd)
    assert best_cut_off_of_cells(cells, 1.0, 5.0) == best_cut_off(y, p, 1.0, 5.0)


def test_neither_order_nor_division_of_the_loans_matters() -> None:
    y, p = loans(ties=False)
    order = np.random.default_rng(1).permutation(len(y))
    one, other = ScoreCells.of(y, p), ScoreCells.of(y[order], p[order])
    np.testing.assert_array_equal(one.pd, other.pd)
    np.testing.assert_array_equal(one.bads, other.bads)


@pytest.mark.parametrize(("goods", "bads"), [(5, 0), (0, 5), (0, 0), (1, 4)])
def test_one_class_or_one_loan_of_it(goods: int, bads: int) -> None:
    y = np.r_[np.zeros(goods), np.ones(bads)].astype(np.int8)
    p = np.linspace(0.1, 0.9, len(y))
    found, expected = ScoreCells.of(y, p).auc(0.95), auc_interval(y, p, 0.95)
    assert (found.value, found.lo, found.hi) == pytest.approx(
        (expected.value, expected.lo, expected.hi), nan_ok=True
    )


def test_released_sums_are_coarse_cells() -> None:
    y, p = loans(ties=False)
    released = ScoreCells.of_sums(score_sums(y, p, bins=64))
    coarse = ScoreCells.of(y, p).coarse(64)
    np.testing.assert_array_equal(released.goods, coarse.goods)
    np.testing.assert_array_equal(released.bads, coarse.bads)
    np.testing.assert_allclose(released.pd, coarse.pd, atol=1e-7)
    # Within the bounds that a cell's width leaves.
    assert released.auc(0.95).value == pytest.approx(
        measure(y, p, calibration_bins=5).auc, abs=0.01
    )
    assert len(coarse.pd) <= 64 < len(ScoreCells.of(y, p).pd)


def test_loans_that_a_floor_makes_equal_become_ties() -> None:
    y = np.array([0, 1, 0, 1], np.int8)
    p = np.array([0.001, 0.002, 0.3, 0.4])
    floored = ScoreCells.of(y, p).at(np.maximum(p, 0.01))
    np.testing.assert_array_equal(floored.pd, [0.01, 0.3, 0.4])
    assert floored.auc(0.95).value == measure(y, np.maximum(p, 0.01), calibration_bins=2).auc
