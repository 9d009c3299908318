"""``fed-credit bank run``: hold the connection to the operator and answer."""

from __future__ import annotations

from collections.abc import Sequence

from fed_credit.commands.options import add_debug, add_home
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
    add_home(parser, "the bank's home")
    add_debug(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.node.run import supervise

    return supervise(given.home)
