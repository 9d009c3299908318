"""What a monitor looks at and when it raises an alert: ``monitor.yaml``, typed and checked.

As in :mod:`fed_credit.config.spec`, no field has a default here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fed_credit.config.bank import BANK_FILE, own_source
from fed_credit.config.convert import build, refused
from fed_credit.config.location import deploy_dir, operation_dir
from fed_credit.config.merge import merged
from fed_credit.config.operation import own_file, read_own
from fed_credit.config.spec import MappingSpec, SourceSpec
from fed_credit.config.validate_sources import check_source
from fed_credit.config.yaml_file import naming, read_mapping
from fed_credit.errors import ConfigurationError

MONITOR_FILE = "monitor.yaml"
MOST_MONTHS, MOST_VINTAGES = 240, 80


class Against(StrEnum):
    """What a change beyond a limit is tested against.

    ``step``: a watch against no change, an alert against the watch's limit; ``no_change``: both
    against none; ``limit``: each against its own limit.
    """

    STEP = "step"
    NO_CHANGE = "no_change"
    LIMIT = "limit"


class Control(StrEnum):
    """How a level is shared among tests."""

    HOLM = "holm"
    BENJAMINI_HOCHBERG = "benjamini_hochberg"


class ReferenceKind(StrEnum):
    """Whose loans a bank's months are compared with."""

    OWN = "own"
    MODEL = "model"


@dataclass
class LimitSpec:
    """From where on a change matters.

    Parameters
    ----------
    watch, alert : float
        The alert's limit is not below that of the watch.
    """

    watch: float
    alert: float


@dataclass
class DriftSpec:
    """Drift of loans by month of decision.

    Parameters
    ----------
    psi, csi : LimitSpec
        Stability index of the score, and of a feature.
    missing, unlisted, category : LimitSpec
        Change of the share of missing values, of values that are not listed, of one category.
    against : Against
        What of a change beyond a limit must be sure.
    together : int
        Months counted as one: each with as many before it as it takes.
    min_loans : int
        Of a month and of the reference, below which nothing is said.
    per_group : int
        Loans that a group of an index must be expected to hold on average.
    """

    psi: LimitSpec
    csi: LimitSpec
    missing: LimitSpec
    unlisted: LimitSpec
    category: LimitSpec
    against: Against
    together: int
    min_loans: int
    per_group: int


@dataclass
class OutcomesSpec:
    """Matured vintages.

    Parameters
    ----------
    default_rate : LimitSpec
        Of the default rate over the mean PD, or the other way round.
    auc : LimitSpec
        Of what the AUC has lost.
    calibration : LimitSpec
        Of the share of defaults that are not where the PDs say.
    asset_correlation : float
        Of the one-factor model of correlated defaults.
    confidence : float
        Of the intervals shown.
    min_loans, min_bads : int
        Below which nothing is said; the latter also of good loans.
    """

    default_rate: LimitSpec
    auc: LimitSpec
    calibration: LimitSpec
    asset_correlation: float
    confidence: float
    min_loans: int
    min_bads: int


@dataclass
class AlarmsSpec:
    """How rare false alarms are to be.

    Parameters
    ----------
    false_per_year : float
        Chance of any false watch in a year, of months and of vintages each.
    control : Control
        How that is shared among the tests of a month or vintage.
    """

    false_per_year: float
    control: Control

    @property
    def month_level(self) -> float:
        """Chance of any false watch in a month."""
        return 1.0 - math.pow(1.0 - self.false_per_year, 1.0 / 12.0)

    @property
    def vintage_level(self) -> float:
        """Chance of any false watch in a quarter's vintage."""
        return 1.0 - math.pow(1.0 - self.false_per_year, 1.0 / 4.0)


@dataclass
class WebhookSpec:
    """Where new alerts are posted.

    Parameters
    ----------
    url : str or None
        None for nowhere.
    timeout_s : float
        Of one attempt.
    attempts : int
        In one run.
    wait_s : float
        Before the second attempt; twice as long before each further one.
    secret_variable : str
        Environment variable with the secret that signs the body; unset, it is not signed.
    """

    url: str | None
    timeout_s: float
    attempts: int
    wait_s: float
    secret_variable: str


@dataclass
class MonitorSpec:
    """Everything about a monitor but its home and its model.

    Parameters
    ----------
    months, vintages : int
        How many are looked at.
    reference : ReferenceKind
        Whose loans a bank's months are compared with.
    drift, outcomes, alarms, webhook
        See the classes.
    source : SourceSpec or None
        Where the loans lie, with absolute paths; None for those of ``bank.yaml``.
    mapping : MappingSpec or None
        The source's own names.
    max_rejected_share : float
        Nothing is reported when a larger share of the rows is rejected.
    """

    months: int
    vintages: int
    reference: ReferenceKind
    drift: DriftSpec
    outcomes: OutcomesSpec
    alarms: AlarmsSpec
    webhook: WebhookSpec
    source: SourceSpec | None
    mapping: MappingSpec | None
    max_rejected_share: float


