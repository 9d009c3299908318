"""Three banks with homes of their own: one schema, and each its own kind of source and names."""

from __future__ import annotations

import multiprocessing
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
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
from fed_credit.config.decision import ScaleSpec
from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.config.merge import merged
from fed_credit.config.spec import DataSpec, SimulationSpec
from fed_credit.data.book import Dataset, Part
from fed_credit.data.load import load_dataset, resolve_schema
from fed_credit.data.recipe import Recipe
from fed_credit.data.records import engineer
from fed_credit.data.schema import Field, Kind, KnownAt, Missing, load_schema, parse_schema
from fed_credit.data.validate import validate
from fed_credit.decision.calibration import PdCalibration
from fed_credit.decision.policy import DecisionPolicy
from fed_credit.errors import FedCreditError
from fed_credit.families.alone import train_pooled
from fed_credit.families.protocol import Model
from fed_credit.model_file.contents import ModelFile
from fed_credit.scorecard.grades import MasterScale
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


@pytest.fixture(scope="session")
def model_bodies(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, ...]:
    """Make four model files: a scorecard of a small run, and three times with other cut-offs."""
    from fed_credit.model_file.archive import open_model_file, packed, parts_of
    from fed_credit.model_file.change import Edit, edit
    from fed_credit.simulate import simulate

    folder = tmp_path_factory.mktemp("scorecard") / "run"
    small = ["data.generator.num_loans=1500", "data.generator.num_institutions=3"]
    few = ["data.min_loans=50", "evaluation.min_bads=3", "evaluation.repeats=1"]
    run = ["model=scorecard", *small, *few, "progress=false", f"run_dir='{folder}'"]
    simulate(compose(["data=synthetic", "data.split.test_share=0.35", *run]))
    made = open_model_file(folder / "model.fcm")
    others = [edit(made, Edit(approve_below=cut)) for cut in (0.05, 0.06, 0.07)]
    return made.body, *(packed(parts_of(other)) for other in others)


@pytest.fixture(scope="session")
def at_once() -> Callable[[Sequence[Callable[[], Any]]], list[Any]]:
    """Call functions in processes of their own that begin together; return what they return."""
    context = multiprocessing.get_context("fork")  # each has a function of this process to call

    def call(functions: Sequence[Callable[[], Any]]) -> list[Any]:
        ready = context.Barrier(len(functions))

        def run(function: Callable[[], Any], end: Any) -> None:
            ready.wait(timeout=60)
            try:
                end.send(function())
            except FedCreditError as error:
                end.send(error)

        started = []
        for function in functions:
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=run, args=(function, there))
            process.start()
            started.append((process, here))
        told = [here.recv() for _, here in started]
        for process, _ in started:
            process.join(timeout=60)
            assert process.exitcode == 0
        return told

    return call


# Every kind of field, spelling and formula that an application may have.
EVERYTHING = """
name: everything
currency: CNY
tables:
  risk: {"11": 1.0, "22": 2.5}
  word: {"11": low, "22": high}
fields:
  amount: {kind: numeric, min: 1000, max: 1.0e+6, unit: CNY, missing: reject, strip: [",", "$"],
           changeable: true, label: {en: requested amount, zh: 申请金额}}
  term: {kind: numeric, min: 1, max: 60, unit: months, missing_codes: ["99", "-1"],
         changeable: true}
  share: {kind: numeric, min: 0, max: 100, unit: "%", outside: missing, strip: ["%"]}
  loose: {kind: numeric}
  flag: {kind: boolean, true_values: ["Y", "yes"], false_values: ["N"], missing_codes: ["U"],
         changeable: true}
  digit: {kind: boolean, true_values: ["1"], false_values: ["0"], outside: missing}
  kind: {kind: categorical, values: [retail, farm, "45", "true", services], changeable: true,
         value_labels: {farm: {en: farming, zh: 农业}}}
  soft: {kind: categorical, values: [a, b, c], outside: missing, missing_codes: [c],
         missing: reject}
  code: {kind: categorical, hash_buckets: 8, feature: false, missing_codes: ["0"]}
  branch: {kind: categorical, hash_buckets: 16}
  founded: {kind: date, date_formats: ["%Y%m%d", "%d/%m/%Y"], missing_codes: ["1900-01-01"]}
  applied: {kind: date}
  log_amount: {kind: numeric, min: 3, max: 13.5, formula: "log(amount)"}
  per_month: {kind: numeric, max: 20000, outside: missing, formula: "ratio(amount, term)"}
  age: {kind: numeric, formula: "months_between(founded, applied)"}
  year_founded: {kind: numeric, formula: "year(founded)"}
  powers: {kind: numeric, formula: "signed_power(loose, 0.5) + (share / 10) ** 2 - exp(-share)"}
  mixed: {kind: numeric,
          formula: "max(min(log1p(term), sqrt(share)), abs(loose) * 2) - clip(loose, -1, 1)"}
  both: {kind: boolean, formula: "flag == digit or term > 12 and not is_missing(share)"}
  chosen: {kind: numeric,
           formula: 'where(one_of(kind, "retail", "farm"), share, coalesce(loose, term, 0))'}
  sector: {kind: categorical, formula: "lookup(word, prefix(digits(code), 2))"}
  sector_risk: {kind: numeric, formula: "lookup(risk, prefix(digits(code), 2), -loose)"}
  crossed: {kind: categorical, formula: "interact(kind, soft)", hash_buckets: 8}
  band: {kind: categorical, formula: 'bucket(share, "few", 20, "some", 60, "many")'}
  step: {kind: numeric, formula: "bucket_index(loose, -1, 0, 1)", missing: reject}
"""
_STRANGE = (
    "",
    " ",
    "abc",
    "1e400",
    "nan",
    "true",
    "\u3000x\u00a0",
    "é",
    "0",
    "99",
    "+5",
    "1_0",
    "\x00",
)


