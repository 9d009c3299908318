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
    labels: Mapping[str, str] = {} if field is None else field.label
    en, zh = labels.get("en") or feature, labels.get("zh") or labels.get("en") or feature
    en, zh = (f"{en[:1].upper()}{en[1:]}", zh)
    value_en, value_zh = _shown(value, "" if field is None else field.unit)
    if unit == "points":
        points = round(amount)
        fewer = f"{points} point{'' if points == 1 else 's'} fewer than the best class"
        return f"{en} is {value_en}: {fewer}.", f"{zh}为{value_zh}：比最优档少 {points} 分。"
    times = f"{math.exp(min(amount, 50.0)):.2f}"
    return (
        f"{en} is {value_en}: multiplies the odds of default by {times} against an average loan.",
        f"{zh}为{value_zh}：与平均贷款相比，违约几率变为 {times} 倍。",
    )


def _shown(value: float | str | bool | None, unit: str) -> tuple[str, str]:
    if value is None:
        return "missing", "缺失"
    if isinstance(value, bool):
        return _ANSWERS[value]
    if isinstance(value, str):
        return value, value
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
    if unit == "%":
        return f"{text}%", f"{text}%"
    if unit in ("", "1") or unit.startswith("log "):
        return text, text
    return f"{text} {unit}", f"{text} {_UNITS.get(unit, unit)}"
