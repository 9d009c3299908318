"""What alerts call periods, features and groups of values, in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping

from fed_credit.data.schema import Field, Kind
from fed_credit.drift.groups import OTHERS
from fed_credit.explain.sentences import named, said

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_QUARTERS = (("first", "一"), ("second", "二"), ("third", "三"), ("fourth", "四"))


def period_words(period: str) -> tuple[str, str]:
    """Return what people call a month (``YYYY-MM``) or a quarter (``YYYY-Qn``)."""
    year, part = period.split("-")
    if part.startswith("Q"):
        en, zh = _QUARTERS[int(part[1:]) - 1]
        return f"the {en} quarter of {year}", f"{year} 年第{zh}季度"
    return f"{_MONTHS[int(part) - 1]} {year}", f"{year} 年 {int(part)} 月"


def feature_words(name: str, fields: Mapping[str, Field]) -> tuple[str, str]:
    """Return a feature's labels; its name where the schema has none."""
    return named(name, fields.get(name))


def group_words(group: str, name: str, fields: Mapping[str, Field]) -> tuple[str, str]:
    """Return what a group of a feature's values is called.

    Parameters
    ----------
    group : str
        As :attr:`fed_credit.drift.groups.FeatureGroups.names` has it.
    name : str
        The feature.
    fields : mapping of str to Field
        Of the schema.
    """
    field = fields.get(name)
    if field is not None and field.kind is Kind.BOOLEAN:
        return said(group == "yes", field)
    if group == OTHERS and (field is None or group not in field.values):
        return OTHERS, "其他"
    return said(group, field)
