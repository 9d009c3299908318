"""Tables of what a model that can be read is made of: points, coefficients, rules."""

from __future__ import annotations

from typing import Any

from fed_credit.reporting.html.tables import Table, count, figure, percent
from fed_credit.reporting.html.texts import Text, field_label, joined, same, sentences, text
from fed_credit.reporting.html.words import Labels, class_text, column_text, condition_text
from fed_credit.reporting.table import number

Titled = tuple[Text, Text, Table | None]


def model_tables(results: dict[str, Any], labels: Labels) -> list[Titled]:
    """Lay out what the model is made of.

    Parameters
    ----------
    results : dict
        The body of ``results.json``.
    labels : mapping
        Labels of fields by language.

    Returns
    -------
    list of (Text, Text, Table or None)
        Title, how to read it, and the table.
    """
    model = results["model"]
    details = model["details"]
    if model["family"] == "scorecard":
        stability = results["explanations"]["stability"]
        card = _card(details, stability, labels)
        return [card, _coefficients(details["regression"], labels)]
    if model["family"] == "logreg_exact":
        return [_coefficients(details, labels)]
    if "rules" in details:
        return [_rules(details["rules"], labels)]
    trees = text("explain.trees", trees=details["trees"], leaves=f"{details['leaves']:,}")
    return [(text("section.model"), trees, None)]


def _card(details: dict[str, Any], stability: dict[str, float], labels: Labels) -> Titled:
    scaling = details["scaling"]
    said = [
        text(
            "explain.card_read",
            base=f"{scaling['base_score']:g}",
            odds=f"{scaling['base_odds']:g}",
            pdo=f"{scaling['pdo']:g}",
            low=details["lowest_score"],
            high=details["highest_score"],
            start=details["base_points"],
        )
    ]
    dropped = [one["feature"] for one in details["features"] if one["reason"]]
    if dropped:
        names = joined(field_label(name, labels) for name in dropped)
        said.append(text("explain.left_out", names=names))
    keys = ("class", "loans", "share", "bad_rate", "woe", "iv", "points", "psi")
    rows: list[list[Any]] = []
    points = {(row["feature"], row["class"]): row["points"] for row in details["points"]}
    for name in dict.fromkeys(row["feature"] for row in details["points"]):
        for row in details["binning"][name][:-1]:
            rows.append(_class_row(field_label(name, labels), row, points[name, row["label"]]))
        whole = _class_row(field_label(name, labels), details["binning"][name][-1], None)
        rows.append([*whole, figure(stability[name])])
    for row in rows:
        row += [same("")] * (len(keys) + 1 - len(row))
    header = [text("col.feature"), *(text(f"explain_col.{key}") for key in keys)]
    return text("explain.card"), sentences(said), Table(header, rows, words=frozenset({1}))


def _class_row(name: Text, row: dict[str, Any], points: int | None) -> list[Any]:
    return [
        name,
        class_text(row["label"]),
        count(row["loans"]),
        percent(row["share"]),
        percent(row["bad_rate"]),
        figure(None if points is None else row["woe"]),
        figure(row["information"]),
        same("" if points is None else points),
    ]


def _coefficients(fit: dict[str, Any], labels: Labels) -> Titled:
    read = text(
        "explain.coefficients_read",
        loans=f"{fit['loans']:,}",
        bads=f"{fit['bads']:,}",
        r2=number(fit["pseudo_r2"], 4),
        level=f"{fit['confidence']:.0%}",
    )
    keys = ("column", "coefficient", "error", "z", "p", "interval")
    rows = [
        [
            column_text(row["name"], labels),
            figure(row["coefficient"], 4),
            figure(row["standard_error"], 4),
            figure(row["z"], 2),
            figure(row["p_value"], 4),
            text("interval.from_to", lo=number(row["low"], 3), hi=number(row["high"], 3)),
        ]
        for row in fit["coefficients"]
    ]
    table = Table([text(f"explain_col.{key}") for key in keys], rows)
    return text("explain.coefficients"), read, table


def _rules(rules: list[dict[str, Any]], labels: Labels) -> Titled:
    keys = ("leaf", "loans", "bads", "pd")
    rows = [
        [
            _leaf(rule["conditions"], labels),
            count(rule["loans"]),
            count(rule["bads"]),
            percent(rule["pd"], 2),
        ]
        for rule in rules
    ]
    table = Table([text(f"explain_col.{key}") for key in keys], rows)
    return text("explain.rules"), text("explain.rules_read"), table


def _leaf(conditions: list[str], labels: Labels) -> Text:
    said = [condition_text(condition, labels) for condition in conditions]
    if not said:
        return class_text("all")
    return Text(" and ".join(one.en for one in said), "，且 ".join(one.zh for one in said))
