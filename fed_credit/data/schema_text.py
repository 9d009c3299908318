"""A schema as text that stands alone: reference tables written out, nothing named by a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any

import yaml

from fed_credit.data.schema import SPELLING, Field, Kind, Schema, parse_schema
from fed_credit.errors import SchemaError

_DEFAULTS = Field("", Kind.DATE)


def schema_text(schema: Schema) -> str:
    """Return a schema as YAML, which :func:`read_schema` reads back to an equal one."""
    body: dict[str, Any] = {
        "name": schema.name,
        "description": schema.description,
        "currency": schema.currency,
        "roles": {role: name for role, name in vars(schema.roles).items() if name is not None},
        "fields": {name: _field(item) for name, item in schema.fields.items()},
    }
    if schema.tables:
        body["tables"] = {name: dict(table.by_code) for name, table in schema.tables.items()}
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)


def read_schema(text: str, where: str) -> Schema:
    """Read :func:`schema_text`.

    Parameters
    ----------
    text : str
        YAML.
    where : str
        What to call it in messages.

    Raises
    ------
    SchemaError
        If it is no schema.
    """
    # Names that stand for sections can be nested until a short text fills the memory.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        aliased = any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, loader))
    except yaml.YAMLError:
        aliased = False  # what is wrong is said below
    if aliased:
        raise SchemaError(f"{where} refers to its own sections (*name); write them out.")
    return parse_schema(text, where)


def _field(item: Field) -> dict[str, Any]:
    # What follows from a formula is found again.
    implied = ("name", *SPELLING) if item.formula else ("name",)
    body: dict[str, Any] = {}
    for each in fields(Field):
        value = getattr(item, each.name)
        if each.name in implied:
            continue
        if each.name != "kind" and value == getattr(_DEFAULTS, each.name):
            continue
        body[each.name] = _plain(value)
    return body


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value
