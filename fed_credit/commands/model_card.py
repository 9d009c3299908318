"""``fed-credit model card``: a model's card, in English or Chinese, as text or as a page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fed_credit.commands.options import add_debug, spare
from fed_credit.commands.parser import Parser


def run_card(arguments: Sequence[str]) -> int:
    """Run ``fed-credit model card``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``card`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the file cannot be read, or the card cannot be written.
    """
    parser = Parser(
        prog="fed-credit model card",
        description="Print a model's card, which is generated from what its file holds, or write it"
        " as Markdown or as one page of HTML.",
        allow_abbrev=False,
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="the file")
    parser.add_argument(
        "--language", choices=("en", "zh"), default="en", help="English or Chinese (default: en)"
    )
    parser.add_argument("--out", type=Path, metavar="OUT", help="write it as Markdown")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write it as a page")
    add_debug(parser)
    given = parser.parse_args(list(arguments))
    spare("--out", given.out, given.model, "the model")
    spare("--html", given.html, given.model, "the model")

    from fed_credit.files import write_text
    from fed_credit.model_file.archive import open_model_file
    from fed_credit.model_file.card import CARDS, card_page, sections

    opened = open_model_file(given.model)
    text = opened.parts[CARDS[given.language]].decode()
    if given.out is not None:
        write_text(given.out, text)
    if given.html is not None:
        write_text(given.html, card_page(sections(opened.model), given.language))
    if given.out is None and given.html is None:
        sys.stdout.write(text)
    return 0
