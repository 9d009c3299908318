"""The packaged schema of the UCI card clients, on generated files of that file's layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fed_credit.config.load import compose
from fed_credit.data.schema import KnownAt, load_schema
from fed_credit.simulate import simulate

SCHEMA = Path(__file__).parents[3] / "conf" / "schemas" / "uci_default_credit.yaml"
STATUSES = ["PAY_0", *(f"PAY_{k}" for k in range(2, 7))]
AMOUNTS = [f"{name}{k}" for name in ("BILL_AMT", "PAY_AMT") for k in range(1, 7)]
TARGET = "default payment next month"
HEADER = ["ID", "LIMIT_BAL", "SEX", "EDUCATION", "MARRIAGE", "AGE", *STATUSES, *AMOUNTS, TARGET]
ABOVE = ["", *(f"X{k}" for k in range(1, 24)), "Y"]
FEATURES = {"LIMIT_BAL", "EDUCATION", *STATUSES, *AMOUNTS}
LOANS = 600


@pytest.fixture(scope="module")
def clients() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"ID": np.arange(1, LOANS + 1)})
    frame["LIMIT_BAL"] = rng.integers(1, 80, LOANS) * 10_000
    frame["SEX"] = rng.integers(1, 3, LOANS)
    frame["EDUCATION"] = rng.integers(0, 7, LOANS)
    frame["MARRIAGE"] = rng.integers(0, 4, LOANS)
    frame["AGE"] = rng.integers(21, 80, LOANS)
    for name in STATUSES:
        frame[name] = rng.integers(-2, 9, LOANS)
    for name in AMOUNTS:
        low = -5_000 if name.startswith("BILL") else 0
        frame[name] = rng.integers(low, 300_000, LOANS)
    log_odds = -1.5 + 0.5 * frame["PAY_0"] - 0.02 * (frame["LIMIT_BAL"] / 10_000 - 40)
    frame[TARGET] = (rng.random(LOANS) < 1 / (1 + np.exp(-log_odds))).astype(int)
    assert list(frame) == HEADER
    return frame


def run(folder: Path, clients: pd.DataFrame, above: bool, *overrides: str) -> dict[str, Any]:
    body = clients.to_csv(index=False)
    path = folder / "clients.csv"
    path.write_text(f"{','.join(ABOVE)}\n{body}" if above else body, encoding="utf-8")
    spec = compose(
        [
            f"data.path='{path}'",
            f"run_dir='{folder / 'run'}'",
            "federation.num_rounds=3",
            "model.trees.learning_rate=0.3",
            "evaluation.baselines=[]",
            "evaluation.repeats=1",
            "progress=false",
            *overrides,
        ]
    )
    return simulate(spec).results


def test_what_a_model_may_look_at() -> None:
    schema = load_schema(SCHEMA)
    assert {field.name for field in schema.features(KnownAt.APPLICATION)} == FEATURES
    personal = {"SEX", "AGE", "MARRIAGE"}
    assert all(schema.fields[name].sensitive for name in personal | set(STATUSES))
    assert not any(schema.fields[name].is_feature for name in personal)


def test_the_file_needs_nothing_but_the_schema(tmp_path: Path, clients: pd.DataFrame) -> None:
    plain = ["data=table", "data.schema=uci_default_credit", "model=gbdt"]
    drawn = ["data.partition.kind=iid", "data.partition.num_parts=2"]
    results = run(tmp_path, clients, False, *plain, *drawn)
    data = results["data"]
    assert data["rejected"] == 0
    assert data["used"] == LOANS and len(results["institutions"]) == 2
    assert results["test"]["federated"]["auc"] > 0.6
    columns = json.loads((tmp_path / "run" / "model" / "columns.json").read_text("utf-8"))
    names = {column["name"] for column in columns}
    # Codes that are not documented are groups of their own, and none is taken for a missing value.
    assert {f"EDUCATION = {code}" for code in range(7)} <= names
    assert "EDUCATION is missing" not in names


def test_both_headers_are_the_same_loans(tmp_path: Path, clients: pd.DataFrame) -> None:
    found = []
    for name, above in (("one", False), ("two", True)):
        (tmp_path / name).mkdir()
        found.append(run(tmp_path / name, clients, above, "experiment=uci_default_credit"))
    one, two = found
    assert one["model"]["sha256"] == two["model"]["sha256"]
    assert (one["data"]["rejected"], two["data"]["rejected"]) == (0, 1)
    listed = (tmp_path / "two" / "run" / "rejected_rows.csv").read_text("utf-8")
    assert listed.splitlines()[1].startswith("1,")
