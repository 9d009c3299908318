"""The table of a run's features."""

from __future__ import annotations

from typing import Any

from fed_credit.reporting.html.tables import Table, percent
from fed_credit.reporting.html.texts import Text, field_label, has_text, same, text, word


def features_table(data: dict[str, Any]) -> Table:
    """Lay out the features: kind, when known, share missing, typical value.

    Parameters
    ----------
    data : dict
        The body of ``report_data.json``.

    Returns
    -------
    Table
    """
    keys = ("feature", "kind", "known", "missing", "typical")
    return Table(
        [text(f"col.{key}") for key in keys],
        [
            [
                field_label(item["name"], data["labels"]),
                word("kind", item["kind"]),
                word("when", item["known_at"]),
                percent(item["missing"]),
                _typical(item),
            ]
            for item in data["portfolio"]["features"]
        ],
        words=frozenset({1, 2}),
    )


def _typical(item: dict[str, Any]) -> Text:
    value = item["typical"]
    if item["sensitive"]:
        return text("model.sensitive")
    if value is None:
        return same("–")
    if isinstance(value, str):
        return same(value)
    if item["kind"] == "boolean":
        return text("model.true" if value >= 0.5 else "model.false")
    unit = item["unit"] if item["unit"] not in ("", "1") else ""
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return Text(f"{shown} {unit}".strip(), f"{shown} {_unit(unit).zh}".strip())


def _unit(unit: str) -> Text:
    if unit.startswith("log "):
        return Text(unit, f"{_unit(unit[4:]).zh}（对数）")
    return word("unit", unit) if has_text(f"unit.{unit}") else same(unit)
