"""``fed-credit monitor``: look for drift and at matured vintages, and raise alerts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.commands.options import add_debug
from fed_credit.commands.parser import Parser
from fed_credit.errors import ConfigurationError

if TYPE_CHECKING:
    from fed_credit.config.monitor import MonitorSpec
    from fed_credit.monitoring.report import MonitorReport, Watched
    from fed_credit.scoring.scorer import Scorer

_EXAMPLES = """\
examples:
  fed-credit monitor --home BANK
  fed-credit monitor --home BANK --decisions --from 2024-01 --fail-on alert
  fed-credit monitor --model model.fcm --loans loans.parquet --as-of 2024-06-30
  fed-credit monitor --federated --home OPERATOR --model champion
  fed-credit monitor --simulate data=synthetic --model runs/first/model.fcm --as-of 2024-06-30

The report lies in HOME/monitoring/latest.json and HOME/monitoring/reports/, each alert once in
HOME/monitoring/alerts.jsonl. docs/monitoring.md says what the figures mean.

exit code: 0, or 1 if the report holds what --fail-on names, 2 if the command cannot be carried
out, 3 if too few banks answered
"""
_LEVELS = ("alert", "watch")


def run_command(arguments: Sequence[str]) -> int:
    """Run ``fed-credit monitor``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``monitor`` on the command line.

    Returns
    -------
    int
        Exit code: 0, or 1 if the report holds an alert of the level that ``--fail-on`` names.

    Raises
    ------
    FedCreditError
        If the user can mend what went wrong.
    """
    given = _parser().parse_intermixed_args(list(arguments))
    _check(given)
    import logging
    from datetime import date

    from fed_credit.config.monitor import load_monitor
    from fed_credit.data.target import parse_past_date
    from fed_credit.monitoring.delivery import deliver, keep_report
    from fed_credit.monitoring.sources import find_model
    from fed_credit.scoring.scorer import Scorer

    # New alerts go to the log as well: to standard error, unless a handler takes them elsewhere.
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    home: Path = given.home
    settings = load_monitor(home)
    opened, model = find_model(home, given.model)
    scorer = Scorer(opened.model)
    given.as_of = given.as_of or date.today().isoformat()
    parse_past_date("--as-of", given.as_of)
    if given.federated:
        report = _federated(given, settings, scorer, model)
    elif given.simulate:
        report = _simulated(given, settings, scorer, model)
    else:
        report = _own(given, settings, scorer, model)
    latest = keep_report(home, report)
    delivered = deliver(home, report, settings.webhook)
    if given.json:
        print(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    elif not given.quiet:
        from fed_credit.monitoring.table import print_report

        print_report(report)
        print(f"{delivered.raised} new of {len(report.alerts)} alerts. Report: {latest}")
    levels = {str(alert.level) for alert in report.alerts}
    wanted = set(_LEVELS[: _LEVELS.index(given.fail_on) + 1]) if given.fail_on else set()
    return 1 if levels & wanted else 0


def _parser() -> Parser:
    parser = Parser(
        prog="fed-credit monitor",
        usage="fed-credit monitor [--home HOME] [--model MODEL] [--loans LOANS [--schema FILE]]"
        " [--decisions] [--as-of DAY] [--from MONTH] [--federated | --simulate] [KEY=VALUE ...]"
        " [--fail-on LEVEL] [--json | --quiet]",
        description="Compare the scores and features of each month with those that the model was"
        " made on, and what became of matured vintages with what it said. Writes a report, and"
        " raises alerts that know how many loans and how many tests there are.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="of the loans, with --simulate"
    )
    parser.add_argument(
        "--home",
        type=Path,
        default=Path(),
        metavar="HOME",
        help="of the bank or the operator (default: here)",
    )
    parser.add_argument(
        "--model",
        default="champion",
        metavar="MODEL",
        help="champion, challenger, a version, or a model's file (default: champion)",
    )
    parser.add_argument(
        "--loans",
        type=Path,
        metavar="FILE",
        help="CSV or Parquet, in place of the source in monitor.yaml or bank.yaml",
    )
    parser.add_argument(
        "--schema", type=Path, metavar="FILE", help="of the loans, in place of the model's own"
    )
    parser.add_argument(
        "--decisions",
        action="store_true",
        help="make months of the decision log: all who applied, declined ones too",
    )
    parser.add_argument("--as-of", metavar="DAY", help="day of the report (default: today)")
    parser.add_argument(
        "--from", dest="since", metavar="MONTH", help="first month (default: as monitor.yaml says)"
    )
    parser.add_argument(
        "--federated",
        action="store_true",
        help="ask the banks of the operator's deployment for sums, and report on all together",
    )
    parser.add_argument("--run", metavar="RUN", help="that the model came of, with --federated")
    parser.add_argument("--name", help="of the monitor's folder among the runs, with --federated")
    parser.add_argument(
        "--simulate", action="store_true", help="the same over banks whose loans are at hand"
    )
    parser.add_argument(
        "--min-loans",
        type=int,
        default=1,
        metavar="N",
        help="of a bank's period, with --simulate; smaller ones are left out (default: 1)",
    )
    parser.add_argument(
        "--fail-on",
        choices=_LEVELS,
        help="exit with 1 if the report holds an alert (or a watch)",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--json", action="store_true", help="print the report as JSON")
    shown.add_argument("--quiet", action="store_true", help="print new alerts alone")
    add_debug(parser)
    return parser


def _check(given: argparse.Namespace) -> None:
    if given.federated and given.simulate:
        raise ConfigurationError("--federated asks real banks and --simulate none; leave one out.")
    if given.overrides and not given.simulate:
        raise ConfigurationError(
            f"{given.overrides[0]} belongs to --simulate; add it, or leave the setting out."
        )
    of_one = [name for name in ("loans", "schema", "decisions") if getattr(given, name)]
    if of_one and (given.federated or given.simulate):
        raise ConfigurationError(
            f"--{of_one[0]} is for one bank's own loans; leave it out, or --federated and"
            " --simulate."
        )
    if (given.run or given.name) and not given.federated:
        raise ConfigurationError("--run and --name belong to --federated.")
    if given.min_loans < 1:
        raise ConfigurationError(f"--min-loans {given.min_loans} must be at least 1.")


def _own(
    given: argparse.Namespace, settings: MonitorSpec, scorer: Scorer, model: Watched
) -> MonitorReport:
    from fed_credit.monitoring.job import monitor, profile_of, question_of
    from fed_credit.monitoring.sources import find_place, read_applications, read_loans

    # Before loans are read, which may take a while.
    question = question_of(scorer, profile_of(scorer), given.as_of, settings, since=given.since)
    place = find_place(given.home, settings, given.loans)
    loans = read_loans(given.home, place, scorer, given.as_of, given.schema)
    applications = None
    if given.decisions:
        first = f"{question.months[0]}-01" if question.months else given.as_of
        applications = read_applications(given.home, scorer, first, given.as_of)
    return monitor(
        scorer,
        loans,
        given.as_of,
        settings,
        bank=place.bank,
        model=model,
        since=given.since,
        applications=applications,
    )


def _federated(
    given: argparse.Namespace, settings: MonitorSpec, scorer: Scorer, model: Watched
) -> MonitorReport:
    from fed_credit.config.operator import load_operator
    from fed_credit.deploy.submit import run_name
    from fed_credit.monitoring.pooled import ask_banks, judge_sums, request_of, run_of

    name = run_name([], given.name)
    run = given.run or run_of(scorer)
    request = request_of(scorer, run, given.as_of, settings, since=given.since)
    quiet = given.quiet or given.json

    def tell(line: str) -> None:
        if not quiet:
            print(line, file=sys.stderr, flush=True)

    found = ask_banks(load_operator(given.home), request, name, tell)
    return judge_sums(scorer, found, settings, model)


def _simulated(
    given: argparse.Namespace, settings: MonitorSpec, scorer: Scorer, model: Watched
) -> MonitorReport:
    from fed_credit.monitoring.job import profile_of, question_of
    from fed_credit.monitoring.pooled import ask_simulated, judge_sums

    question = question_of(scorer, profile_of(scorer), given.as_of, settings, since=given.since)
    found = ask_simulated(given.overrides, scorer, question, given.min_loans)
    return judge_sums(scorer, found, settings, model)
