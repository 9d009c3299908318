"""``fed-credit schema``: propose a schema for a table, and compare tables with a schema."""

from __future__ import annotations

from collections.abc import Sequence

from fed_credit.commands.parser import Parser
from fed_credit.errors import ConfigurationError, suggestion

_SUBCOMMANDS = {
    "infer": "propose a schema for a table, to be read and mended by a person",
    "check": "compare tables with a schema, and banks with each other",
}


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
    head, rest = (arguments[0], arguments[1:]) if arguments else ("--help", ())
    if head in ("-h", "--help"):
        print("usage: fed-credit schema SUBCOMMAND ...\n")
        for name, text in _SUBCOMMANDS.items():
            print(f"  {name:<8}{text}")
        print("\nfed-credit schema SUBCOMMAND --help tells more.")
        return 0
    if head == "infer":
        from fed_credit.commands.schema_infer import run_infer

        return run_infer(rest)
    if head == "check":
        from fed_credit.commands.schema_check import run_check

        return run_check(rest)
    raise ConfigurationError(
        f"fed-credit schema has no '{head}'; choose one of {', '.join(_SUBCOMMANDS)}."
        f"{suggestion(head, _SUBCOMMANDS)}"
    )


def add_format(parser: Parser) -> None:
    """Add the options that say how a CSV file is spelled."""
    parser.add_argument(
        "--encoding", default="auto", help="of a CSV file: utf-8, gb18030, ... (found by default)"
    )
    parser.add_argument(
        "--delimiter", default="auto", help="of a CSV file: one character (found by default)"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")
