"""What a formula computes with: types, and columns in which every element stands for itself.

Missing is part of every value: NaN in a number or a truth value, NaT in a date, the code -1 in a
text. There are no infinities: a number that is not finite is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fed_credit.data.reference import ReferenceTable


class ValueType(StrEnum):
    """Type of a value, named as the kinds of a schema's fields."""

    NUMBER = "numeric"
    TRUTH = "boolean"
    TEXT = "categorical"
    DATE = "date"

    @property
    def noun(self) -> str:
        """How a message names such a value."""
        return _NOUNS[self]


_NOUNS = {
    ValueType.NUMBER: "a number",
    ValueType.TRUTH: "a condition (true or false)",
    ValueType.TEXT: "a category",
    ValueType.DATE: "a date",
}


@dataclass(frozen=True)
class Type:
    """Type of a value, and for a text which categories it can be.

    Parameters
    ----------
    of : ValueType
        Number, truth value, text or date.
    values : tuple of str or None
        Every category a text can be; None if they are not known beforehand.
    """

    of: ValueType
    values: tuple[str, ...] | None = None


NUMBER, TRUTH, DATE = Type(ValueType.NUMBER), Type(ValueType.TRUTH), Type(ValueType.DATE)


@dataclass(frozen=True)
class Text:
    """A column of categories.

    Parameters
    ----------
    codes : numpy.ndarray
        ``(n,) int64`` positions in ``words``, -1 where missing; ``()`` for a constant.
    words : tuple of str
        Each once.
    """

    codes: np.ndarray
    words: tuple[str, ...]

    def map(self, change: Callable[[str], str | None]) -> Text:
        """Return the column with every word changed; None makes it missing."""
        position: dict[str, int] = {}
        table = []
        for word in self.words:
            new = change(word)
            table.append(-1 if new is None else position.setdefault(new, len(position)))
        return Text(np.array([*table, -1], dtype=np.int64)[self.codes], tuple(position))

    def numbers(self, value: Callable[[str], float]) -> np.ndarray:
        """Return a number for each word, NaN where missing."""
        table = np.array([*(value(word) for word in self.words), np.nan], dtype=np.float64)
        found: np.ndarray = table[self.codes]
        return found


Value = np.ndarray | Text
"""``(n,)`` or, for a constant, ``()``: float64 (truth values 0 and 1), ``datetime64[D]``, text."""


def aligned(texts: Iterable[Text]) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Return the codes of several columns over their common words."""
    position: dict[str, int] = {}
    codes = []
    for text in texts:
        table = [position.setdefault(word, len(position)) for word in text.words]
        codes.append(np.array([*table, -1], dtype=np.int64)[text.codes])
    return codes, tuple(position)


def finite(values: np.ndarray) -> np.ndarray:
    """Return numbers with infinities made missing, and every missing value the same NaN."""
    return np.where(np.isfinite(values), values, np.nan)


def missing(value: Value) -> np.ndarray:
    """Return where a value is missing, ``bool``."""
    if isinstance(value, Text):
        return np.asarray(value.codes < 0)
    absent: np.ndarray = np.isnat(value) if value.dtype.kind == "M" else np.isnan(value)
    return absent


def truth(holds: np.ndarray, *operands: Value) -> np.ndarray:
    """Return a condition as 0 and 1, missing where an operand is missing."""
    result = np.asarray(holds, dtype=np.float64)
    for operand in operands:
        result = np.where(missing(operand), np.nan, result)
    return result


def choose(condition: np.ndarray, one: Value, other: Value) -> Value:
    """Return ``one`` where the condition holds, else ``other``; both of the same type."""
    if isinstance(one, Text) and isinstance(other, Text):
        (first, second), words = aligned((one, other))
        return Text(np.where(condition, first, second), words)
    chosen: np.ndarray = np.where(condition, one, other)  # type: ignore[arg-type]
    return chosen


Argument = Value | ReferenceTable | float | str
"""Of a call: a column, a table, or the literal itself where the function asks for one."""

Arguments = Sequence[Argument | None]
"""When types are checked: literals and tables as they are, None for anything computed."""

ResultType = Callable[[Sequence[Type], Arguments], Type]


class ArgumentError(Exception):
    """What is wrong with a call's arguments, and which of them (-1 for the call itself)."""

    def __init__(self, message: str, argument: int = -1) -> None:
        super().__init__(message)
        self.argument = argument


def join(types: Sequence[Type]) -> Type:
    """Return the common type of several values; a truth value counts as the number 0 or 1."""
    of = {item.of for item in types}
    if of == {ValueType.NUMBER, ValueType.TRUTH}:
        return NUMBER
    if len(of) > 1:
        nouns = " and ".join(dict.fromkeys(item.of.noun for item in types))
        raise ArgumentError(f"{nouns} do not go together")
    if of == {ValueType.TEXT}:
        known = [item.values for item in types]
        if None in known:
            return Type(ValueType.TEXT)
        words = dict.fromkeys(word for values in known for word in values or ())
        return Type(ValueType.TEXT, tuple(words))
    return types[0]
