"""What a tracker is told: configuration by key, figures by their path in ``results.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from fed_credit.config.load import compose
from fed_credit.config.spec import SimulationSpec
from fed_credit.tracking.contents import final_metrics, parameters, run_name


def test_parameters_are_the_configuration_by_key(
    make_spec: Callable[..., SimulationSpec],
) -> None:
    spec = make_spec("model.dropout=0.25")
    spec.data.mapping.values = {"sector": {"农业": "farming"}}
    found = parameters(spec)
    assert found["model.dropout"] == "0.25"
    assert found["model.hidden"] == "[8]"
    assert found["strategy.name"] == "fedavg"
    assert found["data.target.window_months"] == "null"
    assert json.loads(found["data.mapping.values"]) == {"sector": {"农业": "farming"}}
    assert all(isinstance(text, str) for text in found.values())


def test_equal_runs_have_equal_parameters_wherever_they_lie() -> None:
    here, there = (
        compose(["run_dir=a"]),
        compose(["run_dir=b", "progress=false", "tracking=mlflow"]),
    )
    assert parameters(here) == parameters(there)


def test_metrics_are_the_numbers_of_the_results_by_path() -> None:
    found = final_metrics(
        {
            "test": {
                "federated": {"auc": 0.7, "auc_interval": {"lo": 0.6, "hi": None}, "banks": 3}
            },
            "overall": {"federated_minus_local": {"value": float("nan"), "gain": 2}},
            "timing": {"wall_s": 1.5, "rounds_s": [0.1, 0.2]},
            "seed": 7,
            "warnings": ["odd"],
        }
    )
    assert found == {
        "test/federated/auc": 0.7,
        "test/federated/auc_interval/lo": 0.6,
        "test/federated/banks": 3.0,
        "overall/federated_minus_local/gain": 2.0,
        "timing/wall_s": 1.5,
    }


def test_a_run_is_called_by_its_folder() -> None:
    assert run_name(Path("runs/2026-01-02/03-04-05")) == "2026-01-02/03-04-05"
    assert run_name(Path("/data/elsewhere/trial")) == "trial"
    assert run_name(Path("runs")) == "runs"
