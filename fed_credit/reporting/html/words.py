"""What a model says in English of classes and conditions, in both languages."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fed_credit.reporting.html.texts import Text, field_label, same, text

Labels = Mapping[str, Mapping[str, str]]

_CLASSES = (
    (re.compile(r"under (\S+)"), r"低于 \1"),
    (re.compile(r"(\S+) to under (\S+)"), r"\1 至 \2（不含）"),
    (re.compile(r"(\S+) or more"), r"\1 及以上"),
    (re.compile(r"any value"), "任意值"),
    (re.compile(r"missing"), "缺失"),
    (re.compile(r"not listed"), "未列出"),
    (re.compile(r"other"), "其他"),
    (re.compile(r"yes"), "是"),
    (re.compile(r"no"), "否"),
    (re.compile(r"all"), "全部"),
)
_CONDITIONS = (
    (" is missing or ", " 缺失或 "),
    (" is missing", " 缺失"),
    (" is known", " 已知"),
    (" is not ", " 不是 "),
    (" not in ", " 不属于 "),
    (" in ", " 属于 "),
    (" is yes", " 为是"),
    (" is no", " 为否"),
    (" is ", " 是 "),
)


def class_text(label: str) -> Text:
    """Return a class of a scorecard, or a value at which a model is looked at."""
    return Text(label, ", ".join(_class(part) for part in label.split(", ")))


def _class(part: str) -> str:
    for pattern, chinese in _CLASSES:
        if match := pattern.fullmatch(part):
            return match.expand(chinese)
    return part


def condition_text(condition: str, labels: Labels) -> Text:
    """Return a condition of a tree, which begins with a field's name."""
    name, gap, rest = condition.partition(" ")
    field = field_label(name, labels)
    chinese = gap + rest
    for english, word in _CONDITIONS:
        chinese = chinese.replace(english, word, 1)
    return Text(field.en + gap + rest, field.zh + chinese)


def column_text(column: str, labels: Labels) -> Text:
    """Return a column of a regression: a field, one of its categories, or that it is missing."""
    if column == "intercept":
        return text("explain.intercept")
    if column in labels:
        return field_label(column, labels)
    for sign in (" = ", " is "):
        name, found, rest = column.partition(sign)
        if found and name in labels:
            field, value = field_label(name, labels), class_text(rest)
            return Text(f"{field.en}{sign}{value.en}", f"{field.zh}：{value.zh}")
    return same(column)
