"""The table a sweep ends in: on the terminal by setting, as CSV by job."""

from __future__ import annotations

import csv
import io
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fed_credit.config.convert import shown
from fed_credit.reporting.table import difference, number
from fed_credit.sweep.settings import SEED, label

_WIDE = 120  # characters; below, what is in sweep.csv anyway is left out
_PLACES = {"ks": 3, "brier": 4, "validation_loss": 4}


def print_sweep(body: dict[str, Any], console: Console) -> None:
    """Print a sweep's settings side by side, what failed, and what validation would choose.

    Parameters
    ----------
    body : dict
        Of ``sweep.json``.
    console : Console
        Where to print.
    """
    count = body["count"]
    if count["ok"]:
        console.print(_table(body, narrow=console.width < _WIDE))
    for line in _sentences(body):
        console.print(line, highlight=False, markup=False)
    for line in _failures(body):
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)


def _failures(body: dict[str, Any]) -> list[str]:
    """Say each reason once, with the jobs that failed for it."""
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for job in body["jobs"]:
        if job["status"] == "failed":
            by_reason.setdefault(job["error"], []).append(job)
    return [f"Failed: {_named(jobs, body['settings'])}: {r}" for r, jobs in by_reason.items()]


def _named(jobs: list[dict[str, Any]], keys: list[str]) -> str:
    if len(jobs) > 1:
        return f"jobs {', '.join(str(job['number']) for job in jobs)}"
    named = label(jobs[0]["overrides"], [*keys, SEED])
    return f"job {jobs[0]['number']}" + (f" ({named})" if named else "")


def _table(body: dict[str, Any], *, narrow: bool) -> Table:
    keys = body["settings"]
    shared = not body["shared_test"]["same"] and bool(body["shared_test"]["by_seed"])
    several = any(group["n"] > 1 for group in body["groups"])
    table = Table(
        title="Federated model by setting" + (", mean ± sd over seeds" if several else ""),
        title_justify="left",
    )
    leaves = [key.rpartition(".")[2] for key in keys]
    for key, leaf in zip(keys, leaves, strict=True):
        table.add_column(escape(key if leaves.count(leaf) > 1 else leaf), overflow="fold")
    for title in ("seeds", "validation loss", "test AUC"):
        table.add_column(title, justify="right")
    if shared:
        table.add_column("AUC, shared loans", justify="right")
    level = f"{100 * body['confidence']:.6g}%"
    table.add_column(f"AUC - reference ({level})", justify="right", no_wrap=True)
    further = ["fed. - alone", "s"] if narrow else ["KS", "Brier", "fed. - alone", "s"]
    for title in further:
        table.add_column(title, justify="right")
    for group in body["groups"]:
        mean, sd = group["mean"], group["sd"]
        cells = [escape(shown(group["setting"][key])) for key in keys]
        cells += [
            str(group["n"])
            if group["n"] == len(group["jobs"])
            else f"{group['n']} of {len(group['jobs'])}",
            _spread(mean, sd, "validation_loss"),
            _spread(mean, sd, "auc"),
        ]
        if shared:
            on = group["shared"]
            cells.append("-" if on is None else _spread(on["mean"], on["sd"], "federated"))
        cells += [
            "reference" if group["is_reference"] else _delta(group["delta_vs_reference"]),
        ]
        if not narrow:
            cells += [_spread(mean, sd, "ks"), _spread(mean, sd, "brier")]
        cells += [_signed(mean.get("federated_minus_local")), number(mean.get("seconds"), 1)]
        table.add_row(*cells)
    return table


def _sentences(body: dict[str, Any]) -> list[str]:
    lines = []
    count, shared = body["count"], body["shared_test"]
    if shared["by_seed"] and not shared["same"]:
        loans = [round(each["loans"]) for each in shared["by_seed"].values()]
        span = f"{min(loans):,}" if min(loans) == max(loans) else f"{min(loans):,}-{max(loans):,}"
        lines.append(
            f"The settings test on different loans: all of them share {span} per seed, and"
            " differences are of the loans that a setting shares with its reference."
        )
    elif count["ok"] > 1 and not shared["by_seed"]:
        lines.append(
            "The settings have no test loans in common, so their AUCs are of different loans;"
            " compare each with the same loans by --reference KEY=VALUE."
        )
    if (best := body["best"]) is not None and len(body["groups"]) > 1:
        named = label(best["setting"], body["settings"])
        lines.append(
            f"Lowest validation loss: {named} ({best['validation_loss']:.4f}). Test figures judge"
            " a choice; they must not make it."
        )
    said = [f"{count['ok']} of {count['jobs']} jobs done"]
    said += [f"{count['failed']} failed"] if count["failed"] else []
    said += [f"{count['not_done']} not done"] if count["not_done"] else []
    return [*lines, ", ".join(said) + "."]


def _spread(mean: dict[str, Any], sd: dict[str, Any], name: str) -> str:
    places = _PLACES.get(name, 4)
    value = number(mean.get(name), places)
    return value if sd.get(name) is None else f"{value} ± {sd[name]:.{places}f}"


def _delta(interval: dict[str, Any]) -> str:
    if interval["value"] is not None and interval["lo"] is None:
        return f"{interval['value']:+.3f}"
    return difference(interval)


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def csv_text(body: dict[str, Any]) -> str:
    """Return a sweep's jobs as CSV, one line each.

    Parameters
    ----------
    body : dict
        Of ``sweep.json``.

    Returns
    -------
    str
        Columns ``job``, ``status``, ``error``, ``folder``, what varies, ``seed`` and the metrics.
    """
    jobs = body["jobs"]
    metrics = list(dict.fromkeys(name for job in jobs for name in job["metrics"]))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["job", "status", "error", "folder", *body["settings"], SEED, *metrics])
    for job in jobs:
        writer.writerow(
            [
                job["number"],
                job["status"],
                job["error"] or "",
                job["folder"],
                *(
                    shown(job["overrides"][key]) if key in job["overrides"] else ""
                    for key in body["settings"]
                ),
                "" if job["seed"] is None else job["seed"],
                *(_cell(job["metrics"].get(name)) for name in metrics),
            ]
        )
    return out.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)
