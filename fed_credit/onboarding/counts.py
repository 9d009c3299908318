"""What a bank shows of its table so that banks can be compared: counts and nothing else.

All of it adds up over chunks and over banks: cells that are missing, unreadable, out of bounds or
not listed, and per value a count over universal bins of its magnitude, months, or listed values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from fed_credit.data.convert import allowed_values, as_text, convert
from fed_credit.data.schema import Field, Kind, Outside, Schema
from fed_credit.features.bins import NUM_BINS, bin_index

FIRST_MONTH = (1900 - 1970) * 12
_MONTHS = 300 * 12
NOBODY = "(no institution)"


@dataclass
class FieldCounts:
    """Counts of one field at one bank.

    Parameters
    ----------
    rows : int
        Rows of tables that have the column.
    missing, broken, outside, unlisted : int
        Cells without a value, of another kind, out of bounds, not among the listed values.
    bins : Counter of int
        Cells by universal bin of the magnitude (numbers other than 0), by month since 1900 (dates),
        or by position among the listed values (categories, booleans, the target).
    others : Counter of str
        Cells by value, of values that are not listed.
    """

    rows: int = 0
    missing: int = 0
    broken: int = 0
    outside: int = 0
    unlisted: int = 0
    bins: Counter[int] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)


@dataclass
class BankCounts:
    """Counts of one bank.

    Parameters
    ----------
    rows : int
        Rows of the bank.
    fields : dict of str to FieldCounts
        By field of the schema.
    """

    rows: int = 0
    fields: dict[str, FieldCounts] = field(default_factory=dict)


def compared_fields(schema: Schema) -> list[Field]:
    """Return the fields that a source holds itself, but for the institution."""
    return [
        item
        for item in schema.fields.values()
        if not item.derived_from and item.kind is not Kind.INSTITUTION
    ]


def add_counts(
    banks: dict[str, BankCounts],
    chunk: pd.DataFrame,
    schema: Schema,
    owner: str | None,
    factors: Mapping[str, float] | None = None,
) -> None:
    """Count a chunk of a source, bank by bank, into ``banks``.

    Parameters
    ----------
    banks : dict of str to BankCounts
        By bank; banks met for the first time are added.
    chunk : pandas.DataFrame
        ``(n, ...)`` raw rows.
    schema : Schema
        What the columns are.
    owner : str or None
        The bank, if the chunk is one bank's; None takes the schema's institution column.
    factors : mapping of str to float, optional
        By field, what its numbers are multiplied by.
    """
    column = schema.roles.institution
    if owner is None and column is not None and column in chunk.columns:
        named = as_text(chunk[column]).fillna(NOBODY)
    else:
        named = pd.Series(owner or NOBODY, index=chunk.index, dtype="str")
    code, found = pd.factorize(named.to_numpy(dtype=object))
    of_code = [banks.setdefault(str(name), BankCounts()) for name in found]
    sizes = np.bincount(code, minlength=len(found))
    for bank, size in zip(of_code, sizes, strict=True):
        bank.rows += int(size)
    for item in compared_fields(schema):
        into = [bank.fields.setdefault(item.name, FieldCounts()) for bank in of_code]
        if item.name in chunk.columns:
            for counts, size in zip(into, sizes, strict=True):
                counts.rows += int(size)
            _add(into, item, chunk[item.name], code, (factors or {}).get(item.name, 1.0))


def _add(
    into: list[FieldCounts], item: Field, raw: pd.Series, code: np.ndarray, factor: float
) -> None:
    """Count one column."""
    read = convert(raw, replace(item, outside=Outside.REJECT), factor)
    values, broken = read.values, read.broken
    there = values.notna().to_numpy(dtype=bool)
    outside = unlisted = np.zeros(len(raw), dtype=bool)
    if item.kind is Kind.BOOLEAN and item.outside is Outside.MISSING:
        broken, unlisted = unlisted, broken
    key = np.full(len(raw), -1, dtype=np.int64)
    if item.kind is Kind.NUMERIC:
        numbers = values.to_numpy(dtype=np.float64)
        low = -np.inf if item.min is None else item.min
        high = np.inf if item.max is None else item.max
        outside = there & ((numbers < low) | (numbers > high))
        counted = there & (numbers != 0)
        key[counted] = bin_index(np.abs(numbers[counted]))
    elif item.kind is Kind.DATE:
        months = values.to_numpy().astype("datetime64[M]").astype(np.int64) - FIRST_MONTH
        key[there] = months[there]
    elif item.kind is Kind.BOOLEAN:
        key[there] = values.to_numpy(dtype=np.float64)[there].astype(np.int64)
    elif listed := allowed_values(item):
        position = pd.Index(listed, dtype=object).get_indexer(pd.Index(values, dtype=object))
        unlisted = there & (position < 0)
        key = np.where(there, position, -1)
    _tell(into, "missing", ~there & ~broken & ~unlisted, code)
    _tell(into, "broken", broken, code)
    _tell(into, "outside", outside, code)
    _tell(into, "unlisted", unlisted, code)
    size = max(NUM_BINS, _MONTHS, int(key.max(initial=0)) + 1)
    cells, counts = np.unique(code[key >= 0] * size + key[key >= 0], return_counts=True)
    for cell, count in zip(cells.tolist(), counts.tolist(), strict=True):
        into[cell // size].bins[cell % size] += count
    if unlisted.any():
        strange = as_text(raw[unlisted])
        for place, counts_of in enumerate(into):
            for value, count in strange[code[unlisted] == place].value_counts().items():
                counts_of.others[str(value)] += int(count)


def _tell(into: list[FieldCounts], key: str, flagged: np.ndarray, code: np.ndarray) -> None:
    for counts, count in zip(into, np.bincount(code[flagged], minlength=len(into)), strict=True):
        setattr(counts, key, getattr(counts, key) + int(count))


def dense(bins: Mapping[int, int], size: int) -> np.ndarray:
    """Return counts by bin as an array of ``(size,) int64``."""
    found = np.zeros(size, dtype=np.int64)
    found[list(bins.keys())] = list(bins.values())
    return found
