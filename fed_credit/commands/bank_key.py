"""``fed-credit bank key``: make the bank's key pair on the bank's own machine."""

from __future__ import annotations

from collections.abc import Sequence

from fed_credit.commands.options import add_debug, add_home
from fed_credit.commands.parser import Parser


def run_key(arguments: Sequence[str]) -> int:
    """Run ``fed-credit bank key``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``key`` on the command line.

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    FedCreditError
        If a key that is there cannot be read, or a file cannot be written.
    """
    parser = Parser(
        prog="fed-credit bank key",
        description="Make the key pair by which this bank's node proves who it is. node.key stays"
        " here, node.pub goes to the operator. A key that is there is kept.",
        allow_abbrev=False,
    )
    add_home(parser, "the bank's home")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="make a new pair although there is one; the old key is kept as node.key.old",
    )
    add_debug(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.deploy.keys import KEY_FILE, PUBLIC_FILE, fingerprint, keep_or_make

    home = given.home.absolute()
    key, made = keep_or_make(home, replace=given.replace)
    print(
        f"{home / KEY_FILE} {'was made' if made else 'is there'}; it must not leave this machine."
    )
    print(f"Hand the operator {home / PUBLIC_FILE}, and read this to them:\n  {fingerprint(key)}")
    return 0
