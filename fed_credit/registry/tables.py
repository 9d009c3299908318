"""The registry's tables."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, MetaData, Table, Text

from fed_credit.storage.layout import POSTGRESQL, SQLITE, Layout, Number
from fed_credit.storage.triggers import append_only

_METADATA = MetaData()

MODELS = Table(
    "registry_models",
    _METADATA,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("sha256", Text, nullable=False, unique=True),
    Column("body", LargeBinary, nullable=False),
)
"""The files themselves, so that a registration is one transaction with its event."""

EVENTS = Table(
    "registry_events",
    _METADATA,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
"""All else follows from the events: there is no stage that could disagree with the history."""

CHAIN = "registry"

_models = append_only(MODELS.name, unique="sha256 = NEW.sha256")
_events = append_only(EVENTS.name)

LAYOUT = Layout(
    name="registry",
    title="registry",
    format=1,
    metadata=_METADATA,
    statements={name: _models[name] + _events[name] for name in (SQLITE, POSTGRESQL)},
    chains=(CHAIN,),
)
