"""Drift and matured loans, laid out: from the monitor's report to tiles, charts and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fed_credit.reporting.html.svg import Plot, Style
from fed_credit.reporting.html.texts import Text, same
from fed_credit.serving.pages.drift_tables import (
    Labels,
    changed_shares,
    csi_map,
    vintage_table,
)
from fed_credit.serving.pages.parts import Figure, Table, Tile, every, key, state
from fed_credit.serving.pages.report import Month, Report, Vintage
from fed_credit.serving.pages.speech import Speech

_MOST_MONTHS = 24  # columns of a map
_BLUE = Style("#0072B2", width=2.2)
_ORANGE = Style("#D55E00", "7 3", "square")
_EDGE = Style("#8a6d1d", "3 3", width=1.3)
_ALERT = Style("#B34700", "6 3", width=1.3)
_REFERENCE = Style("#666666", "9 3 2 3", width=1.4)
_BAND = "#f6ead0"


@dataclass(frozen=True)
class Drift:
    """A monitor's report as a page shows it.

    Parameters
    ----------
    against : str
        What is compared with what.
    tiles : tuple of Tile
        The newest figures.
    alerts : tuple of (str, markupsafe.Markup, str)
        Level, its word, and the sentence.
    figures : tuple of Figure
        Charts over months and vintages.
    map : Table or None
        CSI of features by month.
    changes : Table or None
        Shares of missing and unlisted values that changed.
    vintages : Table or None
        Figures of the matured loans.
    """

    against: str
    tiles: tuple[Tile, ...]
    alerts: tuple[tuple[str, Markup, str], ...]
    figures: tuple[Figure, ...]
    map: Table | None
    changes: Table | None
    vintages: Table | None


def drift(report: Report, labels: Labels, say: Speech) -> Drift:
    """Lay out a report.

    Parameters
    ----------
    report : Report
        The monitor's.
    labels : mapping
        Labels of features by language; a feature without one goes by its name.
    say : Speech
        The language.

    Returns
    -------
    Drift
    """
    figures: list[Figure] = []
    if report.months:
        figures += [_psi(report.months, say), _pd(report.months, say)]
    if report.vintages:
        figures += [_auc(report.vintages, say), _calibration(report.vintages, say)]
    return Drift(
        against=say(
            "drift.against",
            source=say(f"drift.of_{report.source}"),
            reference=say(f"drift.to_{report.reference}"),
            banks=say.listed(list(report.banks)),
        ),
        tiles=_tiles(report, say),
        alerts=tuple(
            (alert.level, state(alert.level, say(f"state.{alert.level}")), say.pick(alert.text))
            for alert in report.alerts
        ),
        figures=tuple(figures),
        map=csi_map(report.months[-_MOST_MONTHS:], labels, say) if report.months else None,
        changes=changed_shares(report.months[-_MOST_MONTHS:], labels, say),
        vintages=vintage_table(report.vintages, say) if report.vintages else None,
    )


def _tiles(report: Report, say: Speech) -> tuple[Tile, ...]:
    model = say("drift.version", n=report.model) if report.model else report.sha256[:12]
    tiles = [Tile(say("drift.as_of"), say.day(report.as_of), model)]
    if report.months:
        last = report.months[-1]
        tiles.append(
            Tile(
                say("drift.psi_last", period=say.period(last.period)),
                say.number(last.score.value, 3),
                say("drift.limit", limit=say.number(last.score.threshold, 3)),
                _tone(last.score.state),
            )
        )
    if report.vintages:
        newest = report.vintages[-1]
        interval = say(
            "drift.interval", low=say.number(newest.auc_low), high=say.number(newest.auc_high)
        )
        name = say("drift.auc_last", period=say.period(newest.period))
        tiles.append(Tile(name, say.number(newest.auc), interval, _tone(newest.rank)))
        tiles.append(
            Tile(
                say("drift.rate_last", period=say.period(newest.period)),
                say.percent(newest.default_rate),
                say("drift.expected", pd=say.percent(newest.mean_pd)),
                _tone(newest.calibration),
            )
        )
    alerts = sum(alert.level == "alert" for alert in report.alerts)
    watches = len(report.alerts) - alerts
    tone = "alert" if alerts else "watch" if watches else ""
    tiles.append(
        Tile(say("drift.alerts"), say.count(alerts), say("drift.watches", n=watches), tone)
    )
    return tuple(tiles)


def _tone(name: str) -> str:
    return name if name in ("watch", "alert") else ""


def _psi(months: Sequence[Month], say: Speech) -> Figure:
    values = [month.score.value for month in months]
    limits = [month.score.threshold or 0.0 for month in months]
    alerts = [month.score.alert for month in months]
    shown = [value for value in (*values, *alerts) if value is not None]
    # A threshold far above all values would press them flat.
    largest = max([0.1, *(value for value in values if value is not None)])
    top = min(max([*shown, *limits, 0.05]), 8 * largest) * 1.1
    plot = _over_time([month.period for month in months], "psi", (0.0, top), say)
    xs = [float(k) for k in range(len(months))]
    if len(months) > 1:
        plot.band(xs, [0.0] * len(xs), [min(limit, top) for limit in limits], _BAND)
    plot.line(xs, _below(top, (month.score.threshold for month in months)), _EDGE)
    plot.line(xs, _below(top, alerts), _ALERT)
    plot.line(xs, values, _BLUE, marks=True)
    legend = (
        key(_BLUE, say("drift.psi"), marked=True),
        key(_EDGE, say("drift.threshold")),
        key(_ALERT, say("drift.alert_threshold")),
    )
    return Figure(say("drift.psi_title"), say("drift.psi_read"), plot.render(), legend)


def _below(top: float, values: Iterable[float | None]) -> list[float | None]:
    """Leave out what lies beyond the drawing."""
    return [None if value is None or value > top else value for value in values]


def _pd(months: Sequence[Month], say: Speech) -> Figure:
    values = [month.mean_pd for month in months]
    top = max([*(value for value in values if value is not None), 0.01]) * 1.15
    plot = _over_time([month.period for month in months], "pd", (0.0, top), say, percent=True)
    plot.line([float(k) for k in range(len(months))], values, _BLUE, marks=True)
    return Figure(say("drift.pd_title"), say("drift.pd_read"), plot.render())


def _auc(vintages: Sequence[Vintage], say: Speech) -> Figure:
    ends = [
        end
        for one in vintages
        for end in (one.auc, one.auc_low, one.auc_high, one.reference_auc)
        if end is not None
    ]
    low, high = (min(ends), max(ends)) if ends else (0.5, 1.0)
    plot = _over_time([one.period for one in vintages], "auc", (low - 0.03, high + 0.03), say)
    xs = [float(k) for k in range(len(vintages))]
    plot.line(xs, [one.reference_auc for one in vintages], _REFERENCE)
    for x, one in zip(xs, vintages, strict=True):
        if one.auc_low is not None and one.auc_high is not None:
            plot.spread(x, one.auc_low, one.auc_high, _BLUE)
    plot.line(xs, [one.auc for one in vintages], _BLUE, marks=True)
    legend = (
        key(_BLUE, say("drift.auc"), marked=True),
        key(_REFERENCE, say("drift.auc_reference")),
    )
    return Figure(say("drift.auc_title"), say("drift.auc_read"), plot.render(), legend)


def _calibration(vintages: Sequence[Vintage], say: Speech) -> Figure:
    shown = [value for one in vintages for value in (one.default_rate, one.mean_pd)]
    top = max([*(value for value in shown if value is not None), 0.01]) * 1.15
    plot = _over_time([one.period for one in vintages], "rate", (0.0, top), say, percent=True)
    xs = [float(k) for k in range(len(vintages))]
    plot.line(xs, [one.mean_pd for one in vintages], _BLUE, marks=True)
    plot.line(xs, [one.default_rate for one in vintages], _ORANGE, marks=True)
    legend = (
        key(_ORANGE, say("drift.observed"), marked=True),
        key(_BLUE, say("drift.promised"), marked=True),
    )
    return Figure(say("drift.rate_title"), say("drift.rate_read"), plot.render(), legend)


def _over_time(
    periods: Sequence[str],
    name: str,
    y: tuple[float, float],
    say: Speech,
    *,
    percent: bool = False,
) -> Plot:
    n = len(periods)
    places = every(n, 5)
    return Plot(
        say.text(f"drift.{name}_title"),
        same(""),
        say.text(f"drift.{name}_axis"),
        (-0.4, n - 0.6) if n > 1 else (-0.5, 0.5),
        y,
        y_percent=percent,
        x_ticks=[float(place) for place in places],
        x_labels=[_period(periods[place], say) for place in places],
        height=260,
    )


def _period(name: str, say: Speech) -> Text:
    return same(say.period(name))
