"""``fed-credit bank report``: the common model against the bank's own, for the bank alone."""

from __future__ import annotations

from collections.abc import Sequence

from fed_credit.commands.options import add_debug, add_home
from fed_credit.commands.parser import Parser


def run_report(arguments: Sequence[str]) -> int:
    """Run ``fed-credit bank report``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``report`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If there is no such run, or the bank's loans cannot be read.
    """
    parser = Parser(
        prog="fed-credit bank report",
        description="Train a model on the bank's own loans alone, compare the common model of a"
        " run with it on the bank's test loans, and write the report into the bank's folder of the"
        " run. Nothing leaves the bank.",
        allow_abbrev=False,
    )
    add_home(parser, "the bank's home")
    parser.add_argument(
        "--run", type=int, metavar="RUN", help="number of the run (default: the last one)"
    )
    add_debug(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.node.home import Home
    from fed_credit.node.report import PAGE, latest_run, make_report

    home = Home(given.home.resolve())
    report = make_report(home, latest_run(home) if given.run is None else given.run)
    print(report.read_text(encoding="utf-8"))
    print(f"Report: {report.with_name(PAGE)}")
    return 0
