"""Classes, conditions and columns read in both languages."""

from __future__ import annotations

import pytest

from fed_credit.reporting.html.bars import bars
from fed_credit.reporting.html.texts import same
from fed_credit.reporting.html.words import class_text, column_text, condition_text

LABELS = {"age": {"en": "Age", "zh": "年龄"}, "sector": {"en": "Sector", "zh": "行业"}}


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("under 13", "低于 13"),
        ("13 to under 26", "13 至 26（不含）"),
        ("125 or more, missing", "125 及以上, 缺失"),
        ("retail, not listed", "retail, 未列出"),
        ("no", "否"),
    ],
)
def test_classes(english: str, chinese: str) -> None:
    found = class_text(english)
    assert (found.en, found.zh) == (english, chinese)


@pytest.mark.parametrize(
    ("condition", "english", "chinese"),
    [
        ("age is missing or < 12", "Age is missing or < 12", "年龄 缺失或 < 12"),
        ("age >= 12", "Age >= 12", "年龄 >= 12"),
        ("sector is not retail", "Sector is not retail", "行业 不是 retail"),
        ("sector in a, b", "Sector in a, b", "行业 属于 a, b"),
    ],
)
def test_conditions(condition: str, english: str, chinese: str) -> None:
    found = condition_text(condition, LABELS)
    assert (found.en, found.zh) == (english, chinese)


@pytest.mark.parametrize(
    ("column", "english", "chinese"),
    [
        ("intercept", "intercept", "截距"),
        ("age", "Age", "年龄"),
        ("age is missing", "Age is missing", "年龄：缺失"),
        ("sector = retail", "Sector = retail", "行业：retail"),
        ("else = 1", "else = 1", "else = 1"),
    ],
)
def test_columns(column: str, english: str, chinese: str) -> None:
    found = column_text(column, LABELS)
    assert (found.en, found.zh) == (english, chinese)


def test_bars_are_as_long_as_their_values_and_cut_long_labels() -> None:
    rows = [(same("a" * 60), 2.0), (same("<b>"), 1.0), (same("none"), 0.0)]
    drawn = str(bars(rows, same("bars"), same("axis"), "{:.1f}".format))
    assert 'width="364.0"' in drawn and 'width="182.0"' in drawn and 'width="0.5"' in drawn
    assert "a" * 45 + "…" in drawn and "a" * 47 not in drawn
    assert "&lt;b&gt;" in drawn
