"""From a model's PD to the one that decides: what is fitted, and what is left alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fed_credit.config.decision import CalibrationMethod, CalibrationSpec
from fed_credit.decision.calibration import (
    PdCalibration,
    calibration_in_the_large,
    calibration_line,
    fit_calibration,
    logit,
    moved_to,
)
from fed_credit.errors import ArtefactError
from fed_credit.evaluation.cells import ScoreCells


def spec(**changed: Any) -> CalibrationSpec:
    given_: dict[str, Any] = {
        "method": CalibrationMethod.PLATT,
        "min_bads": 50,
        "long_run_default_rate": None,
        "floor": 0.0,
    }
    return CalibrationSpec(**{**given_, **changed})


def distorted(n: int = 40_000, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes of true log-odds, and PDs whose log-odds are ``(true - .4) / .7``."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-2.0, 1.0, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-true))).astype(np.int8)
    return y, 1 / (1 + np.exp(-(true - 0.4) / 0.7))


def fitted(y: np.ndarray, p: np.ndarray, **changed: Any) -> PdCalibration:
    return fit_calibration(p, 1 - y, y, spec(**changed))


def test_what_distorted_the_log_odds_is_found() -> None:
    y, p = distorted()
    found = fitted(y, p)
    assert found.method == "platt" and (found.loans, found.bads) == (len(y), int(y.sum()))
    assert found.shift == pytest.approx(0.4, abs=0.08)
    assert found.slope == pytest.approx(0.7, abs=0.03)
    assert found.apply(p).mean() == pytest.approx(y.mean(), rel=1e-9)


def test_the_line_is_scikit_learn_s() -> None:
    from sklearn.linear_model import LogisticRegression

    y, p = distorted(2_000)
    line = calibration_line(p, 1 - y, y)
    other = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit(p)[:, None], y)
    assert line is not None
    assert line == pytest.approx((float(other.intercept_[0]), float(other.coef_[0, 0])), abs=1e-5)


def test_calibrated_pds_need_no_calibration() -> None:
    y, p = distorted(5_000)
    after = fitted(y, p).apply(p)
    line = calibration_line(after, 1 - y, y)
    assert line is not None and line == pytest.approx((0.0, 1.0), abs=1e-7)
    assert calibration_in_the_large(after, 1 - y, y) == pytest.approx(0.0, abs=1e-9)


def test_cells_of_equal_pd_give_what_their_loans_give() -> None:
    y, p = distorted(3_000)
    p = np.round(p, 2).clip(0.01, 0.99)
    cells = ScoreCells.of(y, p)
    one, other = fitted(y, p), fit_calibration(cells.pd, cells.goods, cells.bads, spec())
    assert (one.shift, one.slope) == pytest.approx((other.shift, other.slope), abs=1e-9)


@pytest.mark.parametrize("method", list(CalibrationMethod)[1:])
def test_the_mean_pd_is_the_long_run_default_rate(method: CalibrationMethod) -> None:
    y, p = distorted(3_000)
    found = fitted(y, p, method=method, long_run_default_rate=0.031)
    assert found.long_run and found.default_rate == 0.031
    assert found.apply(p).mean() == pytest.approx(0.031, rel=1e-9)


def test_a_calibration_is_moved_and_keeps_its_slope() -> None:
    y, p = distorted(3_000)
    before = fitted(y, p)
    after = moved_to(before, p, np.ones(len(p), np.int64), 0.05)
    assert after.slope == before.slope and after.method == "platt"
    assert after.apply(p).mean() == pytest.approx(0.05, rel=1e-9)
    assert moved_to(PdCalibration.identity(), p, np.ones(len(p)), 0.05).method == "shift"


def test_few_bads_leave_the_slope() -> None:
    y, p = distorted(300)
    assert 10 < y.sum() < 60
    found = fitted(y, p, min_bads=60)
    assert (found.method, found.slope) == ("shift", 1.0)
    assert found.apply(p).mean() == pytest.approx(y.mean(), rel=1e-9)


def test_a_model_that_ranks_the_wrong_way_is_not_turned_about() -> None:
    y, p = distorted(3_000)
    assert fitted(y, 1.0 - p).method == "shift"


def test_outcomes_that_say_nothing_of_the_slope() -> None:
    y = np.r_[np.zeros(60), np.ones(60)].astype(np.int8)
    parted = np.r_[np.full(60, 0.2), np.full(60, 0.3)]
    equal = np.full(120, 0.2)
    for p in (parted, equal):
        assert calibration_line(p, 1 - y, y) is None
        found = fitted(y, p)
        assert found.method == "shift"
        assert found.apply(p).mean() == pytest.approx(0.5)


@pytest.mark.parametrize("y", [[], [0, 0, 0], [1, 1]])
def test_without_both_outcomes_nothing_is_fitted(y: list[int]) -> None:
    outcomes, p = np.array(y, np.int8), np.linspace(0.1, 0.3, len(y))
    found = fitted(outcomes, p, floor=0.15)
    assert (found.method, found.shift, found.slope) == ("none", 0.0, 1.0)
    np.testing.assert_array_equal(found.apply(p), np.maximum(p, 0.15))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(-3, 3), st.floats(0.2, 3))
def test_each_pd_depends_on_its_own_loan(values: list[float], shift: float, slope: float) -> None:
    calibration = PdCalibration(shift, slope, 0.0005, "platt", 1, 1, None, False)
    p = np.array(values)
    together = calibration.apply(p)
    apart = np.array([calibration.apply(p[k : k + 1])[0] for k in range(len(p))])
    np.testing.assert_array_equal(together, apart)
    assert ((together >= 0.0005) & (together <= 1.0)).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(together[order]) >= -1e-15).all()


@given(st.floats(1e-300, 1.0, exclude_max=True))
def test_log_odds_are_right_to_the_last_bits(p: float) -> None:
    inside = min(max(p, 1e-15), 1 - 1e-15)
    assert float(logit(np.array([p]))[0]) == pytest.approx(
        math.log(inside) - math.log1p(-inside), rel=1e-9, abs=1e-9
    )


def test_what_was_written_is_read() -> None:
    y, p = distorted(3_000)
    found = fitted(y, p)
    assert PdCalibration.from_dict(found.as_dict()) == found


@pytest.mark.parametrize(
    "wrong",
    [{"slope": 0.0}, {"slope": "x"}, {"shift": float("nan")}, {"floor": 1.0}, {"loans": None}],
)
def test_what_gives_no_pd_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ArtefactError, match="restore the file"):
        PdCalibration.from_dict({**PdCalibration.identity().as_dict(), **wrong})
