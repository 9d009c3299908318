"""Reasons add up to the model's log-odds, are those of SHAP for trees, and read as sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fed_credit.artefact import Artefact
from fed_credit.data.book import Dataset
from fed_credit.data.schema import Field, Kind, Schema
from fed_credit.explain.explainer import explainer_of
from fed_credit.explain.network import TOLERANCE
from fed_credit.explain.reasons import reasons
from fed_credit.explain.sentences import said, sentence, spoken_of
from fed_credit.families.boosted import TreesModel
from fed_credit.features.steps import BooleanStep, CategoricalStep
from fed_credit.scoring.scorer import Scorer

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


def test_numbers_that_were_entered_are_told_as_they_were_and_others_rounded() -> None:
    rate = Field("rate", Kind.NUMERIC, unit="%")
    share = Field("share", Kind.NUMERIC, unit="1", formula="ratio(debt, turnover)")
    for value, entered, computed in (
        (12.25, "12.25%", "12.2"),
        (0.09873, "0.09873%", "0.0987"),
        (123.4, "123.4%", "123"),
        (99.96, "99.96%", "100"),
        (1234.0, "1,234%", "1,234"),
        (12.0, "12%", "12"),
    ):
        assert said(value, rate)[0] == entered and said(value, share)[0] == computed


def test_categories_are_told_by_their_labels_in_each_language() -> None:
    labels = {"transport": {"en": "Transport", "zh": "交通运输业"}, "farm": {"en": "Farming"}}
    sector = Field("sector", Kind.CATEGORICAL, label={"zh": "行业"}, value_labels=labels)
    english, chinese = sentence("sector", "transport", 2.0, "points", sector)
    assert english == "Sector is Transport: 2 points fewer than the best class."
    assert chinese == "行业为交通运输业：比最优档少 2 分。"
    assert said("farm", sector) == ("Farming", "Farming")
    assert said("other", sector) == ("other", "other")
    assert said(None, sector) == ("missing", "缺失")


FORMULAS = {
    "log_amount": "amount",  # of a number
    "step": "loose",  # classes of a number
    "per_month": "per_month",  # of two numbers
    "both": "both",  # no number
    "sector_risk": "sector_risk",  # of a code
    "year_founded": "year_founded",  # of a date
    "band": "band",  # a category of a number
    "amount": "amount",  # no formula
    "stranger": "stranger",
}


@pytest.mark.parametrize("feature", FORMULAS)
def test_a_feature_of_one_number_is_spoken_of_as_that_number(
    model_of: Callable[[str, str], Any], feature: str
) -> None:
    fields = model_of("scorecard", "everything").schema.fields
    assert spoken_of(feature, fields, fields) == FORMULAS[feature]
    assert spoken_of(feature, fields, set(fields) - {"amount", "loose"}) == feature
    assert spoken_of(feature, {}, fields) == feature


def test_formulas_of_formulas_lead_to_the_number_they_begin_with() -> None:
    def number(name: str, formula: str = "") -> Field:
        return Field(name, Kind.NUMERIC, formula=formula)

    own = [number("days"), number("months", "days / 30"), number("size", "log1p(months) + days"),
           number("other"), number("both", "size + other")]  # fmt: skip
    fields = Schema("s", {field.name: field for field in own}).fields
    assert spoken_of("size", fields, {"days"}) == "days"
    assert spoken_of("both", fields, {"days", "other"}) == "both"


def test_loans_with_raw_fields_are_told_by_them_and_others_by_features(
    model_of: Callable[[str, str], Any], make_application: Callable[..., dict[str, Any]]
) -> None:
    model = model_of("scorecard", "synthetic")
    scorer = Scorer(model)
    rng = np.random.default_rng(5)
    drawn = [make_application(scorer.fields, rng) for _ in range(60)]
    whole = scorer.validated(pd.DataFrame(drawn)).frame
    names = [feature.name for feature in model.artefact.model.features]
    fields = model.schema.fields
    told = {frozenset(frame): reasons(model.artefact, frame, len(names), fields)
            for frame in (whole, whole[names])}  # fmt: skip
    by_raw, by_feature = told.values()
    days = 0
    for row, (one, other) in enumerate(zip(by_raw, by_feature, strict=True)):
        assert one.amounts == other.amounts
        for raw, own in zip(one.reasons, other.reasons, strict=True):
            assert raw.feature == own.feature
            if raw.feature == "log_arrears_days" and raw.value is not None:
                days += 1
                assert raw.value == whole["arrears_days"].iloc[row]
                assert raw.en.startswith("Longest past arrears (last 24 months) is ")
                assert " days: " in raw.en and "天：" in raw.zh
                assert own.value == pytest.approx(np.log1p(raw.value))
                assert own.en.startswith("Longest past arrears (log of days + 1) is ")
    assert days > 5


@pytest.fixture(scope="module")
def network(exact: Fit) -> Artefact:
    return exact("mlp_small")


def test_a_network_s_amounts_add_up_to_the_stated_tolerance(
    network: Artefact, dataset: Dataset
) -> None:
    loans = dataset.features
    found = reasons(network, loans, 3, dataset.schema.fields)
    assert [one.pd for one in found] == network.score(loans).tolist()
    for one in found:
        assert one.unit == "log-odds" and one.tolerance == TOLERANCE
        total = one.reference + sum(one.amounts.values())
        assert total == pytest.approx(one.log_odds, abs=TOLERANCE)
        assert one.pd == pytest.approx(1.0 / (1.0 + np.exp(-one.log_odds)), abs=1e-6)
    assert any("multiplies the odds" in one.reasons[0].en for one in found if one.reasons)


def test_a_network_s_amounts_do_not_depend_on_the_other_loans(
    network: Artefact, dataset: Dataset
) -> None:
    together = reasons(network, dataset.features, 3)
    (alone,) = reasons(network, dataset.features.iloc[[17]], 3)
    assert alone.amounts == together[17].amounts and alone.reasons == together[17].reasons


def test_a_network_without_a_hidden_layer_is_explained_as_a_regression(
    exact: Fit, dataset: Dataset
) -> None:
    linear = exact("logreg")
    explainer = explainer_of(linear)
    model: Any = linear.model
    matrix = explainer.matrix(dataset.features)
    slopes = model.weights[0][0].astype(np.float64)
    amounts = explainer.contributions(matrix).amounts
    for k, name in enumerate(explainer.features):
        own = explainer.owner == k
        step = model.preprocessor.steps[k]
        assert step.feature.name == name
        # What a column adds is its slope times its distance, but for a constant of the feature.
        expected = matrix[:, own].astype(np.float64) @ slopes[own]
        np.testing.assert_allclose(amounts[:, k] - amounts[0, k], expected - expected[0], atol=1e-9)


def test_a_network_s_amounts_are_the_integral_of_pytorch_s_gradients(
    network: Artefact, dataset: Dataset
) -> None:
    import torch

    from fed_credit.models.loan_risk import forward

    explainer = explainer_of(network)
    model: Any = network.model
    parameters = [torch.tensor(array).double() for array in model.weights]
    average: list[float] = []
    for step in model.preprocessor.steps:
        n = len(step.columns)
        if isinstance(step, CategoricalStep):
            average += [1.0 / n] * n
        elif isinstance(step, BooleanStep):
            average += [step.share_true, 0.0][:n]
        else:
            average += [0.0] * n
    start = torch.tensor(average).double()
    matrix = explainer.matrix(dataset.features.iloc[:20])
    parts = explainer.contributions(matrix)
    assert parts.reference == pytest.approx(
        float(forward(parameters, start[None])[0]) + model.log_odds_offset, abs=1e-6
    )
    for loan, amounts in zip(torch.tensor(matrix).double(), parts.amounts, strict=True):
        at = (torch.arange(20_000).double() + 0.5) / 20_000
        way = (start + at[:, None] * (loan - start)).requires_grad_()
        forward(parameters, way).sum().backward()
        assert way.grad is not None
        columns = ((loan - start) * way.grad.mean(dim=0)).numpy()
        expected = np.bincount(explainer.owner, columns, minlength=len(explainer.features))
        np.testing.assert_allclose(amounts, expected, atol=2e-3)
