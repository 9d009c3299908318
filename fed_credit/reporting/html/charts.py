"""The charts of a run: from ``results.json`` and ``report_data.json`` to drawings with words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from fed_credit.reporting.html.answer import PAIR, verdict_of
from fed_credit.reporting.html.svg import STYLES, Plot, Row, forest, swatch
from fed_credit.reporting.html.texts import Text, same, text
from fed_credit.reporting.table import level, number

_ORDER = ("best_reachable", "pooled", "local", "federated")  # what matters most is drawn last
_MOST_ROWS = 40


@dataclass(frozen=True)
class Figure:
    """A chart with its title, explanation and legend.

    Parameters
    ----------
    title, read : Text
        What it is, and how to read it.
    drawing : markupsafe.Markup or None
        SVG; None where there is nothing to draw.
    legend : tuple of (markupsafe.Markup, Text)
        Samples and names of the series.
    """

    title: Text
    read: Text
    drawing: Markup | None
    legend: tuple[tuple[Markup, Text], ...] = ()


def who_gains(results: dict[str, Any]) -> Figure:
    """Draw the difference of each assessable bank, worst first, and the mean.

    Parameters
    ----------
    results : dict
        The body of ``results.json``.

    Returns
    -------
    Figure
    """
    title = text("who.title")
    banks = [bank for bank in results["institutions"] if verdict_of(bank) != "not_assessable"]
    if not banks:
        return Figure(title, text("who.none"), None)
    read = text("who.read", level=level(results))
    if len(banks) > _MOST_ROWS:
        cut = text("who.cut", n=len(banks) - _MOST_ROWS)
        read = Text(f"{read.en} {cut.en}", read.zh + cut.zh)
        banks = banks[: _MOST_ROWS // 2] + banks[-_MOST_ROWS // 2 :]
    rows = [_row(same(bank["name"]), bank["delta"][PAIR]) for bank in banks]
    overall = results["overall"][PAIR]
    if overall["lo"] is not None:
        rows.append(_row(text("who.mean"), overall, diamond=True))
    return Figure(title, read, forest(rows, title, text("who.axis")))


def _row(label: Text, delta: dict[str, float], *, diamond: bool = False) -> Row:
    return Row(label, delta["value"], delta["lo"], delta["hi"], diamond)


def ranking(results: dict[str, Any], data: dict[str, Any]) -> list[Figure]:
    """Draw ROC, and KS of the common model."""
    grid = _grid(data)
    names = _drawn(data)
    roc = Plot(
        text("chart.roc"),
        text("chart.roc_x"),
        text("chart.roc_y"),
        (0, 1),
        (0, 1),
        x_percent=True,
        y_percent=True,
    )
    roc.rule(0, 0, 1, 1, STYLES["reference"])
    for name in names:
        tpr = data["curves"][name]["tpr"]
        if tpr[0] is not None:
            roc.line([0.0, *grid], [0.0, *tpr], STYLES[name])
    return [
        Figure(text("chart.roc"), text("chart.roc_read"), roc.render(), _legend(names)),
        _ks(results, data, grid),
    ]


def _ks(results: dict[str, Any], data: dict[str, Any], grid: list[float]) -> Figure:
    goods, bads = (data["curves"]["federated"][key] for key in ("goods", "bads"))
    plot = Plot(
        text("chart.ks"),
        text("chart.ks_x"),
        text("chart.ks_y"),
        (0, 1),
        (0, 1),
        x_percent=True,
        y_percent=True,
    )
    if goods[0] is not None and bads[0] is not None:
        widest = max(range(len(grid)), key=lambda k: abs(goods[k] - bads[k]))
        plot.rule(grid[widest], goods[widest], grid[widest], bads[widest], STYLES["federated"])
        for name, values in (("goods", goods), ("bads", bads)):
            plot.line(grid, values, STYLES[name])
    value = number(results["test"]["federated"]["ks"])
    legend = tuple((swatch(STYLES[name]), text(f"chart.{name}")) for name in ("goods", "bads"))
    return Figure(text("chart.ks"), text("chart.ks_read", value=value), plot.render(), legend)


def lift(data: dict[str, Any]) -> Figure:
    """Draw how the bads gather in the riskiest groups."""
    names = _drawn(data)
    captured = data["curves"]["federated"]["lift"]["captured"]
    share = "–" if not captured or captured[0] is None else f"{captured[0]:.0%}"
    read = text("chart.lift_read", captured=share)
    return Figure(text("chart.lift"), read, _lift(data, names), _legend(names, marked=True))


def _lift(data: dict[str, Any], names: Sequence[str]) -> Markup:
    lifts = {name: data["curves"][name]["lift"]["lift"] for name in names}
    groups = max(len(values) for values in lifts.values())
    top = max((v for values in lifts.values() for v in values if v is not None), default=1.0)
    every = max(1, groups // 10)
    plot = Plot(
        text("chart.lift"),
        text("chart.lift_x"),
        text("chart.lift_y"),
        (0.4, groups + 0.6),
        (0, max(top * 1.05, 1.2)),
        x_ticks=list(range(1, groups + 1, every)),
    )
    for k, value in enumerate(lifts["federated"]):
        if value is not None:
            plot.bar(k + 1, value, 0.7, "#9DC3DC")
    plot.rule(0.4, 1, groups + 0.6, 1, STYLES["reference"])
    for name in names:
        for k, value in enumerate(lifts[name]):
            if value is not None:
                plot.mark(k + 1, value, STYLES[name], 3.6)
    return plot.render()


def calibration(data: dict[str, Any]) -> Figure:
    """Draw promised against observed risk."""
    names = [name for name in _drawn(data) if name != "best_reachable"]
    groups = {name: data["curves"][name]["calibration"] for name in names}
    shown = [
        *(v for g in groups.values() for key in ("mean_pd", "bad_rate") for v in g[key]),
        *groups["federated"]["hi"],
    ]
    top = min(1.0, max((v for v in shown if v is not None), default=1.0) * 1.05)
    plot = Plot(
        text("chart.calibration"),
        text("chart.calibration_x"),
        text("chart.calibration_y"),
        (0, top),
        (0, top),
        x_percent=True,
        y_percent=True,
    )
    plot.rule(0, 0, top, top, STYLES["reference"])
    federated = groups["federated"]
    for x, lo, hi in zip(federated["mean_pd"], federated["lo"], federated["hi"], strict=True):
        plot.spread(x, lo, hi, STYLES["federated"])
    for name in names:
        plot.line(groups[name]["mean_pd"], groups[name]["bad_rate"], STYLES[name], marks=True)
    read = text("chart.calibration_read", groups=len(federated["n"]))
    return Figure(text("chart.calibration"), read, plot.render(), _legend(names, marked=True))


def decisions(
    results: dict[str, Any], data: dict[str, Any], profit: dict[str, float]
) -> list[Figure]:
    """Draw bad rate and profit against the approval rate, with the cut-offs chosen."""
    grid = _grid(data)
    names = _drawn(data)
    figures = []
    for key, curve, at in (
        ("approval", "bad_rate", "bad_rate_approved"),
        ("profit", "profit", "profit_per_loan"),
    ):
        # At one loan in a hundred a single bad one makes a spike that squeezes all the rest.
        lines = {
            name: _from(data["curves"][name][curve], 5 if key == "approval" else 0)
            for name in names
        }
        lo, hi = _range(v for values in lines.values() for v in values)
        floor = min(lo, 0.0) if key == "approval" else lo - 0.05 * (hi - lo)
        plot = Plot(
            text(f"chart.{key}"),
            text("chart.approval_x"),
            text(f"chart.{key}_y"),
            (0, 1),
            (floor, hi + 0.05 * (hi - lo)),
            x_percent=True,
            y_percent=key == "approval",
        )
        if plot.y[0] < 0:
            plot.rule(0, 0, 1, 0, STYLES["reference"])
        for name in names:
            plot.line(grid, lines[name], STYLES[name])
        for name in names:
            chosen = results["decision"].get(name)
            if chosen and chosen[at] is not None:
                plot.mark(chosen["approval_rate"], chosen[at], STYLES[name], 5.0)
        values = {"gain": f"{profit['gain_good']:g}", "loss": f"{profit['loss_bad']:g}"}
        read = text(f"chart.{key}_read", **values)
        figures.append(
            Figure(text(f"chart.{key}"), read, plot.render(), _legend(names, marked=True))
        )
    return figures


def _from(values: list[float | None], first: int) -> list[float | None]:
    return [None if k < first else value for k, value in enumerate(values)]


def learning(data: dict[str, Any]) -> list[Figure]:
    """Draw validation loss and AUC by round; the first split's, over those of the others."""
    runs = data["learning"]
    best = runs[0]["best_round"]
    figures = []
    for place, key in ((1, "loss"), (2, "auc_round")):
        shown = [row[place] for run in runs for row in run["rounds"]]
        if all(value is None for value in shown):
            continue
        lo, hi = _range(shown)
        pad = 0.06 * (hi - lo)
        last = max(row[0] for run in runs for row in run["rounds"])
        y_title = text("chart.loss_y") if key == "loss" else text("metric.auc")
        plot = Plot(
            text(f"chart.{key}"),
            text("chart.round"),
            y_title,
            (1, max(last, 2)),
            (lo - pad, hi + pad),
            x_ticks=_rounds(last),
        )
        for run in reversed(runs):
            style = STYLES["federated"] if run is runs[0] else STYLES["faint"]
            plot.line(
                [row[0] for row in run["rounds"]], [row[place] for row in run["rounds"]], style
            )
        for row in runs[0]["rounds"]:
            if row[0] == best and row[place] is not None:
                plot.mark(best, row[place], STYLES["federated"], 5.5)
        others = text("chart.loss_others") if len(runs) > 1 else same("")
        read = (
            text("chart.loss_read", round=best, others=others)
            if key == "loss"
            else text("chart.auc_read")
        )
        figures.append(Figure(text(f"chart.{key}"), read, plot.render()))
    return figures


def _rounds(last: int) -> list[float]:
    step = next(s for s in (1, 2, 4, 5, 10, 20, 50, 100, 200, 500, 10**6) if last / s <= 6)
    return [1.0, *(float(k) for k in range(step, last + 1, step) if k > 1)]


def _range(values: Iterable[float | None]) -> tuple[float, float]:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else (0.0, 1.0)


def _grid(data: dict[str, Any]) -> list[float]:
    last = data["points"] - 1
    return [k / last for k in range(last + 1)]


def _drawn(data: dict[str, Any]) -> list[str]:
    return [name for name in _ORDER if name in data["curves"]]


def _legend(names: Sequence[str], *, marked: bool = False) -> tuple[tuple[Markup, Text], ...]:
    return tuple(
        (swatch(STYLES[name], marked=marked), text(f"contender.{name}")) for name in reversed(names)
    )
