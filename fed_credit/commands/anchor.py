"""A hash noted earlier, which a chain must still hold."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fed_credit.errors import ConfigurationError

if TYPE_CHECKING:
    from fed_credit.storage.chain import Head

WHAT_A_CHAIN_SHOWS = (
    "The chain shows what was changed by somebody who did not write all of it anew; against that,"
    " note the last hash elsewhere and ask for it later with --anchor."
)

_SHORTEST = 8
_LONGEST = 64


def add_anchor(parser: argparse.ArgumentParser) -> None:
    """Add ``--anchor``."""
    parser.add_argument(
        "--anchor", metavar="HASH", help="a hash noted earlier, which must still be there"
    )


def anchor_of(given: argparse.Namespace) -> str | None:
    """Return the hash that was given, in lower case.

    Raises
    ------
    ConfigurationError
        If it is no hash.
    """
    if given.anchor is None:
        return None
    anchor = str(given.anchor).lower()
    if not _SHORTEST <= len(anchor) <= _LONGEST or set(anchor) - set("0123456789abcdef"):
        raise ConfigurationError(
            f"--anchor {given.anchor} is no hash; give its first {_SHORTEST} hexadecimal digits or"
            " more."
        )
    return anchor


def tell_end(end: Head) -> None:
    """Print the last hash of a whole chain, if there is a row in it."""
    if end.number:
        print(f"Last hash, to note elsewhere: {end.hash}")
