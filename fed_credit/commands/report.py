"""``fed-credit report``: make the page of a run or a sweep anew from its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fed_credit.commands.options import add_debug
from fed_credit.commands.parser import Parser


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit report``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``report`` on the command line.

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    FedCreditError
        If the folder holds no finished run or sweep, or the page cannot be written.
    """
    parser = Parser(
        prog="fed-credit report",
        description="Make report.html of a run or a sweep anew from the files in its folder; the"
        " loans are not needed.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, help="folder of a run or a sweep")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: report.html in FOLDER")
    parser.add_argument(
        "--lang", choices=("en", "zh"), default="en", help="language shown first (default: en)"
    )
    add_debug(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.files import write_text
    from fed_credit.reporting.html.folder import REPORT_HTML, render_folder

    page = render_folder(given.folder, given.lang)
    out = given.out or given.folder / REPORT_HTML
    write_text(out, page)
    print(f"Report: {out}")
    return 0
