"""A schema as text that stands alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fed_credit.config.location import schema_dir
from fed_credit.data.schema import load_schema
from fed_credit.data.schema_text import read_schema, schema_text
from fed_credit.errors import SchemaError

PACKAGED = sorted(schema_dir().glob("*.yaml"))


@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.stem)
def test_a_schema_comes_back_equal(path: Path) -> None:
    schema = load_schema(path)
    text = schema_text(schema)
    again = read_schema(text, "model.fcm: schema.yaml")
    assert again == schema
    assert schema_text(again) == text
    assert not any(mark in text for mark in ("*id", "&id"))


def test_a_table_in_a_file_is_written_out(tmp_path: Path) -> None:
    (tmp_path / "risk.csv").write_text("code,risk\n01,0.5\n02,1.25\n", encoding="utf-8")
    path = tmp_path / "own.yaml"
    path.write_text(
        "fields:\n"
        "  branch: {kind: categorical, values: ['01', '02'], feature: false}\n"
        "  risk: {kind: numeric, formula: 'lookup(risk, branch)'}\n"
        "tables:\n  risk: {file: risk.csv, key: code, value: risk, numbers: true}\n",
        encoding="utf-8",
    )
    schema = load_schema(path)
    (tmp_path / "risk.csv").unlink()
    again = read_schema(schema_text(schema), "model.fcm")
    assert again.tables == schema.tables and again.tables["risk"].by_code == {"01": 0.5, "02": 1.25}
    assert again.fields == schema.fields


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fields: 3",
        "fields: {a: {kind: magic}}",
        "fields: [",
        "a: &x [1]\nfields: {a: {kind: date, date_formats: *x}}",
        "\x00",
    ],
)
def test_what_is_no_schema_is_one_sentence(text: str) -> None:
    with pytest.raises(SchemaError) as raised:
        read_schema(text, "model.fcm: schema.yaml")
    assert "model.fcm: schema.yaml" in str(raised.value)


def test_names_for_sections_are_not_followed() -> None:
    nested = "\n".join(
        [
            "a0: &a0 [x, x]",
            *(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 30)),
            "fields: {f: {kind: categorical, values: *a29}}",
        ]
    )
    with pytest.raises(SchemaError, match="refers to its own sections"):
        read_schema(nested, "model.fcm: schema.yaml")


def test_a_changed_field_shows() -> None:
    schema = load_schema(PACKAGED[0])
    name, field = next(iter(schema.fields.items()))
    other = replace(schema, fields={**schema.fields, name: replace(field, sensitive=True)})
    assert schema_text(other) != schema_text(schema)
