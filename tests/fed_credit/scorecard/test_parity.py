from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fed_credit.config.scorecard import Trend
from fed_credit.data.book import Part
from fed_credit.evaluation.metrics import auc
from fed_credit.features.cuts import common_bins
from fed_credit.features.spec import feature_specs
from fed_credit.scorecard.binning import bin_features
from fed_credit.scorecard.counts import ClassCountsQuestion
from fed_credit.scorecard.fit import fit_scorecard


@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("banks", [2, 5, 13])
@pytest.mark.parametrize("source", ["synthetic", "sba"])
def test_the_federation_makes_the_pooled_scorecard_to_the_last_bit(
    request, scorecard_spec, divide, source, banks, skewed
):
    dataset = request.getfixturevalue(source)
    features = feature_specs(dataset.fields, dataset.schema)
    pooled = request.getfixturevalue("fitted" if source == "synthetic" else "fitted_sba")
    found = fit_scorecard(features, scorecard_spec, divide(dataset, banks, skewed))
    assert [one.fine for one in found.binnings] == [one.fine for one in pooled.binnings]  # cuts
    assert found.binnings == pooled.binnings  # classes, WoE, IV
    assert found.choices == pooled.choices
    assert found.fit.coefficients.tolist() == pooled.fit.coefficients.tolist()
    assert np.array_equal(found.fit.covariance, pooled.fit.covariance)
    assert found.rule.json_text == pooled.rule.json_text  # points, calibration
    sample = dataset.features.iloc[::7]
    assert np.array_equal(found.card.score(sample), pooled.card.score(sample))
    assert np.array_equal(
        found.rule.default_probability(sample), pooled.rule.default_probability(sample)
    )


def test_counts_and_weights_are_those_of_the_loans_themselves(synthetic, scorecard_spec, divide):
    banks = divide(synthetic)
    features = feature_specs(synthetic.fields, synthetic.schema)
    fine = common_bins(features, scorecard_spec.cuts, banks.ask)
    ((frame, y),) = banks.train
    for binning in bin_features(fine, banks.ask(ClassCountsQuestion(fine)), scorecard_spec.binning):
        found = binning.encode(frame[binning.name])
        for k, one in enumerate(binning.classes):
            goods, bads = (int(np.sum((found == k) & (y == outcome))) for outcome in (0, 1))
            assert (one.goods, one.bads) == (goods, bads)
            weight = np.log(goods / np.sum(y == 0) / (bads / np.sum(y == 1)))
            assert one.woe == pytest.approx(weight, rel=1e-12)
        assert len(found) == sum(one.loans for one in binning.classes)


def test_a_scorecard_orders_loans_it_has_not_seen(synthetic, fitted, part_of):
    test = part_of(synthetic) == Part.TEST
    frame, y = synthetic.features[test], synthetic.y[test]
    probability = fitted.rule.default_probability(frame)
    assert auc(y, probability) > 0.74
    assert probability.mean() == pytest.approx(y.mean(), abs=0.02)
    assert auc(y, -fitted.card.score(frame).astype(float)) == auc(y, probability)


def test_term_makes_the_sba_card(sba, scorecard_spec, divide, part_of):
    features = feature_specs(sba.fields, sba.schema)
    free = dataclasses.replace(
        scorecard_spec,
        binning=dataclasses.replace(scorecard_spec.binning, trends={"Term": Trend.NONE}),
    )
    card = fit_scorecard(features, free, divide(sba)).card
    assert "Term" in card.names
    test = part_of(sba) == Part.TEST
    assert auc(sba.y[test], -card.score(sba.features[test]).astype(float)) > 0.93
