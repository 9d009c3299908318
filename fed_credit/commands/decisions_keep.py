"""``fed-credit decisions export``, ``verify`` and ``purge``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from fed_credit.commands.actor import add_actor
from fed_credit.commands.anchor import WHAT_A_CHAIN_SHOWS, add_anchor, anchor_of, tell_end
from fed_credit.commands.decisions import decisions_parser, open_log
from fed_credit.commands.options import add_json


def run_export(arguments: Sequence[str]) -> int:
    """Run ``fed-credit decisions export``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``export`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the file cannot be written.
    """
    parser = decisions_parser(
        "export",
        "Write decisions with their inputs and the last override of each as a Parquet file, which"
        " only you can read. It does not belong outside the bank.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file")
    parser.add_argument("--since", metavar="DATE", help="only from this day or time (UTC) on")
    parser.add_argument("--until", metavar="DATE", help="only before this day or time (UTC)")
    given = parser.parse_args(list(arguments))

    from fed_credit.decision_log.export import export_decisions

    with open_log(given.home, given.log) as log:
        written = export_decisions(log, given.out, given.since, given.until)
    print(f"Written: {given.out}, {written:,} decisions")
    return 0


def run_verify(arguments: Sequence[str]) -> int:
    """Run ``fed-credit decisions verify``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``verify`` on the command line.

    Returns
    -------
    int
        0, or 1 if something is wrong.

    Raises
    ------
    FedCreditError
        If the log cannot be read.
    """
    parser = decisions_parser(
        "verify",
        "Follow the chain of the log from its beginning, or from what a purge left."
        f" {WHAT_A_CHAIN_SHOWS}",
    )
    add_anchor(parser)
    add_json(parser)
    given = parser.parse_args(list(arguments))
    anchor = anchor_of(given)
    with open_log(given.home, given.log) as log:
        found = log.verify(anchor=anchor)
        counts, purges, end = log.counts(), log.purges(), log.end()
        where = log.where
    if given.json:
        body = {"whole": not found, **counts, "hash": end.hash, "problems": found}
        body["purges"] = [vars(purge) for purge in purges]
        print(json.dumps(body, indent=2, ensure_ascii=False))
        return 1 if found else 0
    for problem in found:
        print(f"{where}: {problem}.")
    for purge in purges:
        print(
            f"Purged on {purge.time[:10]} by {purge.actor}: {purge.decisions:,} decisions from"
            f" before {purge.before[:10]}. {purge.reason}"
        )
    whole = "not whole" if found else "whole"
    print(
        f"{counts['decisions']:,} decisions and {counts['overrides']:,} overrides; the log is"
        f" {whole}."
    )
    if not found:
        tell_end(end)
    return 1 if found else 0


def run_purge(arguments: Sequence[str]) -> int:
    """Run ``fed-credit decisions purge``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``purge`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the log fails.
    """
    parser = decisions_parser(
        "purge",
        "Remove decisions whose time is over, from the beginning of the log on, with the overrides"
        " among them. The log keeps a note of what went, so that the rest can still be verified."
        " What was removed cannot be brought back, shown or made again.",
    )
    parser.add_argument(
        "--before", required=True, metavar="DATE", help="what is older than this day or time (UTC)"
    )
    add_actor(parser)
    given = parser.parse_args(list(arguments))
    with open_log(given.home, given.log) as log:
        gone = log.purge(given.before, actor=given.actor, reason=given.reason)
        left = log.counts()["decisions"]
    print(f"Removed: {gone:,} decisions; {left:,} are left.")
    return 0
