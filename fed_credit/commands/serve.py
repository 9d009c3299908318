"""``fed-credit serve``: the scoring service of a bank, or the operator's pages."""

from __future__ import annotations

from collections.abc import Sequence

from fed_credit.commands.options import add_debug, add_home
from fed_credit.commands.parser import Parser
from fed_credit.errors import ConfigurationError

_MOST_WORKERS = 64


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit serve`` until it is asked to end.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``serve`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the service cannot start.
    """
    parser = Parser(
        prog="fed-credit serve",
        description="Score over HTTP by the registry's champion, with a log of all decisions and"
        " pages for the lending desk; or show the operator its runs. serve.yaml in the home sets"
        " the rest; docs/serving.md describes it.",
        allow_abbrev=False,
    )
    parser.add_argument("--role", choices=("bank", "operator"), required=True, help="whose it is")
    add_home(parser, "its folder")
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="HOST", help="address to listen on (%(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8080, metavar="PORT", help="TCP port (%(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes (%(default)s)"
    )
    parser.add_argument(
        "--no-log",
        action="store_true",
        help="no line for each request; decisions are logged in any case",
    )
    add_debug(parser)
    given = parser.parse_args(list(arguments))
    if not 1 <= given.workers <= _MOST_WORKERS:
        raise ConfigurationError(
            f"--workers {given.workers} cannot be used; give 1 to {_MOST_WORKERS}."
        )

    from dataclasses import replace

    from fed_credit.config.serve import check_listening, load_serve

    settings = load_serve(given.home)
    if given.no_log:
        settings = replace(settings, access_log=False)
    check_listening(given.host, given.port, settings)

    from fed_credit.serving.server import Role, Service, serve

    serve(
        Service(
            Role(given.role),
            given.home.absolute(),
            settings,
            given.host,
            given.port,
            given.workers,
        )
    )
    return 0
