"""Three banks with homes of their own: one schema, and each its own kind of source and names."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from fed_credit.artefact import Artefact
from fed_credit.config.bank import BankSpec, load_bank
from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.config.merge import merged
from fed_credit.config.spec import DataSpec
from fed_credit.data.book import Dataset, Part
from fed_credit.data.load import load_dataset, resolve_schema
from fed_credit.families.alone import train_pooled
from fed_credit.families.protocol import Model
from fed_credit.training.alone import Loans
from fed_credit.training.run_spec import RunSpec

SCHEMA = """
name: small business
currency: CNY
roles: {institution: bank, loan_id: loan, firm_id: firm, decision_date: decided,
        event_date: defaulted, exposure: amount}
tables:
  risk: {north: 1.0, south: 2.5, west: 4.0}
fields:
  bank: {kind: institution}
  loan: {kind: identifier}
  firm: {kind: identifier, sensitive: true}
  decided: {kind: date}
  defaulted: {kind: date, known_at: outcome}
  amount: {kind: numeric, min: 0, feature: false}
  turnover: {kind: numeric, min: 0, feature: false}
  age: {kind: numeric, min: 0, max: 1200}
  guaranteed: {kind: boolean, true_values: ["yes"], false_values: ["no"]}
  sector: {kind: categorical, values: [trade, farm, services], outside: missing}
  city: {kind: categorical, hash_buckets: 16}
  rate: {kind: numeric, known_at: booking}
  paid_late: {kind: numeric, known_at: outcome}
  region: {kind: categorical, values: [north, south, west], feature: false}
  log_turnover: {kind: numeric, formula: "log1p(turnover)"}
  debt: {kind: numeric, formula: "amount / (turnover + 1)"}
  region_risk: {kind: numeric, formula: "lookup(risk, region)"}
"""
NAMES = ("Riverside Bank", "Hill Bank", "Lake Bank")
FEATURES = (
    "age",
    "guaranteed",
    "sector",
    "city",
    "log_turnover",
    "debt",
    "region_risk",
)
POPULATION = (
    "data.target.window_months=12",
    "data.target.as_of=2023-12-31",
    "data.split.kind=random",
    "data.split.test_share=0.3",
    "data.split.validation_share=0.2",
    "data.split.stratified=false",
)


def make_loans(name: str, count: int, seed: int) -> pd.DataFrame:
    """Draw loans with gaps everywhere, firms that other banks know too, and a few faulty rows."""
    rng = np.random.default_rng(seed)
    decided = np.datetime64("2018-01-01") + rng.integers(0, 365 * 5, count).astype("timedelta64[D]")
    turnover = np.exp(rng.normal(13, 1, count)).round(2)
    bad = rng.random(count) < 1 / (1 + np.exp(1 + 0.8 * (np.log(turnover) - 13)))
    after = rng.integers(30, 700, count).astype("timedelta64[D]")
    loans = pd.DataFrame(
        {
            "loan": [f"{name[0]}-{k}" for k in range(count)],
            "firm": [f"F{k}" for k in rng.integers(0, 500, count)],
            "decided": decided,
            "defaulted": np.where(bad, decided + after, np.datetime64("NaT", "D")),
            "amount": np.exp(rng.normal(12, 1, count)).round(2),
            "turnover": turnover,
            "age": np.floor(rng.gamma(2.0, 30.0, count)),
            "guaranteed": rng.choice(["yes", "no"], count),
            "sector": rng.choice(["trade", "farm", "services"], count),
            "city": [f"city {k}" for k in rng.integers(0, 40, count)],
            "rate": rng.normal(0.06, 0.01, count).round(4),
            "paid_late": rng.integers(0, 9, count).astype(float),
            "region": rng.choice(["north", "south", "west"], count),
        }
    )
    for column in ("firm", "loan", "age", "guaranteed", "sector", "city", "region"):
        loans[column] = loans[column].astype(object)
        loans.loc[rng.random(count) < 0.08, column] = None
    loans.loc[5, "age"], loans.loc[17, "amount"] = -3.0, -1.0
    return loans


@dataclass(frozen=True)
class Homes:
    """The banks' homes, and what one process that may look into all of them would load."""

    folder: Path
    entries: list[dict[str, Any]]

    def path(self, k: int) -> Path:
        return self.folder / f"bank{k}"

    def spec(self, k: int) -> BankSpec:
        return load_bank(self.path(k))

    def change(self, k: int, **changes: Any) -> None:
        file = self.path(k) / "bank.yaml"
        body = merged(yaml.safe_load(file.read_text(encoding="utf-8")), changes)
        file.write_text(yaml.safe_dump(body, allow_unicode=True), encoding="utf-8")

    def central(self, overrides: Sequence[str] = (), features: Sequence[str] = FEATURES) -> Any:
        """Return the simulation's configuration over all banks' sources."""
        (self.folder / "data").mkdir(exist_ok=True)
        mine = {"defaults": ["table", "_self_"], "institutions": self.entries}
        (self.folder / "data" / "mine.yaml").write_text(yaml.safe_dump(mine, allow_unicode=True))
        return compose(
            [
                "data=mine",
                f"data.schema={self.folder / 'schema.yaml'}",
                f"data.features=[{','.join(features)}]",
                "data.min_loans=1",
                *POPULATION,
                "model=logreg",
                f"run_dir={self.folder / 'run'}",
                *overrides,
            ],
            config_dir=self.folder,
        )

    def dataset(self, spec: DataSpec) -> Dataset:
        return load_dataset(spec, num_institutions=None, schema_dir=schema_dir(), seed=7)

    def run_spec(
        self, overrides: Sequence[str] = (), features: Sequence[str] = FEATURES
    ) -> RunSpec:
        spec = self.central(overrides, features)
        schema = resolve_schema(spec.data.schema, schema_dir())
        fields = schema.features(spec.data.decision_point, only=spec.data.features)
        return RunSpec.of(spec, schema, fields, spec.seed)


