"""``fed-credit keys``: API keys of the scoring service."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.commands.options import add_debug, add_home, add_json
from fed_credit.commands.parser import Parser
from fed_credit.commands.subcommands import dispatch

if TYPE_CHECKING:
    from fed_credit.serving.keys import KeyRing


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit keys``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``keys`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the user can mend what went wrong.
    """
    subcommands = {
        "add": ("make a key and show its secret, once", _add),
        "list": ("show the keys, without their secrets", _list),
        "revoke": ("let a key hold no longer", _revoke),
    }
    return dispatch("keys", subcommands, arguments, options=" [--home HOME]")


def _parser(name: str, description: str) -> Parser:
    parser = Parser(prog=f"fed-credit keys {name}", description=description, allow_abbrev=False)
    add_home(parser)
    add_debug(parser)
    return parser


def _ring(home: Path) -> KeyRing:
    from fed_credit.config.serve import load_serve
    from fed_credit.serving.keys import KeyRing

    return KeyRing.load(Path(load_serve(home).keys))


def _add(arguments: Sequence[str]) -> int:
    parser = _parser(
        "add",
        "Make a key. Its secret is printed once and kept nowhere; a service that runs takes it at"
        " once.",
    )
    parser.add_argument("--name", required=True, metavar="NAME", help="whose it is")
    parser.add_argument(
        "--role",
        choices=("score", "read", "admin"),
        default="score",
        help="score: ask for scores; read: also see decisions and monitoring; admin: also override"
        " decisions (default: score)",
    )
    add_json(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.serving.keys import Role

    key, secret = _ring(given.home).add(given.name, Role(given.role))
    if given.json:
        print(json.dumps({**asdict(key), "secret": secret}, indent=2, ensure_ascii=False))
    else:
        print(f"Key {key.id} for {key.name} ({key.role}). Its secret, shown only now:")
        print(secret)
    return 0


def _list(arguments: Sequence[str]) -> int:
    parser = _parser("list", "Show the keys, without their secrets.")
    add_json(parser)
    given = parser.parse_args(list(arguments))
    keys = _ring(given.home).keys()
    if given.json:
        print(json.dumps([asdict(key) for key in keys], indent=2, ensure_ascii=False))
        return 0
    if not keys:
        print("There is no key; fed-credit keys add --name NAME makes one.")
        return 0

    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="API keys", title_justify="left")
    for name in ("id", "name", "role", "created (UTC)", "revoked (UTC)"):
        table.add_column(name, overflow="fold")
    for key in keys:
        times = [(time or "")[:19].replace("T", " ") for time in (key.created, key.revoked)]
        table.add_row(key.id, escape(key.name), str(key.role), *times)
    Console().print(table)
    return 0


def _revoke(arguments: Sequence[str]) -> int:
    parser = _parser("revoke", "Let a key hold no longer, also for a service that runs.")
    parser.add_argument("id", metavar="ID", help="of the key")
    given = parser.parse_args(list(arguments))
    key = _ring(given.home).revoke(given.id)
    print(f"Key {key.id} for {key.name} is revoked.")
    return 0
