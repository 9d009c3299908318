"""From what a source holds to what a field means: text, numbers, dates and booleans, column-wise.

A conversion never raises on content. It returns the values and a mask of the cells that held
something which is no value of the field's kind, so that the caller can say so row by row.
"""

from __future__ import annotations

import datetime as dt
import math
import numbers
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api import types as kinds

from fed_credit.data.schema import Field, Kind, Outside

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_UNBROKEN = re.compile(r"(?:%[Yymd])+$")
EARLIEST, LATEST = np.datetime64("1900-01-01"), np.datetime64("2199-12-31")


@dataclass(frozen=True)
class Converted:
    """One converted column.

    Parameters
    ----------
    values : pandas.Series
        ``(n,)``: float64 for numeric and boolean fields, ``datetime64[s]`` for dates, else ``str``;
        missing where the source has none, a missing code, or a broken value.
    broken : numpy.ndarray
        ``(n,) bool``: the cell holds something that is no value of the field's kind.
    reason : str
        What is wrong with a broken cell.
    """

    values: pd.Series
    broken: np.ndarray
    reason: str


def convert(raw: pd.Series, field: Field, factor: float = 1.0) -> Converted:
    """Convert a column to its field's kind.

    Missing are: empty text, the source's own nulls, and the field's ``missing_codes``. For a field
    with ``outside: missing``, so are numbers outside the bounds and values that are not listed;
    text that is no number, an infinity and an impossible date are broken under either policy.

    Parameters
    ----------
    raw : pandas.Series
        ``(n,)`` of any dtype, as read.
    field : Field
        What the column is.
    factor : float
        What numbers are multiplied by, from the source's unit to the field's; missing codes are in
        the source's unit, bounds in the field's.

    Returns
    -------
    Converted
    """
    if field.kind is Kind.NUMERIC:
        return _numeric(raw, field, factor)
    if field.kind is Kind.BOOLEAN:
        return _boolean(raw, field)
    if field.kind is Kind.DATE:
        return _date(raw, field)
    text = _without_codes(as_text(raw), field)
    allowed = allowed_values(field)
    if allowed and field.outside is Outside.MISSING:
        text = text.where(text.isin(allowed))
    return Converted(text, np.zeros(len(raw), dtype=bool), "")


def allowed_values(field: Field) -> tuple[str, ...]:
    """Return the spellings a categorical or target field admits; empty if any will do."""
    if field.kind is Kind.TARGET:
        return field.good + field.bad
    return field.values if field.kind is Kind.CATEGORICAL else ()


def as_text(raw: pd.Series) -> pd.Series:
    """Spell a column as text: stripped, missing where empty.

    Whole numbers have no decimal point (``45.0`` reads ``45``), dates are ISO, booleans ``true``
    and ``false``, so that a value reads the same from a text file and from a typed one.

    Parameters
    ----------
    raw : pandas.Series
        ``(n,)`` of any dtype.

    Returns
    -------
    pandas.Series
        ``(n,) str`` with the same index.
    """
    dtype = raw.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        spelled = as_text(pd.Series(raw.cat.categories))
        taken = spelled.array.take(raw.cat.codes.to_numpy(), allow_fill=True)
        return pd.Series(taken, index=raw.index, name=raw.name)
    if isinstance(dtype, pd.StringDtype):
        text = raw.astype("str").str.strip()
        return text.mask(text == "")
    if kinds.is_object_dtype(dtype):
        spelled_cells = [_spell(value) for value in raw]
        return pd.Series(spelled_cells, index=raw.index, name=raw.name, dtype="str")
    codes, uniques = pd.factorize(raw)
    spelled = pd.Series([_spell(value) for value in uniques], dtype="str")
    taken = spelled.array.take(codes, allow_fill=True)
    return pd.Series(taken, index=raw.index, name=raw.name)


