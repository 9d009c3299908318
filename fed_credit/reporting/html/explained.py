"""The part of a run's page that explains the common model."""

from __future__ import annotations

from typing import Any

from fed_credit.reporting.html.bars import bars
from fed_credit.reporting.html.charts import Figure
from fed_credit.reporting.html.model_tables import model_tables
from fed_credit.reporting.html.svg import STYLES, Plot
from fed_credit.reporting.html.tables import Table, figure, percent
from fed_credit.reporting.html.texts import Text, field_label, same, text
from fed_credit.reporting.html.words import Labels, class_text

_BARS = 12

_OWN = ("information", "points_spread", "standardised", "gain")


def explained(results: dict[str, Any], data: dict[str, Any]) -> dict[str, Any] | None:
    """Lay out what the model is made of and what its features do.

    Parameters
    ----------
    results : dict
        The body of ``results.json``.
    data : dict
        The body of ``report_data.json``.

    Returns
    -------
    dict or None
        For the template; None for a network.
    """
    found = results.get("explanations")
    if found is None:
        return None
    labels: Labels = data["labels"]
    return {
        "lead": _lead(found),
        "importance": _importance(found, labels),
        "importance_table": _table(found, labels),
        "dependence": [_dependence(one, labels) for one in found["dependence"]],
        "tables": model_tables(results, labels),
        "examples": [_example(one) for one in found["examples"] or ()],
    }


def _lead(found: dict[str, Any]) -> list[Text]:
    if not found["loans"]:
        return [text("explain.none")]
    said = [text("explain.lead", n=f"{found['loans']:,}")]
    return said + ([text("explain.sampled", k=found["one_in"])] if found["one_in"] > 1 else [])


def _importance(found: dict[str, Any], labels: Labels) -> Figure:
    rows = [
        (field_label(row["feature"], labels), row["mean_absolute"])
        for row in found["importance"][:_BARS]
        if row["mean_absolute"]
    ]
    title = text("explain.importance")
    drawing = bars(rows, title, text("explain.importance_axis"), "{:.3f}".format) if rows else None
    return Figure(title, text("explain.importance_read"), drawing)


def _table(found: dict[str, Any], labels: Labels) -> Table:
    own = [key for key in _OWN if found["importance"] and key in found["importance"][0]]
    used = [row for row in found["importance"] if row["mean_absolute"] or row[own[0]]]
    return Table(
        [
            text("col.feature"),
            *(text(f"explain_col.{key}") for key in ("mean_absolute", "share", *own)),
        ],
        [
            [
                field_label(row["feature"], labels),
                figure(row["mean_absolute"]),
                percent(row["share"]),
                *(figure(row[key], 0 if key == "points_spread" else 3) for key in own),
            ]
            for row in used
        ],
        text("explain.importance_table"),
    )


def _dependence(one: dict[str, Any], labels: Labels) -> Figure:
    title, points = field_label(one["feature"], labels), one["points"]
    line = [point for point in points if point["value"] is not None]
    if len(line) < 2:
        rows = [(class_text(point["label"]), point["pd"]) for point in points]
        axis = text("explain.dependence_axis")
        return Figure(title, same(""), bars(rows, title, axis, "{:.1%}".format))
    missing = [point["pd"] for point in points if point["label"] == "missing"]
    read = text("explain.dependence_missing", pd=f"{missing[0]:.1%}") if missing else same("")
    top = max(point["pd"] for point in line)
    plot = Plot(
        title,
        title,
        text("explain.dependence_axis"),
        (line[0]["value"], line[-1]["value"]),
        (0.0, top * 1.1),
        y_percent=True,
        height=230,
    )
    xs = [point["value"] for point in line]
    plot.line(xs, [point["pd"] for point in line], STYLES["federated"], marks=True)
    return Figure(title, read, plot.render())


def _example(one: dict[str, Any]) -> tuple[Text, list[Text]]:
    lines = [Text(reason["en"], reason["zh"]) for reason in one["reasons"]]
    title = text("explain.example", pd=f"{one['pd']:.1%}")
    return title, lines or [text("explain.nothing")]
