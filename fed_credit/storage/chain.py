"""Hash chains: each row's hash is over the row and the hash before it.

What a chain shows: a row that was changed, taken out, put in or moved, by whoever did not also
write all later hashes and the head anew. There is no secret in it, so somebody who may write the
database can do that; against it, note the last hash from time to time where that person cannot
reach it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Connection, Row, Table, select, update

from fed_credit.storage.layout import CHAINS

GENESIS = "0" * 64
_AT_ONCE = 2_000


@dataclass(frozen=True)
class Head:
    """The end of a chain.

    Parameters
    ----------
    number : int
        Of the last row; 0 before the first.
    hash : str
        Its hash; zeros before the first.
    """

    number: int
    hash: str


START = Head(0, GENESIS)


@dataclass(frozen=True)
class Link:
    """A row as the chain sees it.

    Parameters
    ----------
    number : int
        One more than the row before.
    content : str
        All that the row says.
    hash : str
        Of the row before and the content.
    """

    number: int
    content: str
    hash: str

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return a row of a table, of which the chain sees these columns."""
        return cls(row.number, row.content, row.hash)


def head(connection: Connection, name: str) -> Head:
    """Return a chain's end; in a writing transaction nobody else adds to it until that ends."""
    row = connection.execute(
        select(CHAINS.c.number, CHAINS.c.hash).where(CHAINS.c.name == name).with_for_update()
    ).one()
    return Head(row.number, row.hash)


def peek(connection: Connection, name: str) -> Head:
    """Return a chain's end as it is now, without keeping others from adding to it."""
    row = connection.execute(
        select(CHAINS.c.number, CHAINS.c.hash).where(CHAINS.c.name == name)
    ).one()
    return Head(row.number, row.hash)


def extended(end: Head, contents: Iterable[str]) -> list[Link]:
    """Return the rows that follow a chain's end."""
    number, digest, links = end.number, end.hash, []
    for content in contents:
        number, digest = number + 1, linked(digest, content)
        links.append(Link(number, content, digest))
    return links


def advance(connection: Connection, name: str, link: Link) -> None:
    """Make a row the end of a chain."""
    connection.execute(
        update(CHAINS).where(CHAINS.c.name == name).values(number=link.number, hash=link.hash)
    )


def linked(before: str, content: str) -> str:
    """Return the hash of a row, SHA-256 in hexadecimal."""
    return hashlib.sha256((before + content).encode()).hexdigest()


def walk(connection: Connection, table: Table) -> Iterator[Row[Any]]:
    """Read a table whose rows are chained from its first row to its last, in pieces.

    Parameters
    ----------
    connection : Connection
        That sees one state of it.
    table : Table
        With the columns ``number``, ``content`` and ``hash``, and others.

    Yields
    ------
    Row
        By number.
    """
    by_number = select(table).order_by(table.c.number).limit(_AT_ONCE)
    following = by_number  # the first piece, whatever number somebody gave its rows
    while rows := connection.execute(following).all():
        yield from rows
        following = by_number.where(table.c.number > rows[-1].number)


def faults(links: Iterable[Link], start: Head, end: Head, what: str) -> Iterator[str]:
    """Follow a chain and say what is wrong with it.

    Parameters
    ----------
    links : iterable of Link
        All rows, by number.
    start : Head
        What the first row follows.
    end : Head
        What the last row is said to be.
    what : str
        What a row is called, for the phrases.

    Yields
    ------
    str
        A phrase for each fault.
    """
    last = start
    for link in links:
        if link.number > last.number + 1:
            missing = link.number - last.number - 1
            verb = "is" if missing == 1 else "are"
            yield f"before {what} {link.number}, {missing} {verb} missing"
        elif linked(last.hash, link.content) != link.hash:
            yield f"{what} {link.number} does not fit its hash: it, or the one before, was changed"
        last = Head(link.number, link.hash)
    if last.number < end.number:
        yield f"the last {what} is number {last.number} of {end.number}: the end was cut off"
    elif last != end:
        yield f"the last {what}, number {last.number}, is not the one that the chain ended with"
