"""The monitor's report: what was found of each month and vintage, and what deserves attention.

``docs/monitoring.md`` describes the JSON. What is not defined is ``null`` there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fed_credit.config.convert import plain as config_plain
from fed_credit.config.monitor import MonitorSpec
from fed_credit.drift.verdicts import (
    FeatureVerdict,
    MonthVerdict,
    ShareVerdict,
    State,
    VintageVerdict,
)
from fed_credit.files import plain

FORMAT = 1
FOLDER, LATEST, REPORTS = "monitoring", "latest.json", "reports"


@dataclass(frozen=True)
class Alert:
    """Something that deserves attention.

    Parameters
    ----------
    id : str
        The same in each report that tells of it.
    level : State
        Watch or alert.
    kind : str
        ``psi``, ``csi``, ``missing``, ``category``, ``default_rate``, ``auc`` or ``calibration``.
    subject : str
        ``score``, or a feature.
    period : str
        Month or quarter.
    value, threshold : float
        What was found, and from where on it has this level.
    en, zh : str
        A sentence.
    """

    id: str
    level: State
    kind: str
    subject: str
    period: str
    value: float
    threshold: float
    en: str
    zh: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**vars(self), "level": str(self.level)}


@dataclass(frozen=True)
class Watched:
    """Which model is watched.

    Parameters
    ----------
    version : int or None
        In the registry; None for a file.
    sha256 : str
        Hash that names it.
    """

    version: int | None
    sha256: str


@dataclass(frozen=True)
class MonitorReport:
    """What a monitor found.

    Parameters
    ----------
    as_of : str
        Day, ``YYYY-MM-DD``.
    bank : str or None
        Whose loans; None over several banks.
    banks : tuple of str
        All whose loans are in it.
    pooled : bool
        Whether it is over the sums of several banks.
    model : Watched
        The model.
    reference : mapping of str to object
        What months are compared with: ``kind`` (``own`` or ``model``), ``loans`` and ``scored``.
    source : str
        What months are made of: ``loans`` or ``decisions``.
    settings : MonitorSpec
        Limits and levels.
    months, vintages : tuple of MonthVerdict and of VintageVerdict
        The oldest first.
    alerts : tuple of Alert
        The newest first.
    notes : tuple of str
        What a reader has to know.
    """

    as_of: str
    bank: str | None
    banks: tuple[str, ...]
    pooled: bool
    model: Watched
    reference: Mapping[str, Any]
    source: str
    settings: MonitorSpec
    months: tuple[MonthVerdict, ...]
    vintages: tuple[VintageVerdict, ...]
    alerts: tuple[Alert, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as ``monitoring/latest.json`` holds it."""
        settings = config_plain(self.settings)
        kept = ("months", "vintages", "reference", "drift", "outcomes", "alarms")
        body = {
            "format": FORMAT,
            "as_of": self.as_of,
            "bank": self.bank,
            "pooled": self.pooled,
            "banks": list(self.banks),
            "model": vars(self.model),
            "reference": dict(self.reference),
            "source": self.source,
            "settings": {key: settings[key] for key in kept},
            "months": [_month(month) for month in self.months],
            "vintages": [_vintage(vintage) for vintage in self.vintages],
            "alerts": [alert.to_dict() for alert in self.alerts],
            "notes": list(self.notes),
        }
        found: dict[str, Any] = plain(body)
        return found


def report_path(home: Path) -> Path:
    """Return where the latest report of a home lies."""
    return home / FOLDER / LATEST


def worse(states: Sequence[State]) -> State:
    """Return the state that matters most; too few only where all are."""
    for state in (State.ALERT, State.WATCH, State.OK):
        if state in states:
            return state
    return State.TOO_FEW


def _month(month: MonthVerdict) -> dict[str, Any]:
    return {
        "period": month.period,
        "loans": month.loans,
        "mean_pd": month.mean_pd,
        "left_out": month.left_out,
        "score": {
            "psi": month.score.value,
            "threshold": month.score.threshold,
            "alert_threshold": month.score.alert_threshold,
            "p_value": month.score.p_value,
            "state": str(month.score.state),
        },
        "features": [_feature(feature) for feature in month.features],
    }


def _feature(feature: FeatureVerdict) -> dict[str, Any]:
    return {
        "name": feature.name,
        "csi": feature.csi.value,
        "threshold": feature.csi.threshold,
        "alert_threshold": feature.csi.alert_threshold,
        "p_value": feature.csi.p_value,
        "state": str(feature.csi.state),
        "missing": _share(feature.missing),
        "unlisted": _share(feature.unlisted),
        "categories": [{"name": share.what, **_share(share)} for share in feature.categories],
    }


def _share(share: ShareVerdict) -> dict[str, Any]:
    return {
        "rate": share.rate,
        "reference": share.reference,
        "threshold": share.threshold,
        "p_value": share.p_value,
        "state": str(share.state),
    }


def _vintage(vintage: VintageVerdict) -> dict[str, Any]:
    numbers = (
        "period",
        "loans",
        "bads",
        "default_rate",
        "mean_pd",
        "ratio",
        "auc",
        "auc_low",
        "auc_high",
        "ks",
        "brier",
        "log_loss",
        "left_out",
    )
    level, shape, rank = vintage.level, vintage.calibration, vintage.rank
    return {
        **{name: getattr(vintage, name) for name in numbers},
        # Whether PDs held: their level and their shape.
        "calibration": {
            "p_value": min((p for p in (level.p_value, shape.p_value) if p == p), default=None),
            "state": str(worse([level.state, shape.state])),
            "level": {
                "low": level.low,
                "high": level.high,
                "p_value": level.p_value,
                "state": str(level.state),
            },
            "shape": {
                "misplaced": shape.misplaced,
                "p_value": shape.p_value,
                "state": str(shape.state),
            },
        },
        "rank": {
            "reference_auc": rank.reference_auc,
            "p_value": rank.p_value,
            "state": str(rank.state),
        },
    }
