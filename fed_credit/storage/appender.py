"""Adding rows to a chained table as fast as the database takes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table

from fed_credit.storage import chain
from fed_credit.storage.database import Database
from fed_credit.storage.layout import CHAINS, SQLITE

# Of one statement: SQLite takes 999 values in one, if it is old.
_ROWS_AT_ONCE = 64


class Appender:
    """Appends to one table; for any number of threads.

    It speaks to the driver itself: SQLAlchemy would take longer over a transaction than SQLite
    does. And it says as little as possible, several rows in one statement: in a service, after each
    statement this thread waits for its turn.

    Parameters
    ----------
    database : Database
        Where the table is.
    table : Table
        Its columns begin with those of the chain: ``number``, ``content``, ``hash``.
    name : str
        Of the chain.
    """

    def __init__(self, database: Database, table: Table, name: str) -> None:
        self._database = database
        self._begin = "BEGIN IMMEDIATE" if database.dialect == SQLITE else "BEGIN"
        self._place = "?" if database.dialect == SQLITE else "%s"
        self._columns = tuple(column.name for column in table.columns)
        self._into = f"INSERT INTO {table.name} ({', '.join(self._columns)}) VALUES "
        # A server's other writers wait here; in a file there is one writer.
        alone = "" if database.dialect == SQLITE else " FOR UPDATE"
        self._head = f"SELECT number, hash FROM {CHAINS.name} WHERE name = '{name}'{alone}"
        self._advance = (
            f"UPDATE {CHAINS.name} SET number = {self._place}, hash = {self._place}"
            f" WHERE name = '{name}'"
        )

    def append(
        self, contents: Sequence[str], rest: Sequence[tuple[Any, ...]], *, wait: bool = True
    ) -> int:
        """Write rows in one transaction.

        Parameters
        ----------
        contents : sequence of str
            What the chain's hashes are over, one for each row.
        rest : sequence of tuple
            Values of the other columns.
        wait : bool
            Whether to wait for other processes that write to the same file.

        Returns
        -------
        int
            Number of the last row.

        Raises
        ------
        OccupiedError
            If others write, and they are not waited for.
        DuplicateError
            If a column that is unique would hold a value twice; nothing is written.
        StorageError
            If the database fails; nothing is written, as far as it can be known.
        """
        with self._database.driver(self._begin, wait=wait) as cursor:
            cursor.execute(self._head)
            number, digest = cursor.fetchone()
            values: list[Any] = []
            for content, others in zip(contents, rest, strict=True):
                number, digest = number + 1, chain.linked(digest, content)
                values += (number, content, digest, *others)
            width = len(self._columns)
            for start in range(0, len(contents), _ROWS_AT_ONCE):
                rows = min(_ROWS_AT_ONCE, len(contents) - start)
                piece = values[start * width : (start + rows) * width]
                cursor.execute(self._into + _places(self._place, width, rows), piece)
            cursor.execute(self._advance, (number, digest))
        return int(number)


@cache
def _places(place: str, width: int, rows: int) -> str:
    return ", ".join([f"({', '.join([place] * width)})"] * rows)
