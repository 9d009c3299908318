"""``fed-credit doctor``: look over a kit, of a bank or of the operator."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fed_credit.commands.options import add_debug, add_home
from fed_credit.commands.parser import Parser

if TYPE_CHECKING:
    from fed_credit.deploy.doctor.examine import Examination
    from fed_credit.deploy.doctor.finding import Finding

_EPILOG = """\
Looks at versions, certificates, keys, permissions, ports, clock, disk, and at a bank's data; asks
the addresses that the kit names, and changes nothing.

exit code: 0 no problem, though perhaps warnings; 2 with a problem
"""


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit doctor``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``doctor`` on the command line.

    Returns
    -------
    int
        0, or 2 with a problem.

    Raises
    ------
    ConfigurationError
        If the folder is no kit.
    """
    parser = Parser(
        prog="fed-credit doctor",
        description="Check a kit, of a bank or of the operator, and say what to mend.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_home(parser, "the kit")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_debug(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.deploy.doctor.examine import examine, worst
    from fed_credit.deploy.doctor.finding import State

    examination = examine(given.home)
    findings = list(examination.findings)
    if given.json:
        print(json.dumps(_body(examination, findings), ensure_ascii=False, indent=1))
    else:
        _print(examination, findings)
    return 2 if worst(findings) is State.PROBLEM else 0


def _body(examination: Examination, findings: list[Finding]) -> dict[str, object]:
    return {
        "format": 1,
        "home": str(examination.home),
        "side": examination.side.value,
        "findings": [{**vars(each), "state": each.state.value} for each in findings],
    }


def _print(examination: Examination, findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from fed_credit.deploy.doctor.finding import State

    colours = {State.OK: "green", State.WARNING: "yellow", State.PROBLEM: "red"}
    console = Console()
    table = Table(
        title=escape(f"{examination.side.value}: {examination.home}"), title_justify="left"
    )
    table.add_column("check", overflow="fold")
    table.add_column("state", no_wrap=True)
    table.add_column("found, and what to do", overflow="fold", ratio=1)
    for each in findings:
        text = escape(each.found)
        if each.advice:
            text += f"\n[bold]->[/bold] {escape(each.advice)}"
        colour = colours[each.state]
        table.add_row(escape(each.check), f"[{colour}]{each.state.value}[/{colour}]", text)
    console.print(table)
    counts = {state: sum(each.state is state for each in findings) for state in State}
    bad, doubtful = counts[State.PROBLEM], counts[State.WARNING]
    console.print(
        f"{len(findings)} checks, {bad} problem{'s' * (bad != 1)},"
        f" {doubtful} warning{'s' * (doubtful != 1)}",
        highlight=False,
    )
