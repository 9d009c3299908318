"""The part of ``report.md`` that shows what a model that can be read is made of."""

from __future__ import annotations

from typing import Any

from fed_credit.reporting.markdown import markdown_table
from fed_credit.reporting.table import number

_MOST = 20  # columns whose importance is shown


def model_section(model: dict[str, Any]) -> list[str]:
    """Write what a model is made of.

    Parameters
    ----------
    model : dict
        ``model`` of ``results.json``.

    Returns
    -------
    list of str
        Markdown blocks; none for a network.
    """
    write = {
        "logreg_exact": _regression,
        "scorecard": _scorecard,
        "gbdt": _boosted,
        "tree": _tree,
    }.get(model["family"])
    return [] if write is None else ["## The model", *write(model["details"])]


def _regression(details: dict[str, Any]) -> list[str]:
    return [
        f"Fitted on {details['loans']:,} loans, {details['bads']:,} of them bad, in"
        f" {details['steps']} questions; pseudo R² {number(details['pseudo_r2'], 4)}."
        f" {details['diagnosis']['sentence']}",
        markdown_table(
            [
                *("column", "coefficient", "standard error", "z", "p"),
                f"{details['confidence']:.0%} interval",
            ],
            [
                [
                    row["name"],
                    *(number(row[key], 4) for key in ("coefficient", "standard_error")),
                    number(row["z"], 2),
                    number(row["p_value"], 4),
                    f"{number(row['low'], 4)} to {number(row['high'], 4)}",
                ]
                for row in details["coefficients"]
            ],
        ),
    ]


def _scorecard(details: dict[str, Any]) -> list[str]:
    scaling = details["scaling"]
    left_out = [
        f"{one['feature']} ({one['reason']})" for one in details["features"] if one["reason"]
    ]
    rows = {
        (name, row["label"]): row for name, table in details["binning"].items() for row in table
    }
    return [
        f"{scaling['base_score']:g} points stand for odds of {scaling['base_odds']:g} to 1,"
        f" {scaling['pdo']:g} more double them; scores run from {details['lowest_score']} to"
        f" {details['highest_score']}, and every loan starts with {details['base_points']}."
        f" {details['calibration']['sentence']} `model/` holds the card as CSV, SQL and a page.",
        markdown_table(
            ["feature", "class", "loans", "bad rate", "WoE", "points"],
            [
                [
                    row["feature"],
                    row["class"],
                    f"{rows[row['feature'], row['class']]['loans']:,}",
                    number(rows[row["feature"], row["class"]]["bad_rate"]),
                    number(rows[row["feature"], row["class"]]["woe"]),
                    str(row["points"]),
                ]
                for row in details["points"]
            ],
        ),
        f"Left out: {'; '.join(left_out)}." if left_out else "",
        "### Coefficients of the weights of evidence",
        *_regression(details["regression"]),
    ]


def _boosted(details: dict[str, Any]) -> list[str]:
    first = list(details["importance"].items())[:_MOST]
    return [
        f"{details['trees']} trees with {details['leaves']:,} leaves. `model/model.xgb.json` is an"
        " XGBoost model.",
        markdown_table(
            ["column", "share of the trees' gain"], [[name, number(share)] for name, share in first]
        ),
    ]


def _tree(details: dict[str, Any]) -> list[str]:
    return [
        "Every loan ends at one of these leaves.",
        markdown_table(
            ["leaf", "loans", "bad", "PD"],
            [
                [
                    " and ".join(rule["conditions"]) or "all loans",
                    f"{rule['loans']:,}",
                    f"{rule['bads']:,}",
                    f"{rule['pd']:.2%}",
                ]
                for rule in details.get("rules", ())
            ],
        ),
    ]
