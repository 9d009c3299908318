"""What a model card is made of: sections in English and Chinese, with figures spelled once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Words = Mapping[str, str]
"""Text by language, ``en`` and ``zh``."""
Cell = Words | str
"""Of a table; plain text is the same in both languages."""

NONE = "-"


@dataclass(frozen=True)
class CardTable:
    """A table of a section.

    Parameters
    ----------
    header : tuple of mapping
        Names of the columns.
    rows : tuple of tuple of mapping or str
        Text by language, or text that is the same in both.
    """

    header: tuple[Words, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class CardSection:
    """A section of a model card.

    Parameters
    ----------
    key : str
        Its name for programs.
    title : mapping
        By language.
    paragraphs : tuple of mapping
        By language.
    points : tuple of mapping
        A list that follows the table.
    table : CardTable or None
        That follows the paragraphs.
    """

    key: str
    title: Words
    paragraphs: tuple[Words, ...]
    points: tuple[Words, ...]
    table: CardTable | None


def section(
    key: str,
    title: Words,
    paragraphs: Iterable[Words | None],
    *,
    points: Iterable[Words | None] = (),
    table: CardTable | None = None,
) -> CardSection:
    """Put a section together; what is None is left out, and so is a table without rows."""
    return CardSection(
        key,
        title,
        tuple(text for text in paragraphs if text is not None),
        tuple(text for text in points if text is not None),
        table if table is not None and table.rows else None,
    )


def table(header: Sequence[Words], rows: Iterable[Sequence[Cell]]) -> CardTable:
    """Put a table together."""
    return CardTable(tuple(header), tuple(tuple(row) for row in rows))


def both(en: str, zh: str) -> Words:
    """Return a text by language."""
    return {"en": en, "zh": zh}


def said(cell: Cell, language: str) -> str:
    """Return a text, or a table's cell, in a language."""
    return cell if isinstance(cell, str) else cell[language]


def count(value: Any) -> str:
    """Spell a number of things."""
    return NONE if value is None else f"{value:,}"


def percent(value: Any, digits: int = 1) -> str:
    """Spell a share."""
    return NONE if value is None else f"{value:.{digits}%}"


def figure(value: Any, digits: int = 3) -> str:
    """Spell a figure; what rounds to zero has no sign."""
    return NONE if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def probability(value: Any) -> str:
    """Spell a probability that may be very small."""
    return "< 0.001" if value is not None and value < 0.001 else figure(value)


def interval(found: Mapping[str, Any] | None, *, signed: bool = False) -> str:
    """Spell a figure with its interval."""
    if found is None or found["value"] is None:
        return NONE
    form = "+.3f" if signed else ".3f"
    text = f"{found['value']:{form}}"
    if found["lo"] is None or found["hi"] is None:
        return text
    return f"{text} [{found['lo']:{form}}, {found['hi']:{form}}]"


def listed(names: Sequence[str], most: int = 10) -> str:
    """Spell names, the first of many."""
    shown = ", ".join(names[:most])
    return f"{shown}, ..." if len(names) > most else shown


def spelled(values: Mapping[str, Any]) -> str:
    """Spell keys and values on one line, at any depth; what is None or empty is left out."""
    flat = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.append(spelled(value))
        elif value is not None and value != []:
            text = f"{value:.6g}" if isinstance(value, float) else str(value)
            flat.append(f"{key} {text}")
    return "; ".join(text for text in flat if text)


def text_of(value: Any) -> str:
    """Spell what is a text already, or is missing."""
    return NONE if value is None else str(value)
