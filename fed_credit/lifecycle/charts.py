"""The charts that the pages of this package share: a model's drift, and its PDs, over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fed_credit.reporting.html.charts import Figure
from fed_credit.reporting.html.svg import Plot, Style, swatch
from fed_credit.reporting.html.texts import Text

LIVE = Style("#0072B2", width=2.6)
FIRST = Style("#D55E00", "7 3", "square")
LIMIT = Style("#999999", "3 4", width=1.2)


@dataclass(frozen=True)
class Axis:
    """The time that a chart is over.

    Parameters
    ----------
    title : Text
        What it counts.
    xs : sequence of float
        Where its periods stand.
    places : sequence of float
        Those that have a label.
    labels : sequence of Text
        As many.
    """

    title: Text
    xs: Sequence[float]
    places: Sequence[float]
    labels: Sequence[Text]

    def plot(self, name: Text, y: Text, top: float, *, percent: bool = False) -> Plot:
        """Return an empty chart over it, from 0 to ``top``."""
        return Plot(
            name,
            self.title,
            y,
            (self.xs[0], self.xs[-1]),
            (0, top),
            y_percent=percent,
            x_ticks=self.places,
            x_labels=self.labels,
        )


def psi_chart(axis: Axis, values: Sequence[float], thresholds: Sequence[float]) -> Figure:
    """Draw the stability index of the score, and from where on a period is worth a watch.

    Parameters
    ----------
    axis : Axis
        The periods.
    values, thresholds : sequence of float
        One for each period; a threshold that is not finite is left out.

    Returns
    -------
    Figure
    """
    title = Text("Stability index of the score", "评分稳定性指数")
    limits = [value if math.isfinite(value) else None for value in thresholds]
    top = max([*values, *(value for value in limits if value is not None)]) * 1.1
    plot = axis.plot(title, Text("PSI", "PSI"), top)
    plot.line(axis.xs, limits, LIMIT)
    plot.line(axis.xs, values, LIVE, marks=True)
    legend = (
        (swatch(LIVE, marked=True), Text("PSI", "PSI")),
        (swatch(LIMIT), Text("a watch from here on", "关注线")),
    )
    return Figure(title, Text("", ""), plot.render(), legend)


def rates_chart(
    axis: Axis, pds: Sequence[float], rates: Sequence[float], pd: Text, rate: Text
) -> Figure:
    """Draw the mean PD beside the default rate.

    Parameters
    ----------
    axis : Axis
        The periods.
    pds, rates : sequence of float
        Mean PD and default rate of each period.
    pd, rate : Text
        What the legend calls them.

    Returns
    -------
    Figure
    """
    title = Text("Promised and true default rate", "预测与实际违约率")
    top = max(max(both) for both in zip(pds, rates, strict=True)) * 1.15
    plot = axis.plot(title, Text("rate", "比率"), top, percent=True)
    plot.line(axis.xs, rates, FIRST, marks=True)
    plot.line(axis.xs, pds, LIVE, marks=True)
    legend = ((swatch(LIVE, marked=True), pd), (swatch(FIRST, marked=True), rate))
    return Figure(title, Text("", ""), plot.render(), legend)
