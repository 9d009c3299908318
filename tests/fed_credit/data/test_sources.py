"""Where records lie must not matter: every kind of source gives the same loans, bit for bit."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from fed_credit.cli import main
from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.config.spec import DataSpec
from fed_credit.data.load import load_dataset, resolve_schema
from fed_credit.data.records import Records, read_records
from fed_credit.data.synthetic import generate
from fed_credit.data.table import read_table

QUERY = "SELECT * FROM loans ORDER BY loan_id"
COMMON = ["data.min_loans=50", "data.target.window_months=24", "data.target.as_of=2024-12-31"]


@pytest.fixture(scope="module")
def loans() -> pd.DataFrame:
    made = generate(
        compose(
            ["data.generator.num_loans=1500", "data.generator.num_institutions=3"]
        ).data.generator
    )
    # As in a database: no categories, and no date where there is none.
    for name in made.columns:
        if isinstance(made[name].dtype, pd.CategoricalDtype):
            made[name] = made[name].astype("str")
    return made


def csv_text(frame: pd.DataFrame) -> pd.DataFrame:
    dates = frame.select_dtypes("datetime").columns
    return frame.assign(**{name: frame[name].dt.strftime("%Y-%m-%d") for name in dates})


def to_sqlite(frame: pd.DataFrame, path: Path) -> None:
    connection = sqlite3.connect(path)
    csv_text(frame).to_sql("loans", connection, index=False)
    connection.close()


def table_spec(*overrides: str, mine: dict[str, Any] | None = None, folder: Path) -> DataSpec:
    if mine is not None:
        (folder / "data").mkdir(exist_ok=True)
        body = {"defaults": ["table", "_self_"], **mine}
        text = yaml.safe_dump(body, allow_unicode=True)
        (folder / "data" / "mine.yaml").write_text(text, encoding="utf-8")
        overrides = ("data=mine", *overrides)
    else:
        overrides = ("data=table", *overrides)
    given = [*overrides, "data.schema=synthetic", *COMMON]
    return compose(given, config_dir=folder if mine is not None else None).data


def fingerprint(spec: DataSpec) -> str:
    dataset = load_dataset(spec, num_institutions=None, schema_dir=schema_dir(), seed=7)
    return dataset.report.fingerprint


@pytest.fixture
def as_csv(loans: pd.DataFrame, tmp_path: Path) -> str:
    csv_text(loans).to_csv(tmp_path / "plain.csv", index=False)
    return fingerprint(table_spec(f"data.path={tmp_path / 'plain.csv'}", folder=tmp_path))


def test_every_kind_of_source_gives_the_same_model(
    loans: pd.DataFrame,
    tmp_path: Path,
    postgres: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    postgres.sign_in(monkeypatch)
    postgres.store(loans, "loans")
    csv_text(loans).to_csv(tmp_path / "loans.csv.gz", index=False)
    loans.to_parquet(tmp_path / "loans.parquet")
    to_sqlite(loans, tmp_path / "loans.db")
    prints, models = {}, {}
    for kind, place in {
        "csv": [f"data.path={tmp_path / 'loans.csv.gz'}"],
        "parquet": [f"data.path={tmp_path / 'loans.parquet'}"],
        "sqlite": [f"data.url=sqlite:///{tmp_path / 'loans.db'}", f"data.query='{QUERY}'"],
        "postgresql": [f"data.url='{postgres.url}'", f"data.query='{QUERY}'"],
    }.items():
        folder = tmp_path / kind
        code = main(
            [
                "simulate",
                "data=table",
                *place,
                "data.schema=synthetic",
                *COMMON,
                "model=logreg",
                "federation.num_rounds=2",
                "evaluation.min_bads=3",
                "evaluation.baselines=[local]",
                "data.split.kind=random",
                "progress=false",
                f"run_dir={folder}",
            ]
        )
        shown = capsys.readouterr()
        assert code == 0, shown.err
        prints[kind] = (folder / "data.sha256").read_text()
        models[kind] = hashlib.sha256(next(folder.glob("model/*.safetensors")).read_bytes())
        # Nothing that signs in is left behind or shown.
        assert postgres.password not in shown.out + shown.err
        for path in folder.rglob("*"):
            assert path.is_dir() or postgres.password.encode() not in path.read_bytes(), path
    assert len(set(prints.values())) == 1
    assert len({model.hexdigest() for model in models.values()}) == 1


def test_user_and_password_of_any_database(
    loans: pd.DataFrame, tmp_path: Path, postgres: Any, monkeypatch: pytest.MonkeyPatch, as_csv: str
) -> None:
    monkeypatch.delenv("PGUSER", raising=False)
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("FED_CREDIT_DB_USER", postgres.user)
    monkeypatch.setenv("FED_CREDIT_DB_PASSWORD", postgres.password)
    postgres.store(loans, "others")
    query = "SELECT * FROM others ORDER BY loan_id;"
    mine = {"url": postgres.url.replace("+psycopg", ""), "query": query}
    assert fingerprint(table_spec(mine=mine, folder=tmp_path)) == as_csv


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|", ","])
def test_spellings_of_csv_are_found(
    loans: pd.DataFrame, tmp_path: Path, as_csv: str, encoding: str, delimiter: str
) -> None:
    path = tmp_path / "other.csv"
    text = csv_text(loans).assign(备注="客户经理, 备注; 无|完")
    text.to_csv(path, index=False, sep=delimiter, encoding=encoding)
    assert fingerprint(table_spec(f"data.path={path}", folder=tmp_path)) == as_csv
    named = {
        "path": str(path),
        "csv": {"delimiter": {"\t": "tab"}.get(delimiter, delimiter), "encoding": encoding},
    }
    assert fingerprint(table_spec(mine=named, folder=tmp_path)) == as_csv


def test_a_bank_s_own_names_values_units_and_dates(
    loans: pd.DataFrame, tmp_path: Path, as_csv: str
) -> None:
    own = loans.assign(
        application_date=loans["application_date"].dt.strftime("%Y%m%d"),
        default_date=loans["default_date"].dt.strftime("%d.%m.%Y"),
        approved_amount=loans["approved_amount"] / 8192,
        firm_age=loans["firm_age"]
        .astype("str")
        .str.replace(".", ",")
        .where(loans["firm_age"].notna()),
        sector=loans["sector"].replace({"agriculture": "农业", "retail": "零售"}),
    ).rename(columns={"approved_amount": "贷款金额", "application_date": "申请日"})
    numeric = loans.select_dtypes("number").columns.difference(["approved_amount", "firm_age"])
    for name in [*numeric, "贷款金额"]:
        own[name] = own[name].map(lambda x: None if pd.isna(x) else repr(x).replace(".", ","))
    path = tmp_path / "export.csv"
    own.to_csv(path, index=False, sep=";", encoding="gb18030")
    mine = {
        "path": str(path),
        "csv": {"decimal": ","},
        "mapping": {
            "columns": {"贷款金额": "approved_amount", "申请日": "application_date"},
            "values": {"sector": {"农业": "agriculture", "零售": "retail"}},
            "units": {"approved_amount": 8192},
            "dates": {"application_date": "%Y%m%d", "default_date": "%d.%m.%Y"},
        },
    }
    assert fingerprint(table_spec(mine=mine, folder=tmp_path)) == as_csv


def test_a_source_per_bank_is_as_one_with_a_column(
    loans: pd.DataFrame, tmp_path: Path, as_csv: str
) -> None:
    entries = []
    for number, (bank, own) in enumerate(loans.groupby("institution")):
        own = own.drop(columns="institution")
        entry: dict[str, Any] = {"name": bank, "source": {}}
        if number == 0:
            own = own.rename(columns={"turnover": "sales"})
            entry["mapping"] = {"columns": {"sales": "turnover"}}
            own.to_parquet(tmp_path / "a.parquet")
            entry["source"] = {"path": str(tmp_path / "a.parquet")}
        elif number == 1:
            csv_text(own).to_csv(tmp_path / "b.txt", index=False, sep="|")
            entry["source"] = {"path": str(tmp_path / "b.txt"), "csv": {"delimiter": "pipe"}}
        else:
            to_sqlite(own, tmp_path / "c.db")
            entry["source"] = {"url": f"sqlite:///{tmp_path / 'c.db'}", "query": QUERY}
        entries.append(entry)
    assert fingerprint(table_spec(mine={"institutions": entries}, folder=tmp_path)) == as_csv


@pytest.fixture
def broken(loans: pd.DataFrame) -> pd.DataFrame:
    """Loans with every kind of fault, repeated identifiers far apart, and an unlisted category."""
    rng = np.random.default_rng(3)
    made = csv_text(loans).head(600).astype(object)
    made.loc[rng.integers(0, 600, 30), "employees"] = "many"
    made.loc[rng.integers(0, 600, 30), "application_date"] = "2020-02-30"
    made.loc[rng.integers(0, 600, 30), "sector"] = None
    made.loc[590, "loan_id"], made.loc[591, "loan_id"] = made.loc[3, "loan_id"], None
    made.loc[590, "institution"] = made.loc[3, "institution"]
    made.loc[400, "loan_id"] = made.loc[399, "loan_id"]
    made.loc[400, "institution"] = made.loc[399, "institution"]
    return made


@pytest.mark.parametrize("kind", ["csv", "parquet", "sqlite"])
def test_the_size_of_the_chunks_does_not_matter(
    broken: pd.DataFrame, tmp_path: Path, kind: str
) -> None:
    broken = broken.where(broken.notna(), None)
    if kind == "csv":
        broken.to_csv(tmp_path / "b.csv", index=False)
        spec = table_spec(f"data.path={tmp_path / 'b.csv'}", folder=tmp_path)
    elif kind == "parquet":
        broken.astype("str").to_parquet(tmp_path / "b.parquet")
        spec = table_spec(f"data.path={tmp_path / 'b.parquet'}", folder=tmp_path)
    else:
        to_sqlite(broken, tmp_path / "b.db")
        mine = {"url": f"sqlite:///{tmp_path / 'b.db'}", "query": "SELECT * FROM loans"}
        spec = table_spec(mine=mine, folder=tmp_path)
    spec = replace(spec, max_rejected_share=1.0)
    schema = resolve_schema("synthetic", schema_dir())
    fields = schema.features(spec.decision_point)

    def read(rows: int) -> Records:
        return read_records(spec, schema, fields, chunk_rows=rows)

    whole = read(10_000)
    assert (whole.rejected["reason"] == "repeats the loan identifier of an earlier row").sum() == 2
    assert len(whole.frame) + whole.num_rejected == whole.rows == 600
    for rows in (67, 599):
        again = read(rows)
        pd.testing.assert_frame_equal(again.frame, whole.frame)
        pd.testing.assert_frame_equal(again.rejected, whole.rejected)
        assert (again.rows, again.num_rejected, again.reasons) == (
            whole.rows,
            whole.num_rejected,
            whole.reasons,
        )


def test_whole_numbers_beside_gaps_keep_their_digits(tmp_path: Path) -> None:
    numbers = pd.DataFrame({"id": pd.array([2**62 + 1, None, 7], dtype="Int64")})
    numbers.to_parquet(tmp_path / "n.parquet")
    assert read_table(tmp_path / "n.parquet")["id"][0] == 2**62 + 1


def test_rejected_rows_are_counted_in_their_own_source(loans: pd.DataFrame, tmp_path: Path) -> None:
    first, second = (csv_text(own) for _, own in list(loans.groupby("institution"))[:2])
    second.iloc[4, second.columns.get_loc("employees")] = np.nan
    second = second.astype({"employees": object})
    second.iloc[4, second.columns.get_loc("employees")] = "many"
    entries = []
    for name, own in (("A", first), ("B", second)):
        own.to_csv(tmp_path / f"{name}.csv", index=False)
        entries.append({"name": name, "source": {"path": str(tmp_path / f"{name}.csv")}})
    spec = table_spec(mine={"institutions": entries}, folder=tmp_path)
    dataset = load_dataset(spec, num_institutions=None, schema_dir=schema_dir(), seed=7)
    assert dataset.names == tuple(sorted("AB", key=lambda n: -len({"A": first, "B": second}[n])))
    line = dataset.rejected.iloc[0]
    assert (line["row"], line["field"], line["institution"]) == (5, "employees", "B")
