"""One value of an application, read as its field means it.

The counterpart of :mod:`fed_credit.data.convert` and :mod:`fed_credit.data.validate` for single
values as JSON has them: the same values, and the same words about those that cannot be used.
"""

from __future__ import annotations

import datetime as dt
import numbers
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.data.convert import EARLIEST, LATEST, allowed_values, convert
from fed_credit.data.schema import Field, Kind, Missing, Outside

Value = float | str | int | None
"""A number (conditions 0 and 1), a category, a date as days since 1970, or missing."""

Read = Callable[[Any], Value]
"""Reads one value; raises :class:`Unusable`."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?")
_EPOCH = dt.date(1970, 1, 1).toordinal()
_FIRST, _LAST = (int(day.astype(np.int64)) for day in (EARLIEST, LATEST))
_INFINITY = float("inf")
_TRUE, _FALSE = "true", "false"
_NOT_FINITE = "is not a finite number"
_IS_MISSING = "is missing"
NOT_PLAIN = "is a list or an object; give a text, a number, true, false or null"


class Unusable(Exception):
    """A value that cannot be used, and why; the value itself is not in it."""


def reader(field: Field) -> Read:
    """Return what reads a field's values.

    Parameters
    ----------
    field : Field
        Of the kinds that a model's inputs have: numeric, boolean, categorical or date.

    Returns
    -------
    callable
        From a JSON value to the field's, None where missing.
    """
    read = {Kind.NUMERIC: _numeric, Kind.BOOLEAN: _boolean, Kind.DATE: _date}.get(
        field.kind, _categorical
    )(field)
    return _required(read) if field.missing is Missing.REJECT else read


def checker(field: Field) -> Callable[[Value], None]:
    """Return what checks the values of an engineered field, as those of other fields are.

    Parameters
    ----------
    field : Field
        The field; its formula has made missing what ``outside: missing`` says.
    """
    numeric, text, date = (
        field.kind is kind for kind in (Kind.NUMERIC, Kind.CATEGORICAL, Kind.DATE)
    )
    within = _within(field)
    values = frozenset(allowed_values(field)) if field.outside is Outside.REJECT else frozenset()
    required = field.missing is Missing.REJECT

    def check(value: Value) -> None:
        if value is None:
            if required:
                raise Unusable(_IS_MISSING)
        elif numeric:
            within(value)  # type: ignore[arg-type]
        elif text:
            if values and value not in values:
                raise Unusable("is not among the schema's values")
        elif date and not _FIRST <= value <= _LAST:  # type: ignore[operator]
            raise Unusable(_no_date(field))

    return check


def _required(read: Read) -> Read:
    def needed(raw: Any) -> Value:
        value = read(raw)
        if value is None:
            raise Unusable(_IS_MISSING)
        return value

    return needed


def _within(field: Field) -> Callable[[float], float | None]:
    """Return what applies the bounds."""
    low = -_INFINITY if field.min is None else field.min
    high = _INFINITY if field.max is None else field.max
    rejects = field.outside is Outside.REJECT

    def within(value: float) -> float | None:
        if low <= value <= high:
            return value
        if not rejects:
            return None
        if value < low:
            raise Unusable(f"is below the minimum {low:g}")
        raise Unusable(f"is above the maximum {high:g}")

    return within


def _numeric(field: Field) -> Read:
    words = frozenset(field.missing_codes)
    codes = frozenset(float(code) for code in field.missing_codes if _NUMBER.fullmatch(code))
    within, marks = _within(field), field.strip

    def read(raw: Any) -> float | None:
        kind = type(raw)
        if kind is float:
            value: float = raw
            if value != value:
                return None
        elif raw is None:
            return None
        elif kind is int or kind is bool:
            try:
                value = float(raw)
            except OverflowError:
                raise Unusable(_NOT_FINITE) from None
        elif kind is str:
            text = plain_text(raw)
            if not text or text in words:
                return None
            for mark in marks:
                text = text.replace(mark, "")
            if marks:
                text = text.strip()
            if _NUMBER.fullmatch(text) is None:
                raise Unusable(_NOT_FINITE)
            value = float(text)
        else:
            return read(_builtin(raw))
        if not -_INFINITY < value < _INFINITY:
            raise Unusable(_NOT_FINITE)
        return None if value in codes else within(value)

    return read


def _boolean(field: Field) -> Read:
    words = frozenset(field.missing_codes)
    tables = {
        kind: dict.fromkeys(false, 0.0) | dict.fromkeys(true, 1.0)
        for kind, true, false in _spellings(field)
    }
    rejects = field.outside is Outside.REJECT

    def read(raw: Any) -> float | None:
        if raw is None:
            return None
        table = tables.get(type(raw))
        if table is None:
            return read(_builtin(raw))
        text = _spelled(raw)
        if text is None or text in words:
            return None
        value = table.get(text)
        if value is None and rejects:
            raise Unusable("is neither a true nor a false value")
        return value

    return read


def _spellings(field: Field) -> list[tuple[type, tuple[str, ...], tuple[str, ...]]]:
    """Return what means true and false in a text, a truth value, and a number."""
    true, false = field.true_values, field.false_values
    numbers_true, numbers_false = true, false
    if not {"0", "1"} & {*true, *false}:
        numbers_true, numbers_false = (*true, "1"), (*false, "0")
    return [
        (str, true, false),
        (bool, (_TRUE,), (_FALSE,)),
        (int, numbers_true, numbers_false),
        (float, numbers_true, numbers_false),
    ]


def _categorical(field: Field) -> Read:
    words, allowed = frozenset(field.missing_codes), frozenset(allowed_values(field))
    rejects = field.outside is Outside.REJECT

    def read(raw: Any) -> str | None:
        text = _spelled(raw)
        if text is None or text in words:
            return None
        if allowed and text not in allowed:
            if rejects:
                raise Unusable("is not among the schema's values")
            return None
        return text

    return read


def _date(field: Field) -> Read:
    words = frozenset(field.missing_codes)

    def read(raw: Any) -> int | None:
        text = _spelled(raw)
        if text is None or text in words:
            return None
        day = _iso_day(text)
        if day is None:
            # Other spellings are rare, and read where those of a table are.
            found = convert(pd.Series([text], dtype="str"), field)
            if found.broken[0]:
                raise Unusable(found.reason)
            day = int(found.values.to_numpy().astype("datetime64[D]").astype(np.int64)[0])
        if not _FIRST <= day <= _LAST:
            raise Unusable(_no_date(field))
        return day

    return read


def _iso_day(text: str) -> int | None:
    if _ISO.fullmatch(text) is None:
        return None
    try:
        return dt.date.fromisoformat(text[:10]).toordinal() - _EPOCH
    except ValueError:
        return None


def _no_date(field: Field) -> str:
    spelled = " or ".join(["YYYY-MM-DD", *field.date_formats])
    return f"is not a date {spelled} from {EARLIEST} to {LATEST}"


def plain_text(raw: str) -> str:
    """Return a text as it is read: without blanks around it, and without lone surrogates."""
    if raw.isascii():
        return raw.strip()
    return raw.encode("utf-8", "replace").decode("utf-8").strip()


def _spelled(raw: Any) -> str | None:
    """Spell a value as text, None where missing; as :func:`fed_credit.data.convert.as_text`."""
    kind = type(raw)
    if kind is str:
        return plain_text(raw) or None
    if raw is None:
        return None
    if kind is bool:
        return _TRUE if raw else _FALSE
    if kind is int:
        try:
            return str(raw)
        except ValueError:  # Python refuses to spell numbers of more than some thousand digits
            raise Unusable("is too large a number") from None
    if kind is float:
        if raw != raw:
            return None
        return str(int(raw)) if raw.is_integer() else repr(raw)
    return _spelled(_builtin(raw))


def _builtin(raw: Any) -> bool | int | float | str | None:
    """Return a value of a subclass, or NumPy's, as Python's own."""
    if isinstance(raw, str):
        return str.__str__(raw)
    if isinstance(raw, bool | np.bool_):
        return bool(raw)
    if isinstance(raw, numbers.Integral):
        return int(raw)
    if isinstance(raw, numbers.Real):
        return float(raw)
    raise Unusable(NOT_PLAIN)
