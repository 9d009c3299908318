"""Alerts of the monitor about the model in use, as ``monitoring/latest.json`` has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fed_credit.config.retrain import AlertLevel
from fed_credit.errors import DataError

LATEST = Path("monitoring") / "latest.json"


@dataclass(frozen=True)
class Alert:
    """One alert.

    Parameters
    ----------
    level : AlertLevel
        How loud.
    kind, subject, period : str
        What of what, and when.
    en, zh : str
        The sentence.
    """

    level: AlertLevel
    kind: str
    subject: str
    period: str
    en: str
    zh: str


@dataclass(frozen=True)
class Alerts:
    """The alerts of a report.

    Parameters
    ----------
    as_of : numpy.datetime64
        Of the report.
    model : str
        Hash that names the model it is about.
    alerts : tuple of Alert
        In the report's order.
    """

    as_of: np.datetime64
    model: str
    alerts: tuple[Alert, ...]


def read_alerts(path: Path) -> Alerts | None:
    """Read a report of the monitor.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Alerts or None
        None where there is no report.

    Raises
    ------
    DataError
        If it is none.
    """
    if not path.is_file():
        return None
    try:
        return alerts_of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is no report of the monitor ({error}); make it anew with fed-credit monitor."
        ) from None


def alerts_of(report: Mapping[str, Any]) -> Alerts:
    """Take the alerts of a report that was read."""
    return Alerts(
        as_of=np.datetime64(str(report["as_of"]), "D"),
        model=str(report["model"]["sha256"]),
        alerts=tuple(
            Alert(
                AlertLevel(str(raw["level"])),
                *(str(raw[key]) for key in ("kind", "subject", "period", "en", "zh")),
            )
            for raw in report["alerts"]
        ),
    )
