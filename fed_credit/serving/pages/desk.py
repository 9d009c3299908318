"""The lending desk: a form made of the model's schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fed_credit.data.schema import Field, Group, Kind, Missing
from fed_credit.serving.pages.speech import Speech

_ORDER = (Group.FIRM, Group.HISTORY, Group.APPLICATION, None)


@dataclass(frozen=True)
class Option:
    """A value to choose.

    Parameters
    ----------
    value : str
        As it is sent.
    label : str
        As it reads.
    """

    value: str
    label: str


@dataclass(frozen=True)
class Entry:
    """One field of the form.

    Parameters
    ----------
    name : str
        Of the schema's field.
    label, unit : str
        In the page's language; no unit for a ratio or a number of things.
    hint : str
        Bounds; empty without any.
    required : bool
        Whether an application without it is refused.
    numeric : bool
        Whether it is a number.
    options : tuple of Option
        Values to choose from; empty for any.
    example : str
        Value of the example; empty for none.
    aliases : tuple of str
        By what a pasted application may call it.
    """

    name: str
    label: str
    unit: str
    hint: str
    required: bool
    numeric: bool
    options: tuple[Option, ...]
    example: str
    aliases: tuple[str, ...]

    def for_script(self) -> dict[str, Any]:
        """Return what reading a pasted application needs."""
        return {
            "name": self.name,
            "label": self.label,
            "numeric": self.numeric,
            "aliases": list(self.aliases),
            "options": [[option.value, option.label] for option in self.options],
            "example": self.example,
        }


@dataclass(frozen=True)
class Part:
    """Fields that stand together.

    Parameters
    ----------
    key : str
        Group, or ``other``.
    title : str
        In the page's language.
    entries : tuple of Entry
        In the order of the schema.
    """

    key: str
    title: str
    entries: tuple[Entry, ...]


def form(fields: Mapping[str, Field], say: Speech) -> tuple[Part, ...]:
    """Lay out a form.

    Parameters
    ----------
    fields : mapping of str to Field
        What the model looks at.
    say : Speech
        The language.

    Returns
    -------
    tuple of Part
        The firm, its history, the application, and what the schema does not sort.
    """
    parts = []
    for group in _ORDER:
        found = tuple(_entry(field, say) for field in fields.values() if field.group is group)
        if found:
            key = "other" if group is None else str(group)
            parts.append(Part(key, say(f"group.{key}"), found))
    return tuple(parts)


def entries(parts: Sequence[Part]) -> list[Entry]:
    """Return all fields of a form."""
    return [entry for part in parts for entry in part.entries]


def _entry(field: Field, say: Speech) -> Entry:
    label = say.pick(field.label) or field.name
    numeric = field.kind is Kind.NUMERIC
    return Entry(
        name=field.name,
        label=label,
        unit=unit(field.unit, say),
        hint=_bounds(field, say) if numeric else "",
        required=field.missing is Missing.REJECT,
        numeric=numeric,
        options=_options(field, say),
        example=field.example or _first(field),
        aliases=tuple(dict.fromkeys([field.name, *field.label.values()])),
    )


def unit(name: str, say: Speech) -> str:
    """Return a unit in the page's language; nothing for a plain number."""
    return "" if name in ("", "1") else say.word("unit", name)


def _options(field: Field, say: Speech) -> tuple[Option, ...]:
    if field.kind is Kind.BOOLEAN:
        return (
            Option(field.true_values[0], say("common.yes")),
            Option(field.false_values[0], say("common.no")),
        )
    return tuple(
        Option(value, say.pick(field.value_labels.get(value, {})) or value)
        for value in field.values
    )


def _bounds(field: Field, say: Speech) -> str:
    low, high = (None if end is None else say.value(end) for end in (field.min, field.max))
    if low is not None and high is not None:
        return say("desk.between", low=low, high=high)
    if low is not None:
        return say("desk.at_least", low=low)
    return "" if high is None else say("desk.at_most", high=high)


def _first(field: Field) -> str:
    """Return a value for a schema without examples: one that passes its checks."""
    if field.kind is Kind.BOOLEAN:
        return field.false_values[0]
    if field.kind is Kind.CATEGORICAL:
        return field.values[0] if field.values else ""
    if field.min is not None and field.max is not None and field.max - field.min <= 100:
        return f"{(field.min + field.max) / 2:g}"
    return "" if field.min is None else f"{field.min:g}"
