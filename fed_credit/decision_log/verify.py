"""Whether a decision log is whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row

from fed_credit.decision_log.records import Kind, purge_of
from fed_credit.decision_log.tables import CHAIN, ENTRIES, PURGE_CHAIN, PURGES
from fed_credit.storage import chain


def problems(connection: Connection, anchor: str | None = None) -> Iterator[str]:
    """Say what is wrong with a log.

    Parameters
    ----------
    connection : Connection
        That sees one state of it.
    anchor : str, optional
        Hash of a row, or its beginning, that must be there.

    Yields
    ------
    str
        A phrase for each fault.
    """
    rows = list(chain.walk(connection, PURGES))
    end = chain.peek(connection, PURGE_CHAIN)
    yield from chain.faults(map(chain.Link.of, rows), chain.START, end, "purge")
    start = chain.START
    for row in rows:
        try:
            done = purge_of(row.content)
        except (TypeError, ValueError):
            yield f"purge {row.number} cannot be read"
            continue
        if (done.number, done.last) != (row.number, row.last) or done.first != start.number + 1:
            yield f"purge {row.number} does not go with those before it"
        start = chain.Head(done.last, done.last_hash)
        if anchor is not None and done.last_hash.startswith(anchor):
            anchor = None  # all that stays follows it
    found: list[str] = []
    seen = _Seen(anchor)
    yield from chain.faults(
        seen.links(connection, start.number, found), start, chain.peek(connection, CHAIN), "row"
    )
    yield from found
    if not seen.anchored:
        gone = ", unless it was purged" if rows else ""
        yield f"no row has the hash {anchor}{gone}"


class _Seen:
    """Reads all rows once, and looks at them on the way."""

    def __init__(self, anchor: str | None) -> None:
        self._anchor = anchor
        self.anchored = anchor is None

    def links(self, connection: Connection, gone: int, found: list[str]) -> Iterator[chain.Link]:
        for row in chain.walk(connection, ENTRIES):
            if row.number <= gone:
                found.append(f"row {row.number} was purged and is still there")
                continue
            if not _as_it_says(row):
                found.append(f"row {row.number} is found by what its content does not say")
            if self._anchor is not None and row.hash.startswith(self._anchor):
                self.anchored = True
            yield chain.Link.of(row)


def _as_it_says(row: Row[Any]) -> bool:
    """Return whether the columns to search by hold what the content holds."""
    try:
        body = json.loads(row.content)
        if row.kind == Kind.OVERRIDE:
            said = (body["decision"], body["time"], body["verdict"], None, None)
        else:
            beside = None if body["shadow"] is None else body["shadow"]["verdict"]
            said = (body["id"], body["time"], body["verdict"], body["pd"], beside)
        return said == (row.id, row.time, row.verdict, row.pd, row.shadow)
    except (KeyError, TypeError, ValueError):
        return False
