"""What a part keeps in a database: tables, triggers, chains, and the number of their format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

SQLITE, POSTGRESQL = "sqlite", "postgresql"

# In SQLite only an INTEGER is the row's own number.
Number = BigInteger().with_variant(Integer(), SQLITE)


@dataclass(frozen=True)
class Layout:
    """What a part keeps.

    Parameters
    ----------
    name : str
        Of the part: ``registry`` or ``decision_log``.
    title : str
        For messages.
    format : int
        Goes up when older versions could not read what newer ones write.
    metadata : MetaData
        Its tables.
    statements : mapping of str to tuple of str
        By dialect: what makes the triggers.
    chains : tuple of str
        Names of its hash chains.
    """

    name: str
    title: str
    format: int
    metadata: MetaData
    statements: Mapping[str, tuple[str, ...]]
    chains: tuple[str, ...]


# Two parts may share a database, so these are in all of them.
SHARED = MetaData()
FORMATS = Table(
    "fed_credit_formats",
    SHARED,
    Column("name", Text, primary_key=True),
    Column("format", Integer, nullable=False),
)
CHAINS = Table(
    "fed_credit_chains",
    SHARED,
    Column("name", Text, primary_key=True),
    Column("number", Number, nullable=False),
    Column("hash", Text, nullable=False),
)
