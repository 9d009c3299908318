"""What the formula language computes on numbers, conditions and dates.

A result's type and, where a function has one, the check of its literals stand beside the function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from fed_credit.data.formula_values import (
    DATE,
    NUMBER,
    TRUTH,
    ArgumentError,
    Arguments,
    Text,
    Type,
    Value,
    ValueType,
    aligned,
    choose,
    finite,
    join,
    missing,
    truth,
)
from fed_credit.errors import suggestion

# --- numbers -------------------------------------------------------------------------------------


def number(compute: Callable[..., np.ndarray]) -> Callable[..., Value]:
    """Make whatever a computation gives that is not a finite number missing."""

    def finite_only(*arguments: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return finite(np.asarray(compute(*arguments), dtype=np.float64))

    return finite_only


def fold(compute: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    """Apply a function of two columns to any number of them."""
    return lambda *arguments: reduce(compute, arguments)


def power_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Refuse an exponent that is not a small plain number."""
    exponent = arguments[1]
    if not isinstance(exponent, float) or not abs(exponent) <= 10:
        raise ArgumentError("the exponent must be a plain number from -10 to 10", 1)
    return NUMBER


def signed_power(x: np.ndarray, exponent: float) -> np.ndarray:
    """Raise the absolute value to a power and keep the sign."""
    signed: np.ndarray = np.sign(x) * np.abs(x) ** exponent
    return signed


def clip_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Refuse limits in the wrong order."""
    low, high = arguments[1:]
    if isinstance(low, float) and isinstance(high, float) and low > high:
        raise ArgumentError("the lower limit is above the upper one", 1)
    return NUMBER


# --- conditions ----------------------------------------------------------------------------------


def compare(
    compute: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[Value, Value], Value]:
    """Compare two columns of one type; missing where a side is."""

    def compared(one: Value, other: Value) -> np.ndarray:
        if isinstance(one, Text) and isinstance(other, Text):
            (first, second), _ = aligned((one, other))
            return truth(compute(first, second), one, other)
        assert isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
        return truth(compute(one, other), one, other)

    return compared


def comparison_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Refuse a category that the other side never is."""
    join(types)
    for position, argument in enumerate(arguments):
        if isinstance(argument, str):
            _known(types[1 - position], argument, position)
    return TRUTH


def order_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Refuse an order of categories."""
    if join(types).of is ValueType.TEXT:
        raise ArgumentError("categories have no order; compare them with == or one_of", 0)
    return TRUTH


def all_hold(*conditions: np.ndarray) -> np.ndarray:
    """Return false where one is false, else missing where one is, else true."""
    unknown = truth(np.array(True), *conditions)
    no = reduce(np.logical_or, [condition == 0.0 for condition in conditions])
    return np.where(no, 0.0, unknown)


def any_holds(*conditions: np.ndarray) -> np.ndarray:
    """Return true where one is true, else missing where one is, else false."""
    unknown = truth(np.array(False), *conditions)
    yes = reduce(np.logical_or, [condition == 1.0 for condition in conditions])
    return np.where(yes, 1.0, unknown)


def one_of(text: Text, *words: str) -> np.ndarray:
    """Return whether a category is one of those named."""
    return text.numbers(lambda word: float(word in words))


def one_of_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Refuse a name that the category never is."""
    for position, word in enumerate(arguments[1:], start=1):
        _known(types[0], str(word), position)
    return TRUTH


def _known(category: Type, word: str, argument: int) -> None:
    if category.values is not None and word not in category.values:
        hint = suggestion(word, category.values)
        raise ArgumentError(f"'{word}' is not among the category's values.{hint}", argument)


def where(condition: np.ndarray, one: Value, other: Value | None = None) -> Value:
    """Choose by a condition; missing where it is, and without an alternative where it is false."""
    if other is None:
        other = _nothing_like(one)
    chosen = choose(condition == 1.0, one, other)
    return choose(np.isnan(condition), _nothing_like(one), chosen)


def _nothing_like(value: Value) -> Value:
    if isinstance(value, Text):
        return Text(np.array(-1, dtype=np.int64), ())
    return np.array("NaT" if value.dtype.kind == "M" else np.nan, dtype=value.dtype)


def where_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Return the common type of the alternatives."""
    return join(types[1:])


def coalesce(*values: Value) -> Value:
    """Return the first value that is not missing."""
    return reduce(lambda found, other: choose(missing(found), other, found), values)


def coalesce_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Return the common type of the values."""
    return join(types)


# --- dates ---------------------------------------------------------------------------------------


def months_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Count completed months, negative where the end lies before the start."""
    first, last = start.astype("datetime64[M]"), end.astype("datetime64[M]")
    months = (last - first).astype(np.int64)
    day = (end - last).astype(np.int64) - (start - first).astype(np.int64)
    months = months - ((months > 0) & (day < 0)) + ((months < 0) & (day > 0))
    return np.where(np.isnat(start) | np.isnat(end), np.nan, months)


def days_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Count days, negative where the end lies before the start."""
    days = (end - start).astype("timedelta64[D]").astype(np.int64)
    return np.where(np.isnat(start) | np.isnat(end), np.nan, days)


def year(date: np.ndarray) -> np.ndarray:
    """Return the calendar year."""
    years = date.astype("datetime64[Y]").astype(np.int64) + 1970
    return np.where(np.isnat(date), np.nan, years)


def month(date: np.ndarray) -> np.ndarray:
    """Return the month, 1 to 12."""
    months = date.astype("datetime64[M]").astype(np.int64) % 12 + 1
    return np.where(np.isnat(date), np.nan, months)


def date(text: str) -> np.ndarray:
    """Return a constant date."""
    return np.array(text, dtype="datetime64[D]")


def date_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Refuse what is no date."""
    text = str(arguments[0])
    try:
        if len(text) != 10 or not text.isascii():
            raise ValueError
        np.datetime64(text, "D")
    except ValueError:
        raise ArgumentError('a date is written as date("2020-01-31")', 0) from None
    return DATE
