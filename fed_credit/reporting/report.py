"""``report.md``: a run in words and tables, for a reader who was not there."""

from __future__ import annotations

from typing import Any

from fed_credit.reporting.markdown import markdown_table
from fed_credit.reporting.model_section import model_section
from fed_credit.reporting.table import difference, level, number, verdict

_METRICS = ("auc", "gini", "ks", "pr_auc", "log_loss", "brier", "ece")
_NAMES = {
    "local": "each bank alone",
    "federated": "federated",
    "pooled": "pooled data",
    "best_reachable": "best reachable (true PD)",
}


def render_report(results: dict[str, Any]) -> str:
    """Write a run's results as Markdown.

    Parameters
    ----------
    results : dict
        The body of ``results.json``.

    Returns
    -------
    str
    """
    data, model = results["data"], results["model"]
    contenders = [name for name in _NAMES if name in results["test"]]
    compared = "local" in contenders
    repeats = results["evaluation"]["repeats"]
    sums = results["from_sums"]
    decided = {n: results["decision"][n] for n in contenders if n in results["decision"]}
    blocks = ["# Fed Credit: report of a run", "\n".join(verdict(results))]
    if results["warnings"]:
        blocks += ["## Warnings", "\n".join(f"- {text}" for text in results["warnings"])]
    blocks += [
        "## Who gains and who does not",
        f"Test AUC by bank, worst difference first; intervals at {level(results)} over {repeats}"
        " split(s). A bank with too few bad or good test loans is not assessable and enters no"
        " mean.",
        markdown_table(
            [
                *("bank", "train", "test", "bad"),
                *(_NAMES[name] for name in contenders),
                *["federated - alone"] * compared,
            ],
            [
                [
                    bank["name"],
                    f"{bank['n_train']:,.0f}",
                    f"{bank['n_test']:,.0f}",
                    "-" if bank["bad_rate"] is None else f"{bank['bad_rate']:.1%}",
                    *(number(bank["auc"][name]["value"]) for name in contenders),
                    *_delta(bank),
                ]
                for bank in results["institutions"]
            ],
        ),
        "## Over all test loans",
        markdown_table(
            ["", *_METRICS, "mean of the banks' AUC"],
            [
                [
                    _NAMES[name],
                    *(number(results["test"][name][metric]) for metric in _METRICS),
                    number(results["test"][name]["auc_mean_banks"]),
                ]
                for name in contenders
            ],
        ),
        f"From the banks' released sums alone (score histograms of {sums['bins']} cells), the"
        f" federated model's AUC is {number(sums['auc']['value'], 4)} ±"
        f" {number(sums['auc']['bound'], 4)}"
        + (" on the first split" if repeats > 1 else "")
        + "; the exact value lies within, where all banks answered.",
        "## Decision at the cut-off that validation loans choose",
        markdown_table(
            ["", "cut-off PD", "approved", "bad among approved", "profit per loan"],
            [
                [
                    _NAMES[name],
                    number(item["cut_off"]),
                    _share(item["approval_rate"]),
                    _share(item["bad_rate_approved"]),
                    number(item["profit_per_loan"]),
                ]
                for name, item in decided.items()
            ],
        ),
        "## Learning curve of the federated model (validation loans)",
        markdown_table(
            ["round", "loss", "AUC"],
            [
                [str(item["round"]), number(item["loss"], 4), number(item["auc"])]
                for item in results["rounds"]
            ],
        ),
        *model_section(model, results.get("explanations")),
        "## Data",
        markdown_table(
            ["rows", "used", "rejected", "unlabelled", "immature", "out of scope", "left out"],
            [
                [
                    f"{data[key]:,}"
                    for key in (
                        "rows",
                        "used",
                        "rejected",
                        "unlabelled",
                        "immature",
                        "out_of_scope",
                        "left_out",
                    )
                ]
            ],
        ),
        f"Decision point: {data['decision_point']}. Target: {data['target']}. Features"
        f" ({len(data['features'])}): {', '.join(data['features'])}.",
        "## Settings and how to reproduce",
        f"Model `{model['family']}`"
        + ("" if model["hidden"] is None else f" with hidden layers {model['hidden']}")
        + f", {model['columns']} columns, best round {model['best_round']}; model SHA-256"
        f" `{model['sha256']}`. Seed"
        f" {results['seed']}. The whole configuration is in `config.yaml` beside this file;"
        " versions and data fingerprint are in `results.json`. The same configuration, versions and"
        " machine give the same bits.",
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _delta(bank: dict[str, Any]) -> list[str]:
    """Fill the last column, which is there only where banks were trained alone."""
    interval = bank["delta"].get("federated_minus_local")
    if interval is None:
        return []
    return [difference(interval) if bank["assessable"] else "not assessable"]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
