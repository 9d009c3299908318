"""``fed-credit lifecycle sba``: ten fiscal years of SBA loans under one model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fed_credit.commands.lifecycle import check_new, lifecycle_parser
from fed_credit.errors import ConfigurationError

if TYPE_CHECKING:
    from fed_credit.lifecycle.sba import SbaHistory


def run_sba(arguments: Sequence[str]) -> int:
    """Run ``fed-credit lifecycle sba``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``lifecycle sba`` on the command line.

    Returns
    -------
    int
        0.

    Raises
    ------
    FedCreditError
        If a setting cannot be used.
    """
    parser = lifecycle_parser(
        "sba",
        "Train on SBA loans up to a fiscal year, and look at all later ones under that model: drift"
        " of score and features, default rate and AUC where outcomes allow, and what retraining"
        " would have won on the labels of the day and in hindsight. Leaves sba.json and sba.html.",
        usage="fed-credit lifecycle sba --path FILE [OPTION ...] [KEY=VALUE ...]",
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings of the runs")
    parser.add_argument("--path", type=Path, required=True, metavar="FILE", help="the SBA file")
    for name, default in (("--train-until", 1997), ("--first", 1997), ("--last", 2006)):
        parser.add_argument(
            name, type=int, default=default, metavar="YEAR", help=f"fiscal (default: {default})"
        )
    parser.add_argument(
        "--window", type=int, default=60, metavar="N", help="months until a label (default: 60)"
    )
    parser.add_argument("--model", default="scorecard", help="default: scorecard")
    parser.add_argument(
        "--out", type=Path, default=Path("sba"), metavar="DIR", help="new folder (default: sba)"
    )
    given = parser.parse_intermixed_args(list(arguments))
    if not given.first <= given.train_until <= given.last:
        raise ConfigurationError(
            f"--train-until {given.train_until} must lie between --first {given.first} and --last"
            f" {given.last}."
        )
    if given.window < 1:
        raise ConfigurationError(f"--window {given.window} is too short; give 1 or more.")

    from fed_credit.lifecycle.sba import SbaSettings, look_back

    check_new(given.out)
    settings = SbaSettings(
        given.path,
        given.train_until,
        given.first,
        given.last,
        given.window,
        given.model,
        tuple(given.overrides),
    )
    history = look_back(settings, given.out, lambda line: print(line, flush=True))
    _keep_sba(given.out, history)
    _years(history)
    print(f"Written: {given.out}")
    return 0


def _keep_sba(folder: Path, history: SbaHistory) -> None:
    from dataclasses import asdict

    from fed_credit.files import write_json, write_text
    from fed_credit.lifecycle.sba_page import render_sba

    body: dict[str, Any] = asdict(history)
    body["settings"]["path"] = history.settings.path.name
    write_json(folder / "sba.json", body)
    write_text(folder / "sba.html", render_sba(history))


def _years(history: SbaHistory) -> None:
    from rich.console import Console
    from rich.table import Table

    from fed_credit.lifecycle.pages import between, known
    from fed_credit.lifecycle.sba import drifted

    table = Table(
        title=f"Under a model of {history.settings.train_until}, which could have been made on"
        f" {history.available}",
        title_justify="left",
    )
    for name in ("year", "loans", "bads", "PSI", "state", "drifted", "PD", "rate", "AUC"):
        table.add_column(name, justify="left" if name in ("state", "drifted") else "right")
    for name in ("in time", "hindsight"):
        table.add_column(name, justify="right")
    for year in history.years:
        table.add_row(
            f"{year.year}{'*' * year.held_out}",
            f"{year.loans:,}",
            f"{year.bads:,}",
            str(known(year.drift.score.value)),
            str(year.drift.score.state),
            ", ".join(name for name, _, _ in drifted(year)[:3]),
            str(known(year.mean_pd)),
            str(known(year.default_rate)),
            str(known(year.auc.value)),
            str(between(year.in_time, 3)),
            str(between(year.hindsight, 3)),
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    print("* held out of the model's own year.")
