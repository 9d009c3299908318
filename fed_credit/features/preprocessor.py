"""The common preprocessor: fitted from sums, saved as JSON, used by everything downstream.

Numeric features are clipped, imputed with the median and standardised; booleans are imputed with
their mean; categories are one-hot encoded with rare ones grouped. Fitting needs only the two sums
of :mod:`fed_credit.features.statistics`, so it gives the pooled fit whoever holds the loans.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from fed_credit.config.spec import PreprocessingSpec
from fed_credit.data.schema import Kind
from fed_credit.errors import ArtefactError, DataError, SchemaError
from fed_credit.features.bins import REFINED_BINS, bin_edges, refined_value
from fed_credit.features.spec import FeatureSpec
from fed_credit.features.statistics import (
    NumericRange,
    count,
    counts_spec,
    moments,
    moments_spec,
    numeric_ranges,
    scale_to_range,
)
from fed_credit.features.steps import BooleanStep, CategoricalStep, NumericStep, Step

_FORMAT = 2
_READABLE = (1, 2)  # format 1 does not say how engineered features are computed
# Of values scaled to [0, 1]. Fixed point can make up 3 * 2**-25 where there is none, and a scale
# made of that would blow up the first loan that differs; below this a feature is constant.
_SMALLEST_VARIANCE = 2.0**-22


@dataclass(frozen=True)
class Preprocessor:
    """A fitted preprocessor.

    Parameters
    ----------
    steps : tuple of Step
        In the order of the features; features that are constant over all training loans have none.
    constant : tuple of str
        Features left out because they do not vary.
    """

    steps: tuple[Step, ...]
    constant: tuple[str, ...] = ()

    @cached_property
    def columns(self) -> list[str]:
        """Names of the columns of the matrix."""
        return [name for step in self.steps for name in step.columns]

    def engineer(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Compute the engineered features of loans to be scored from their raw fields.

        Parameters
        ----------
        frame : pandas.DataFrame
            ``(n, ...)`` validated loans with the raw fields. Where not all raw fields of a feature
            are there, its own column is taken as it is.

        Returns
        -------
        pandas.DataFrame
            The frame with the engineered columns, the same bits as those the model was trained on.

        Raises
        ------
        DataError
            If a feature has neither a column nor all its raw fields, or a loan would have been
            rejected in training.
        """
        return engineered([step.feature for step in self.steps], frame)

    def transform(self, frame: pd.DataFrame, order: Literal["C", "F"] = "C") -> np.ndarray:
        """Turn loans into the model's matrix.

        Parameters
        ----------
        frame : pandas.DataFrame
            ``(n, ...)`` with a column for every feature, as in a loan book.
        order : str, optional
            How it lies in memory: a loan's values side by side, or a column's (``F``).

        Returns
        -------
        numpy.ndarray
            ``(n, n_columns) float32``. Every element depends on its own row alone, so the bits do
            not depend on which loans are transformed together.

        Raises
        ------
        DataError
            If a feature has no column.
        """
        lacking = [s.feature.name for s in self.steps if s.feature.name not in frame]
        if lacking:
            raise DataError(
                f"The loans lack {', '.join(lacking)}, which the model looks at; add the columns,"
                " empty where unknown."
            )
        out = np.zeros((len(frame), len(self.columns)), dtype=np.float32, order=order)
        start = 0
        for step in self.steps:
            stop = start + len(step.columns)
            step.write(frame[step.feature.name], out[:, start:stop])
            start = stop
        return out

    @cached_property
    def json_text(self) -> str:
        """The preprocessor as readable JSON, which :meth:`from_json` reads."""
        body = {
            "format": _FORMAT,
            "constant": list(self.constant),
            "steps": [{"step": type(step).__name__, **asdict(step)} for step in self.steps],
        }
        return json.dumps(body, indent=1, ensure_ascii=False)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the JSON."""
        return hashlib.sha256(self.json_text.encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> Preprocessor:
        """Read :attr:`json_text`.

        Raises
        ------
        ArtefactError
            If the text is not a preprocessor of a known format.
        """
        try:
            body = json.loads(text)
            if body["format"] not in _READABLE:
                raise ArtefactError(
                    f"Preprocessor format {body['format']} is not known to this version, which"
                    f" reads formats {' and '.join(map(str, _READABLE))}; install the version that"
                    " wrote it."
                )
            return cls(tuple(_step(item) for item in body["steps"]), tuple(body["constant"]))
        except (SchemaError, LookupError, TypeError, ValueError) as error:
            reason = str(error).rstrip(".")
            raise ArtefactError(f"Not a preprocessor: {reason}; restore the file.") from None


def engineered(features: Iterable[FeatureSpec], frame: pd.DataFrame) -> pd.DataFrame:
    """Compute engineered features from raw fields; see :meth:`Preprocessor.engineer`."""
    made = {}
    for feature in features:
        name, recipe = feature.name, feature.recipe
        if recipe is None or (name in frame and not all(raw in frame for raw, _ in recipe.inputs)):
            continue
        made[name] = recipe.compute_or_refuse(frame)[name]
    return frame.assign(**made)


def _step(item: dict[str, Any]) -> Step:
    body = dict(item)
    kind = body.pop("step")
    feature = FeatureSpec.from_dict(body.pop("feature"))
    if kind == "NumericStep":
        return NumericStep(feature, **body)
    if kind == "BooleanStep":
        return BooleanStep(feature, **body)
    if kind == "CategoricalStep":
        return CategoricalStep(feature, tuple(body["groups"]), tuple(body["columns"]))
    raise ValueError(f"unknown step '{kind}'")


def fit_from_sums(
    features: Sequence[FeatureSpec],
    counts: Mapping[str, np.ndarray],
    moment_sums: Mapping[str, np.ndarray],
    spec: PreprocessingSpec,
) -> Preprocessor:
    """Fit a preprocessor from the sums of the two exchanges.

    Parameters
    ----------
    features : sequence of FeatureSpec
        The features of the run.
    counts, moment_sums : mapping of str to numpy.ndarray
        Decoded sums over banks. Where fewer banks answered the second exchange, means and scales
        are those of their loans.
    spec : PreprocessingSpec
        Clipping, grouping and indicators.

    Returns
    -------
    Preprocessor
    """
    ranges = numeric_ranges(features, counts, spec.clip_quantile)
    n = int(counts["n"])
    steps: list[Step] = []
    constant: list[str] = []
    for feature in features:
        step: Step | None
        if feature.kind is Kind.NUMERIC:
            step = _fit_numeric(feature, counts, moment_sums, ranges[feature.name], n, spec)
        elif feature.kind is Kind.BOOLEAN:
            step = _fit_boolean(feature, counts[f"{feature.name}/counts"], n, spec)
        else:
            step = _fit_categorical(feature, counts[f"{feature.name}/counts"], n, spec)
        if step is None:
            constant.append(feature.name)
        else:
            steps.append(step)
    return Preprocessor(tuple(steps), tuple(constant))


def _fit_numeric(
    feature: FeatureSpec,
    counts: Mapping[str, np.ndarray],
    sums: Mapping[str, np.ndarray],
    found: NumericRange,
    n: int,
    spec: PreprocessingSpec,
) -> NumericStep | None:
    missing = int(counts[f"{feature.name}/missing"])
    if missing == n:
        return None
    indicator = _indicates(missing, n, spec)
    median, median_width = _median(feature, counts, sums, found.median_bin, n - missing)
    width = found.high - found.low
    # The loans of the second exchange, which are those of the first unless a bank dropped out.
    n, missing = int(sums["n"]), int(sums[f"{feature.name}/missing"])
    total, squares = (float(sums[f"{feature.name}/{key}"]) for key in ("sum", "sum_of_squares"))
    there = max(1, n - missing)
    # Asked of the values alone: the imputed median differs from a constant by its own width.
    if width <= 0 or squares / there - (total / there) ** 2 <= _SMALLEST_VARIANCE:
        if not indicator:
            return None
        return NumericStep(feature, median, median, median, median_width, median, 1.0, True)
    z = float(scale_to_range(np.array([median]), found)[0])
    mean = (total + missing * z) / n
    variance = (squares + missing * z * z) / n - mean * mean
    return NumericStep(
        feature,
        found.low,
        found.high,
        median,
        median_width,
        found.low + mean * width,
        float(np.sqrt(variance)) * width,
        indicator,
    )


def _median(
    feature: FeatureSpec,
    counts: Mapping[str, np.ndarray],
    sums: Mapping[str, np.ndarray],
    median_bin: int,
    there: int,
) -> tuple[float, float]:
    """Return the median to the width of a refined bin, and that width."""
    histogram, refined = counts[f"{feature.name}/histogram"], sums[f"{feature.name}/median"]
    rank = (there - 1) // 2 - int(histogram[:median_bin].sum())
    # The same share of the bin where a bank dropped out; else the rank itself.
    rank = rank * int(refined.sum()) // int(histogram[median_bin])
    part = int(np.searchsorted(np.cumsum(refined), rank, side="right"))
    low, high = bin_edges(median_bin)
    # An edge, so exact for whole numbers below 8192 and other short binary fractions.
    median = refined_value(min(part, REFINED_BINS - 1), low, high)
    return median, (high - low) / REFINED_BINS


def _fit_boolean(
    feature: FeatureSpec, counts: np.ndarray, n: int, spec: PreprocessingSpec
) -> BooleanStep | None:
    false, true, missing = (int(value) for value in counts)
    indicator = _indicates(missing, n, spec)
    if false + true == 0 or (min(false, true) == 0 and not indicator):
        return None
    return BooleanStep(feature, true / (false + true), indicator)


def _indicates(missing: int, n: int, spec: PreprocessingSpec) -> bool:
    # A column for a handful of loans would be noise, so rare missingness gets no indicator.
    return spec.missing_indicators and missing > 0 and missing >= spec.rare_share * n


def _fit_categorical(
    feature: FeatureSpec, counts: np.ndarray, n: int, spec: PreprocessingSpec
) -> CategoricalStep | None:
    size = feature.num_categories
    names = list(feature.values) or [f"bucket {k}" for k in range(size)]
    least = max(1.0, spec.rare_share * n)
    kept = [k for k in range(size + 2) if counts[k] >= least and k != size]
    other = n - int(sum(counts[k] for k in kept))
    # "is" and not "=", since a listed value may itself be spelled "other" or "missing".
    columns = [
        f"{feature.name} = {names[k]}" if k < size else f"{feature.name} is missing" for k in kept
    ]
    if len(kept) + (other > 0) < 2:
        return None
    group = {k: position for position, k in enumerate(kept)}
    fallback = -1
    if other > 0:
        fallback = len(kept)
        columns.append(f"{feature.name} is other")
    # A category never seen in training gets the group of the rare ones, or no column at all.
    return CategoricalStep(
        feature, tuple(group.get(k, fallback) for k in range(size + 2)), tuple(columns)
    )


def fit_pooled(
    features: Sequence[FeatureSpec],
    frame: pd.DataFrame,
    y: np.ndarray,
    spec: PreprocessingSpec,
) -> Preprocessor:
    """Fit on loans that are all at hand: one bank alone, or pooled data in simulation.

    Takes the same road through fixed-point releases as the federation does, so it equals the
    federated fit on the same loans.

    Parameters
    ----------
    features : sequence of FeatureSpec
        The features of the run.
    frame : pandas.DataFrame
        ``(n, n_features)`` training loans.
    y : numpy.ndarray
        ``(n,) int8``.
    spec : PreprocessingSpec
        Clipping, grouping and indicators.

    Returns
    -------
    Preprocessor
    """
    first = counts_spec(features)
    counts = first.decode(first.encode(count(features, frame, y)))
    ranges = numeric_ranges(features, counts, spec.clip_quantile)
    second = moments_spec(features)
    sums = second.decode(second.encode(moments(features, frame, ranges)))
    return fit_from_sums(features, counts, sums, spec)
