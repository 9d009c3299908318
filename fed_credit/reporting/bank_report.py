"""A bank's own ``report.md``: its model alone against the common one, for the bank's own eyes."""

from __future__ import annotations

from typing import Any

from fed_credit.reporting.markdown import markdown_table
from fed_credit.reporting.table import level, number

_NAMES = {
    "auc": "AUC (higher is better)",
    "ks": "KS (higher is better)",
    "brier": "Brier score (lower is better)",
    "log_loss": "log loss (lower is better)",
    "ece": "calibration error (lower is better)",
}
_SHORT = {name: text.partition(" (")[0] for name, text in _NAMES.items()}
_CONTENDERS = {"federated": "Common model", "local": "Own model alone"}


def render_bank_report(results: dict[str, Any]) -> str:
    """Write a bank's own comparison as Markdown.

    Parameters
    ----------
    results : dict
        The body of the bank's ``results.json``.

    Returns
    -------
    str
    """
    blocks = [f"# {results['bank']}: the common model against your own, run {results['run']}"]
    blocks.append("\n".join(bank_verdict(results)))
    if results["warnings"]:
        blocks += ["## Warnings", "\n".join(f"- {text}" for text in results["warnings"])]
    blocks += [
        "## Measure by measure, worst first",
        markdown_table(
            ["", "own model alone", "common model", f"difference ({level(results)})", "verdict"],
            [
                [
                    _NAMES[item["measure"]],
                    number(item["alone"], 4),
                    number(item["federated"], 4),
                    _difference(item),
                    item["verdict"],
                ]
                for item in results["differences"]
            ],
        ),
        "Both models score the same test loans, which neither has seen. The verdict is of the"
        " common model: better or worse only if the whole interval says so. Intervals are paired,"
        " loan by loan: DeLong's for the AUC, that of a mean for Brier score and log loss. KS and"
        " calibration error have none.",
        "## Promised against observed risk",
    ]
    for name, title in _CONTENDERS.items():
        if name in results["curves"]:
            blocks += [f"### {title}", _calibration(results["curves"][name]["calibration"])]
    blocks += ["## Loans and settings", _loans(results), _settings(results)]
    return "\n\n".join(blocks) + "\n"


def bank_verdict(results: dict[str, Any]) -> list[str]:
    """Say in sentences what the common model is worth to the bank, what is worse first.

    Parameters
    ----------
    results : dict
        The body of the bank's ``results.json``.

    Returns
    -------
    list of str
    """
    loans = results["loans"]
    tested = f"{loans['test']:,} test loans ({loans['test_bads']:,} bad)"
    if not results["assessable"]:
        least = results["evaluation"]["min_bads"]
        return [
            f"Not assessable: {tested}, and a judgement needs at least {least} bad and {least} good"
            " ones. The figures below may be chance."
        ]
    found = {
        verdict: [_SHORT[i["measure"]] for i in results["differences"] if i["verdict"] == verdict]
        for verdict in ("worse", "undecided", "better")
    }
    words = {
        "worse": "The common model is worse than your own in",
        "undecided": "Undecided in",
        "better": "The common model is better than your own in",
    }
    lines = [f"{words[key]} {', '.join(names)}." for key, names in found.items() if names]
    if not found["worse"]:
        lines.insert(0, "The common model is not shown to be worse than your own in anything.")
    return [f"On {tested}, {level(results)} intervals:", *(f"- {line}" for line in lines)]


def _difference(item: dict[str, Any]) -> str:
    if item["value"] is None:
        return "-"
    text = f"{item['value']:+.4f}"
    if item["lo"] is None or item["hi"] is None:
        return text
    return f"{text} [{item['lo']:+.4f}, {item['hi']:+.4f}]"


def _calibration(groups: dict[str, list[float]]) -> str:
    columns = zip(*(groups[key] for key in ("n", "mean_pd", "bad_rate", "lo", "hi")), strict=True)
    return markdown_table(
        ["group, safest first", "loans", "promised", "observed", "95% interval"],
        [
            [str(place), f"{n:,}", f"{pd:.1%}", f"{rate:.1%}", f"{lo:.1%} to {hi:.1%}"]
            for place, (n, pd, rate, lo, hi) in enumerate(columns, 1)
        ],
    )


def _loans(results: dict[str, Any]) -> str:
    data, loans = results["data"], results["loans"]
    return (
        f"Of {data['rows']:,} rows, {data['used']:,} are used, {data['rejected']:,} were rejected"
        f" (`rejected_rows.csv`), {data['unlabelled']:,} have no outcome, {data['immature']:,}"
        f" were not observed for the whole window, {data['out_of_scope']:,} are out of scope."
        f" Training {loans['train']:,}, validation {loans['validation']:,}, test"
        f" {loans['test']:,}, set aside {loans['set_aside']:,}."
    )


def _settings(results: dict[str, Any]) -> str:
    settings, model = results["settings"], results["model"]
    alone = model["alone"]
    trained = (
        "There were too few loans to train an own model on, so it gives each loan the same PD."
        if alone is None
        else f"The own model was trained on the bank's loans alone: the same family, rounds and"
        f" passes; its best round is {alone['best_round']}."
    )
    return (
        f"Decision point: {settings['decision_point']}. Target: {settings['target']}. Split:"
        f" {settings['split']}, seed {settings['seed']}. Model `{model['family']}`,"
        f" {settings['rounds']} rounds, {settings['local_epochs']} passes over the loans in each,"
        f" weights SHA-256 `{model['sha256']}`. {trained} The common model lies in `model/`. This"
        " report stays at the bank."
    )
