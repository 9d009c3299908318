"""Each bank's portfolio in aggregate: size, risk, gaps, and how far its borrowers differ.

In a simulation all loans are at hand. Of a sensitive field only the share that is missing and one
number of difference are told, never a value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fed_credit.data.book import Dataset, Part
from fed_credit.data.schema import Field

MOST_BANKS = 60  # the largest; a page with more rows is read by nobody
_BINS = 10
_CATEGORIES = 20


def portfolio(dataset: Dataset, parts: np.ndarray) -> dict[str, Any]:
    """Describe the banks' loans and features.

    Parameters
    ----------
    dataset : Dataset
        Loans of all banks.
    parts : numpy.ndarray
        ``(n_loans,) int8`` split codes of the first repeat.

    Returns
    -------
    dict
        ``currency``; ``banks``: a list of the largest with ``name``, ``loans``, ``bad_rate``,
        ``exposure`` (sum) and ``exposure_median`` (None without an exposure), ``first`` and
        ``last`` decision month, loans per part, and by feature ``missing`` (share) and ``psi`` (see
        :func:`stability_index`); ``banks_in_all``; ``features``: a list with ``name``, ``label``,
        ``kind``, ``unit``, ``known_at``, ``missing`` and ``typical`` (median, or commonest value;
        None for a sensitive field).
    """
    count = min(len(dataset.names), MOST_BANKS)
    codes = np.repeat(np.arange(len(dataset.names)), np.diff(dataset.offsets))
    missing = {
        field.name: dataset.features[field.name].isna().to_numpy() for field in dataset.fields
    }
    psi = {
        field.name: stability_index(dataset.features[field.name], codes, count)
        for field in dataset.fields
    }
    return {
        "currency": dataset.schema.currency,
        "banks": [_bank(dataset, parts, k, missing, psi) for k in range(count)],
        "banks_in_all": len(dataset.names),
        "features": [_feature(dataset, field, missing[field.name]) for field in dataset.fields],
    }


def stability_index(values: pd.Series, bank: np.ndarray, banks: int) -> np.ndarray:
    """Return how far each bank's distribution of a feature lies from that of all banks together.

    The population stability index, ``sum((p - q) ln(p / q))`` over cells: tenths of all loans for
    numbers, values for categories (those beyond the 20 commonest in one), and one for missing. Half
    a loan is added to each cell, so that an empty one counts and does not blow up.

    Parameters
    ----------
    values : pandas.Series
        ``(n,)``: float64 or categorical, NaN where missing.
    bank : numpy.ndarray
        ``(n,) int64``: the bank of each loan.
    banks : int
        Banks asked for: codes 0 to ``banks - 1``.

    Returns
    -------
    numpy.ndarray
        ``(banks,) float64``. The usual reading: below 0.1 alike, above 0.25 clearly different.
    """
    cell = _cells(values)
    cells = int(cell.max(initial=0)) + 1
    all_loans = np.bincount(cell, minlength=cells)
    kept = bank < banks
    counts = np.bincount(bank[kept] * cells + cell[kept], minlength=banks * cells)
    p = _shares(counts.reshape(banks, cells))
    q = _shares(all_loans[None, :])
    return np.asarray(((p - q) * np.log(p / q)).sum(axis=1))


def _cells(values: pd.Series) -> np.ndarray:
    """Return the cell of each value; 0 is for missing ones."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = values.cat.codes.to_numpy().astype(np.int64)
        n = np.bincount(codes[codes >= 0], minlength=len(values.cat.categories))
        rank = np.empty(len(n), dtype=np.int64)
        rank[np.argsort(-n, kind="stable")] = np.arange(len(n))
        return np.asarray(np.where(codes < 0, 0, 1 + np.minimum(rank[codes], _CATEGORIES)))
    number = values.to_numpy(dtype=np.float64)
    known = number[~np.isnan(number)]
    if not len(known):
        return np.zeros(len(number), dtype=np.int64)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _BINS + 1)[1:-1]))
    found = np.searchsorted(edges, number, side="right") + 1
    return np.asarray(np.where(np.isnan(number), 0, found))


def _shares(counts: np.ndarray) -> np.ndarray:
    padded = counts + 0.5
    return np.asarray(padded / padded.sum(axis=1, keepdims=True))


def _bank(
    dataset: Dataset,
    parts: np.ndarray,
    k: int,
    missing: dict[str, np.ndarray],
    psi: dict[str, np.ndarray],
) -> dict[str, Any]:
    rows = dataset.rows(k)
    exposure = dataset.exposure[rows] if dataset.schema.roles.exposure else None
    dated = dataset.decided[rows]
    dated = dated[~np.isnat(dated)].astype("datetime64[M]")
    return {
        "name": dataset.names[k],
        "loans": rows.stop - rows.start,
        "bad_rate": float(dataset.y[rows].mean()),
        "exposure": None if exposure is None else float(np.nansum(exposure)),
        "exposure_median": None if exposure is None else float(np.nanmedian(exposure)),
        "first": str(dated.min()) if len(dated) else None,
        "last": str(dated.max()) if len(dated) else None,
        **{part.name.lower(): int(np.sum(parts[rows] == part)) for part in Part},
        "missing": {name: round(float(flags[rows].mean()), 6) for name, flags in missing.items()},
        "psi": {name: round(float(values[k]), 6) for name, values in psi.items()},
    }


def _feature(dataset: Dataset, field: Field, missing: np.ndarray) -> dict[str, Any]:
    return {
        "name": field.name,
        "label": dict(field.label),
        "kind": str(field.kind),
        "unit": field.unit,
        "known_at": str(field.known_at),
        "sensitive": field.sensitive,
        "missing": round(float(missing.mean()), 6),
        "typical": None if field.sensitive else _typical(dataset.features[field.name]),
    }


def _typical(values: pd.Series) -> float | str | None:
    known = values.dropna()
    if known.empty:
        return None
    if isinstance(values.dtype, pd.CategoricalDtype):
        return str(known.value_counts().idxmax())
    return float(known.median())
