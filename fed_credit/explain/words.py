"""Reasons of many loans at once: which features cost most, and what to say of them.

A sentence is made of a beginning, a value and an end. Few of each are different once numbers are
rounded to the digits that are written, so each is written once, by
:mod:`fed_credit.explain.sentences`, and the pieces of all loans are put together column by column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fed_credit.data.schema import Field, Kind
from fed_credit.explain.sentences import MOST_LOG_ODDS, closing, digits_of, opening, said, shown

_NO_FEATURE = -1
_GRID = 2**28  # above this a rounded number has too few bits left to say which side it is on
_NEAR = 2.0**-20  # of the middle between two roundings: such numbers are left as they are
_KEPT = 2**16

# Typed, since True is equal to 1.
_shown = lru_cache(_KEPT, typed=True)(shown)
_closing = lru_cache(_KEPT)(closing)


@dataclass(frozen=True, eq=False)
class Ranked:
    """The features that cost each loan most.

    Parameters
    ----------
    features : numpy.ndarray
        ``(n, top) int64``: positions of features, most important first; -1 for none.
    amounts : numpy.ndarray
        ``(n, top) float64``: what each cost; 0 for none.
    """

    features: np.ndarray
    amounts: np.ndarray


def ranked(amounts: np.ndarray, top: int) -> Ranked:
    """Rank what features cost loans.

    Parameters
    ----------
    amounts : numpy.ndarray
        ``(n, n_features) float64``; positive where a feature takes from a good score.
    top : int
        Features per loan at most.

    Returns
    -------
    Ranked
        Positive amounts, falling; equal ones in the order of the features.
    """
    n, top = len(amounts), min(top, amounts.shape[1])
    features = np.full((n, top), _NO_FEATURE, np.int64)
    costs = np.zeros((n, top))
    left, rows = np.array(amounts), np.arange(n)
    for place in range(top):
        best = left.argmax(axis=1)
        cost = left[rows, best]
        left[rows, best] = -np.inf
        costs[:, place] = np.where(cost > 0.0, cost, 0.0)
        features[:, place] = np.where(cost > 0.0, best, _NO_FEATURE)
    return Ranked(features, costs)


@dataclass(frozen=True, eq=False)
class Told:
    """Sentences, in the order of the ranks: all loans' first reasons, then all second ones.

    Parameters
    ----------
    en, zh : pyarrow.Array
        ``(top * n,) string``, null where a loan has no such reason; None in a language that was
        not asked for.
    """

    en: pa.Array | None
    zh: pa.Array | None


def told(
    found: Ranked,
    names: Sequence[str],
    columns: Callable[[str], pd.Series],
    kinds: Mapping[str, Kind],
    fields: Mapping[str, Field],
    unit: str,
    languages: Sequence[str] = ("en", "zh"),
) -> Told:
    """Put ranked features into words; the same as :func:`~fed_credit.explain.sentences.sentence`.

    Parameters
    ----------
    found : Ranked
        Of ``n`` loans.
    names : sequence of str
        What features are spoken of as (:func:`~fed_credit.explain.sentences.spoken_of`), in the
        order of their positions.
    columns : callable
        Returns such a field's column of these loans, ``(n,)``.
    kinds : mapping of str to Kind
        Kind of each.
    fields : mapping of str to Field
        Of the schema, for labels and units.
    unit : str
        Of the amounts: ``points`` or ``log-odds``.
    languages : sequence of str
        Those wanted, of ``en`` and ``zh``.

    Returns
    -------
    Told
    """
    feature = found.features.ravel(order="F")
    amount = found.amounts.ravel(order="F")
    n = len(found.features)
    order = np.argsort(feature, kind="stable")
    edges = np.searchsorted(feature[order], np.arange(len(names) + 1))
    nothing = np.flatnonzero(feature == _NO_FEATURE)
    parts: dict[str, list[pa.Array]] = {
        language: [pa.nulls(len(nothing), pa.string())] for language in languages
    }
    for k, name in enumerate(names):
        own = order[edges[k] : edges[k + 1]]
        if not len(own):
            continue
        field = fields.get(name)
        written = _values(columns(name), own % n, kinds[name], field)
        ended = _ends(amount[own], unit)
        for place, language in enumerate(("en", "zh")):
            if language in languages:
                start = opening(name, field)[place]
                parts[language].append(
                    pc.binary_join_element_wise(
                        pa.scalar(start), written.take(place), ended.take(place), ""
                    )
                )
    # order holds the loans without a reason first, as -1 sorts before all features.
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    joined = {
        language: pa.concat_arrays(found).take(pa.array(back)) for language, found in parts.items()
    }
    return Told(joined.get("en"), joined.get("zh"))


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Texts that occur, by language, and which of them each entry has."""

    texts: Sequence[tuple[str, str]]
    codes: np.ndarray

    def take(self, language: int) -> pa.Array:
        own = pa.array([text[language] for text in self.texts], pa.string())
        return own.take(pa.array(self.codes))


