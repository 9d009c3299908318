"""Options that several commands take, spelled and explained once."""

from __future__ import annotations

import argparse
from pathlib import Path

from fed_credit.commands.parser import Parser
from fed_credit.errors import ConfigurationError


def store_parser(command: str, name: str, description: str, option: str, file: str) -> Parser:
    """Return the parser of a subcommand that looks into a store of a home.

    Parameters
    ----------
    command, name : str
        Of the command and its subcommand.
    description : str
        What it does.
    option : str
        Names another store than the home's, ``--log`` or ``--registry``.
    file : str
        The store's name in a home whose ``serve.yaml`` names no other.

    Returns
    -------
    Parser
    """
    parser = Parser(
        prog=f"fed-credit {command} {name}", description=description, allow_abbrev=False
    )
    add_home(parser)
    parser.add_argument(
        option,
        metavar="WHERE",
        help="a file, or an address like postgresql+psycopg://HOST/DATABASE (default: what"
        f" serve.yaml in the home says, else its {file})",
    )
    add_debug(parser)
    return parser


def spare(option: str, out: Path | None, read: Path, what: str) -> None:
    """Refuse to write over a file that is read.

    Parameters
    ----------
    option : str
        Names the file to write; empty if the name follows from another file's.
    out : Path or None
        That file; None is not written.
    read : Path
        What must stay.
    what : str
        Its name, for the message.

    Raises
    ------
    ConfigurationError
        If both are one file.
    """
    if out is not None and out.exists() and read.exists() and out.samefile(read):
        named = f"{option} {out}".strip()
        raise ConfigurationError(f"{named} is {what} itself; name another file.")


def add_home(parser: argparse.ArgumentParser, what: str = "the home") -> None:
    """Add ``--home``, the current folder where it is not given."""
    parser.add_argument(
        "--home", type=Path, default=Path(), metavar="HOME", help=f"{what} (default: here)"
    )


def add_debug(parser: argparse.ArgumentParser) -> None:
    """Add ``--debug``, which :func:`fed_credit.cli.main` looks for."""
    parser.add_argument("--debug", action="store_true", help="show the traceback of every error")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="for programs")


def add_trusted(parser: argparse.ArgumentParser) -> None:
    """Add ``--trusted``, once or more often, with one public key or more."""
    parser.add_argument(
        "--trusted",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="PUB",
        help="public keys that you trust; the file must then be signed by one of them",
    )
