"""Results of an imaginary run with a loser, a winner, an undecided bank and one too small."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest


def _interval(value: float | None, lo: float | None = None, hi: float | None = None) -> dict:
    return {"value": value, "lo": lo, "hi": hi}


def _bank(name: str, delta: dict, assessable: bool = True) -> dict[str, Any]:
    auc = _interval(0.7, 0.6, 0.8) if assessable else _interval(None)
    return {
        "name": name,
        "n_train": 1200,
        "n_test": 300,
        "n_bad": 30,
        "bad_rate": 0.1,
        "assessable": assessable,
        "auc": dict.fromkeys(("local", "federated", "pooled", "best_reachable"), auc),
        "delta": {"federated_minus_local": delta},
    }


_METRICS = dict.fromkeys(("auc", "gini", "ks", "pr_auc", "log_loss", "brier", "ece"), 0.5)
_DECISION = {
    "cut_off": 0.2,
    "approval_rate": 0.8,
    "bad_rate_approved": None,
    "profit_per_loan": 0.3,
}
_RESULTS: dict[str, Any] = {
    "test": {
        name: {**_METRICS, "auc": auc, "auc_mean_banks": auc}
        for name, auc in (
            ("local", 0.70),
            ("federated", 0.72),
            ("pooled", 0.73),
            ("best_reachable", 0.8),
        )
    },
    "institutions": [
        _bank("Loser [red]|Bank", _interval(-0.05, -0.09, -0.01)),
        _bank("Undecided Bank", _interval(0.0, -0.02, 0.02)),
        _bank("Winner Bank", _interval(0.06, 0.03, 0.09)),
        _bank("Small Bank", _interval(None), assessable=False),
    ],
    "overall": {
        "federated_minus_local": {
            **_interval(0.003, -0.01, 0.016),
            "gain": 1,
            "lose": 1,
            "undecided": 1,
            "not_assessable": 1,
        }
    },
    "from_sums": {"bins": 256, "auc": {"value": 0.721, "bound": 0.0012}},
    "decision": {name: _DECISION for name in ("federated", "pooled", "local")},
    "rounds": [{"round": 1, "loss": 0.5, "auc": 0.7}, {"round": 2, "loss": None, "auc": None}],
    "model": {
        "family": "loan_risk",
        "hidden": [8],
        "columns": 12,
        "best_round": 1,
        "sha256": "f" * 64,
    },
    "evaluation": {"repeats": 1, "confidence": 0.95, "min_bads": 10, "split": "random"},
    "timing": {"wall_s": 1.0, "rounds_s": [0.1, 0.1]},
    "data": {
        **dict.fromkeys(("rows", "used"), 2000),
        **dict.fromkeys(("rejected", "unlabelled", "immature", "out_of_scope", "left_out"), 0),
        "test": 1200,
        "features": ["turnover", "age"],
        "decision_point": "application",
        "target": "final status",
    },
    "seed": 7,
    "warnings": ["Leakage: '[bold]Term' is known only at outcome."],
}


@pytest.fixture
def results() -> dict[str, Any]:
    return copy.deepcopy(_RESULTS)


@pytest.fixture
def without_local(results: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """The same run without banks that were trained alone."""

    def make() -> dict[str, Any]:
        for part in (results["test"], results["decision"]):
            part.pop("local")
        for bank in results["institutions"]:
            bank["auc"].pop("local")
            bank["delta"] = {}
        results["overall"] = {}
        return results

    return make