def _values(column: pd.Series, rows: np.ndarray, kind: Kind, field: Field | None) -> _Pieces:
    """Write the values of some loans."""
    if kind is Kind.CATEGORICAL:
        if not isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype("category")
        words = [said(str(word), field) for word in column.cat.categories]
        codes = column.cat.codes.to_numpy()[rows].astype(np.int64)
        return _Pieces([*words, said(None, field)], np.where(codes < 0, len(words), codes))
    values = column.to_numpy(dtype=np.float64)[rows]
    if kind is Kind.BOOLEAN:
        answers = [said(False, field), said(True, field), said(None, field)]
        return _Pieces(answers, np.where(np.isnan(values), 2, values > 0.0).astype(np.int64))
    unit, digits = "" if field is None else field.unit, digits_of(field)
    codes, different = pd.factorize(_as_written(values, digits), use_na_sentinel=False)
    numbers = different.tolist()
    return _Pieces([_shown(None if x != x else x, unit, digits) for x in numbers], codes)


def plain_values(column: pd.Series, kind: Kind) -> list[float | str | bool | None]:
    """Return a field's values as plain Python, None where missing."""
    if kind is Kind.CATEGORICAL:
        return [None if value is None or value != value else str(value) for value in column]
    numbers: list[float | str | bool | None] = [
        None if value != value else value for value in column.to_numpy(dtype=np.float64).tolist()
    ]
    if kind is Kind.BOOLEAN:
        return [None if value is None else float(value) > 0.0 for value in numbers]
    return numbers


def _ends(amounts: np.ndarray, unit: str) -> _Pieces:
    """Write what values cost."""
    if unit != "points":
        times = _rounded(100.0 * np.exp(np.minimum(amounts, MOST_LOG_ODDS)))
        amounts = np.where(np.isnan(times), amounts, np.log(times / 100.0))
    codes, different = pd.factorize(amounts)
    return _Pieces([_closing(amount, unit) for amount in different.tolist()], codes)


def _as_written(values: np.ndarray, digits: int) -> np.ndarray:
    """Round numbers as :func:`shown` writes them; NaN where missing."""
    size = np.abs(values)
    whole = np.rint(values)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        power = np.floor(np.log10(size)) - (digits - 1)
        scaled = _rounded(size / 10.0**power)
        near = np.where(power < 0, scaled / 10.0**-power, scaled * 10.0**power)
    # Nothing is gained by rounding numbers near to zero, and much is lost.
    small = np.where(np.isnan(scaled) | (power < -200.0), values, np.copysign(near, values))
    large = size >= 10.0 ** (digits - 1)
    rounded: np.ndarray = np.where(large | (whole == values), whole, small)
    return rounded


def _rounded(scaled: np.ndarray) -> np.ndarray:
    """Round positive numbers; NaN where it is uncertain to which side."""
    fraction = scaled - np.floor(scaled)
    unsure = (np.abs(fraction - 0.5) < _NEAR) | ~(scaled < _GRID)
    return np.where(unsure, np.nan, np.rint(scaled))
