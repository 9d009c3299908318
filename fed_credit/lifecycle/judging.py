"""What became of a year's applications: by the model of the day, by the first one, by the truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fed_credit.config.spec import EvaluationSpec
from fed_credit.evaluation.intervals import Interval
from fed_credit.evaluation.metrics import measure
from fed_credit.evaluation.paired import differences
from fed_credit.files import plain

_NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Played:
    """Applications as they were scored, and what became of them long after.

    Parameters
    ----------
    decided : numpy.ndarray
        ``(n,) datetime64[D]``.
    y : numpy.ndarray
        ``(n,) int8``: whether they went bad within the performance window.
    first, live : numpy.ndarray
        ``(n,) float64``: calibrated PD of the first champion, and of the model in use.
    true_pd : numpy.ndarray
        ``(n,) float64``: chance of a default within 24 months, as the generator knows it.
    """

    decided: np.ndarray
    y: np.ndarray
    first: np.ndarray
    live: np.ndarray
    true_pd: np.ndarray


@dataclass(frozen=True)
class Won:
    """What retraining has won on some applications against never retraining.

    Parameters
    ----------
    loans, bads : int
        On which.
    default_rate : float
        Of them.
    auc_first, auc_live, auc_truth : float
        Of the first champion, the model in use, and the true PD.
    mean_first, mean_live : float
        Mean PDs, to be compared with the default rate.
    auc, log_loss, brier : Interval
        Gains of the model in use; a fall of a loss is a gain. NaN where not defined.
    """

    loans: int
    bads: int
    default_rate: float
    auc_first: float
    auc_live: float
    auc_truth: float
    mean_first: float
    mean_live: float
    auc: Interval
    log_loss: Interval
    brier: Interval

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        found: dict[str, Any] = plain(asdict(self))
        return found


def won(played: Played, chosen: np.ndarray, evaluation: EvaluationSpec) -> Won:
    """Compare the model in use with the first one on some applications.

    Parameters
    ----------
    played : Played
        All.
    chosen : numpy.ndarray
        ``(n,) bool``: which.
    evaluation : EvaluationSpec
        Level of the intervals, loans needed.

    Returns
    -------
    Won
    """
    y, first, live = played.y[chosen], played.first[chosen], played.live[chosen]
    bads, n = int(y.sum()), len(y)
    unknown = Interval(_NAN, _NAN, _NAN)
    gains = {"auc": unknown, "log_loss": unknown, "brier": unknown}
    of_first = of_live = of_truth = _NAN
    if 0 < bads < n:
        bins = evaluation.calibration_bins
        of_first, of_live, of_truth = (
            float(measure(y, p, calibration_bins=bins).auc)
            for p in (first, live, played.true_pd[chosen])
        )
        for item in differences(y, first, live, evaluation):
            if item.measure in gains:
                gains[item.measure] = (
                    item.interval if item.measure == "auc" else _turned(item.interval)
                )
    return Won(
        n,
        bads,
        bads / n if n else _NAN,
        of_first,
        of_live,
        of_truth,
        float(first.mean()) if n else _NAN,
        float(live.mean()) if n else _NAN,
        gains["auc"],
        gains["log_loss"],
        gains["brier"],
    )


def _turned(interval: Interval) -> Interval:
    return Interval(-interval.value, -interval.hi, -interval.lo)
