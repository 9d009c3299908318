"""Who does something: what they say, or the operating system's name for them."""

from __future__ import annotations

import argparse
import getpass
import os


def add_actor(parser: argparse.ArgumentParser, *, reason: bool = True) -> None:
    """Add ``--actor`` and, unless told otherwise, the required ``--reason``."""
    if reason:
        parser.add_argument(
            "--reason", type=_said, required=True, metavar="TEXT", help="why; it is kept for good"
        )
    parser.add_argument(
        "--actor", type=_said, default=os_user(), metavar="NAME", help="who does it (default: you)"
    )


def os_user() -> str:
    """Return the operating system's name for who runs this; their number where it has none."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return f"uid {os.getuid()}"


def _said(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; say it in a few words")
    return text
