"""``fed-credit deploy``: what the operator of a deployment does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.commands.options import add_debug
from fed_credit.commands.parser import Parser
from fed_credit.commands.subcommands import dispatch, lazily

if TYPE_CHECKING:
    from fed_credit.config.operator import OperatorSpec


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit deploy``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``deploy`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the user can mend what went wrong, or a run that was followed did not complete.
    """
    subcommands = {
        "sync": ("make the SuperLink's registrations equal banks.json", _sync),
        "run": ("submit a run, follow it, bring its results", lazily("deploy_run", "run_deploy")),
        "status": ("show banks and runs", _status),
        "stop": ("stop a run", _stop),
        "demo": (
            "try it all on this machine: a SuperLink, three banks, a run",
            lazily("deploy_demo", "run_deploy_demo"),
        ),
    }
    return dispatch("deploy", subcommands, arguments, options=" [--home DIR]")


def operators_parser(name: str, description: str) -> Parser:
    """Return a parser with what every subcommand takes."""
    parser = Parser(prog=f"fed-credit deploy {name}", description=description, allow_abbrev=False)
    parser.add_argument(
        "--home",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="the operator's folder, with operator.yaml (default: the current one)",
    )
    add_debug(parser)
    return parser


def load_home(home: Path) -> OperatorSpec:
    """Read the operator's folder."""
    from fed_credit.config.operator import load_operator

    return load_operator(home)


def _sync(arguments: Sequence[str]) -> int:
    parser = operators_parser(
        "sync",
        "Register the keys of active banks in banks.json under the banks' names, and unregister"
        " those of removed banks and former keys. Flower takes a key once: an unregistered one"
        " does not come back.",
    )
    parser.add_argument(
        "--prune",
        action="store_true",
        help="also unregister keys that banks.json does not know; otherwise they are only named",
    )
    given = parser.parse_args(list(arguments))
    operator = load_home(given.home)

    from fed_credit.deploy.control import Control
    from fed_credit.deploy.sync import sync

    with Control(operator) as control:
        sync(control, operator, print, prune=given.prune)
    return 0


def _status(arguments: Sequence[str]) -> int:
    parser = operators_parser("status", "Show banks by name and the newest runs.")
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    parser.add_argument(
        "--runs", type=int, default=10, metavar="N", help="how many runs (default: 10)"
    )
    given = parser.parse_args(list(arguments))
    operator = load_home(given.home)

    from fed_credit.deploy.control import Control
    from fed_credit.deploy.status import print_status, status

    with Control(operator) as control:
        found = status(control, operator, max(given.runs, 0))
    if given.json:
        import json

        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        from rich.console import Console

        print_status(found, Console())
    return 0


def _stop(arguments: Sequence[str]) -> int:
    parser = operators_parser("stop", "Stop a run that has not finished.")
    parser.add_argument("run", metavar="RUN", help="its number or its name")
    given = parser.parse_args(list(arguments))
    operator = load_home(given.home)

    from fed_credit.deploy.control import Control
    from fed_credit.deploy.submit import find_run
    from fed_credit.errors import DeploymentError

    with Control(operator) as control:
        run = find_run(control, given.run)
        if run.status.finished:
            raise DeploymentError(
                f"Run '{run.name}' ({run.run_id}) is {run.status.value} already; there is nothing"
                " to stop."
            )
        control.stop_run(run.run_id)
    print(f"Stopped: '{run.name}' ({run.run_id})")
    return 0