def _spell(value: Any) -> str | None:
    """Spell one value as text; None if it is missing or empty."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() else repr(float(value))
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d") if value == value.normalize() else value.isoformat()
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    # A lone surrogate cannot be stored as UTF-8.
    return text.encode("utf-8", "replace").decode("utf-8").strip() or None


def _without_codes(text: pd.Series, field: Field) -> pd.Series:
    return text.mask(text.isin(field.missing_codes)) if field.missing_codes else text


def _numeric(raw: pd.Series, field: Field, factor: float) -> Converted:
    reason = "is not a finite number"
    if kinds.is_numeric_dtype(raw.dtype) and not kinds.is_complex_dtype(raw.dtype):
        given = raw.notna().to_numpy(dtype=bool)
        values = np.array(raw.to_numpy(dtype="float64", na_value=np.nan))
    else:
        text = _without_codes(as_text(raw), field)
        given = text.notna().to_numpy(dtype=bool)
        for mark in field.strip:
            text = text.str.replace(mark, "", regex=False)
        values = _parse_numbers(text.str.strip() if field.strip else text)
    broken = given & ~np.isfinite(values)
    values[broken] = np.nan
    codes = _parse_numbers(pd.Series(field.missing_codes, dtype="str"))
    if np.isfinite(codes).any():
        values[np.isin(values, codes)] = np.nan
    if factor != 1.0:
        values *= factor
        broken |= np.isinf(values)
        values[broken] = np.nan
    if field.outside is Outside.MISSING:
        if field.min is not None:
            values[values < field.min] = np.nan
        if field.max is not None:
            values[values > field.max] = np.nan
    return Converted(pd.Series(values, index=raw.index, name=raw.name), broken, reason)


def _parse_numbers(text: pd.Series) -> np.ndarray:
    """Parse text to float64, NaN where it is no number."""
    try:
        cast = pc.cast(pa.array(text, from_pandas=True), pa.float64())
        return np.array(cast.to_numpy(zero_copy_only=False), dtype=np.float64)
    except pa.ArrowInvalid:
        plain = text.str.match(_NUMBER).fillna(False).astype(bool)
        return _parse_numbers(text.where(plain))


def _boolean(raw: pd.Series, field: Field) -> Converted:
    true, false = list(field.true_values), list(field.false_values)
    if kinds.is_bool_dtype(raw.dtype):
        true, false = ["true"], ["false"]
    elif kinds.is_numeric_dtype(raw.dtype) and not {"0", "1"} & {*true, *false}:
        true, false = [*true, "1"], [*false, "0"]
    text = _without_codes(as_text(raw), field)
    is_true, is_false = text.isin(true).to_numpy(dtype=bool), text.isin(false).to_numpy(dtype=bool)
    values = np.full(len(raw), np.nan)
    values[is_true], values[is_false] = 1.0, 0.0
    broken = text.notna().to_numpy(dtype=bool) & ~is_true & ~is_false
    if field.outside is Outside.MISSING:
        broken[:] = False
    return Converted(
        pd.Series(values, index=raw.index, name=raw.name),
        broken,
        "is neither a true nor a false value",
    )


def _date(raw: pd.Series, field: Field) -> Converted:
    if kinds.is_datetime64_any_dtype(raw.dtype):
        stamps = raw if raw.dt.tz is None else raw.dt.tz_localize(None)
        given = stamps.notna().to_numpy(dtype=bool)
        days = stamps.to_numpy().astype("datetime64[D]")
        if field.missing_codes:
            days[as_text(stamps.dt.normalize()).isin(field.missing_codes).to_numpy()] = "NaT"
            given = given & ~np.isnat(days)
    else:
        text = _without_codes(as_text(raw), field)
        given = text.notna().to_numpy(dtype=bool)
        days = _parse_dates(text, field.date_formats)
    with np.errstate(invalid="ignore"):
        broken = given & ~((days >= EARLIEST) & (days <= LATEST))
    days = np.where(broken, np.datetime64("NaT"), days)
    values = pd.Series(days.astype("datetime64[s]"), index=raw.index, name=raw.name)
    spelled = " or ".join(["YYYY-MM-DD", *field.date_formats])
    return Converted(values, broken, f"is not a date {spelled} from {EARLIEST} to {LATEST}")


def _parse_dates(text: pd.Series, formats: tuple[str, ...]) -> np.ndarray:
    """Parse text to datetime64[D], NaT where it is no date; every distinct text once."""
    codes, spelled = pd.factorize(text)
    unique = pd.Series(spelled, dtype="str")
    # The time of day, if any, is cut off; "2020-1" or "20200101" is not taken for a date unasked.
    iso = unique.where(
        unique.str.match(r"\d{4}-\d{2}-\d{2}(?:[T ].*)?$").fillna(False).astype(bool)
    )
    parsed = pd.to_datetime(iso.str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
    # Whole numbers read ``20240131.0`` where the exporting tool had gaps in the column.
    other = unique.str.replace(r"[T ]+\d{1,2}:\d{2}.*$|(?<=^\d{8})\.0$", "", regex=True)
    for each in formats:
        # Without separators ``2024113`` could be two days, and the parser takes one of them.
        length = len(dt.date(2000, 1, 1).strftime(each)) if _UNBROKEN.match(each) else None
        whole = other if length is None else other.where(other.str.len() == length)
        parsed = parsed.fillna(pd.to_datetime(whole, format=each, errors="coerce"))
    days = np.append(parsed.to_numpy().astype("datetime64[D]"), np.datetime64("NaT", "D"))
    found: np.ndarray = days[codes]
    return found
