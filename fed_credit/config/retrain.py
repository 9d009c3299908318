"""When and how a challenger is trained: ``retrain.yaml``, typed and checked.

As in :mod:`fed_credit.config.spec`, no field has a default here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from fed_credit.config.convert import refused
from fed_credit.config.operation import over_packaged, read_own
from fed_credit.config.yaml_file import naming
from fed_credit.errors import ConfigurationError, suggestion

RETRAIN_FILE = "retrain.yaml"
ALERT_KINDS = ("psi", "csi", "missing", "category", "default_rate", "auc", "calibration")


class AlertLevel(StrEnum):
    """How loud an alert of the monitor is."""

    WATCH = "watch"
    ALERT = "alert"


class Measure(StrEnum):
    """What two models are compared by."""

    AUC = "auc"
    BRIER = "brier"
    LOG_LOSS = "log_loss"


class By(StrEnum):
    """What of a difference must reach the margin."""

    ESTIMATE = "estimate"
    INTERVAL = "interval"


class Promotion(StrEnum):
    """What a challenger that passes the gate becomes."""

    CHALLENGER = "challenger"
    CHAMPION = "champion"
    NONE = "none"


@dataclass
class ScheduleSpec:
    """Retraining by the calendar.

    Parameters
    ----------
    enabled : bool
        Whether it counts.
    months : int
        Since the champion's as-of date.
    """

    enabled: bool
    months: int


@dataclass
class DriftSpec:
    """Retraining on alerts of the monitor about the champion.

    Parameters
    ----------
    enabled : bool
        Whether they count.
    level : AlertLevel
        The least that counts.
    kinds : list of str
        Of :data:`ALERT_KINDS`.
    max_age_days : int
        Reports that are older say nothing about today.
    """

    enabled: bool
    level: AlertLevel
    kinds: list[str]
    max_age_days: int


@dataclass
class LabelsSpec:
    """Retraining on new labels.

    Parameters
    ----------
    enabled : bool
        Whether they count.
    loans, bads : int
        Labels that have matured since the champion's as-of date, and bad ones of them; both are
        needed.
    """

    enabled: bool
    loans: int
    bads: int


@dataclass
class TriggersSpec:
    """What makes a retraining due; any of them does.

    Parameters
    ----------
    schedule, drift, labels
        See the classes.
    rest_months : int
        No trigger fires within so many months of the last challenger's as-of date.
    """

    schedule: ScheduleSpec
    drift: DriftSpec
    labels: LabelsSpec
    rest_months: int


@dataclass
class VintageSpec:
    """The loans that decide.

    Parameters
    ----------
    months : int
        The newest matured loans, by decision month.
    embargo : bool
        Whether the challenger's training also leaves out loans whose window was still open when
        the vintage began.
    """

    months: int
    embargo: bool


@dataclass
class WarmStartSpec:
    """Going on from the champion.

    Parameters
    ----------
    enabled : bool
        Whether networks and boosted trees start from the champion.
    rounds : int or None
        Further rounds; ``None`` takes as many as the overrides say for a start from nothing.
    """

    enabled: bool
    rounds: int | None


@dataclass
class GateSpec:
    """What a challenger has to show against the champion, on the vintage.

    Parameters
    ----------
    measure : Measure
        What they are compared by, of calibrated PDs.
    margin : float
        By how much the challenger must be better.
    by : By
        Whether its estimate or the lower end of its interval must reach the margin.
    confidence : float
        Of the two-sided intervals.
    min_bads : int
        Bad (and good) loans that the vintage must have.
    max_bank_loss : float
        What no assessable bank may lose.
    bank_min_bads : int
        With fewer bad (or good) loans of the vintage a bank is not assessable.
    small_bank_bads : int
        With fewer bad loans, a bank's loss counts only where its whole interval is a loss.
    """

    measure: Measure
    margin: float
    by: By
    confidence: float
    min_bads: int
    max_bank_loss: float
    bank_min_bads: int
    small_bank_bads: int


@dataclass
class RetrainSpec:
    """When and how a challenger is trained, and what it must show.

    Parameters
    ----------
    overrides : list of str
        Of the run, as for ``fed-credit simulate``.
    triggers, vintage, warm_start, gate
        See the classes.
    promote : Promotion
        What a challenger that passes becomes.
    """

    overrides: list[str]
    triggers: TriggersSpec
    vintage: VintageSpec
    warm_start: WarmStartSpec
    gate: GateSpec
    promote: Promotion


def load_retrain(home: Path) -> RetrainSpec:
    """Read the packaged ``retrain.yaml``, and a home's own over it.

    Parameters
    ----------
    home : Path
        Of a bank or an operator; without a ``retrain.yaml`` the packaged one holds.

    Returns
    -------
    RetrainSpec

    Raises
    ------
    ConfigurationError
        If a key or value cannot be used; names the file and the key.
    """
    file = home / RETRAIN_FILE
    own = read_own(file)
    with naming(file):
        return retrain_spec(own)


def retrain_spec(own: Mapping[str, Any]) -> RetrainSpec:
    """Return what ``own`` says over the packaged ``retrain.yaml``.

    Raises
    ------
    ConfigurationError
        If a key or value cannot be used; names the key.
    """
    spec = over_packaged(RetrainSpec, RETRAIN_FILE, own)
    _check(spec)
    return spec


def _check(spec: RetrainSpec) -> None:
    triggers, gate = spec.triggers, spec.gate
    for kind in triggers.drift.kinds:
        if kind not in ALERT_KINDS:
            raise ConfigurationError(
                f"triggers.drift.kinds names '{kind}', which is no kind of alert: choose of"
                f" {', '.join(ALERT_KINDS)}.{suggestion(kind, ALERT_KINDS)}"
            )
    least = {
        "triggers.schedule.months": (triggers.schedule.months, 1),
        "triggers.drift.max_age_days": (triggers.drift.max_age_days, 0),
        "triggers.labels.loans": (triggers.labels.loans, 1),
        "triggers.labels.bads": (triggers.labels.bads, 0),
        "triggers.rest_months": (triggers.rest_months, 0),
        "vintage.months": (spec.vintage.months, 1),
        "warm_start.rounds": (spec.warm_start.rounds or 1, 1),
        "gate.min_bads": (gate.min_bads, 2),
        "gate.bank_min_bads": (gate.bank_min_bads, 2),
        "gate.small_bank_bads": (gate.small_bank_bads, 0),
    }
    for key, (value, lowest) in least.items():
        if value < lowest:
            raise refused(key, value, f"it must be at least {lowest}")
    if not 0.5 <= gate.confidence < 1:
        raise refused("gate.confidence", gate.confidence, "it must be from 0.5 to below 1")
    for key, limit in (("gate.margin", gate.margin), ("gate.max_bank_loss", gate.max_bank_loss)):
        if not (math.isfinite(limit) and 0 <= limit < 1):
            raise refused(key, limit, "it must be from 0 to below 1")
