"""A monitor's report on the terminal."""

from __future__ import annotations

import math
import sys

from rich.console import Console
from rich.table import Table

from fed_credit.drift.verdicts import FeatureVerdict, MonthVerdict, State
from fed_credit.monitoring.report import MonitorReport, worse

_MOST_ALERTS = 20
_COLOURS = {State.ALERT: "red", State.WATCH: "yellow", State.TOO_FEW: "dim", State.OK: ""}
_WORDS = {State.TOO_FEW: "too few"}


def print_report(report: MonitorReport) -> None:
    """Print a report's months, vintages and alerts."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    whose = report.bank or (", ".join(report.banks) if report.pooled else "loans")
    version = "" if report.model.version is None else f"version {report.model.version}, "
    console.print(
        f"{whose} as of {report.as_of}, model {version}{report.model.sha256[:12]}; compared with"
        f" {report.reference['loans']:,} loans ({_REFERENCES[report.reference['kind']]})",
        highlight=False,
        markup=False,
    )
    if report.months:
        console.print(_months(report))
    if report.vintages:
        console.print(_vintages(report))
    for note in report.notes:
        console.print(note, highlight=False, markup=False)
    for alert in report.alerts[:_MOST_ALERTS]:
        style = _COLOURS[alert.level] or None
        console.print(
            f"{str(alert.level).upper()}: {alert.en}", style=style, highlight=False, markup=False
        )
    if len(report.alerts) > _MOST_ALERTS:
        console.print(f"... and {len(report.alerts) - _MOST_ALERTS} more", highlight=False)


_REFERENCES = {"own": "the bank's own of that time", "model": "those the model was made on"}


def _months(report: MonitorReport) -> Table:
    what = "applications" if report.source == "decisions" else "loans"
    table = Table(title=f"Drift by month ({what})", title_justify="left")
    for name in ("month", what, "mean PD", "PSI", "threshold", "score", "features"):
        right = name in (what, "mean PD", "PSI", "threshold")
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "features")
    for month in report.months:
        table.add_row(
            month.period,
            f"{month.loans:,}",
            _number(month.mean_pd, ".2%"),
            _number(month.score.value if month.loans else math.nan, ".3f"),
            _number(month.score.threshold, ".3f"),
            _state(month.score.state),
            _features(month),
        )
    return table


def _features(month: MonthVerdict) -> str:
    loud = [
        feature.name for feature in month.features if _of(feature) in (State.ALERT, State.WATCH)
    ]
    if loud:
        shown = ", ".join(loud[:3])
        more = f", +{len(loud) - 3}" if len(loud) > 3 else ""
        state = worse([_of(feature) for feature in month.features])
        return f"{_state(state)}: {shown}{more}"
    return _state(worse([_of(feature) for feature in month.features]))


def _of(feature: FeatureVerdict) -> State:
    return worse(
        [
            feature.csi.state,
            feature.missing.state,
            feature.unlisted.state,
            *(share.state for share in feature.categories),
        ]
    )


def _vintages(report: MonitorReport) -> Table:
    table = Table(title="Matured vintages", title_justify="left")
    names = ("quarter", "loans", "bads", "default rate", "mean PD", "PD", "AUC", "was", "rank")
    for name in names:
        table.add_column(
            name, justify="left" if name in ("quarter", "PD", "rank") else "right", no_wrap=True
        )
    for vintage in report.vintages:
        table.add_row(
            vintage.period,
            f"{vintage.loans:,}",
            f"{vintage.bads:,}",
            _number(vintage.default_rate, ".2%"),
            _number(vintage.mean_pd, ".2%"),
            _state(worse([vintage.level.state, vintage.calibration.state])),
            _number(vintage.auc, ".3f"),
            _number(vintage.rank.reference_auc, ".3f"),
            _state(vintage.rank.state),
        )
    return table


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "-"


def _state(state: State) -> str:
    word = _WORDS.get(state, str(state))
    colour = _COLOURS[state]
    return f"[{colour}]{word}[/]" if colour else word
