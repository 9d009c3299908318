from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fed_credit.errors import ArtefactError
from fed_credit.trees.binned import Bins
from fed_credit.trees.central import train
from fed_credit.trees.ensemble import Ensemble
from fed_credit.trees.reasons import Reasons
from fed_credit.trees.xgboost_json import from_xgboost, to_xgboost

N = 3000


@pytest.fixture(scope="module")
def sample(make_sample: Callable[..., Any]) -> Any:
    return make_sample(N)


@pytest.fixture(scope="module", params=[1, 3], ids=["one tree a round", "three trees a round"])
def ensemble(request: Any, sample: Any, make_spec: Callable[..., Any]) -> Ensemble:
    none = sample.loans.take(slice(0))
    spec = make_spec(
        rounds=20, max_depth=5, trees_per_round=request.param, row_share=0.8, bad_weight=2.0
    )
    return train(sample.bins, [(sample.loans, none)], spec).ensemble


def _load(ensemble: Ensemble) -> Any:
    xgboost = pytest.importorskip("xgboost", reason="XGBoost is not installed (extra 'trees')")
    booster = xgboost.Booster()
    booster.load_model(bytearray(json.dumps(to_xgboost(ensemble)).encode()))
    return xgboost, booster


def _same(one: Ensemble, other: Ensemble) -> bool:
    return (one.base, one.trees_per_round, one.bins.to_dict()) == (
        other.base,
        other.trees_per_round,
        other.bins.to_dict(),
    ) and all(
        np.array_equal(getattr(a, part), getattr(b, part))
        for a, b in zip(one.trees, other.trees, strict=True)
        for part in ("rows", "gains", "gradients", "hessians", "loans")
    )


def test_what_is_written_is_read_back(ensemble: Ensemble) -> None:
    assert _same(from_xgboost(json.loads(json.dumps(to_xgboost(ensemble)))), ensemble)
    bare = replace(ensemble, trees=(), trees_per_round=1)
    assert _same(from_xgboost(json.loads(json.dumps(to_xgboost(bare)))), bare)


def test_xgboost_predicts_the_same_log_odds(sample: Any, ensemble: Ensemble) -> None:
    xgboost, booster = _load(ensemble)
    matrix = xgboost.DMatrix(sample.matrix, feature_names=booster.feature_names)
    margins = booster.predict(matrix, output_margin=True)
    assert np.array_equal(margins, ensemble.log_odds(sample.matrix).astype(np.float32))
    p = ensemble.default_probability(sample.matrix)
    assert np.abs(booster.predict(matrix) - p).max() < 1e-6
    assert booster.num_boosted_rounds() == 20
    assert np.array_equal(booster.inplace_predict(sample.matrix), booster.predict(matrix))


def test_trees_survive_being_written_by_xgboost(sample: Any, ensemble: Ensemble) -> None:
    _, booster = _load(ensemble)
    for form in ("json", "ubj"):
        raw = booster.save_raw(form)
        if form == "json":
            read = from_xgboost(json.loads(bytes(raw)))
            assert np.array_equal(read.margins(sample.matrix), ensemble.margins(sample.matrix))


def test_xgboost_predicts_the_default_rate_of_no_trees(sample: Any, ensemble: Ensemble) -> None:
    bare = replace(ensemble, trees=())
    xgboost, booster = _load(bare)
    matrix = xgboost.DMatrix(sample.matrix[:3], feature_names=booster.feature_names)
    assert booster.predict(matrix) == pytest.approx(bare.default_probability(sample.matrix[:3]))


def test_names_that_xgboost_refuses_are_spelled_otherwise(sample: Any, ensemble: Ensemble) -> None:
    names = ("amount < 10k [EUR]", *sample.bins.names[1:])
    renamed = replace(ensemble, bins=Bins(names, sample.bins.cuts))
    assert from_xgboost(to_xgboost(renamed)).bins.names == names
    xgboost, booster = _load(renamed)
    matrix = xgboost.DMatrix(sample.matrix, feature_names=booster.feature_names)
    assert (
        np.abs(booster.predict(matrix) - ensemble.default_probability(sample.matrix)).max() < 1e-6
    )


def test_shap_explains_it_as_we_do(sample: Any, ensemble: Ensemble) -> None:
    shap = pytest.importorskip("shap", reason="SHAP is not installed (extra 'explanations')")
    _, booster = _load(ensemble)
    explainer = shap.TreeExplainer(booster)
    rows = sample.matrix[:200]
    values = explainer.shap_values(rows)
    reasons = Reasons(ensemble)
    assert np.abs(values - reasons.contributions(rows)).max() < 1e-5
    assert explainer.expected_value == pytest.approx(reasons.expected, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda body: {}, "Not an ensemble"),
        (lambda body: {"learner": {"attributes": {}}}, "Not an ensemble"),
        (lambda body: _edit(body, "trees", []), "trees are missing"),
        (lambda body: _edit(body, "trees", [{}] * 60), "Not an ensemble"),
        (lambda body: _attribute(body, "format", 99), "Format 99"),
        (lambda body: _attribute(body, "cuts", {"x0": []}), "Not an ensemble"),
        (lambda body: _child(body, 0), "no tree"),
        (lambda body: _child(body, 9999), "no tree"),
    ],
)
def test_what_is_no_ensemble_is_refused(
    ensemble: Ensemble, change: Callable[[dict[str, Any]], dict[str, Any]], says: str
) -> None:
    body = json.loads(json.dumps(to_xgboost(ensemble)))
    with pytest.raises(ArtefactError, match=says):
        from_xgboost(change(body))


def _edit(body: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    body["learner"]["gradient_booster"]["model"][key] = value
    return body


def _attribute(body: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    about = json.loads(body["learner"]["attributes"]["fed_credit"])
    body["learner"]["attributes"]["fed_credit"] = json.dumps({**about, key: value})
    return body


def _child(body: dict[str, Any], child: int) -> dict[str, Any]:
    body["learner"]["gradient_booster"]["model"]["trees"][2]["left_children"][0] = child
    return body
