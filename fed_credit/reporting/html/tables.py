"""Tables of the page: plain ones and heat maps, as values that the templates lay out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fed_credit.reporting.html.texts import Text, same, text


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Parameters
    ----------
    content : Text
        What it says.
    tone : str
        Class of its colour: ``gain``, ``lose``, ``undecided``, ...; empty for none.
    style : str
        Colour of a heat map's cell, as CSS.
    """

    content: Any
    tone: str = ""
    style: str = ""


@dataclass(frozen=True)
class Link:
    """A cell that leads to another page.

    Parameters
    ----------
    content : Text
        What it says.
    address : str
        Relative to the page.
    """

    content: Text
    address: str


@dataclass(frozen=True)
class Table:
    """A table; the first column names the line, the others hold figures.

    Parameters
    ----------
    header : sequence of Text
        Titles of the columns.
    rows : sequence of sequence
        Texts or :class:`Cell` by line.
    caption : Text or None
        What the table is.
    words : frozenset of int
        Columns besides the first that hold words and stand to the left.
    heat : bool
        Whether titles stand upright above narrow columns.
    flat : bool
        Whether the titles of a heat map lie, not stand.
    last : int
        How many lines at the end are summaries.
    """

    header: Sequence[Text]
    rows: Sequence[Sequence[Any]]
    caption: Text | None = None
    words: frozenset[int] = frozenset()
    heat: bool = False
    last: int = 0
    flat: bool = False


# From light to dark, readable with dark text up to the fifth and with white text beyond.
_SCALE = ("#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#3182bd", "#08519c")
_LOSS = ("#fff5eb", "#fee6ce", "#fdd0a2", "#fdae6b", "#fd8d3c", "#d94801", "#8c2d04")


def shade(share: float, *, warm: bool = False) -> str:
    """Return the CSS of a heat map's cell.

    Parameters
    ----------
    share : float
        From 0 (lightest) to 1 (darkest); what lies beyond is cut.
    warm : bool
        Orange instead of blue.

    Returns
    -------
    str
    """
    scale = _LOSS if warm else _SCALE
    step = min(int(max(share, 0.0) * len(scale)), len(scale) - 1)
    return f"background:{scale[step]};color:{'#fff' if step > 4 else '#111'}"


def heat_map(
    corner: Text,
    columns: Sequence[Text],
    rows: Sequence[tuple[Text, Sequence[float | None]]],
    show: Callable[[float], str],
    top: float,
    caption: Text | None = None,
) -> Table:
    """Lay out values as a heat map, lightest at 0 and darkest at ``top``.

    Parameters
    ----------
    corner : Text
        Title of the first column.
    columns : sequence of Text
        Titles of the others.
    rows : sequence of (Text, sequence of float or None)
        Name and values of each line.
    show : callable
        Writes a value.
    top : float
        Value of the darkest shade.
    caption : Text or None
        What the map shows.

    Returns
    -------
    Table
    """
    return Table(
        [corner, *columns],
        [
            [
                name,
                *(
                    Cell(same("–"))
                    if value is None
                    else Cell(same(show(value)), style=shade(value / top if top else 0.0))
                    for value in values
                ),
            ]
            for name, values in rows
        ],
        caption,
        heat=True,
    )


def figure(value: float | None, decimals: int = 3) -> Text:
    """Write a figure; a dash where there is none."""
    return same("–" if value is None else f"{value:.{decimals}f}")


def count(value: float | None) -> Text:
    """Write a number of loans; a dash where there is none."""
    return same("–" if value is None else f"{value:,.0f}")


def percent(value: float | None, decimals: int = 1) -> Text:
    """Write a share in percent; a dash where there is none."""
    return same("–" if value is None else f"{value:.{decimals}%}")


def amount(value: float | None) -> Text:
    """Write a sum of money short, in the units of each language (million; 万, 亿)."""
    if value is None:
        return same("–")
    size = abs(value)
    if size < 1e4:
        return same(f"{value:,.0f}")
    zh = f"{value / 1e8:,.1f} 亿" if size >= 1e8 else f"{value / 1e4:,.1f} 万"
    if size >= 1e9:
        return Text(f"{value / 1e9:,.1f} bn", zh)
    return Text(f"{value / 1e6:,.1f} m" if size >= 1e6 else f"{value / 1e3:,.1f} k", zh)


def contender_names(test: dict[str, Any]) -> list[str]:
    """Return the contenders at hand in the order of all tables."""
    known = ("local", "federated", "pooled", "best_reachable")
    return [name for name in known if name in test]


def settings_table(pairs: Sequence[tuple[str, Any]]) -> Table:
    """Lay out settings with their names in both languages."""
    rows = [
        [text(f"setting.{key}"), value if isinstance(value, Text) else same(value)]
        for key, value in pairs
    ]
    return Table([text("col.setting"), text("col.value")], rows, words=frozenset({1}))
