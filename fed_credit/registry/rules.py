"""Which moves a registry allows, and what follows from its events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fed_credit.errors import RegistryError
from fed_credit.registry.records import Entry, Kind, Stage

ALLOWED: Mapping[Stage, frozenset[Stage]] = {
    Stage.CANDIDATE: frozenset({Stage.CHALLENGER, Stage.CHAMPION, Stage.RETIRED}),
    Stage.CHALLENGER: frozenset({Stage.CHAMPION, Stage.CANDIDATE, Stage.RETIRED}),
    # A champion goes when another comes, by a roll-back, or because it must.
    Stage.CHAMPION: frozenset({Stage.RETIRED}),
    # Not straight back to where it decides: it stands as a candidate first, or by a roll-back.
    Stage.RETIRED: frozenset({Stage.CANDIDATE}),
}
SINGLE = (Stage.CHAMPION, Stage.CHALLENGER)
"""Stages that one version has at most."""
KINDS: Mapping[Stage, Kind] = {
    Stage.CHAMPION: Kind.PROMOTED,
    Stage.CHALLENGER: Kind.PROMOTED,
    Stage.CANDIDATE: Kind.RETURNED,
    Stage.RETIRED: Kind.RETIRED,
}


def check_move(number: int, before: Stage, after: Stage) -> None:
    """Refuse a move that is not allowed.

    Raises
    ------
    RegistryError
        That says what is allowed.
    """
    if before is after:
        raise RegistryError(f"Version {number} is {before} already; nothing to do.")
    if after not in ALLOWED[before]:
        possible = ", ".join(stage for stage in Stage if stage in ALLOWED[before])
        back = " (or, if it was champion before this one, roll back)"
        raise RegistryError(
            f"Version {number} is {before} and cannot become {after}; from there it can become"
            f" {possible}{back if before is Stage.RETIRED else ''}."
        )


def stages(entries: Iterable[Entry]) -> dict[int, Stage]:
    """Return where each version stands after these events."""
    return {entry.version: entry.after for entry in entries}


def champions(entries: Iterable[Entry]) -> list[int]:
    """Return the champions that a roll-back goes through, the newest last.

    A roll-back takes the last one off, so that a second one goes further back instead of bringing
    again what was rolled back. So does the retirement of a champion without another.

    Parameters
    ----------
    entries : iterable of Entry
        All events, in their order.

    Returns
    -------
    list of int
        Versions. The last one is the champion, unless that was retired.
    """
    line: list[int] = []
    for entry in entries:
        if entry.kind is Kind.ROLLED_BACK:
            while line[-1] != entry.version:
                line.pop()
        elif entry.after is Stage.CHAMPION:
            line.append(entry.version)
        elif entry.kind is Kind.RETIRED and entry.before is Stage.CHAMPION:
            line.pop()
    return line
