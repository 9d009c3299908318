"""Whether a registry is whole: its chain, what follows from it, and its files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator

from sqlalchemy import Connection, select

from fed_credit.errors import ArtefactError
from fed_credit.model_file.archive import opened
from fed_credit.registry.records import Entry, Prints, Stage
from fed_credit.registry.rules import SINGLE
from fed_credit.registry.tables import CHAIN, EVENTS, MODELS
from fed_credit.storage import chain


def problems(connection: Connection, anchor: str | None = None) -> Iterator[str]:
    """Say what is wrong with a registry.

    Parameters
    ----------
    connection : Connection
        That sees one state of it.
    anchor : str, optional
        Hash of an event, or its beginning, that must be there.

    Yields
    ------
    str
        A phrase for each fault.
    """
    links = [chain.Link.of(row) for row in chain.walk(connection, EVENTS)]
    yield from chain.faults(links, chain.START, chain.peek(connection, CHAIN), "event")
    if anchor is not None and not any(link.hash.startswith(anchor) for link in links):
        yield f"no event has the hash {anchor}"
    prints: dict[int, Prints] = {}
    standing: dict[int, Stage] = {}
    for link in links:
        try:
            entry = Entry.of(link.content)
        except (KeyError, TypeError, ValueError):
            yield f"event {link.number} cannot be read"
            continue
        if entry.number != link.number or entry.before is not standing.get(entry.version):
            yield f"event {link.number} does not go with those before it"
        standing[entry.version] = entry.after
        if entry.model is not None:
            prints[entry.version] = entry.model
        held = Counter(standing.values())
        for stage in SINGLE:
            if held[stage] > 1:
                yield f"after event {link.number}, {held[stage]} versions are {stage}"
    yield from _files(connection, prints)


def _files(connection: Connection, prints: dict[int, Prints]) -> Iterator[str]:
    there = connection.scalars(select(MODELS.c.number).order_by(MODELS.c.number)).all()
    for number in sorted(set(there) - set(prints)):
        yield f"version {number} has a file and was never registered"
    for number, expected in prints.items():
        row = connection.execute(
            select(MODELS.c.sha256, MODELS.c.body).where(MODELS.c.number == number)
        ).one_or_none()  # one file at a time in memory
        if row is None:
            yield f"the file of version {number} is missing"
        elif hashlib.sha256(row.body).hexdigest() != expected.file_sha256:
            yield f"the file of version {number} is not the one that was registered"
        elif row.sha256 != expected.sha256:
            yield f"version {number} goes under another model's hash"
        else:
            try:
                opened(bytes(row.body), f"version {number}")
            except ArtefactError as error:
                yield f"the file of version {number} cannot be used: {error}"
