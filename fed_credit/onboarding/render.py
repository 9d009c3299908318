"""A proposed schema as a commented YAML file."""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum
from typing import Any

import yaml

from fed_credit.data.schema import Field, Kind
from fed_credit.errors import DataError
from fed_credit.onboarding.infer import Proposal, Proposed

_LONGEST_NAME = 200  # YAML's own limit for a key is 1,024
_WIDTH = 100
_DEFAULTS = {
    item.name: item.default
    for item in fields(Field)
    if item.name not in ("name", "kind", "label", "value_labels")
}


def to_yaml(proposal: Proposal, *, name: str, source: str) -> str:
    """Write a proposal as a schema file.

    Parameters
    ----------
    proposal : Proposal
        The schema proposed.
    name : str
        Name of the schema.
    source : str
        Name of the file that was read, for the first line.

    Returns
    -------
    str
        What :func:`~fed_credit.data.schema.load_schema` reads back as the same schema.

    Raises
    ------
    DataError
        If a column's name is too long for a key of YAML.
    """
    lines = [
        f"# Proposed by `fed-credit schema infer` from {_comment(source)}: {proposal.rows:,} rows,"
        f" {proposal.goods:,} good and {proposal.bads:,} bad loans.",
        "# Read every line that a comment stands on, and mend what is wrong; the file is yours.",
        "#   known_at: application | booking | outcome; what is known later than the model decides",
        "#   is no feature. feature: false sets a field aside. Units are for people: fill them in.",
        f"name: {_scalar(name)}",
        'currency: ""               # fill in: CNY, USD, ...',
        "",
        "roles:",
    ]
    for role, column in vars(proposal.roles).items():
        if column is not None:
            lines.append(f"  {role}: {_scalar(column)}")
    missing = [role for role, column in vars(proposal.roles).items() if column is None]
    unknown = [role for role in missing if role != "true_pd"]
    if unknown:
        lines.append(f"  # not found: {', '.join(unknown)}")
    lines += ["", "fields:"]
    for item in proposal.fields:
        lines += _field(item)
    return "\n".join(lines) + "\n"


def _field(item: Proposed) -> list[str]:
    made = item.field
    if len(made.name) > _LONGEST_NAME:
        raise DataError(
            f"The column '{made.name[:40]}...' has a name of {len(made.name)} characters, more than"
            f" {_LONGEST_NAME}; is its first line a header?"
        )
    lines = [f"  {_scalar(made.name)}:", f"    kind: {made.kind}"]
    label = ", ".join(f"{key}: {_scalar(text)}" for key, text in made.label.items())
    for place, leak in enumerate(item.leaks):
        words = "CONFIRM, known only at the outcome? Evidence: " if place == 0 else "  and: "
        lines.insert(1 + place, f"    # {words}{_comment(leak)}.")
    if label:
        lines.append(f"    label: {{{label}}}")
    if made.kind is Kind.NUMERIC:
        hint = "" if made.unit else "                 # fill in"
        lines.append(f"    unit: {_scalar(made.unit)}{hint}")
    for key, default in _DEFAULTS.items():
        value = getattr(made, key)
        if value != default and key != "unit":
            lines.append(f"    {key}: {_value(value)}")
    lines += [f"    # {_comment(note)}" for note in item.notes]
    if item.missing_share >= 0.005:
        lines.append(f"    # {item.missing_share:.0%} missing")
    return lines


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        text = "[" + ", ".join(_scalar(each) for each in value) + "]"
        if len(text) <= _WIDTH - 14:
            return text
        return "\n" + "\n".join(f"      - {_scalar(each)}" for each in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # 1e+20 without a point is text to YAML.
        whole = f"{value:.0f}"
        return whole if value.is_integer() and len(whole) <= 15 else _float(value)
    return str(value) if isinstance(value, StrEnum | int) else _scalar(str(value))


def _float(value: float) -> str:
    text = yaml.safe_dump(value).split("\n", 1)[0]
    return str(text)


def _scalar(text: str) -> str:
    """Write text so that YAML reads that text, plain where it can be."""
    plain = (
        text.isprintable() and len(text) <= _WIDTH and not set(text) & set("\"'\\#:{}[],&*!|>%@`?")
    )
    if plain:
        try:
            if yaml.safe_load(f"[{text}]") == [text]:
                return text
        except yaml.YAMLError:
            pass
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=1e9)
    return quoted.rstrip("\n")


def _comment(text: str) -> str:
    """Keep a comment on its line, whatever the table holds."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
