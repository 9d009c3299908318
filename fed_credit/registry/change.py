"""A change of the registry: what stands, what is added, and how it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from fed_credit.errors import RegistryError
from fed_credit.registry.records import Entry, Event, Kind, Prints, Stage, Version
from fed_credit.registry.rules import KINDS, SINGLE, check_move, stages
from fed_credit.registry.tables import CHAIN, EVENTS
from fed_credit.storage import chain
from fed_credit.storage.clock import now


class Change:
    """The events of one change; nobody else changes the registry while it is open.

    Parameters
    ----------
    connection : Connection
        In a writing transaction.
    actor, reason : str
        Of all its events.

    Raises
    ------
    RegistryError
        If the events that are there cannot be read.
    """

    def __init__(self, connection: Connection, actor: str, reason: str) -> None:
        self._connection = connection
        self._actor, self._reason = actor, reason
        self._end = chain.head(connection, CHAIN)  # from here on nobody else writes
        self.entries = [entry for entry, _ in read(connection)]
        self._known = len(self.entries)
        self._time = now()

    def stage(self, number: int) -> Stage:
        """Return where a version stands, after the events that were added too.

        Raises
        ------
        RegistryError
            If there is no such version.
        """
        found = stages(self.entries).get(number)
        if found is None:
            raise no_version(number)
        return found

    def holder(self, stage: Stage) -> int | None:
        """Return the version that has a stage of which there is one, or None."""
        return next((n for n, held in stages(self.entries).items() if held is stage), None)

    def replace(self, stage: Stage) -> None:
        """Retire the version that has a stage, if one has."""
        former = self.holder(stage)
        if former is not None:
            self.add(Kind.REPLACED, former, stage, Stage.RETIRED, {})

    def move(self, number: int, stage: Stage, details: Mapping[str, Any]) -> None:
        """Move a version as the rules allow; see :mod:`fed_credit.registry.rules`."""
        before = self.stage(number)
        check_move(number, before, stage)
        if stage in SINGLE:
            self.replace(stage)
        self.add(KINDS[stage], number, before, stage, details)

    def add(
        self,
        kind: Kind,
        number: int,
        before: Stage | None,
        after: Stage,
        details: Mapping[str, Any],
        model: Prints | None = None,
    ) -> None:
        """Add an event; :meth:`write` writes it."""
        place, by, why = len(self.entries) + 1, self._actor, self._reason
        self.entries.append(
            Entry(place, self._time, by, kind, number, before, after, why, details, model)
        )

    def write(self) -> Event:
        """Write the events that were added; return the last one there is."""
        fresh = self.entries[self._known :]
        links = chain.extended(self._end, [entry.text() for entry in fresh])
        if links:
            self._connection.execute(insert(EVENTS), [vars(link) for link in links])
            chain.advance(self._connection, CHAIN, links[-1])
        return self.entries[-1].event(links[-1].hash if links else self._end.hash)


def read(connection: Connection) -> list[tuple[Entry, str]]:
    """Return all events with their hashes, the oldest first."""
    rows = connection.execute(
        select(EVENTS.c.content, EVENTS.c.hash).order_by(EVENTS.c.number)
    ).all()
    try:
        return [(Entry.of(row.content), row.hash) for row in rows]
    except (KeyError, TypeError, ValueError):
        raise RegistryError(
            "The registry's events cannot be read; see what fed-credit registry verify says."
        ) from None


def versions_of(entries: Sequence[Entry]) -> dict[int, Version]:
    """Return all versions by number as they stand after these events."""
    standing = stages(entries)
    return {
        entry.version: Version(
            number=entry.version,
            sha256=entry.model.sha256,
            family=entry.model.family,
            stage=standing[entry.version],
            registered=entry.time,
            by=entry.actor,
            reason=entry.reason,
        )
        for entry in entries
        if entry.model is not None
    }


def no_version(number: int) -> RegistryError:
    """Return the error for a version that is not there."""
    return RegistryError(
        f"The registry has no version {number}; fed-credit registry list shows what there is."
    )
