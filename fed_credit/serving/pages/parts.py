"""What pages are laid out from: tiles, tables and figures, as values that the templates show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fed_credit.reporting.html.svg import Style, swatch


@dataclass(frozen=True)
class Tile:
    """One figure with its name.

    Parameters
    ----------
    name, value : str
        What it is, and the figure as it reads.
    note : str
        A few words below; empty for none.
    tone : str
        Class of its colour: ``watch``, ``alert``; empty for none.
    """

    name: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Parameters
    ----------
    content : str or markupsafe.Markup
        What it says.
    tone : str
        Classes of its colour; empty for none.
    address : str
        Where it leads; empty for nowhere.
    title : str
        Said when pointed at; empty for nothing.
    """

    content: str | Markup
    tone: str = ""
    address: str = ""
    title: str = ""


@dataclass(frozen=True)
class Table:
    """A table; the first column names the line, the others hold figures.

    Parameters
    ----------
    id : str
        Of its caption.
    header : sequence of str
        Titles of the columns.
    rows : sequence of sequence of Cell
        By line.
    caption : str
        What the table is; empty for none.
    words : frozenset of int
        Columns besides the first that hold words and stand to the left.
    heat : bool
        Whether cells are coloured by their values.
    """

    id: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    words: frozenset[int] = frozenset()
    heat: bool = False


@dataclass(frozen=True)
class Figure:
    """A chart with its title, explanation and legend.

    Parameters
    ----------
    title, read : str
        What it is, and how to read it.
    drawing : markupsafe.Markup or None
        SVG; None where there is nothing to draw.
    legend : tuple of (markupsafe.Markup, str)
        Samples and names of the series.
    """

    title: str
    read: str
    drawing: Markup | None
    legend: tuple[tuple[Markup, str], ...] = ()


def state(name: str, label: str) -> Markup:
    """Return a word in a box of its colour."""
    return Markup('<span class="state {}">{}</span>').format(name, label)


def key(style: Style, name: str, *, marked: bool = False) -> tuple[Markup, str]:
    """Return an entry of a legend."""
    return swatch(style, marked=marked), name


def every(n: int, most: int) -> list[int]:
    """Return places of at most ``most`` labels among ``n``, evenly spaced, the last among them."""
    if n <= most:
        return list(range(n))
    step = -(-n // most)
    return sorted(range(n - 1, -1, -step))
