"""``fed-credit bank run``: hold the connection to the operator and answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fed_credit.commands.parser import Parser


def run_bank(arguments: Sequence[str]) -> int:
    """Run ``fed-credit bank run``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``run`` on the command line.

    Returns
    -------
    int
        Exit code 0, after the bank was told to stop.

    Raises
    ------
    FedCreditError
        If the bank's home folder is not complete, or what it starts cannot start.
    """
    parser = Parser(
        prog="fed-credit bank run",
        description="Start the bank's worker and its SuperNode, keep both running, and end them on"
        " Ctrl-C or SIGTERM.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--home", type=Path, default=Path(), metavar="HOME", help="the bank's home (default: here)"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")
    given = parser.parse_args(list(arguments))

    from fed_credit.node.run import supervise

    return supervise(given.home)
