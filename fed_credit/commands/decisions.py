"""``fed-credit decisions``: what was decided, by which model, and what people did about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.commands.options import add_json, store_parser
from fed_credit.commands.parser import Parser
from fed_credit.commands.subcommands import dispatch, lazily

if TYPE_CHECKING:
    from fed_credit.decision_log.log import DecisionLog
    from fed_credit.decision_log.records import Decision, Override

VERDICTS = ("approve", "refer", "decline")
_SHOWN = 50


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit decisions``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``decisions`` on the command line.

    Returns
    -------
    int
        Exit code: 0, or 1 if ``verify`` found something wrong or ``reproduce`` something else.

    Raises
    ------
    FedCreditError
        If the user can mend what went wrong.
    """
    again, keep = "decisions_again", "decisions_keep"
    subcommands = {
        "list": ("show the newest decisions, without their inputs", _list),
        "show": ("show a decision with inputs, reasons and overrides", _show),
        "reproduce": ("make a decision again and compare", lazily(again, "run_reproduce")),
        "override": ("note that a person decided otherwise", lazily(again, "run_override")),
        "export": ("write decisions as a Parquet file", lazily(keep, "run_export")),
        "verify": ("say whether the log is whole", lazily(keep, "run_verify")),
        "purge": ("remove what is old enough, and note it", lazily(keep, "run_purge")),
    }
    return dispatch("decisions", subcommands, arguments, options=" [--home HOME | --log WHERE]")


def decisions_parser(name: str, description: str) -> Parser:
    """Return a parser with what every subcommand takes."""
    return store_parser("decisions", name, description, "--log", "decisions.db")


def open_log(home: Path, where: str | None) -> DecisionLog:
    """Open the decision log that the arguments name."""
    from fed_credit.config.serve import load_serve
    from fed_credit.decision_log.log import DecisionLog

    return DecisionLog.open(load_serve(home).decision_log if where is None else where)


def _list(arguments: Sequence[str]) -> int:
    parser = decisions_parser(
        "list",
        "Show the newest decisions, the newest first. Inputs are personal or a firm's own, so they"
        " are left out unless asked for, and the reasons, which quote them, too.",
    )
    parser.add_argument(
        "--last", type=int, default=_SHOWN, metavar="N", help=f"so many (default: {_SHOWN})"
    )
    parser.add_argument("--verdict", choices=VERDICTS, help="only of this verdict")
    parser.add_argument("--before", metavar="ID", help="only those before this decision")
    parser.add_argument(
        "--inputs", action="store_true", help="with inputs and reasons, which quote them, as JSON"
    )
    add_json(parser)
    given = parser.parse_args(list(arguments))
    if given.last < 1:
        from fed_credit.errors import ConfigurationError

        raise ConfigurationError(f"--last {given.last} shows nothing; give 1 or more.")
    with open_log(given.home, given.log) as log:
        found = log.recent(given.last, before=given.before, verdict=given.verdict)
        counts = log.counts()
    if given.json or given.inputs:
        for decision in found:
            body = asdict(decision)
            if not given.inputs:
                del body["inputs"], body["reasons"]  # which quote inputs
            print(json.dumps(body, ensure_ascii=False))
        return 0
    if found:
        _table(found)
    total = ", ".join(f"{counts[name]:,} {name}" for name in VERDICTS)
    print(
        f"{counts['decisions']:,} decisions in the log ({total}); {counts['overrides']:,} overrides"
    )
    return 0


def _table(found: Sequence[Decision]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("id", "time (UTC)", "model", "PD", "score", "grade", "verdict", "application"):
        right = name in ("model", "PD", "score")
        # An id is there to be copied.
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "application")
    for one in found:
        cells = [one.id, one.time[:16].replace("T", " "), f"{one.model}", f"{one.pd:.4f}"]
        cells += [f"{one.score}", one.grade, one.verdict, one.application or ""]
        table.add_row(*[escape(cell) for cell in cells])
    Console().print(table)


def _show(arguments: Sequence[str]) -> int:
    parser = decisions_parser("show", "Show a decision with its inputs, reasons and overrides.")
    parser.add_argument("id", metavar="ID", help="of the decision")
    add_json(parser)
    given = parser.parse_args(list(arguments))
    with open_log(given.home, given.log) as log:
        decision, overrides = log.get(given.id), log.overrides(given.id)
    if given.json:
        body = {**asdict(decision), "overrides": [asdict(one) for one in overrides]}
        print(json.dumps(body, indent=2, ensure_ascii=False))
    else:
        _tell(decision, overrides)
    return 0


def _tell(decision: Decision, overrides: Sequence[Override]) -> None:
    from fed_credit.errors import one_line

    named = "" if decision.application is None else f", application {decision.application!r}"
    print(f"Decision {decision.id} of {decision.time}{named}")
    print(f"Model: version {decision.model}, {decision.model_sha256}")
    print(
        f"{decision.verdict}: PD {decision.pd:.6f} (the model's own {decision.model_pd:.6f}),"
        f" score {decision.score}, grade {decision.grade}"
    )
    for reason in decision.reasons:
        print(f"- {one_line(reason['en'])}")
    print("Inputs:")
    for name, value in decision.inputs.items():
        print(f"  {one_line(name)}: {one_line(json.dumps(value, ensure_ascii=False))}")
    if decision.shadow is not None:
        shadow = ", ".join(f"{key} {value}" for key, value in decision.shadow.items())
        print(f"The challenger would have said: {shadow}")
    for one in overrides:
        who, why = one_line(one.actor), one_line(one.reason, 2_000)
        print(f"Override of {one.time} by {who}: {one.verdict}. {why}")
