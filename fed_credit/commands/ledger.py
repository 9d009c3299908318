"""``fed-credit ledger``: what has left a bank, and whether the record of it is whole."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.commands.options import add_debug, add_home, add_json
from fed_credit.commands.parser import Parser
from fed_credit.commands.subcommands import dispatch
from fed_credit.errors import ConfigurationError

if TYPE_CHECKING:
    from clients.ledger_check import Verdict
    from clients.ledger_lines import Line

_SHOWN = 100  # entries of a table, if nothing else is said
_SHORTEST_ANCHOR = 8


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit ledger``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``ledger`` on the command line.

    Returns
    -------
    int
        Exit code: 0, or 1 if ``verify`` found something wrong.

    Raises
    ------
    FedCreditError
        If the user can mend what went wrong.
    """
    subcommands = {
        "show": ("list what has left this bank", _show),
        "verify": ("read the ledger from its beginning and say whether it is whole", _verify),
    }
    return dispatch("ledger", subcommands, arguments, options=" [--home HOME]")


def _parser(name: str, description: str) -> Parser:
    parser = Parser(prog=f"fed-credit ledger {name}", description=description, allow_abbrev=False)
    add_home(parser, "the bank's home")
    add_json(parser)
    add_debug(parser)
    return parser


def _ledger(home: Path) -> Path:
    from clients.ledger import LEDGER
    from fed_credit.config.bank import BANK_FILE

    path = home / LEDGER
    if not path.exists() and not (home / BANK_FILE).is_file():
        raise ConfigurationError(
            f"{home.absolute()} holds no {BANK_FILE}; name the bank's home folder with --home."
        )
    return path


def _show(arguments: Sequence[str]) -> int:
    parser = _parser("show", "List what has left this bank: one line for each message.")
    parser.add_argument("--run", metavar="RUN", help="only what left in this run")
    parser.add_argument(
        "--last",
        type=int,
        metavar="N",
        help=f"only the last N (default: {_SHOWN}; with --json: all)",
    )
    given = parser.parse_args(list(arguments))
    if given.last is not None and given.last < 1:
        raise ConfigurationError(f"--last {given.last} shows nothing; give 1 or more.")

    from clients.ledger_check import read

    lines = read(_ledger(given.home), run=given.run)
    try:
        if given.json:
            for line in lines if given.last is None else deque(lines, given.last):
                print(json.dumps(line.to_dict(), ensure_ascii=False))
        else:
            _table(lines, given.last or _SHOWN)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _table(lines: Iterable[Line], last: int) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    kinds: Counter[str] = Counter()
    size = 0
    shown: deque[Line] = deque(maxlen=last)
    for line in lines:
        kinds[line.kind] += 1
        size += line.bytes
        shown.append(line)
    if not shown:
        print("Nothing has left this bank.")
        return
    table = Table(title="What left this bank", title_justify="left")
    for name in ("n", "time (UTC)", "run", "round", "task", "kind", "what", "bytes", "SHA-256"):
        right = name in ("n", "round", "bytes")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for line in shown:
        cells = [f"{line.n}", line.time[:19].replace("T", " "), line.run, f"{line.round}"]
        cells += [line.task, line.kind, _what(line), f"{line.bytes:,}", line.sha256[:12]]
        table.add_row(*[escape(cell) for cell in cells])
    console = Console()
    console.print(table)
    total = sum(kinds.values())
    if total > len(shown):
        print(f"The last {len(shown)} of {total:,}; --last N shows more.")
    counted = ", ".join(f"{number:,} {kind}" for kind, number in kinds.items())
    print(f"{total:,} in all ({counted}), {size:,} bytes.")


def _what(line: Line) -> str:
    from math import prod

    if line.text:
        return line.text
    cells = sum(prod(shape) for _, shape, _ in line.layout)
    return f"{len(line.layout):,} arrays, {cells:,} numbers" if line.layout else ""


def _verify(arguments: Sequence[str]) -> int:
    parser = _parser(
        "verify",
        "Read the ledger from its beginning and say whether it is whole. The chain shows what was"
        " changed by somebody who did not write all of it anew; against that, note the last hash"
        " elsewhere and ask for it later with --anchor.",
    )
    parser.add_argument(
        "--anchor", metavar="HASH", help="a hash noted earlier, which the ledger must still hold"
    )
    given = parser.parse_args(list(arguments))
    anchor = None if given.anchor is None else given.anchor.lower()
    if anchor is not None and (
        len(anchor) < _SHORTEST_ANCHOR or set(anchor) - set("0123456789abcdef")
    ):
        raise ConfigurationError(
            f"--anchor {given.anchor} is no hash; give its first {_SHORTEST_ANCHOR} hexadecimal"
            " digits or more."
        )

    from clients.ledger_check import verify

    path = _ledger(given.home)
    verdict = verify(path, anchor=anchor)
    if given.json:
        body = {
            "whole": not verdict.problems,
            "entries": verdict.entries,
            "hash": verdict.hash,
            "problems": [vars(problem) for problem in verdict.problems],
            "notes": list(verdict.notes),
        }
        print(json.dumps(body, indent=2, ensure_ascii=False))
    else:
        _tell(path, verdict)
    return 1 if verdict.problems else 0


def _tell(path: Path, verdict: Verdict) -> None:
    for problem in verdict.problems:
        where = f"{path}, line {problem.line}" if problem.line else f"{path}"
        print(f"{where}: {problem.what}.")
    for note in verdict.notes:
        print(note)
    if verdict.problems:
        print(f"{verdict.entries:,} entries; the ledger is not whole.")
        return
    print(f"{verdict.entries:,} entries; the ledger is whole.")
    if verdict.entries:
        print(f"Last hash, to note elsewhere: {verdict.hash}")