@pytest.fixture
def make_homes(tmp_path: Path) -> Callable[[], Homes]:
    def make() -> Homes:
        (tmp_path / "schema.yaml").write_text(SCHEMA, encoding="utf-8")
        entries: list[dict[str, Any]] = []
        for k, (name, count) in enumerate(zip(NAMES, (420, 360, 300), strict=True)):
            home = tmp_path / f"bank{k}"
            home.mkdir()
            own = make_loans(name, count, seed=100 + k)
            entry = [_csv, _parquet, _sqlite][k](own, home)
            entries.append({"name": name, **entry})
            body = {
                "name": name,
                "schema": "../schema.yaml",
                **entry,
                "policy": {"min_loans": 5},
                "source": _relative(entry["source"], home),
            }
            text = yaml.safe_dump(body, allow_unicode=True)
            (home / "bank.yaml").write_text(text, encoding="utf-8")
        return Homes(tmp_path, entries)

    return make


@pytest.fixture
def homes(make_homes: Callable[[], Homes]) -> Homes:
    return make_homes()


def _csv(own: pd.DataFrame, home: Path) -> dict[str, Any]:
    named = own.assign(
        decided=own["decided"].dt.strftime("%Y%m%d"),
        defaulted=own["defaulted"].dt.strftime("%Y%m%d"),
        amount=own["amount"] / 8192,
        sector=own["sector"].replace({"farm": "农业"}),
    ).rename(columns={"turnover": "年营业收入", "amount": "贷款金额", "sector": "行业"})
    named.to_csv(home / "loans.csv", index=False, sep=";", encoding="gb18030")
    return {
        "source": {"path": str(home / "loans.csv"), "csv": {"delimiter": ";"}},
        "mapping": {
            "columns": {"年营业收入": "turnover", "贷款金额": "amount", "行业": "sector"},
            "values": {"sector": {"农业": "farm"}},
            "units": {"amount": 8192.0},
            "dates": {"decided": "%Y%m%d", "defaulted": "%Y%m%d"},
        },
    }


def _parquet(own: pd.DataFrame, home: Path) -> dict[str, Any]:
    own.rename(columns={"age": "firm_age", "loan": "contract"}).to_parquet(home / "loans.parquet")
    return {
        "source": {"path": str(home / "loans.parquet")},
        "mapping": {"columns": {"firm_age": "age", "contract": "loan"}},
    }


def _sqlite(own: pd.DataFrame, home: Path) -> dict[str, Any]:
    made = own.assign(
        decided=own["decided"].dt.strftime("%Y-%m-%d"),
        defaulted=own["defaulted"].dt.strftime("%Y-%m-%d"),
    ).rename(columns={"guaranteed": "has_guarantee", "city": "town"})
    connection = sqlite3.connect(home / "loans.db")
    made.to_sql("loans", connection, index=False)
    connection.close()
    return {
        "source": {
            "url": f"sqlite:///{home / 'loans.db'}",
            "query": "SELECT * FROM loans ORDER BY rowid",
        },
        "mapping": {"columns": {"has_guarantee": "guaranteed", "town": "city"}},
    }


def _relative(source: dict[str, Any], home: Path) -> dict[str, Any]:
    return {
        key: value.replace(f"{home}/", "") if isinstance(value, str) else value
        for key, value in source.items()
    }


SMALL_EXACT = {
    "scorecard": ("model.selection.min_iv=0.001",),
    "logreg_exact": (),
    "gbdt": ("federation.num_rounds=6", "model.trees.max_depth=3"),
    "tree": (),
}


@pytest.fixture(scope="session")
def exact(
    dataset: Dataset, parts: np.ndarray, make_run_spec: Callable[..., RunSpec]
) -> Callable[[str], Artefact]:
    """Fit a model of ``conf/model`` on the training loans of all three banks of :func:`dataset`."""

    def loans(part: Part) -> Loans:
        rows = np.flatnonzero(parts == part)
        return Loans(dataset.features.iloc[rows], dataset.y[rows])

    @cache
    def fit(family: str) -> Artefact:
        run = make_run_spec(f"model={family}", *SMALL_EXACT.get(family, ()))
        model: Model = train_pooled(loans(Part.TRAIN), loans(Part.VALIDATION), run, None)  # type: ignore[assignment]
        return Artefact(run.model, model, {})

    return fit
