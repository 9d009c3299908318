"""Retention: what is old enough goes from the beginning of the log, and the log says so."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select

from fed_credit.decision_log.records import Kind, Purge, purge_content, purge_of
from fed_credit.decision_log.tables import CHAIN, ENTRIES, PURGE_CHAIN, PURGES
from fed_credit.storage import chain
from fed_credit.storage.clock import now
from fed_credit.storage.database import Database


def purge(database: Database, before: str, *, actor: str, reason: str) -> int:
    """Remove the beginning of a log; see :meth:`fed_credit.decision_log.log.DecisionLog.purge`."""
    with database.writing() as connection:
        end = chain.head(connection, CHAIN)
        stays = connection.scalar(
            select(func.min(ENTRIES.c.number)).where(ENTRIES.c.time >= before)
        )
        last = end.number if stays is None else stays - 1
        rows = connection.execute(
            select(ENTRIES.c.kind, func.count(), func.min(ENTRIES.c.number))
            .where(ENTRIES.c.number <= last)
            .group_by(ENTRIES.c.kind)
        ).all()
        if not rows:
            return 0
        counted = {kind: count for kind, count, _ in rows}
        digest = connection.scalar(select(ENTRIES.c.hash).where(ENTRIES.c.number == last))
        head = chain.head(connection, PURGE_CHAIN)
        done = Purge(
            number=head.number + 1,
            time=now(),
            before=before,
            first=min(first for _, _, first in rows),
            last=last,
            decisions=counted.get(Kind.DECISION, 0),
            overrides=counted.get(Kind.OVERRIDE, 0),
            last_hash=str(digest),
            actor=actor,
            reason=reason,
        )
        (link,) = chain.extended(head, [purge_content(done)])
        connection.execute(insert(PURGES).values(**vars(link), last=last))
        chain.advance(connection, PURGE_CHAIN, link)
        # The trigger lets go of what the row above names, and of nothing else.
        connection.execute(delete(ENTRIES).where(ENTRIES.c.number <= last))
    database.forget()
    return done.decisions


def purges(connection: Connection) -> list[Purge]:
    """Return what was removed, the oldest purge first."""
    found = connection.scalars(select(PURGES.c.content).order_by(PURGES.c.number)).all()
    return [purge_of(content) for content in found]
