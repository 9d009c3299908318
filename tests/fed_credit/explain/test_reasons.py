"""Reasons add up to the model's log-odds, are those of SHAP for trees, and read as sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fed_credit.artefact import Artefact
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.book import Dataset
from fed_credit.errors import ConfigurationError
from fed_credit.explain.explainer import explainer_of
from fed_credit.explain.reasons import reasons
from fed_credit.explain.sentences import sentence
from fed_credit.families.boosted import TreesModel

FAMILIES = ("scorecard", "logreg_exact", "gbdt", "tree")
Fit = Callable[[str], Artefact]


@pytest.mark.parametrize("family", FAMILIES)
def test_amounts_add_up_to_the_log_odds_and_these_to_the_pd(
    exact: Fit, dataset: Dataset, family: str
) -> None:
    artefact, loans = exact(family), dataset.features
    found = reasons(artefact, loans, 3)
    assert [one.pd for one in found] == artefact.score(loans).tolist()
    for one in found:
        total = one.reference + one.per_unit * sum(one.amounts.values())
        assert total == pytest.approx(one.log_odds, abs=1e-9)
        assert one.pd == pytest.approx(1.0 / (1.0 + np.exp(-one.log_odds)), abs=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_reasons_are_the_largest_positive_amounts(
    exact: Fit, dataset: Dataset, family: str
) -> None:
    for one in reasons(exact(family), dataset.features, 2):
        given = [reason.amount for reason in one.reasons]
        assert given == sorted((a for a in one.amounts.values() if a > 0), reverse=True)[:2]
        assert [one.amounts[reason.feature] for reason in one.reasons] == given


@pytest.mark.parametrize("family", FAMILIES)
def test_a_loan_s_reasons_do_not_depend_on_the_others(
    exact: Fit, dataset: Dataset, family: str
) -> None:
    together = reasons(exact(family), dataset.features, 3)
    assert reasons(exact(family), dataset.features.iloc[[17]], 3) == [together[17]]


def test_a_scorecard_s_amounts_are_whole_points_lost_to_the_best_class(
    exact: Fit, dataset: Dataset
) -> None:
    model: Any = exact("scorecard").model
    card = model.rule.card
    scores = card.score(dataset.features)
    for one, score in zip(reasons(exact("scorecard"), dataset.features, 3), scores, strict=True):
        assert one.unit == "points" and min(one.amounts.values()) >= 0
        assert sum(one.amounts.values()) == card.range[1] - score


def test_a_regression_s_average_loan_is_the_mean_of_the_training_loans(
    exact: Fit, dataset: Dataset, parts: np.ndarray
) -> None:
    artefact = exact("logreg_exact")
    found = reasons(artefact, dataset.features[parts == 0], 1)
    mean = np.mean([list(one.amounts.values()) for one in found], axis=0)
    # Booleans are imputed by their share to the last bit, numbers standardised in float32.
    np.testing.assert_allclose(mean, 0.0, atol=2e-3)


@pytest.mark.parametrize("family", ["gbdt", "tree"])
def test_amounts_of_trees_are_those_of_shap(exact: Fit, dataset: Dataset, family: str) -> None:
    shap = pytest.importorskip("shap", reason="SHAP is not installed (extra 'explanations')")
    xgboost = pytest.importorskip("xgboost")
    artefact = exact(family)
    model = artefact.model
    assert isinstance(model, TreesModel)
    booster = xgboost.Booster()
    booster.load_model(bytearray(model.files["model.xgb.json"]))
    explainer = explainer_of(artefact)
    assert explainer is not None
    matrix = explainer.matrix(dataset.features)
    values = shap.TreeExplainer(booster).shap_values(matrix)
    expected = np.zeros((len(matrix), len(explainer.features)))
    np.add.at(expected.T, explainer.owner, values.T)
    amounts = [list(one.amounts.values()) for one in reasons(artefact, dataset.features, 1)]
    np.testing.assert_allclose(amounts, expected, atol=1e-6)


def test_sentences_name_labels_units_and_amounts(dataset: Dataset, exact: Fit) -> None:
    from dataclasses import replace

    age = replace(
        dataset.schema.fields["firm_age"], label={"en": "age of the firm", "zh": "经营时长"}
    )
    assert sentence("firm_age", 14.0, 23.0, "points", age) == (
        "Age of the firm is 14 months: 23 points fewer than the best class.",
        "经营时长为14 个月：比最优档少 23 分。",
    )
    assert sentence("firm_age", None, 1.0, "points", None)[0] == (
        "Firm_age is missing: 1 point fewer than the best class."
    )
    english, chinese = sentence("guaranteed", False, float(np.log(1.5)), "log-odds", None)
    assert english.endswith(
        "is no: multiplies the odds of default by 1.50 against an average loan."
    )
    assert "guaranteed为否" in chinese and "1.50 倍" in chinese
    told = reasons(exact("tree"), dataset.features, 1, {"firm_age": age})
    assert any(one.reasons and "of default" in one.reasons[0].en for one in told)


def test_a_network_gives_no_exact_reasons(
    exact: Fit, dataset: Dataset, make_spec: Callable[..., SimulationSpec]
) -> None:
    network = Artefact(make_spec().model, exact("tree").model, {})
    with pytest.raises(ConfigurationError, match="scorecard, logreg_exact, gbdt and tree"):
        reasons(network, dataset.features, 1)
