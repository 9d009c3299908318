from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fed_credit.config.scorecard import Against
from fed_credit.errors import DataError
from fed_credit.scorecard.points import Scorecard, factor_and_offset, make_scorecard


def test_the_scale_is_the_one_asked_for(scorecard_spec, fitted):
    factor, offset = factor_and_offset(scorecard_spec.points)
    # 600 points at 50 to 1, and 20 more at twice that.
    assert offset + factor * np.log(50) == pytest.approx(600)
    assert offset + factor * np.log(100) == pytest.approx(620)
    odds = np.exp(-fitted.card.log_odds(np.array([600, 620, 580])))
    np.testing.assert_allclose(odds, [50, 100, 25])


@pytest.mark.parametrize("spread", [True, False])
def test_points_are_the_regression_within_their_rounding(synthetic, scorecard_spec, fitted, spread):
    scaling = replace(scorecard_spec.points, spread_base=spread)
    binnings = [one.binning for one in fitted.card.characteristics]
    card = make_scorecard(binnings, fitted.fit.coefficients.tolist(), scaling)
    assert (card.base_points == 0) == spread
    frame = synthetic.features
    log_odds = fitted.fit.coefficients[0] + sum(
        b * one.woe(frame[one.name])
        for b, one in zip(fitted.fit.coefficients[1:], binnings, strict=True)
    )
    factor, offset = factor_and_offset(scaling)
    away = np.abs(card.score(frame) - (offset - factor * log_odds))
    assert away.max() <= (len(binnings) + (not spread)) / 2
    low, high = card.range
    assert low <= card.score(frame).min() and card.score(frame).max() <= high


def test_a_score_is_the_sum_of_its_points(synthetic, fitted):
    frame = synthetic.features.iloc[:500]
    points = fitted.card.points(frame)
    assert points.shape == (500, len(fitted.card.names))
    assert np.array_equal(fitted.card.score(frame), fitted.card.base_points + points.sum(axis=1))
    one_by_one = [int(fitted.card.score(frame.iloc[[k]])[0]) for k in range(20)]
    assert one_by_one == fitted.card.score(frame)[:20].tolist()


@pytest.mark.parametrize("against", list(Against))
def test_reasons_add_up_to_what_the_score_lacks(synthetic, fitted, against):
    card, frame = fitted.card, synthetic.features.iloc[:500]
    lost = card.lost_points(frame, against)
    reference = card.base_points + sum(one.reference(against) for one in card.characteristics)
    assert np.array_equal(lost.sum(axis=1), reference - card.score(frame))
    if against is Against.BEST:
        assert (lost >= 0).all()
    reasons = card.reasons(frame, against, 3)
    for names, costs in zip(reasons, lost, strict=True):
        assert len(names) == min(3, int((costs > 0).sum()))
        found = [costs[card.names.index(name)] for name in names]
        assert found == sorted(costs[costs > 0], reverse=True)[:3]


def test_a_feature_that_runs_against_itself_is_named(fitted, scorecard_spec):
    assert fitted.card.reversed == ()
    turned = fitted.fit.coefficients.copy()
    turned[1] = 0.4
    card = make_scorecard(
        [one.binning for one in fitted.card.characteristics], turned.tolist(), scorecard_spec.points
    )
    assert card.reversed == card.names[:1]


def test_a_card_comes_back_from_json(synthetic, fitted, edge_cases):
    card = Scorecard.from_dict(json.loads(json.dumps(fitted.card.as_dict())))
    assert card == fitted.card
    assert np.array_equal(card.score(edge_cases), fitted.card.score(edge_cases))


def test_loans_without_a_column_are_refused_by_its_name(synthetic, fitted):
    name = fitted.card.names[0]
    with pytest.raises(DataError, match=name):
        fitted.card.score(synthetic.features.drop(columns=name))
