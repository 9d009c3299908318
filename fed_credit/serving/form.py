"""What an application consists of, by the model's schema: for programs, and checked by it."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any

from fed_credit.data.schema import Field, Kind, Missing, Outside, Schema
from fed_credit.serving.answers import Refusal

_NUMBER, _TEXT, _NULL = "a number", "text", "null"
_TYPES: Mapping[Kind, tuple[frozenset[type], str]] = {
    Kind.NUMERIC: (frozenset({int, float, NoneType}), f"must be {_NUMBER}, or {_NULL}"),
    Kind.BOOLEAN: (frozenset({bool, str, NoneType}), f"must be true, false, {_TEXT} or {_NULL}"),
}
_TEXTS = (frozenset({str, NoneType}), f"must be {_TEXT}, or {_NULL}")


class Form:
    """The fields of an application that a model looks at.

    A table of loans is read leniently, since files spell everything as text; what a program sends
    is of the field's own type, or the program is wrong.

    Parameters
    ----------
    schema : Schema
        What the fields are.
    inputs : tuple of str
        Those that the model looks at.
    """

    def __init__(self, schema: Schema, inputs: tuple[str, ...]) -> None:
        self._schema = schema
        self._fields = {name: schema.fields[name] for name in schema.fields if name in inputs}
        self.inputs: tuple[str, ...] = tuple(self._fields)
        """Their names, in the order of the schema."""
        self._types = {
            name: _TYPES.get(field.kind, _TEXTS)[0] for name, field in self._fields.items()
        }

    def kept(self, loan: dict[str, Any], beside: Form | None = None) -> dict[str, Any]:
        """Return the fields of an application that a model looks at; the rest is not kept.

        Parameters
        ----------
        loan : dict of str to object
            As it came.
        beside : Form, optional
            Of another model that looks at it too.

        Returns
        -------
        dict of str to object
            The values as they came. Names that the schema does not have are left in, for the
            scorer to refuse.

        Raises
        ------
        Refusal
            422, for values of another type than the field's.
        """
        types = self._types
        wrong = others = 0
        for name, value in loan.items():
            allowed = types.get(name)
            if allowed is None:
                others += 1
            elif value.__class__ not in allowed:
                wrong += 1
        if wrong:
            raise Refusal.of(
                [
                    (name, _TYPES.get(self._fields[name].kind, _TEXTS)[1])
                    for name, value in loan.items()
                    if name in types and value.__class__ not in types[name]
                ]
            )
        if not others:
            return loan
        known = self._schema.fields
        further: Mapping[str, Any] = {} if beside is None else beside._types
        return {
            name: value
            for name, value in loan.items()
            if name in types or name in further or name not in known
        }

    def fields(self) -> list[dict[str, Any]]:
        """Return the fields for people and programs that make a form of them."""
        return [_field_body(field) for field in self._fields.values()]

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema (draft 2020-12) of an application's ``loan``."""
        others = {
            name: {"description": "Not looked at by this model; neither checked nor kept."}
            for name in self._schema.fields
            if name not in self._fields
        }
        return {
            "type": "object",
            "title": "Loan",
            "description": "The fields of an application. What is left out is missing.",
            "properties": {
                **{name: _field_schema(field) for name, field in self._fields.items()},
                **others,
            },
            "required": [
                name for name, field in self._fields.items() if field.missing is Missing.REJECT
            ],
            "additionalProperties": False,
            "examples": [example_loan(self._schema, tuple(self._fields))],
        }


def _field_body(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "kind": str(field.kind),
        "label": dict(field.label),
        "unit": field.unit,
        "group": None if field.group is None else str(field.group),
        "required": field.missing is Missing.REJECT,
        "min": field.min,
        "max": field.max,
        "values": list(field.values),
        "value_labels": {value: dict(label) for value, label in field.value_labels.items()},
        "true_values": list(field.true_values),
        "false_values": list(field.false_values),
        "outside": str(field.outside),
        "sensitive": field.sensitive,
        "changeable": field.changeable,
        "known_at": str(field.known_at),
        "example": _example(field),
    }


def _field_schema(field: Field) -> dict[str, Any]:
    made: dict[str, Any] = {}
    optional = [] if field.missing is Missing.REJECT else ["null"]
    rejects = field.outside is Outside.REJECT
    if field.kind is Kind.NUMERIC:
        made["type"] = ["number", *optional]
        if rejects and field.min is not None:
            made["minimum"] = field.min
        if rejects and field.max is not None:
            made["maximum"] = field.max
    elif field.kind is Kind.BOOLEAN:
        spelled = [True, False, *field.true_values, *field.false_values]
        made["enum"] = [*spelled, *([None] if optional else [])]
    elif field.kind is Kind.DATE:
        made["type"] = ["string", *optional]
        made["format"] = "date"
    elif field.values and rejects:
        made["enum"] = [*field.values, *field.missing_codes, *([None] if optional else [])]
    else:
        made["type"] = ["string", *optional]
    made["title"] = field.label.get("en", field.name)
    made["description"] = _description(field)
    made["examples"] = [_example(field)]
    return made


def _description(field: Field) -> str:
    words = [" / ".join(dict.fromkeys(field.label.values())) or field.name]
    if field.unit and field.unit != "1":
        words.append(f"Unit: {field.unit}.")
    if field.values:
        words.append(f"Values: {', '.join(field.values)}.")
    if field.outside is Outside.MISSING and (field.min, field.max) != (None, None):
        low = "" if field.min is None else f" below {field.min:g}"
        high = "" if field.max is None else f" above {field.max:g}"
        words.append(f"Missing if{low}{' or' if low and high else ''}{high}.")
    elif field.outside is Outside.MISSING and field.values:
        words.append("Any other value counts as missing.")
    return " ".join(words)


def example_loan(schema: Schema, inputs: tuple[str, ...]) -> dict[str, Any]:
    """Return an application that a schema admits, for descriptions and for warming up.

    Parameters
    ----------
    schema : Schema
        What the fields are.
    inputs : tuple of str
        Those that a model looks at.

    Returns
    -------
    dict of str to object
        A value of each input.
    """
    return {name: _example(schema.fields[name]) for name in inputs}


def _example(field: Field) -> Any:
    if field.kind is Kind.NUMERIC:
        value = float(field.example) if field.example else _within(field)
        return int(value) if value.is_integer() else value
    if field.example:
        return field.example
    if field.kind is Kind.BOOLEAN:
        return field.true_values[0]
    if field.kind is Kind.CATEGORICAL:
        return field.values[0] if field.values else "A"
    return "2024-01-31"


def _within(field: Field) -> float:
    low = -float("inf") if field.min is None else field.min
    high = float("inf") if field.max is None else field.max
    return min(max(1.0, low), high)
