"""``fed-credit lifecycle``: the whole loop, in one go, over a year, and over ten years of loans."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.commands.options import add_debug
from fed_credit.commands.parser import Parser
from fed_credit.commands.subcommands import dispatch, lazily
from fed_credit.errors import ConfigurationError

if TYPE_CHECKING:
    from fed_credit.lifecycle.demo.outcome import DemoOutcome
    from fed_credit.lifecycle.demo.run import Demo


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit lifecycle``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``lifecycle`` on the command line.

    Returns
    -------
    int
        Exit code: 0.

    Raises
    ------
    FedCreditError
        If the user can mend what went wrong.
    """
    subcommands = {
        "demo": ("train, serve, score, drift, alert, retrain, promote, in one go", _demo),
        "year": (
            "a year month by month on data whose truth is known",
            lazily("lifecycle_year", "run_year"),
        ),
        "sba": (
            "ten fiscal years of the SBA sample under one model",
            lazily("lifecycle_sba", "run_sba"),
        ),
    }
    return dispatch("lifecycle", subcommands, arguments)


def lifecycle_parser(name: str, description: str, *, usage: str | None = None) -> Parser:
    """Return a parser with what every subcommand takes."""
    parser = Parser(
        prog=f"fed-credit lifecycle {name}",
        usage=usage,
        description=description,
        allow_abbrev=False,
    )
    add_debug(parser)
    return parser


def _demo(arguments: Sequence[str]) -> int:
    parser = lifecycle_parser(
        "demo",
        "Go once around the loop on this machine, with the real commands and a running service:"
        " train over three banks, register, serve, score, let applicants change, see the monitor"
        " raise alerts, retrain, let the challenger stand, promote it, see the service swap, make"
        " logged decisions again. Then pages to click through, and everything that was started"
        " ends.",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="an empty folder that keeps everything (default: a temporary one, which goes)",
    )
    parser.add_argument("--model", default="scorecard", help="default: scorecard")
    parser.add_argument("--loans", type=int, default=20_000, metavar="N", help="default: 20000")
    parser.add_argument("--seed", type=int, default=6, metavar="N", help="of the records")
    stay = parser.add_mutually_exclusive_group()
    stay.add_argument(
        "--stay",
        action="store_true",
        default=None,
        help="keep the pages until Ctrl-C (default: where there is a terminal)",
    )
    stay.add_argument("--no-stay", dest="stay", action="store_false", help="end at once")
    given = parser.parse_args(list(arguments))
    if given.loans < 6_000:
        raise ConfigurationError(
            f"--loans {given.loans} is too few to judge by; give 6000 or more."
        )

    from fed_credit.lifecycle.demo.outcome import DemoSettings
    from fed_credit.lifecycle.demo.run import run_demo

    stays = sys.stdout.isatty() if given.stay is None else given.stay
    settings = DemoSettings(given.folder, given.loans, 20, given.model, given.seed)
    outcome = run_demo(
        settings, lambda line: print(line, flush=True), _stay if stays else _addresses
    )
    _steps(outcome)
    return 0


def _addresses(demo: Demo) -> None:
    bank, operator = demo.urls
    print(f"\nPages of the bank, while the demo ran: {bank}/ /monitoring /model /history")
    print(f"Pages of the operator:                 {operator}/ /monitoring", flush=True)


def _stay(demo: Demo) -> None:
    import threading
    from contextlib import suppress

    bank, operator = demo.urls
    print(f"\nBank      {bank}/  {bank}/monitoring  {bank}/model  {bank}/history")
    print(f"          sign in with the API key {demo.secret}")
    print(f"Operator  {operator}/  {operator}/monitoring")
    print(f"          sign in with the API key {demo.operator_secret}")
    print("Ctrl-C ends everything.", flush=True)
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _steps(outcome: DemoOutcome) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Once around", title_justify="left")
    for name, right in (("step", False), ("seconds", True), ("what came of it", False)):
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for step in outcome.steps:
        table.add_row(step.name, f"{step.seconds:.1f}", escape(step.found))
    table.add_row("all", f"{sum(step.seconds for step in outcome.steps):.1f}", "")
    Console().print(table)


def check_new(folder: Path) -> None:
    """Refuse a folder for results that holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} is not an empty folder; name another with --out.")
