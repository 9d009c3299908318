"""``fed-credit lifecycle year``: a year in the life of a model, on data whose truth is known."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.commands.lifecycle import check_new, lifecycle_parser
from fed_credit.errors import ConfigurationError

if TYPE_CHECKING:
    from fed_credit.lifecycle.year import Year

_SCENARIOS = ("none", "gradual", "population", "concept")


def run_year(arguments: Sequence[str]) -> int:
    """Run ``fed-credit lifecycle year``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``lifecycle year`` on the command line.

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
        "year",
        "Play a year of a model in use on built-in data: each month its applications are scored,"
        " the monitor looks, and what is due is retrained, by the same code as the commands use."
        " At the end, labels that nobody had at the time say what it was worth. Leaves year.json"
        " and year.html.",
        usage="fed-credit lifecycle year [OPTION ...] [KEY=VALUE ...]",
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings of the runs")
    parser.add_argument(
        "--scenario",
        choices=_SCENARIOS,
        default="gradual",
        help="none: nothing changes; gradual: all changes slowly; population, concept: from one"
        " month on other applicants, or other causes of default (default: gradual)",
    )
    parser.add_argument("--months", type=int, default=12, metavar="N", help="default: 12")
    parser.add_argument(
        "--after",
        type=int,
        default=12,
        metavar="N",
        help="months of applications after it that it is judged by (default: 12)",
    )
    parser.add_argument(
        "--break-month", type=int, default=4, metavar="N", help="of the year (default: 4)"
    )
    parser.add_argument(
        "--window", type=int, default=12, metavar="N", help="months until a label (default: 12)"
    )
    parser.add_argument("--model", default="scorecard", help="default: scorecard")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the first (default: 1)")
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="play so many years (default: 1)"
    )
    parser.add_argument("--loans", type=int, default=60_000, metavar="N", help="default: 60000")
    parser.add_argument("--banks", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument(
        "--out", type=Path, default=Path("year"), metavar="DIR", help="new folder (default: year)"
    )
    given = parser.parse_intermixed_args(list(arguments))
    if given.seeds < 1:
        raise ConfigurationError(f"--seeds {given.seeds} plays no year; give 1 or more.")

    from fed_credit.lifecycle.scenarios import Scenario, YearSettings
    from fed_credit.lifecycle.year import play

    check_new(given.out)
    years = []
    for seed in range(given.seed, given.seed + given.seeds):
        folder = given.out / f"seed-{seed}" if given.seeds > 1 else given.out
        folder.mkdir(parents=True, exist_ok=True)
        settings = YearSettings(
            Scenario(given.scenario),
            given.months,
            given.after,
            given.break_month,
            given.window,
            given.model,
            seed,
            given.loans,
            given.banks,
            tuple(given.overrides),
        )
        if given.seeds > 1:
            print(f"Seed {seed}", flush=True)
        year = play(settings, folder, lambda line: print(line, flush=True))
        _keep_year(folder, year)
        years.append(year)
    _won(years)
    print(f"Written: {given.out}")
    return 0


def _keep_year(folder: Path, year: Year) -> None:
    from dataclasses import asdict

    from fed_credit.files import write_json, write_text
    from fed_credit.lifecycle.year_page import render_year

    write_json(folder / "year.json", asdict(year))
    write_text(folder / "year.html", render_year(year))


def _won(years: Sequence[Year]) -> None:
    from rich.console import Console
    from rich.table import Table

    from fed_credit.lifecycle.pages import between, known

    table = Table(title="What retraining won, on labels that came later", title_justify="left")
    for name in ("seed", "on", "loans", "AUC first", "in use", "true PD", "gain", "alerts"):
        table.add_column(name, justify="left" if name == "on" else "right", overflow="fold")
    for year in years:
        alerts = sum(len(month.alerts) for month in year.months)
        for name, won in (("the year", year.year), ("after", year.after)):
            table.add_row(
                str(year.settings.seed),
                name,
                f"{won.loans:,}",
                *(str(known(value)) for value in (won.auc_first, won.auc_live, won.auc_truth)),
                str(between(won.auc)),
                str(alerts) if name == "the year" else "",
            )
    Console(width=None if sys.stdout.isatty() else 120).print(table)
