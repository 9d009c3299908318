"""``fed-credit registry add``, ``promote``, ``retire`` and ``rollback``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.commands.actor import add_actor
from fed_credit.commands.options import add_trusted
from fed_credit.commands.registry import open_registry, registry_parser

if TYPE_CHECKING:
    from fed_credit.registry.records import Event

_STAGES = ("candidate", "challenger", "champion")


def run_add(arguments: Sequence[str]) -> int:
    """Run ``fed-credit registry add``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``add`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If the file is not whole or, with ``--trusted``, not signed by one of the keys.
    """
    parser = registry_parser(
        "add",
        "Register a model's file. It is checked part by part and kept in the registry. A model that"
        " is there already keeps its number.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="the file")
    parser.add_argument(
        "--stage", choices=_STAGES, default="candidate", help="where it shall stand"
    )
    add_trusted(parser)
    add_actor(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.errors import ArtefactError
    from fed_credit.model_file.signature import load_trusted
    from fed_credit.model_file.unpack import read_body
    from fed_credit.model_file.verdict import judge
    from fed_credit.registry.records import Stage

    body = read_body(given.model)
    verdict = judge(body, str(given.model), load_trusted(given.trusted))
    if not verdict.good:
        raise ArtefactError(f"{' '.join(verdict.sentences())} It is not registered.")
    found = verdict.as_dict()["signature"]
    signature = {name: found[name] for name in ("state", "signer", "key") if found[name]}
    with open_registry(given.home, given.registry, create=True) as registry:
        known = registry.latest()
        version = registry.register(
            body,
            actor=given.actor,
            reason=given.reason,
            details={"signature": signature},
            stage=Stage(given.stage),
        )
        new = registry.latest() > known
    print("\n".join(verdict.sentences()))
    done = "registered" if new else "there already"
    what = f"Version {version.number} ({version.family}, {version.sha256[:12]})"
    print(f"{what} is {done}: {version.stage}.")
    return 0


def run_promote(arguments: Sequence[str]) -> int:
    """Run ``fed-credit registry promote``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``promote`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If there is no such version, or it cannot go there.
    """
    parser = registry_parser(
        "promote",
        "Make a version champion, challenger or candidate. A new champion (challenger) retires the"
        " former one in the same transaction.",
    )
    parser.add_argument("version", type=int, metavar="N", help="the version's number")
    parser.add_argument("--to", choices=_STAGES, required=True, help="where it shall stand")
    add_actor(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.registry.records import Stage

    with open_registry(given.home, given.registry) as registry:
        _say(registry.move(given.version, Stage(given.to), actor=given.actor, reason=given.reason))
    return 0


def run_retire(arguments: Sequence[str]) -> int:
    """Run ``fed-credit registry retire``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``retire`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If there is no such version, or it is retired already.
    """
    parser = registry_parser(
        "retire",
        "Take a version out of use. After the champion was retired there is none, and the service"
        " does not score until there is one again.",
    )
    parser.add_argument("version", type=int, metavar="N", help="the version's number")
    add_actor(parser)
    given = parser.parse_args(list(arguments))

    from fed_credit.registry.records import Stage

    with open_registry(given.home, given.registry) as registry:
        _say(registry.move(given.version, Stage.RETIRED, actor=given.actor, reason=given.reason))
    return 0


def run_rollback(arguments: Sequence[str]) -> int:
    """Run ``fed-credit registry rollback``.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``rollback`` on the command line.

    Returns
    -------
    int
        Exit code.

    Raises
    ------
    FedCreditError
        If there was no champion before.
    """
    parser = registry_parser(
        "rollback",
        "Make the champion before the present one champion again, and retire the present one. Done"
        " again, it goes one further back.",
    )
    add_actor(parser)
    given = parser.parse_args(list(arguments))
    with open_registry(given.home, given.registry) as registry:
        _say(registry.roll_back(actor=given.actor, reason=given.reason))
    return 0


def _say(event: Event) -> None:
    print(
        f"Version {event.version} is {event.after} (it was {event.before}); event {event.number}."
    )
