"""Reasons in plain words, in English and Chinese, from a schema's labels."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fed_credit.data.schema import Field

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


def sentence(
    feature: str, value: float | str | bool | None, amount: float, unit: str, field: Field | None
) -> tuple[str, str]:
    """Say what a feature took from a loan's score.

    Parameters
    ----------
    feature : str
        Its name, where there is no label.
    value : float, str, bool or None
        The loan's; None where missing.
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
    pieces = (
        opening(feature, field),
        shown(value, "" if field is None else field.unit),
        closing(amount, unit),
    )
    en, zh = ("".join(piece[language] for piece in pieces) for language in range(2))
    return en, zh


def opening(feature: str, field: Field | None) -> tuple[str, str]:
    """Return how the sentences about a feature begin, in English and in Chinese."""
    labels: Mapping[str, str] = {} if field is None else field.label
    en, zh = labels.get("en") or feature, labels.get("zh") or labels.get("en") or feature
    return f"{en[:1].upper()}{en[1:]} is ", f"{zh}为"


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


def shown(value: float | str | bool | None, unit: str) -> tuple[str, str]:
    """Return how a value is written, in English and in Chinese."""
    if value is None:
        return "missing", "缺失"
    if isinstance(value, bool):
        return _ANSWERS[value]
    if isinstance(value, str):
        return value, value
    value += 0.0  # there is no minus zero
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
    if unit == "%":
        return f"{text}%", f"{text}%"
    if unit in ("", "1") or unit.startswith("log "):
        return text, text
    return f"{text} {unit}", f"{text} {_UNITS.get(unit, unit)}"
