"""Whether an ONNX graph scores as the model does, by ONNX Runtime on real or drawn loans."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.data.convert import as_text
from fed_credit.data.schema import Field, Kind, Missing
from fed_credit.errors import ArtefactError, DataError
from fed_credit.export.onnx_features import BUCKET, TEXT, Input
from fed_credit.export.onnx_model import MODEL_PD, OUTPUTS, PD, SCORE, Exported
from fed_credit.scoring.proposals import feature_ranges
from fed_credit.scoring.scorer import Explain, Scorer

TOLERANCE = 1e-6
"""Largest difference of a PD; a score may differ by one point, where rounding decides."""

_DRAWN = 2_000
_UNKNOWN = "not a value of this schema"


@dataclass(frozen=True)
class Compared:
    """How far the two are apart.

    Parameters
    ----------
    loans : int
        Loans that were compared.
    rejected : int
        Loans that the schema rejects, which were not.
    model_pd, pd : float
        Largest difference.
    scores : int
        Loans whose scores differ, by one point.
    """

    loans: int
    rejected: int
    model_pd: float
    pd: float
    scores: int


def compare(exported: Exported, scorer: Scorer, loans: pd.DataFrame) -> Compared:
    """Score loans by both and compare.

    Parameters
    ----------
    exported : Exported
        The graph.
    scorer : Scorer
        The model that it was made of.
    loans : pandas.DataFrame
        ``(n, ...)`` raw records with a column for every input of the scorer.

    Returns
    -------
    Compared

    Raises
    ------
    ArtefactError
        If a PD differs by more than :data:`TOLERANCE`, or a score by more than a point.
    DataError
        If the schema rejects all loans.
    """
    import onnxruntime

    loans = loans.reset_index(drop=True)
    checked = scorer.validated(loans)
    if not len(checked.frame):
        raise DataError("The schema rejects all loans to compare with; give others with --check.")
    expected = scorer.table(loans, Explain.NONE).scores
    kept = loans.iloc[checked.frame.index]
    feeds = {each.name: _feed(each, kept, checked.frame) for each in exported.inputs}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        exported.body, options, providers=["CPUExecutionProvider"]
    )
    got = dict(zip(OUTPUTS, session.run(list(OUTPUTS), feeds), strict=True))
    apart = {
        name: float(np.abs(got[name][:, 0] - values).max())
        for name, values in ((MODEL_PD, expected.model_pd), (PD, expected.pd))
    }
    points = np.abs(got[SCORE][:, 0] - expected.score)
    worst = float(np.max([*apart.values()]))  # NaN if one is, which is not within the tolerance
    if not worst <= TOLERANCE or points.max() > 1:
        raise ArtefactError(
            f"The ONNX graph does not score as the model does: over {len(kept):,} loans PDs differ"
            f" by up to {worst:.3g} and scores by up to {points.max()} points; it was"
            " not written."
        )
    return Compared(
        len(kept),
        checked.num_rejected,
        apart[MODEL_PD],
        apart[PD],
        int(np.count_nonzero(points)),
    )


def _feed(each: Input, loans: pd.DataFrame, checked: pd.DataFrame) -> np.ndarray:
    """Return an input's values, ``(n, 1)``; text as it was given, also what is not listed."""
    column = loans[each.name] if each.name in loans else checked[each.name]
    if each.holds == TEXT:
        return as_text(column).fillna("").to_numpy(dtype=object)[:, None]
    if each.holds == BUCKET:
        words = checked[each.name].astype(object)
        codes = [
            each.buckets if pd.isna(word) else zlib.crc32(str(word).encode()) % each.buckets
            for word in words
        ]
        return np.array(codes, np.int64)[:, None]
    return checked[each.name].to_numpy(dtype=np.float64)[:, None]


def drawn_loans(scorer: Scorer, count: int = _DRAWN, seed: int = 0) -> pd.DataFrame:
    """Draw applications over the range of a model, with missing values and unknown categories.

    Parameters
    ----------
    scorer : Scorer
        Whose inputs are drawn.
    count, seed : int
        How many, and of the draws.

    Returns
    -------
    pandas.DataFrame
        ``(count, n_inputs)``; each field by itself, so that they are no likely loans.
    """
    rng = np.random.default_rng(seed)
    ranges = feature_ranges(scorer.model.artefact)
    return pd.DataFrame(
        {name: _drawn(field, ranges, count, rng) for name, field in scorer.fields.items()}
    )


def _drawn(
    field: Field, ranges: Mapping[str, tuple[float, float]], n: int, rng: np.random.Generator
) -> pd.Series:
    values: Any
    if field.kind is Kind.NUMERIC:
        values = _numbers(field, ranges.get(field.name), n, rng)
        gone: Any = np.nan
    elif field.kind is Kind.BOOLEAN:
        values = rng.choice([field.true_values[0], field.false_values[0]], n).astype(object)
        gone = None
    elif field.kind is Kind.DATE:
        days = rng.integers(0, 20_000, n).astype("timedelta64[D]")
        values = (np.datetime64("1970-01-01") + days).astype(str).astype(object)
        gone = None
    else:
        listed = list(field.values) or [str(code) for code in rng.integers(0, 10**6, 50)]
        strange = [_UNKNOWN] if field.outside == "missing" or not field.values else []
        values = rng.choice([*listed, *strange], n).astype(object)
        gone = None
    if field.missing is Missing.ALLOW:
        values[rng.random(n) < 0.1] = gone
    return pd.Series(values)


def _numbers(
    field: Field, known: tuple[float, float] | None, n: int, rng: np.random.Generator
) -> np.ndarray:
    low = -1e6 if field.min is None else field.min
    high = 1e6 if field.max is None else field.max
    if known is not None:  # most within the model's range, some on either side of it
        width = known[1] - known[0]
        near = known[0] - 0.1 * width + 1.2 * width * rng.random(n)
    elif low >= 0.0:  # an amount: over all orders of magnitude
        near = max(low, 1.0) * (max(high, 1.0) / max(low, 1.0)) ** rng.random(n)
        near[rng.random(n) < 0.05] = low
    else:
        near = low + (high - low) * rng.random(n)
    found = np.clip(near, low, high)
    whole = rng.random(n) < 0.5
    found[whole] = np.clip(np.rint(found[whole]), low, high)
    return found
