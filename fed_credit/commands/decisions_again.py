"""``fed-credit decisions reproduce`` and ``override``."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fed_credit.commands.actor import add_actor
from fed_credit.commands.decisions import VERDICTS, decisions_parser, open_log
from fed_credit.commands.options import add_json


def run_reproduce(arguments: Sequence[str]) -> int:
    """Run ``fed-credit decisions reproduce``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``reproduce`` on the command line.

    Returns
    -------
    int
        0 if the same comes out to the last bit, else 1.

    Raises
    ------
    FedCreditError
        If the decision or its model is not there.
    """
    parser = decisions_parser(
        "reproduce",
        "Score the logged inputs again with the model that decided, from the registry, and compare"
        " PD, score, grade, verdict and reasons to the last bit.",
    )
    parser.add_argument("id", metavar="ID", help="of the decision")
    parser.add_argument(
        "--registry", metavar="WHERE", help="where the models are (default: the home's)"
    )
    add_json(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.commands.registry import open_registry
    from fed_credit.decision_log.reproduce import differences
    from fed_credit.errors import DecisionLogError
    from fed_credit.scoring.record import RecordScorer

    with open_log(given.home, given.log) as log:
        decision = log.get(given.id)
    with open_registry(given.home, given.registry) as registry:
        opened = registry.model(decision.model)
    if opened.sha256 != decision.model_sha256:
        raise DecisionLogError(
            f"Version {decision.model} of the registry is not the model that decided"
            f" ({decision.model_sha256[:12]}); name the registry it is in with --registry."
        )
    found = differences(decision, RecordScorer(opened.model))
    if given.json:
        print(json.dumps({"same": not found, "differences": found}, indent=2, ensure_ascii=False))
    elif found:
        print(f"Decision {decision.id} does not come out the same:")
        print("\n".join(f"- {phrase}" for phrase in found))
    else:
        print(
            f"Decision {decision.id} comes out the same to the last bit: {decision.verdict}, PD"
            f" {decision.pd:.6f}, score {decision.score}, {len(decision.reasons)} reasons."
        )
    return 1 if found else 0


def run_override(arguments: Sequence[str]) -> int:
    """Run ``fed-credit decisions override``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``override`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If there is no such decision.
    """
    parser = decisions_parser(
        "override",
        "Note that a person decided otherwise. The decision stays as it is; the override is a row"
        " of its own.",
    )
    parser.add_argument("id", metavar="ID", help="of the decision")
    parser.add_argument("--verdict", choices=VERDICTS, required=True, help="the person's")
    add_actor(parser)
    given = parser.parse_args(list(arguments))
    with open_log(given.home, given.log) as log:
        done = log.override(given.id, given.verdict, reason=given.reason, actor=given.actor)
    print(f"Noted: decision {done.decision} is {done.verdict} by {done.actor}, row {done.number}.")
    return 0
