"""Importance and partial dependence from sums: those of all loans together, whoever holds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from fed_credit.artefact import Artefact
from fed_credit.data.book import Dataset
from fed_credit.explain.effects import EffectsQuestion, described_effects, ranked_by_model
from fed_credit.explain.explainer import Explainer, explainer_of

FAMILIES = ("scorecard", "logreg_exact", "gbdt", "tree")
Fit = Callable[[str], Artefact]


def _explainer(artefact: Artefact) -> Explainer:
    found = explainer_of(artefact)
    assert found is not None
    return found


def _total(
    explainer: Explainer, question: EffectsQuestion, frames: Sequence[pd.DataFrame]
) -> np.ndarray:
    layout = question.layout(explainer)
    total: np.ndarray = np.sum(
        [layout.encode(question.answer(explainer, frame)) for frame in frames], axis=0
    )
    return total


@pytest.mark.parametrize("one_in", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_sums_do_not_depend_on_who_holds_the_loans(
    exact: Fit, dataset: Dataset, family: str, one_in: int
) -> None:
    explainer = _explainer(exact(family))
    question = EffectsQuestion(ranked_by_model(explainer, 3), 5, one_in)
    banks = [dataset.features.iloc[dataset.rows(k)] for k in range(3)]
    empty = dataset.features.iloc[:0]
    pooled = _total(explainer, question, [dataset.features])
    assert np.array_equal(_total(explainer, question, [*banks, empty]), pooled)
    assert pooled[0] == len(dataset) if one_in == 1 else 0 < pooled[0] < len(dataset)


@pytest.mark.parametrize("family", FAMILIES)
def test_partial_dependence_is_the_mean_score_of_replaced_values(
    exact: Fit, dataset: Dataset, family: str
) -> None:
    artefact = exact(family)
    explainer = _explainer(artefact)
    name = next(n for n in ranked_by_model(explainer, 9) if n in ("turnover", "firm_age"))
    question = EffectsQuestion((name,), 6, 1)
    sums = question.layout(explainer).decode(_total(explainer, question, [dataset.features]))
    (found,) = described_effects(explainer, question, sums)["dependence"]
    assert found["feature"] == name and len(found["points"]) > 1
    for point in found["points"]:
        if point["value"] is None and point["label"] != "missing":
            low = point["label"].split()[0]
            value = 0.0 if low in ("under", "any") else float(low.replace(",", ""))
        else:
            value = np.nan if point["value"] is None else point["value"]
            if point["label"].startswith("under"):
                value -= abs(value) / 1000
        replaced = dataset.features.assign(**{name: value})
        assert point["pd"] == pytest.approx(artefact.score(replaced).mean(), abs=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_feature_can_be_looked_at(exact: Fit, dataset: Dataset, family: str) -> None:
    explainer = _explainer(exact(family))
    question = EffectsQuestion(explainer.features, 4, 1)
    sums = question.layout(explainer).decode(_total(explainer, question, [dataset.features]))
    found = described_effects(explainer, question, sums)
    assert {row["feature"] for row in found["dependence"]} == set(explainer.features)
    labels = [[p["label"] for p in row["points"]] for row in found["dependence"]]
    assert all(len(set(names)) == len(names) for names in labels)
    assert all(0 < p["pd"] < 1 for row in found["dependence"] for p in row["points"])


@pytest.mark.parametrize("family", FAMILIES)
def test_importance_is_the_mean_absolute_contribution(
    exact: Fit, dataset: Dataset, family: str
) -> None:
    explainer = _explainer(exact(family))
    question = EffectsQuestion((), 4, 1)
    sums = question.layout(explainer).decode(_total(explainer, question, [dataset.features]))
    found = described_effects(explainer, question, sums)["importance"]
    parts = explainer.contributions(explainer.matrix(dataset.features))
    means = dict(zip(explainer.features, np.abs(parts.amounts).mean(axis=0), strict=True))
    assert [row["mean_absolute"] for row in found] == sorted(
        (row["mean_absolute"] for row in found), reverse=True
    )
    for row in found:
        assert row["mean_absolute"] == pytest.approx(means[row["feature"]], abs=1e-5)
    assert sum(row["share"] for row in found) == pytest.approx(1.0)
    np.testing.assert_allclose(
        parts.log_odds, explainer.log_odds(explainer.matrix(dataset.features))
    )


def test_without_loans_the_model_s_own_figures_remain(exact: Fit, dataset: Dataset) -> None:
    explainer = _explainer(exact("scorecard"))
    question = EffectsQuestion(ranked_by_model(explainer, 2), 4, 1)
    sums = question.layout(explainer).decode(
        _total(explainer, question, [dataset.features.iloc[:0]])
    )
    found = described_effects(explainer, question, sums)
    assert found["loans"] == 0 and found["dependence"] == []
    assert all(
        row["mean_absolute"] is None and row["information"] > 0 for row in found["importance"]
    )
