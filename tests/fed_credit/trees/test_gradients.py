from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from fed_credit.trees.gradients import base_margin, default_probability, derivatives, log_loss
from fed_credit.trees.spec import GRADIENT_BITS, MARGIN_UNIT

UNIT = 2.0**GRADIENT_BITS


@pytest.fixture
def margins() -> np.ndarray:
    rng = np.random.default_rng(1)
    spread = np.concatenate([rng.normal(scale=4, size=999), [0.0, -90.0, 90.0, -600.0, 600.0]])
    return np.rint(spread / MARGIN_UNIT).astype(np.int64)


@pytest.fixture
def y(margins: np.ndarray) -> np.ndarray:
    return (np.arange(len(margins)) % 3 == 0).astype(np.int8)


def test_derivatives_are_those_of_the_logistic_loss(margins: np.ndarray, y: np.ndarray) -> None:
    p = expit(margins * MARGIN_UNIT)
    found = derivatives(margins, y, 1.0)
    assert np.abs(found[:, 0] / UNIT - (p - y)).max() <= 0.51 / UNIT
    assert np.abs(found[:, 1] / UNIT - p * (1 - p)).max() <= 0.51 / UNIT


def test_a_bad_loan_counts_by_its_weight(margins: np.ndarray, y: np.ndarray) -> None:
    plain, weighted = derivatives(margins, y, 1.0), derivatives(margins, y, 4.0)
    assert np.array_equal(plain[y == 0], weighted[y == 0])
    assert np.abs(weighted[y == 1] - 4 * plain[y == 1]).max() <= 2


def test_probabilities_and_losses_are_accurate(margins: np.ndarray, y: np.ndarray) -> None:
    x = margins * MARGIN_UNIT
    p = default_probability(margins)
    near = np.abs(x) < 35
    assert np.abs(p[near] / expit(x[near]) - 1).max() < 1e-14
    assert p[x < -35].max() < 1e-15 and p[x > 35].min() > 1 - 1e-15
    exact = np.logaddexp(0, np.where(y == 1, -x, x)).sum()
    assert abs(log_loss(margins, y, 0) / UNIT - exact) < len(x) / UNIT


@pytest.mark.parametrize("parts", [2, 7, 1004])
def test_no_bit_depends_on_which_loans_are_computed_together(
    margins: np.ndarray, y: np.ndarray, parts: int
) -> None:
    pieces = np.array_split(np.arange(len(margins)), parts)
    whole = derivatives(margins, y, 3.0)
    assert np.array_equal(
        np.concatenate([derivatives(margins[i], y[i], 3.0) for i in pieces]), whole
    )
    assert sum(log_loss(margins[i], y[i], 5) for i in pieces) == log_loss(margins, y, 5)
    together = default_probability(margins)
    assert np.array_equal(
        np.concatenate([default_probability(margins[i]) for i in pieces]), together
    )


def test_offset_moves_the_log_odds_of_the_loss(margins: np.ndarray, y: np.ndarray) -> None:
    assert log_loss(margins, y, 77) == log_loss(margins + 77, y, 0)


def test_boosting_starts_at_the_default_rate() -> None:
    assert expit(base_margin(100_000, 5_000, 1.0) * MARGIN_UNIT) == pytest.approx(0.05, rel=1e-3)
    assert expit(base_margin(100_000, 5_000, 19.0) * MARGIN_UNIT) == pytest.approx(0.5, rel=1e-3)