@pytest.fixture(scope="session")
def make_application() -> Callable[..., dict[str, Any]]:
    """Draw the raw fields of an application as JSON has them; ``dirt`` is the share of odd ones."""
    return _application


def _application(
    fields: Mapping[str, Field], rng: np.random.Generator, dirt: float = 0.0
) -> dict[str, Any]:
    return {name: _cell(field, rng, dirt) for name, field in fields.items()}


def _cell(field: Field, rng: np.random.Generator, dirt: float) -> Any:
    if rng.random() < dirt:
        number = float(rng.choice([np.nan, np.inf, -0.0, 1e-320, 1.5, 1e300]))
        whole = int(rng.choice([-1, 0, 1, 7])) * 10 ** int(rng.integers(0, 40))
        odd = [str(rng.choice(_STRANGE)), number, whole, bool(rng.random() < 0.5), None]
        return odd[int(rng.integers(len(odd)))]
    if rng.random() < 0.08 and field.missing is Missing.ALLOW:
        return None
    if field.kind is Kind.NUMERIC:
        low = -100.0 if field.min is None else field.min
        high = low + 1000.0 if field.max is None else field.max
        value = low + (high - low) * float(rng.random()) ** 3
        value = float(round(value)) if rng.random() < 0.5 else value
        value = min(max(value, low), high)
        if rng.random() < 0.1:
            return f" {value:,}" if "," in field.strip else str(value)
        return int(value) if value.is_integer() and rng.random() < 0.5 else value
    if field.kind is Kind.BOOLEAN:
        spelled = [*field.true_values, *field.false_values]
        return bool(rng.random() < 0.5) if rng.random() < 0.2 else str(rng.choice(spelled))
    if field.kind is Kind.DATE:
        day = np.datetime64("1950-01-01") + int(rng.integers(0, 27_000))
        return str(day) if rng.random() < 0.7 else f"{day}T10:30:00"
    return str(rng.choice(field.values or [str(k) for k in range(10, 40)]))


@pytest.fixture(scope="session")
def model_of(make_spec: Callable[..., SimulationSpec]) -> Callable[[str, str], ModelFile]:
    """Fit a family (a file of ``conf/model``) on drawn loans of a schema, and make it decide."""

    @cache
    def make(family: str, schema_name: str) -> ModelFile:
        schema = (
            parse_schema(EVERYTHING, "everything.yaml")
            if schema_name == "everything"
            else load_schema(schema_dir() / f"{schema_name}.yaml")
        )
        fields = [
            item
            for item in schema.features(KnownAt.BOOKING)
            if item.name not in ("interest_rate", "approved_amount")
        ]
        names = [item.name for item in fields]
        recipe = Recipe.of(schema, names)
        inputs = dict.fromkeys([*(n for n in names if n not in recipe.names), *dict(recipe.inputs)])
        rng = np.random.default_rng(5)
        raw = pd.DataFrame(
            [_application({n: schema.fields[n] for n in inputs}, rng) for _ in range(900)]
        )
        loans = engineer(validate(raw, schema, needed=list(inputs)), schema, recipe).frame
        signal = sum(
            (loans[n].astype(str).map(lambda w: zlib.crc32(str(w).encode()) % 3 / 2.0) - 0.5) * 0.7
            if schema.fields[n].kind is Kind.CATEGORICAL
            else (loans[n].rank(pct=True).fillna(0.5) - 0.5) * (-1) ** k
            for k, n in enumerate(names)
        )
        pd_ = 1 / (1 + np.exp(1.0 - 2.0 * np.asarray(signal)))
        y = (rng.random(len(loans)) < pd_).astype(np.int8)
        overrides = SMALL_EXACT.get(family, ("federation.num_rounds=3",))
        run = RunSpec.of(make_spec(f"model={family}", *overrides), schema, fields, 7)
        cut = len(loans) * 3 // 4
        train, validation = (Loans(loans.iloc[s], y[s]) for s in (slice(cut), slice(cut, None)))
        model: Model = train_pooled(train, validation, run, None)  # type: ignore[assignment]
        artefact = Artefact(run.model, model, {})
        calibration = PdCalibration(0.2, 0.9, 0.001, "platt", 100, 30, 0.3, False)
        approve, decline = np.quantile(calibration.apply(artefact.score(loans)), [0.4, 0.6])
        scale = MasterScale.of({"A": 0.1, "B": 0.3, "C": 1.0})
        points = ScaleSpec(20.0, 600.0, 15.0)
        policy = DecisionPolicy(float(approve), float(decline), 4, points, scale)
        return ModelFile(artefact, schema, calibration, policy, {}, None, {})

    return make