def load_monitor(home: Path) -> MonitorSpec:
    """Read a home's ``monitor.yaml``, if it has one, over the packaged one.

    Parameters
    ----------
    home : Path
        The folder of the bank or the operator.

    Returns
    -------
    MonitorSpec
        With absolute paths.

    Raises
    ------
    ConfigurationError
        If there is no such folder, or a key or value cannot be used; names the file and the key.
    """
    file = own_file(home, MONITOR_FILE)
    own = read_own(file)
    with naming(file):
        spec = monitor_spec(own)
        if spec.source is None:
            return spec
        check_source(spec.source, spec.mapping or _no_mapping())
        return replace(spec, source=own_source(spec.source, home.absolute()))


def monitor_spec(own: Mapping[str, Any]) -> MonitorSpec:
    """Return what ``own`` says over the packaged ``monitor.yaml``.

    Raises
    ------
    ConfigurationError
        If a key or value cannot be used; names the key.
    """
    common = read_mapping(operation_dir() / MONITOR_FILE)
    given = dict(own)
    bank = read_mapping(deploy_dir() / BANK_FILE)
    for section in ("source", "mapping"):
        if given.get(section) is not None:
            # What the section does not say is as in a bank.yaml that says nothing.
            common = {**common, section: bank[section]}
    spec = build(MonitorSpec, merged(common, given))
    _check(spec)
    return spec


def _no_mapping() -> MappingSpec:
    return MappingSpec({}, {}, {}, {})


def _check(spec: MonitorSpec) -> None:
    for key, value, most in (
        ("months", spec.months, MOST_MONTHS),
        ("vintages", spec.vintages, MOST_VINTAGES),
    ):
        if not 0 <= value <= most:
            raise refused(key, value, f"it must be from 0 to {most}")
    drift, outcomes = spec.drift, spec.outcomes
    limits = {
        **{f"drift.{key}": getattr(drift, key) for key in ("psi", "csi")},
        **{f"drift.{key}": getattr(drift, key) for key in ("missing", "unlisted", "category")},
        **{f"outcomes.{key}": getattr(outcomes, key) for key in ("auc", "calibration")},
        "outcomes.default_rate": outcomes.default_rate,
    }
    for key, limit in limits.items():
        lowest = 1.0 if key.endswith("default_rate") else 0.0
        if not (math.isfinite(limit.alert) and lowest <= limit.watch <= limit.alert):
            raise refused(
                key,
                f"{{watch: {limit.watch}, alert: {limit.alert}}}",
                f"both must be at least {lowest:g}, and the alert's not below the watch's",
            )
    for key, number, least in (
        ("drift.together", drift.together, 1),
        ("drift.min_loans", drift.min_loans, 2),
        ("drift.per_group", drift.per_group, 1),
        ("outcomes.min_loans", outcomes.min_loans, 2),
        ("outcomes.min_bads", outcomes.min_bads, 2),
        ("webhook.attempts", spec.webhook.attempts, 1),
    ):
        if number < least:
            raise refused(key, number, f"it must be at least {least}")
    if not 0 <= outcomes.asset_correlation < 1:
        raise refused(
            "outcomes.asset_correlation", outcomes.asset_correlation, "it must be from 0 to below 1"
        )
    if not 0.5 <= outcomes.confidence < 1:
        raise refused("outcomes.confidence", outcomes.confidence, "it must be from 0.5 to below 1")
    if not 0 < spec.alarms.false_per_year < 1:
        raise refused(
            "alarms.false_per_year", spec.alarms.false_per_year, "it must lie between 0 and 1"
        )
    if not 0 <= spec.max_rejected_share <= 1:
        raise refused("max_rejected_share", spec.max_rejected_share, "it must be from 0 to 1")
    _check_webhook(spec.webhook)


def _check_webhook(webhook: WebhookSpec) -> None:
    for key in ("timeout_s", "wait_s"):
        value = getattr(webhook, key)
        if not (math.isfinite(value) and value > 0):
            raise refused(f"webhook.{key}", value, "it must be above 0")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", webhook.secret_variable):
        raise refused(
            "webhook.secret_variable", webhook.secret_variable, "name an environment variable"
        )
    if webhook.url is None:
        return
    try:
        parts = urlsplit(webhook.url)
        _ = parts.port  # raises for one that is none
        host, secret = parts.hostname, parts.password is not None or parts.username is not None
    except ValueError:
        host, secret, parts = None, False, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError("webhook.url must be an address that begins with https://HOST.")
    if secret:
        raise ConfigurationError(
            "webhook.url holds a user or password; leave them out, the signature says who sends."
        )
    if parts.scheme == "http" and host not in ("localhost", "127.0.0.1", "::1"):
        raise ConfigurationError(
            "webhook.url sends alerts in the clear; use https:// for another machine."
        )
