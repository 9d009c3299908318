from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fed_credit.errors import ConfigurationError
from fed_credit.scorecard.calibration import (
    Calibration,
    ScoreCounts,
    ScoreCountsQuestion,
    calibrate,
    hosmer_lemeshow,
)
from fed_credit.scorecard.grades import MasterScale, grade_table


def drawn(fitted, slope: float, shift: float, n: int = 40_000) -> ScoreCounts:
    """Scores whose outcomes follow a log-odds that is not quite theirs."""
    rng = np.random.default_rng(0)
    scores = np.arange(450, 650)
    card = fitted.card
    loans = rng.multinomial(n, np.full(200, 1 / 200))
    p = 1 / (1 + np.exp(-(shift + slope * card.log_odds(scores))))
    bads = rng.binomial(loans, p)
    return ScoreCounts(scores, loans - bads, bads)


def test_counts_per_score_are_those_of_the_loans(synthetic, fitted):
    question = ScoreCountsQuestion(fitted.card)
    frame, y = synthetic.features.iloc[:2000], synthetic.y[:2000]
    layout = question.layout()
    counts = ScoreCounts.of(fitted.card, layout.decode(layout.encode(question.answer(frame, y))))
    score = fitted.card.score(frame)
    for k in (0, 500, 1999):
        at = counts.scores == score[k]
        assert counts.goods[at] == np.sum((score == score[k]) & (y == 0))
        assert counts.bads[at] == np.sum((score == score[k]) & (y == 1))
    assert counts.loans.sum() == 2000


def test_calibration_finds_what_outcomes_follow(fitted, scorecard_spec):
    counts = drawn(fitted, 0.8, 0.4)
    found = calibrate(fitted.card, counts, floor=0.01, newton=scorecard_spec.newton)
    assert found.slope == pytest.approx(0.8, abs=0.05)
    assert found.shift == pytest.approx(0.4, abs=0.05)
    x = np.repeat(fitted.card.log_odds(counts.scores), 2)[:, None]
    y = np.tile([0, 1], len(counts.scores))
    weights = np.column_stack([counts.goods, counts.bads]).ravel()
    known = LogisticRegression(solver="newton-cholesky", C=np.inf, tol=1e-12).fit(x, y, weights)
    assert [found.shift, found.slope] == pytest.approx(
        [known.intercept_[0], known.coef_[0, 0]], abs=1e-6
    )
    probability = found.default_probability(fitted.card, np.arange(300, 900))
    assert (np.diff(probability) <= 0).all()
    assert probability.min() == 0.01


def test_outcomes_that_say_nothing_leave_the_scores_as_they_are(fitted, scorecard_spec):
    counts = drawn(fitted, 1.0, 0.0)
    for goods, bads in (
        (counts.goods, counts.bads * 0),
        (counts.goods * 0, counts.bads * 0),
        (counts.goods[::-1], counts.bads[::-1]),
    ):
        odd = ScoreCounts(counts.scores, goods, bads)
        found = calibrate(fitted.card, odd, floor=0.0, newton=scorecard_spec.newton)
        assert (found.shift, found.slope) == (0.0, 1.0)
        assert found.sentence.startswith("Not calibrated")


def test_hosmer_and_lemeshow_accept_what_fits_and_reject_what_does_not(fitted):
    counts = drawn(fitted, 1.0, 0.0)
    right = Calibration(0.0, 1.0, 0.0, "").default_probability(fitted.card, counts.scores)
    wrong = Calibration(0.3, 1.0, 0.0, "").default_probability(fitted.card, counts.scores)
    fits = hosmer_lemeshow(counts, right, groups=10, fitted=0)
    assert fits.degrees == 10 and fits.p_value > 0.01
    assert hosmer_lemeshow(counts, wrong, groups=10, fitted=0).p_value < 1e-6
    # By hand, over two groups.
    half = counts.scores >= 550
    n, b = counts.loans, counts.bads
    statistic = 0.0
    for group in (half, ~half):
        expected, size = (n * right)[group].sum(), n[group].sum()
        statistic += (b[group].sum() - expected) ** 2 / (expected * (1 - expected / size))
    two = ScoreCounts(counts.scores, counts.goods, counts.bads)
    found = hosmer_lemeshow(two, right, groups=2, fitted=0).statistic
    assert found == pytest.approx(statistic, rel=0.2)  # the median score may fall beside 550


def test_grades_follow_the_limits():
    scale = MasterScale.of({"A": 0.02, "B": 0.1, "C": 1.0})
    assert scale.grade(np.array([0.0, 0.0199, 0.02, 0.1, 0.99, 1.0])).tolist() == [0, 0, 1, 2, 2, 2]
    for wrong in ({}, {"A": 0.5}, {"A": 0.5, "B": 0.5, "C": 1.0}, {"A": 0.0, "B": 1.0}):
        with pytest.raises(ConfigurationError, match="have to rise"):
            MasterScale.of(wrong)


def test_the_grade_table_adds_up_and_shows_no_small_cell(fitted):
    counts = drawn(fitted, 1.0, 0.0)
    probability = Calibration(0.0, 1.0, 0.0, "").default_probability(fitted.card, counts.scores)
    scale = MasterScale.of({"AAA": 1e-6, "A": 0.02, "B": 0.1, "C": 0.5, "D": 0.9999, "E": 1.0})
    rows = grade_table(scale, counts, probability, min_cell=10)
    assert [row.name for row in rows] == ["AAA to A", "B", "C", "D to E"]
    assert sum(row.loans for row in rows) == counts.loans.sum()
    assert sum(row.bads for row in rows) == counts.bads.sum()
    assert sum(row.share for row in rows) == pytest.approx(1.0)
    assert all(row.loans >= 10 for row in rows)
    for row in rows:
        inside = (counts.scores >= row.low_score) & (counts.scores <= row.high_score)
        assert counts.loans[inside].sum() == row.loans
        assert row.low_pd <= row.mean_pd < row.high_pd
        assert row.p_value > 0.001
    worse = grade_table(scale, drawn(fitted, 1.0, 0.5), probability, min_cell=10)
    assert worse[1].p_value < 1e-6
    nobody = ScoreCounts(counts.scores, counts.goods * 0, counts.bads * 0)
    (row,) = grade_table(scale, nobody, probability, min_cell=10)
    assert row.loans == 0 and np.isnan(row.bad_rate)
