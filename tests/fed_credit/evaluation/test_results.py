from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from fed_credit.config.spec import EvaluationSpec, ProfitSpec
from fed_credit.evaluation.comparison import RepeatScores, compare
from fed_credit.evaluation.results import to_json

SPEC = EvaluationSpec(
    repeats=1,
    confidence=0.95,
    min_bads=10,
    histogram_bins=256,
    calibration_bins=10,
    baselines=["local", "pooled"],
    profit=ProfitSpec(1.0, 5.0),
)
METRICS = {"auc", "gini", "ks", "pr_auc", "log_loss", "brier", "ece"}


def scored(y: np.ndarray, bank: np.ndarray, seed: int) -> RepeatScores:
    rng = np.random.default_rng(seed)
    scores = {
        name: np.clip(0.2 + 0.1 * y + 0.1 * rng.normal(size=len(y)), 0.0, 1.0)
        for name in ("local", "federated", "pooled", "best_reachable")
    }
    return RepeatScores(bank, y, scores, np.array([500, 500, 20]))


def plain(seeds: tuple[int, ...] = (0,), one_class: bool = False) -> dict[str, Any]:
    bank = np.repeat([0, 1, 2], [120, 120, 5])
    y = np.zeros(245, np.int8) if one_class else (np.arange(245) % 6 == 0).astype(np.int8)
    return to_json(compare([scored(y, bank, s) for s in seeds], ["One", "Two", "Small"], SPEC))


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_shape_of_the_results(seeds):
    result = plain(seeds)
    assert set(result["test"]) == {"local", "federated", "pooled", "best_reachable"}
    for contender in result["test"].values():
        assert set(contender) >= METRICS
        assert all(type(contender[name]) is float for name in METRICS)
        assert contender["auc_interval"]["lo"] < contender["auc"] < contender["auc_interval"]["hi"]
        ends = contender["auc_mean_banks_interval"]
        assert ends["lo"] < contender["auc_mean_banks"] < ends["hi"]
        assert contender["banks"] == 2
    first, _, small = result["institutions"]
    assert set(first["auc"]["federated"]) == {"value", "lo", "hi"}
    assert set(first["delta"]["federated_minus_local"]) == {"value", "lo", "hi"}
    assert first["assessable"] is True and first["n_test"] == 120 and type(first["n_test"]) is int
    assert small["name"] == "Small" and small["assessable"] is False
    assert small["auc"]["federated"] == {"value": None, "lo": None, "hi": None}
    assert small["delta"]["pooled_minus_local"] == {"value": None, "lo": None, "hi": None}
    assert small["n_train"] == 20 and small["bad_rate"] == pytest.approx(0.2)
    overall = result["overall"]["federated_minus_local"]
    assert set(overall) == {"value", "lo", "hi", "gain", "lose", "undecided", "not_assessable"}
    assert sum(overall[k] for k in ("gain", "lose", "undecided", "not_assessable")) == 3


@pytest.mark.parametrize("one_class", [False, True])
def test_results_are_strict_json(one_class):
    result = plain(one_class=one_class)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_what_is_not_defined_is_none():
    result = plain(one_class=True)
    federated = result["test"]["federated"]
    assert federated["auc"] is None and federated["auc_interval"] == {"lo": None, "hi": None}
    assert federated["auc_mean_banks"] is None and federated["banks"] == 0
    assert federated["brier"] > 0
    assert result["overall"]["federated_minus_local"]["value"] is None
