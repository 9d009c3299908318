"""``fed-credit deploy run``: submit a run, follow it to its true end, bring its results."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.commands.deploy import load_home, operators_parser
from fed_credit.errors import ConfigurationError

if TYPE_CHECKING:
    from fed_credit.config.operator import OperatorSpec
    from fed_credit.deploy.control import Control


def run_deploy(arguments: Sequence[str]) -> int:
    """Run ``fed-credit deploy run``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``deploy run`` on the command line.

    Returns
    -------
    int
        0: the run completed, or was submitted and is not followed.

    Raises
    ------
    FedCreditError
        If it cannot be submitted, did not complete, or its results cannot be brought.
    KeyboardInterrupt
        While it is followed; the run goes on, and the sentence says how to follow or stop it.
    """
    given = _parse(arguments)
    from fed_credit.deploy.submit import check_run, run_name

    if given.follow is None:
        # Nothing goes out before the configuration is known to be one.
        name = run_name(given.overrides, given.name)
        check_run(given.overrides)
    operator = load_home(given.home)

    from fed_credit.deploy.control import Control
    from fed_credit.deploy.submit import find_run

    with Control(operator) as control:
        if given.follow is None:
            run_id = _submit(control, operator, given, name)
        else:
            run = find_run(control, given.follow)
            run_id, name = run.run_id, run.name
        if given.detach:
            print(f"Follow it with: fed-credit deploy run --follow {run_id}")
            return 0
        try:
            return _follow(control, operator, given, name, run_id)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"Run '{name}' goes on; follow it with: fed-credit deploy run --follow {run_id}, or"
                f" stop it with: fed-credit deploy stop {run_id}"
            ) from None


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = operators_parser(
        "run",
        "Submit a run to the registered banks, follow it, and bring its results. The exit code is"
        " 0 if it completed, 3 if too few banks answered, 4 if it was stopped, else 1 or 2.",
    )
    parser.usage = (
        "fed-credit deploy run [KEY=VALUE ...] [--name NAME] [--detach] [--follow RUN]"
        " [--out DIR] [--log] [--quiet] [--home DIR] [--debug]"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="as for fed-credit simulate; resume=NAME goes on with a run",
    )
    parser.add_argument("--name", help="folder of the run (default: the time, UTC)")
    parser.add_argument("--detach", action="store_true", help="submit and do not wait")
    parser.add_argument(
        "--follow", metavar="RUN", help="follow a run, by number or name, in place of a new one"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="where results go that are not on this machine (default: runs)",
    )
    parser.add_argument("--log", action="store_true", help="print the run's whole log at the end")
    parser.add_argument("--quiet", action="store_true", help="tell the end alone")
    given = parser.parse_intermixed_args(list(arguments))
    if given.follow is not None and (given.overrides or given.name or given.detach):
        extra = next(iter(given.overrides), "--name" if given.name else "--detach")
        raise ConfigurationError(
            f"--follow {given.follow} starts nothing, so {extra} cannot be used with it."
        )
    return given


def _submit(control: Control, operator: OperatorSpec, given: argparse.Namespace, name: str) -> int:
    from fed_credit.deploy.records import NodeStatus
    from fed_credit.deploy.submit import expected_banks, submit

    banks = expected_banks(operator, control.nodes())
    run_id = submit(control, banks, given.overrides, name)
    print(f"Submitted: run '{name}' ({run_id}) to {len(banks)} banks", flush=True)
    away = [bank for bank, node in banks.items() if node.status is not NodeStatus.ONLINE]
    if away:
        print(f"Not connected now: {', '.join(away)}", file=sys.stderr, flush=True)
    return run_id


def _follow(
    control: Control, operator: OperatorSpec, given: argparse.Namespace, name: str, run_id: int
) -> int:
    from fed_credit.deploy.follow import check_completed, follow
    from fed_credit.deploy.results import bring_results

    shown = sys.stderr.isatty() and not given.quiet

    def tell(line: str) -> None:
        if shown:
            print(line, file=sys.stderr, flush=True)

    run, log = follow(control, run_id, tell)
    if given.log:
        print(log, end="", file=sys.stderr)
    check_completed(run, log)
    print(f"Results: {bring_results(operator, name, run_id, given.out)}")
    return 0
