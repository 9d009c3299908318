"""The part of ``report.md`` that shows what a model that can be read is made of."""

from __future__ import annotations

from typing import Any

from fed_credit.reporting.markdown import markdown_table
from fed_credit.reporting.table import number

_MOST = 20  # columns and features whose importance is shown
# The figures by which each family itself ranks features.
_OWN = {
    "information": "IV",
    "points_spread": "spread of points",
    "standardised": "coefficient per standard deviation",
    "gain": "share of the gain",
}


def model_section(model: dict[str, Any], explanations: dict[str, Any] | None) -> list[str]:
    """Write what a model is made of and what its features do.

    Parameters
    ----------
    model, explanations : dict
        Of ``results.json``; no explanations of a network.

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
    if write is None or explanations is None:
        return []
    return ["## The model", *write(model["details"]), *_explained(explanations)]


def _explained(found: dict[str, Any]) -> list[str]:
    own = [key for key in _OWN if found["importance"] and key in found["importance"][0]]
    stability = found["stability"]
    return [
        "### Importance of the features",
        f"Mean absolute contribution to the log-odds of default over {found['loans']:,} validation"
        " loans, from sums over the banks. A feature that matters need not be a cause."
        + (f" One loan in {found['one_in']} is looked at." if found["one_in"] > 1 else ""),
        markdown_table(
            [
                *("feature", "mean contribution", "share"),
                *(_OWN[key] for key in own),
                *["PSI between banks"] * (stability is not None),
            ],
            [
                [
                    row["feature"],
                    number(row["mean_absolute"]),
                    "-" if row["share"] is None else f"{row['share']:.1%}",
                    *(number(row[key], 0 if key == "points_spread" else 3) for key in own),
                    *([] if stability is None else [number(stability[row["feature"]])]),
                ]
                for row in found["importance"][:_MOST]
                if row["mean_absolute"] or row[own[0]]
            ],
        ),
        "### Partial dependence",
        "Mean PD if all these loans had one value and kept everything else; lowest and highest over"
        " the values looked at. `report.html` draws the curves.",
        markdown_table(
            ["feature", "lowest PD", "at", "highest PD", "at"],
            [
                _reach(one["feature"], sorted(one["points"], key=lambda point: point["pd"]))
                for one in found["dependence"]
            ],
        ),
        *_examples(found["examples"]),
    ]


def _reach(feature: str, points: list[dict[str, Any]]) -> list[str]:
    low, high = points[0], points[-1]
    return [feature, f"{low['pd']:.2%}", low["label"], f"{high['pd']:.2%}", high["label"]]


def _examples(examples: list[dict[str, Any]] | None) -> list[str]:
    title = "### Loans explained"
    if examples is None:
        return [
            title,
            "None: a report travels, and these loans have real borrowers. The bank that holds a"
            " loan gets its reasons when it scores it.",
        ]
    said = [title, "Three loans of the built-in generator, which nobody owes."]
    for one in examples:
        lines = [f"- {reason['en']}" for reason in one["reasons"]]
        said.append("\n".join([f"PD {one['pd']:.1%}", "", *(lines or ["- Nothing against it."])]))
    return said


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
