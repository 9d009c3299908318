"""``fed-credit schema``: propose a schema for a table, and compare tables with a schema."""

from __future__ import annotations

from collections.abc import Sequence

from fed_credit.commands.options import add_debug
from fed_credit.commands.parser import Parser
from fed_credit.commands.subcommands import dispatch, lazily


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit schema``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``schema`` on the command line.

    Returns
    -------
    int
        Exit code: 0, or 1 if ``check`` found deviations.

    Raises
    ------
    FedCreditError
        If the user can mend what went wrong.
    """
    subcommands = {
        "infer": (
            "propose a schema for a table, to be read and mended by a person",
            lazily("schema_infer", "run_infer"),
        ),
        "check": (
            "compare tables with a schema, and banks with each other",
            lazily("schema_check", "run_check"),
        ),
    }
    return dispatch("schema", subcommands, arguments)


def add_format(parser: Parser) -> None:
    """Add the options that say how a CSV file is spelled."""
    parser.add_argument(
        "--encoding", default="auto", help="of a CSV file: utf-8, gb18030, ... (found by default)"
    )
    parser.add_argument(
        "--delimiter", default="auto", help="of a CSV file: one character (found by default)"
    )
    add_debug(parser)
