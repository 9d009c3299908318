"""Reading the decision log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, func, select

from fed_credit.decision.policy import VERDICTS
from fed_credit.decision_log.records import Decision, Kind, Override, decision_of, override_of
from fed_credit.decision_log.retention import purges
from fed_credit.decision_log.tables import ENTRIES
from fed_credit.errors import DecisionLogError
from fed_credit.storage.database import Database

_IDS_AT_ONCE = 500  # in one question
_ALL = 2**63 - 1  # the largest number that a database takes

_IS_DECISION = ENTRIES.c.kind == Kind.DECISION
_IS_OVERRIDE = ENTRIES.c.kind == Kind.OVERRIDE


def get(connection: Connection, id: str) -> Decision:
    """Return a decision; see :meth:`fed_credit.decision_log.log.DecisionLog.get`."""
    content = connection.scalar(select(ENTRIES.c.content).where(_IS_DECISION, ENTRIES.c.id == id))
    if content is None:
        raise _unknown(id)
    return decision_of(content)


def overrides(connection: Connection, ids: Sequence[str]) -> list[Override]:
    """Return the overrides of these decisions, the oldest first."""
    found: list[Override] = []
    for start in range(0, len(ids), _IDS_AT_ONCE):
        rows = connection.execute(
            select(ENTRIES.c.number, ENTRIES.c.content)
            .where(_IS_OVERRIDE, ENTRIES.c.id.in_(ids[start : start + _IDS_AT_ONCE]))
            .order_by(ENTRIES.c.number)
        ).all()
        found += [override_of(row.number, row.content) for row in rows]
    return found


def recent(
    connection: Connection, most: int, before: str | None, verdict: str | None
) -> list[Decision]:
    """Return the newest decisions; see :meth:`fed_credit.decision_log.log.DecisionLog.recent`."""
    query = select(ENTRIES.c.content).where(_IS_DECISION)
    if before is not None:
        number = connection.scalar(
            select(ENTRIES.c.number).where(_IS_DECISION, ENTRIES.c.id == before)
        )
        if number is None:
            raise _unknown(before)
        query = query.where(ENTRIES.c.number < number)
    if verdict is not None:
        query = query.where(ENTRIES.c.verdict == verdict)
    found = connection.scalars(query.order_by(ENTRIES.c.number.desc()).limit(min(most, _ALL))).all()
    return [decision_of(content) for content in found]


def pieces(
    database: Database, since: str | None, until: str | None, most: int
) -> Iterator[list[Decision]]:
    """Read decisions in order; see :meth:`fed_credit.decision_log.log.DecisionLog.read`."""
    times = []
    if since is not None:
        times.append(ENTRIES.c.time >= since)
    if until is not None:
        times.append(ENTRIES.c.time < until)
    with database.reading() as connection:
        first, last = connection.execute(
            select(func.min(ENTRIES.c.number), func.max(ENTRIES.c.number)).where(*times)
        ).one()
    if first is None:
        return
    reached = first - 1
    while reached < last:
        with database.reading() as connection:  # none is held open while a piece is used
            rows = connection.execute(
                select(ENTRIES.c.number, ENTRIES.c.content)
                .where(ENTRIES.c.number > reached, ENTRIES.c.number <= last)
                .where(_IS_DECISION, *times)
                .order_by(ENTRIES.c.number)
                .limit(most)
            ).all()
        if not rows:
            return
        reached = rows[-1].number
        yield [decision_of(row.content) for row in rows]


def counts(connection: Connection) -> dict[str, int]:
    """Count rows; see :meth:`fed_credit.decision_log.log.DecisionLog.counts`."""
    rows = connection.execute(
        select(ENTRIES.c.kind, ENTRIES.c.verdict, func.count()).group_by(
            ENTRIES.c.kind, ENTRIES.c.verdict
        )
    ).all()
    found = {str(verdict): 0 for verdict in VERDICTS}
    found |= {verdict: n for kind, verdict, n in rows if kind == Kind.DECISION}
    return {
        **found,
        "decisions": sum(n for kind, _, n in rows if kind == Kind.DECISION),
        "overrides": sum(n for kind, _, n in rows if kind == Kind.OVERRIDE),
        "purged": sum(one.decisions for one in purges(connection)),
    }


def _unknown(id: str) -> DecisionLogError:
    return DecisionLogError(
        f"The log has no decision {id!r}; fed-credit decisions list shows the newest."
    )
