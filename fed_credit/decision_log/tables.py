"""The decision log's tables."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, MetaData, Table, Text, text

from fed_credit.storage.layout import POSTGRESQL, SQLITE, Layout, Number
from fed_credit.storage.triggers import append_only

_METADATA = MetaData()

ENTRIES = Table(
    "decision_entries",
    _METADATA,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("time", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("pd", Double),
    Column("shadow", Text),
)
"""Decisions and overrides in one sequence, so that one chain holds both."""

_IS_DECISION, _IS_OVERRIDE = text("kind = 'decision'"), text("kind = 'override'")
Index(
    "decision_entries_decision",
    ENTRIES.c.id,
    unique=True,
    sqlite_where=_IS_DECISION,
    postgresql_where=_IS_DECISION,
)
Index(
    "decision_entries_override",
    ENTRIES.c.id,
    sqlite_where=_IS_OVERRIDE,
    postgresql_where=_IS_OVERRIDE,
)
# All that counts by day look at.
Index(
    "decision_entries_time",
    ENTRIES.c.time,
    ENTRIES.c.kind,
    ENTRIES.c.verdict,
    ENTRIES.c.pd,
    ENTRIES.c.shadow,
)

PURGES = Table(
    "decision_purges",
    _METADATA,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("last", Number, nullable=False),
    Column("content", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
"""What was removed, in a chain of its own; rows up to ``last`` may be deleted, no others."""

CHAIN, PURGE_CHAIN = "decisions", "decision_purges"

_entries = append_only(
    ENTRIES.name,
    unique="kind = 'decision' AND NEW.kind = 'decision' AND id = NEW.id",
    deletable=f"SELECT max(last) FROM {PURGES.name}",
)
_purges = append_only(PURGES.name)

LAYOUT = Layout(
    name="decision_log",
    title="decision log",
    format=1,
    metadata=_METADATA,
    statements={name: _purges[name] + _entries[name] for name in (SQLITE, POSTGRESQL)},
    chains=(CHAIN, PURGE_CHAIN),
)
