"""``fed-credit deploy demo``: a whole deployment on one machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fed_credit.commands.options import add_debug
from fed_credit.commands.parser import Parser
from fed_credit.errors import ConfigurationError, DeploymentError


def run_deploy_demo(arguments: Sequence[str]) -> int:
    """Run ``fed-credit deploy demo``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``deploy demo`` on the command line.

    Returns
    -------
    int
        0: both runtimes gave the same bits.

    Raises
    ------
    FedCreditError
        If a step fails, or the bits differ.
    """
    parser = Parser(
        prog="fed-credit deploy demo",
        usage="fed-credit deploy demo [OPTION ...] [KEY=VALUE ...]",
        description="Try a deployment on this machine: makes the kits of a consortium of three"
        " banks, starts a SuperLink with TLS, node authentication and a database, nginx before it"
        " where it is installed, and a SuperNode for each bank; the banks' loans are built-in ones"
        " in a CSV file, a Parquet file and a SQLite database with different column names. Trains"
        " over them, runs the same in one process, compares the weights, and ends every process"
        " that it started.",
        allow_abbrev=False,
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings of the run")
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="an empty folder that keeps everything (default: a temporary one, which goes)",
    )
    parser.add_argument("--loans", type=int, default=6000, metavar="N", help="default: 6000")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument(
        "--no-proxy", action="store_true", help="let banks connect straight to the SuperLink"
    )
    add_debug(parser)
    given = parser.parse_args(list(arguments))
    if given.loans < 600 or given.rounds < 1:
        raise ConfigurationError("The demo needs at least 600 loans and one round.")

    from fed_credit.deploy.demo.run import DemoSettings, run_demo, summary

    settings = DemoSettings(
        given.folder, given.loans, given.rounds, tuple(given.overrides), not given.no_proxy
    )
    outcome = run_demo(settings, lambda line: print(line, flush=True))
    for line in summary(outcome):
        print(line)
    if not outcome.equal:
        raise DeploymentError(
            "The deployment and the local runtime gave different weights from the same loans."
        )
    return 0
