"""The monitor's report as it lies in a home: ``monitoring/latest.json``, read into values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fed_credit.errors import ServingError

LATEST = "monitoring/latest.json"
_FORMAT = 1


@dataclass(frozen=True)
class Checked:
    """A figure that was compared with its threshold.

    Parameters
    ----------
    value, threshold : float or None
        None where there were too few loans.
    state : str
        ``ok``, ``watch``, ``alert`` or ``too_few``.
    alert : float or None
        From where on it is an alert, where that is another threshold.
    """

    value: float | None
    threshold: float | None
    state: str
    alert: float | None = None


@dataclass(frozen=True)
class FeatureMonth:
    """A feature in one month.

    Parameters
    ----------
    csi, missing, unlisted : Checked
        Its stability, the share of missing values against the reference's (which is the threshold),
        and the share of values that are not listed.
    categories : mapping of str to Checked
        Share of each category, likewise.
    """

    csi: Checked
    missing: Checked
    unlisted: Checked
    categories: Mapping[str, Checked]


@dataclass(frozen=True)
class Month:
    """The applications of a month.

    Parameters
    ----------
    period : str
        ``YYYY-MM``.
    loans : int
        How many.
    mean_pd : float or None
        Of them.
    score : Checked
        PSI of the score.
    features : mapping of str to FeatureMonth
        By feature.
    """

    period: str
    loans: int
    mean_pd: float | None
    score: Checked
    features: Mapping[str, FeatureMonth]


@dataclass(frozen=True)
class Vintage:
    """Loans of one time whose outcomes are known.

    Parameters
    ----------
    period : str
        ``YYYY-Qn`` or another name.
    loans, bads : int
        How many.
    default_rate, mean_pd : float or None
        What became of them, and what was expected.
    auc, auc_low, auc_high, ks, brier : float or None
        How well the model ranked them, with the interval of the AUC; the error of its PDs.
    reference_auc : float or None
        AUC that the model had when it was made.
    calibration, rank : str
        States: whether PDs held, whether the ranking did.
    """

    period: str
    loans: int
    bads: int
    default_rate: float | None
    mean_pd: float | None
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    ks: float | None
    brier: float | None
    reference_auc: float | None
    calibration: str
    rank: str


@dataclass(frozen=True)
class Alert:
    """Something to look at.

    Parameters
    ----------
    level : str
        ``watch`` or ``alert``.
    kind, subject, period : str
        What, of which feature or score, and when.
    text : mapping of str to str
        The sentence by language.
    """

    level: str
    kind: str
    subject: str
    period: str
    text: Mapping[str, str]


@dataclass(frozen=True)
class Report:
    """What the monitor found.

    Parameters
    ----------
    as_of : str
        Day ``YYYY-MM-DD``.
    pooled : bool
        Whether it is over the sums of several banks.
    banks : tuple of str
        Whose loans.
    model : int or None
        Version in the registry.
    sha256 : str
        Of the model's file.
    source : str
        What months are made of: ``loans`` or ``decisions``.
    reference : str
        Whose loans they are compared with: ``own``, or the ``model``'s.
    months, vintages, alerts : tuple
        In the order of time; alerts as the monitor orders them.
    """

    as_of: str
    pooled: bool
    banks: tuple[str, ...]
    model: int | None
    sha256: str
    source: str
    reference: str
    months: tuple[Month, ...]
    vintages: tuple[Vintage, ...]
    alerts: tuple[Alert, ...]


def read_report(path: Path) -> Report | None:
    """Read the monitor's newest report.

    Parameters
    ----------
    path : Path
        ``HOME/monitoring/latest.json``.

    Returns
    -------
    Report or None
        None where there is none yet.

    Raises
    ------
    ServingError
        If it cannot be read, or is of another format.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format"] != _FORMAT:
            raise ServingError(
                f"{path} has format {raw['format']}, and this version reads {_FORMAT}; run"
                " fed-credit monitor again."
            )
        return Report(
            as_of=str(raw["as_of"]),
            pooled=bool(raw["pooled"]),
            banks=tuple(raw["banks"]),
            model=raw["model"]["version"],
            sha256=str(raw["model"]["sha256"]),
            source=str(raw["source"]),
            reference=str(raw["reference"]["kind"]),
            months=tuple(_month(one) for one in raw["months"]),
            vintages=tuple(_vintage(one) for one in raw["vintages"]),
            alerts=tuple(_alert(one) for one in raw["alerts"]),
        )
    except FileNotFoundError:
        return None
    except (OSError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise ServingError(
            f"{path} cannot be read ({reason}); run fed-credit monitor again."
        ) from None


def told_report(home: Path) -> tuple[Report | None, str]:
    """Return a home's newest report, or in one sentence why it cannot be shown."""
    try:
        return read_report(home / LATEST), ""
    except ServingError as error:
        return None, str(error)


def _month(raw: Mapping[str, Any]) -> Month:
    return Month(
        period=raw["period"],
        loans=raw["loans"],
        mean_pd=raw["mean_pd"],
        score=_checked(raw["score"], "psi", "threshold"),
        features={one["name"]: _feature(one) for one in raw["features"]},
    )


def _feature(raw: Mapping[str, Any]) -> FeatureMonth:
    return FeatureMonth(
        _checked(raw, "csi", "threshold"),
        _checked(raw["missing"], "rate", "reference"),
        _checked(raw["unlisted"], "rate", "reference"),
        {one["name"]: _checked(one, "rate", "reference") for one in raw["categories"]},
    )


def _checked(raw: Mapping[str, Any], value: str, threshold: str) -> Checked:
    return Checked(raw[value], raw[threshold], raw["state"], raw.get("alert_threshold"))


def _vintage(raw: Mapping[str, Any]) -> Vintage:
    names = ("default_rate", "mean_pd", "auc", "auc_low", "auc_high", "ks", "brier")
    return Vintage(
        period=raw["period"],
        loans=raw["loans"],
        bads=raw["bads"],
        **{name: raw[name] for name in names},
        reference_auc=raw["rank"]["reference_auc"],
        calibration=raw["calibration"]["state"],
        rank=raw["rank"]["state"],
    )


def _alert(raw: Mapping[str, Any]) -> Alert:
    text = {"en": raw["en"], "zh": raw["zh"]}
    return Alert(raw["level"], raw["kind"], raw["subject"], raw["period"], text)
