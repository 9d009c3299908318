"""The table a run ends in on the terminal: each bank, worst difference first."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_TITLES = {
    "local": "alone",
    "federated": "federated",
    "pooled": "pooled data",
    "best_reachable": "best reachable",
}


def print_results(results: dict[str, Any], console: Console) -> None:
    """Print the per-bank table, the summary and the warnings of a run.

    Parameters
    ----------
    results : dict
        The body of ``results.json``.
    console : Console
        Where to print.
    """
    contenders = [name for name in _TITLES if name in results["test"]]
    table = Table(title="Test AUC by bank, worst difference first", title_justify="left")
    table.add_column("bank", overflow="fold")
    for title in ("train", "test", "bad"):
        table.add_column(title, justify="right")
    for name in contenders:
        table.add_column(_TITLES[name], justify="right")
    compared = "local" in contenders
    if compared:
        table.add_column(f"federated - alone ({level(results)})", justify="right")
    for bank in results["institutions"]:
        cells = [
            escape(bank["name"]),
            f"{bank['n_train']:,.0f}",
            f"{bank['n_test']:,.0f}",
            "-" if bank["bad_rate"] is None else f"{bank['bad_rate']:.1%}",
        ]
        cells += [number(bank["auc"][name]["value"]) for name in contenders]
        if compared:
            cells.append(
                difference(bank["delta"]["federated_minus_local"])
                if bank["assessable"]
                else "not assessable"
            )
        table.add_row(*cells)
    table.add_section()
    tests = results["test"]
    mean = ["mean of assessable banks", "", "", ""]
    mean += [number(tests[name]["auc_mean_banks"]) for name in contenders]
    pooled = ["all test loans", "", f"{results['data']['test']:,}", ""]
    pooled += [number(tests[name]["auc"]) for name in contenders]
    if compared:
        mean.append(difference(results["overall"]["federated_minus_local"]))
        pooled.append("")
    table.add_row(*mean)
    table.add_row(*pooled)
    console.print(table)
    for line in verdict(results):
        console.print(line, highlight=False, markup=False)
    for warning in results["warnings"]:
        console.print(f"Warning: {warning}", style="yellow", highlight=False, markup=False)


def verdict(results: dict[str, Any]) -> list[str]:
    """Say in sentences who gains and who does not, losers first and by name.

    Parameters
    ----------
    results : dict
        The body of ``results.json``.

    Returns
    -------
    list of str
    """
    lines = []
    overall = results["overall"].get("federated_minus_local")
    if overall is not None:
        lose, gain, undecided = overall["lose"], overall["gain"], overall["undecided"]
        named = f" ({', '.join(_losers(results))})" if lose else ""
        lines.append(
            f"Federated against alone, {level(results)} intervals:"
            f" worse for {lose}{named}, better for {gain}, undecided for {undecided},"
            f" not assessable {overall['not_assessable']} of {len(results['institutions'])} banks."
        )
    reachable = results["test"].get("best_reachable")
    if reachable is not None:
        federated = results["test"]["federated"]["auc"]
        lines.append(
            f"Over all test loans the federated AUC is {number(federated)};"
            f" that of the true PD, which no model can be expected to beat, is"
            f" {number(reachable['auc'])}."
        )
    return lines


def _losers(results: dict[str, Any]) -> list[str]:
    """Banks whose whole interval lies below zero, worst first."""
    deltas = {
        bank["name"]: bank["delta"]["federated_minus_local"] for bank in results["institutions"]
    }
    return [name for name, delta in deltas.items() if delta["hi"] is not None and delta["hi"] < 0]


def level(results: dict[str, Any]) -> str:
    """Format the level of the intervals in percent, with the decimals it was given."""
    return f"{100 * results['evaluation']['confidence']:.6g}%"


def number(value: float | None, decimals: int = 3) -> str:
    """Format a figure, an AUC if nothing else is said; a dash where there is none."""
    return "-" if value is None else f"{value:.{decimals}f}"


def difference(interval: dict[str, float | None]) -> str:
    """Format a difference with its interval; a dash where there is none."""
    if interval["value"] is None or interval["lo"] is None or interval["hi"] is None:
        return "-"
    return f"{interval['value']:+.3f} [{interval['lo']:+.3f}, {interval['hi']:+.3f}]"
