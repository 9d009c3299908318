"""Reasons in plain words, in English and Chinese, from a schema's labels.

A feature is often made of a field that people know: of the logarithm of the arrears' days, say. The
sentence then is about the days. :func:`spoken_of` says what a feature is spoken of as, for tables,
large files and single applications alike.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping

from fed_credit.data.schema import Field, Kind

_Told = float | str | bool | None

_UNITS = {
    "months": "个月",
    "years": "年",
    "days": "天",
    "persons": "人",
    "USD": "美元",
    "CNY": "元",
}
MOST_LOG_ODDS = 50.0
"""More than this is said as this."""

_ANSWERS = {True: ("yes", "是"), False: ("no", "否")}
_ENTERED, _COMPUTED = 4, 3  # significant digits; a number that was entered is told as it was


def spoken_of(feature: str, fields: Mapping[str, Field], at_hand: Container[str]) -> str:
    """Return the field that sentences about a feature name, and whose value they tell.

    Parameters
    ----------
    feature : str
        A model's feature.
    fields : mapping of str to Field
        Of the schema.
    at_hand : container of str
        Fields whose values are known.

    Returns
    -------
    str
        For a number that is computed from one raw number alone, the raw field if it is at hand;
        for all else, the feature itself.
    """
    field = fields.get(feature)
    if field is None or not field.formula or field.kind is not Kind.NUMERIC:
        return feature
    raw: set[str] = set()
    seen, waiting = {feature}, list(field.derived_from)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        parent = fields.get(name)
        if parent is not None and parent.formula:
            waiting += parent.derived_from
        else:
            raw.add(name)
    if len(raw) != 1:
        return feature
    (only,) = raw
    known = only in at_hand and only in fields and fields[only].kind is Kind.NUMERIC
    return only if known else feature


def sentence(
    feature: str, value: _Told, amount: float, unit: str, field: Field | None
) -> tuple[str, str]:
    """Say what a feature took from a loan's score.

    Parameters
    ----------
    feature : str
        What it is spoken of as, where there is no label.
    value : float, str, bool or None
        The loan's, of that field; None where missing.
    amount : float
        Points lost, or log-odds of default added; positive.
    unit : str
        ``points`` or ``log-odds``.
    field : Field or None
        With labels and unit.

    Returns
    -------
    (str, str)
        In English and in Chinese.
    """
    pieces = (opening(feature, field), said(value, field), closing(amount, unit))
    en, zh = ("".join(piece[language] for piece in pieces) for language in range(2))
    return en, zh


def opening(feature: str, field: Field | None) -> tuple[str, str]:
    """Return how the sentences about a feature begin, in English and in Chinese."""
    en, zh = named(feature, field)
    return f"{en} is ", f"{zh}为"


def named(feature: str, field: Field | None) -> tuple[str, str]:
    """Return what a feature is called, in English with a capital letter and in Chinese."""
    en, zh = _in_both({} if field is None else field.label, feature)
    return f"{en[:1].upper()}{en[1:]}", zh


def said(value: _Told, field: Field | None) -> tuple[str, str]:
    """Return how a field's value is told: by its label, or as a number of its unit."""
    if field is None:
        return shown(value, "")
    if isinstance(value, str):
        return _in_both(field.value_labels.get(value, {}), value)
    return shown(value, field.unit, digits_of(field))


def digits_of(field: Field | None) -> int:
    """Return to how many significant digits a field's numbers are told."""
    return _ENTERED if field is None or not field.formula else _COMPUTED


def _in_both(labels: Mapping[str, str], name: str) -> tuple[str, str]:
    en = labels.get("en") or name
    return en, labels.get("zh") or en


def closing(amount: float, unit: str) -> tuple[str, str]:
    """Return how sentences end that say what a value cost, in English and in Chinese."""
    if unit == "points":
        points = round(amount)
        fewer = f"{points} point{'' if points == 1 else 's'} fewer than the best class"
        return f": {fewer}.", f"：比最优档少 {points} 分。"
    times = f"{math.exp(min(amount, MOST_LOG_ODDS)):.2f}"
    return (
        f": multiplies the odds of default by {times} against an average loan.",
        f"：与平均贷款相比，违约几率变为 {times} 倍。",
    )


def shown(value: _Told, unit: str, digits: int = _ENTERED) -> tuple[str, str]:
    """Return how a value is written, in English and in Chinese; whole numbers with all digits."""
    if value is None:
        return "missing", "缺失"
    if isinstance(value, bool):
        return _ANSWERS[value]
    if isinstance(value, str):
        return value, value
    value += 0.0  # there is no minus zero
    whole = abs(value) >= 10 ** (digits - 1) or value == int(value)
    text = f"{value:,.0f}" if whole else f"{value:.{digits}g}"
    if unit == "%":
        return f"{text}%", f"{text}%"
    if unit in ("", "1") or unit.startswith("log "):
        return text, text
    return f"{text} {unit}", f"{text} {_UNITS.get(unit, unit)}"
