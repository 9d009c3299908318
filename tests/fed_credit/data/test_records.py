"""Records with engineered fields: what is read, computed, rejected, and what lacks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from fed_credit.config.spec import SimulationSpec
from fed_credit.data.records import Records, read_records
from fed_credit.data.schema import Schema, load_schema
from fed_credit.errors import SchemaError

SCHEMA = """
name: hand
roles: {institution: bank, target: status}
fields:
  bank: {kind: institution}
  status: {kind: target, known_at: outcome, good: [paid], bad: [lost]}
  sales: {kind: numeric, min: 0, feature: false}
  debt: {kind: numeric, feature: false}
  code: {kind: categorical, feature: false}
  share: {kind: numeric, formula: "ratio(debt, sales)", max: 10, feature: false}
  half: {kind: numeric, formula: "share / 2", max: 4, outside: missing}
  kind: {kind: categorical, formula: "prefix(code, 1)"}
"""
ROWS = pd.DataFrame(
    {
        "bank": ["A", "A", "B", "B", "B"],
        "status": ["paid", "lost", "paid", "lost", "paid"],
        "sales": ["10", "0", "1", "-1", "2"],
        "debt": ["20", "5", "100", "1", "18"],
        "code": ["11", "", "23", "3", "x"],
    }
)


@pytest.fixture
def read(tmp_path: Path, make_spec: Callable[..., SimulationSpec]) -> Callable[..., Records]:
    def reader(rows: pd.DataFrame = ROWS, features: tuple[str, ...] = ("half", "kind")) -> Records:
        rows.to_csv(tmp_path / "loans.csv", index=False)
        (tmp_path / "hand.yaml").write_text(SCHEMA, encoding="utf-8")
        spec = make_spec(
            "data=table",
            f"data.path='{tmp_path / 'loans.csv'}'",
            f"data.schema='{tmp_path / 'hand.yaml'}'",
            "data.max_rejected_share=1",
            "data.target.window_months=null",
            "data.split.kind=random",
        )
        schema: Schema = load_schema(tmp_path / "hand.yaml")
        return read_records(spec.data, schema, tuple(schema.fields[name] for name in features))

    return reader


def test_engineered_fields_are_computed_and_pass_the_same_checks(
    read: Callable[..., Records],
) -> None:
    records = read()
    # The third row by a field that no feature is, but one is computed from; the fourth raw.
    assert records.rejected[["row", "field", "reason"]].to_numpy().tolist() == [
        [3, "share", "is above the maximum 10"],
        [4, "sales", "is below the minimum 0"],
    ]
    half = records.frame["half"]
    assert half.iloc[0] == 1.0 and half.iloc[1:].isna().all(), "9 / 2 lies outside, and is missing"
    kinds = records.frame["kind"]
    assert kinds.iloc[0] == "1" and pd.isna(kinds.iloc[1]) and kinds.iloc[2] == "x"


def test_a_column_with_the_name_of_a_computed_field_is_not_looked_at(
    read: Callable[..., Records],
) -> None:
    records = read(ROWS.assign(half="rubbish", share="99", kind="z"))
    pd.testing.assert_frame_equal(records.frame, read().frame)


def test_only_what_the_features_are_computed_from_has_to_be_there(
    read: Callable[..., Records],
) -> None:
    rows = ROWS.drop(columns=["sales", "debt"])
    assert read(rows, ("kind",)).num_rejected == 0
    with pytest.raises(
        SchemaError,
        match=r"no column 'debt', which schema 'hand' names as what share is computed from",
    ):
        read(rows, ("half",))
