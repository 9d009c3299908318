"""What the pages of this package share: sections of words, charts and tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fed_credit.evaluation.intervals import Interval
from fed_credit.reporting.html.answer import Answer
from fed_credit.reporting.html.charts import Figure
from fed_credit.reporting.html.page import render_page
from fed_credit.reporting.html.svg import signed
from fed_credit.reporting.html.tables import Table
from fed_credit.reporting.html.texts import Text, same


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Parameters
    ----------
    title : Text
        Its heading.
    paragraphs : tuple of Text
        Words first.
    figures : tuple of Figure
        Charts next.
    tables : tuple of Table
        Tables last.
    """

    title: Text
    paragraphs: tuple[Text, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()


def render(
    title: Text, question: Text, answer: Answer, sections: Sequence[Section], foot: Text
) -> str:
    """Return a page, English shown first; both languages are in it."""
    values = {
        "title": title,
        "question": question,
        "answer": answer,
        "sections": sections,
        "foot": foot,
    }
    return render_page("lifecycle.html.j2", "en", values)


def known(value: float, decimals: int = 3) -> Text:
    """Write a figure; a dash where it is not known."""
    return same("–" if math.isnan(value) else f"{value:.{decimals}f}")


def between(interval: Interval | None, decimals: int = 4) -> Text:
    """Write a gain with its interval; a dash where there is none."""
    if interval is None or math.isnan(interval.value):
        return same("–")
    ends = (
        ""
        if math.isnan(interval.lo)
        else (f" [{signed(interval.lo, decimals)}, {signed(interval.hi, decimals)}]")
    )
    return same(f"{signed(interval.value, decimals)}{ends}")


def surely(interval: Interval) -> str:
    """Say what an interval shows: ``gain``, ``lose`` or ``open``."""
    if math.isnan(interval.lo):
        return "open"
    return "gain" if interval.lo > 0 else "lose" if interval.hi < 0 else "open"
