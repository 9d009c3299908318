"""Two models on the same loans: what differs, how surely, and for better or worse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fed_credit.config.spec import EvaluationSpec
from fed_credit.evaluation.intervals import Interval, difference_interval, normal_interval
from fed_credit.evaluation.metrics import measure

# What is compared; more is better for these, less for the others.
MEASURES = ("auc", "ks", "brier", "log_loss", "ece")
_MORE_IS_BETTER = ("auc", "ks")
_ORDER = ("worse", "undecided", "better", "no interval", "not assessable")
_LEAST_PD = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Difference:
    """One measure of two models on the same loans.

    Parameters
    ----------
    measure : str
        One of :data:`MEASURES`.
    one, other : float
        Of the two models; NaN where it is not defined.
    interval : Interval
        Of ``other - one``; its ends are NaN where there is none.
    verdict : str
        Whether the other model is ``better`` or ``worse``, by the whole interval; else
        ``undecided``, ``no interval`` or ``not assessable``.
    """

    measure: str
    one: float
    other: float
    interval: Interval
    verdict: str


def is_assessable(y: np.ndarray, spec: EvaluationSpec) -> bool:
    """Return whether there are enough bad and good loans to judge a model by."""
    bads = int(y.sum())
    return min(bads, len(y) - bads) >= max(spec.min_bads, 1)


def differences(
    y: np.ndarray, one: np.ndarray, other: np.ndarray, spec: EvaluationSpec
) -> Sequence[Difference]:
    """Compare two models measure by measure.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    one, other : numpy.ndarray
        ``(n,) float64``: PDs of the two models.
    spec : EvaluationSpec
        Level of the intervals, loans needed, calibration groups.

    Returns
    -------
    sequence of Difference
        Where the other model is worse first.

    Notes
    -----
    AUC by DeLong's paired interval. Brier score and log loss are means over loans, so their
    difference is the mean of the loans' differences, with its normal interval. KS and the expected
    calibration error have no simple one and get none.
    """
    a, b = (measure(y, p, calibration_bins=spec.calibration_bins) for p in (one, other))
    assessable = is_assessable(y, spec)
    found = []
    for name in MEASURES:
        value = float(getattr(b, name) - getattr(a, name))
        interval = Interval(value, float("nan"), float("nan"))
        if assessable and name == "auc":
            interval = difference_interval(y, other, one, spec.confidence)
        elif assessable and name in _LOSSES:
            interval = _mean_interval(_LOSSES[name](y, other) - _LOSSES[name](y, one), spec)
        sign = 1.0 if name in _MORE_IS_BETTER else -1.0
        verdict = _verdict(interval, sign) if assessable else "not assessable"
        found.append(Difference(name, getattr(a, name), getattr(b, name), interval, verdict))
    return sorted(found, key=lambda item: _ORDER.index(item.verdict))


def _verdict(interval: Interval, sign: float) -> str:
    if math.isnan(interval.lo):
        return "no interval"
    lo, hi = sorted((sign * interval.lo, sign * interval.hi))
    return "better" if lo > 0.0 else "worse" if hi < 0.0 else "undecided"


def _mean_interval(values: np.ndarray, spec: EvaluationSpec) -> Interval:
    variance = float(values.var(ddof=1)) / len(values)
    limits = (-math.inf, math.inf)
    return normal_interval(float(values.mean()), variance, spec.confidence, limits=limits)


def _squared(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return np.asarray(np.square(p - y))


def _log(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    p = np.clip(p, _LEAST_PD, 1.0 - _LEAST_PD)
    return np.asarray(-np.where(y == 1, np.log(p), np.log1p(-p)))


_LOSSES = {"brier": _squared, "log_loss": _log}
