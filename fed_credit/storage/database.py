"""A database of Fed Credit's own: an SQLite file, or PostgreSQL by its address."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, insert, inspect, select

from fed_credit.errors import StorageError
from fed_credit.storage.chain import GENESIS
from fed_credit.storage.engines import file_engine, file_of, server_engine, shown
from fed_credit.storage.failures import explained
from fed_credit.storage.files import made, writing_alone
from fed_credit.storage.layout import CHAINS, FORMATS, POSTGRESQL, SHARED, Layout

# Of PostgreSQL's advisory lock under which tables are made: any number, the same everywhere.
_MAKING = 0x46656443


class Database:
    """A part's tables, for any number of threads and processes.

    Parameters
    ----------
    engine : Engine
        Connects.
    where : str
        What it is and where it lies, for messages.
    file : Path or None
        SQLite's file.
    """

    def __init__(self, engine: Engine, where: str, file: Path | None) -> None:
        self.engine = engine
        self.where = where
        self.file = file
        self._identity = None if file is None else _identity(file)
        self.dialect = engine.dialect.name
        self._failures: type[Exception] = engine.dialect.loaded_dbapi.Error

    @classmethod
    def open(
        cls, where: str | Path, layout: Layout, *, create: bool = False, durable: bool = True
    ) -> Self:
        """Open a database.

        Parameters
        ----------
        where : str or Path
            A file, ``sqlite:///FILE``, or an address like ``postgresql+psycopg://HOST/DATABASE``;
            user and password come from the environment.
        layout : Layout
            What the part keeps in it.
        create : bool
            Whether file and tables are made where they are not there.
        durable : bool
            Whether what was written is on the disk when :meth:`writing` ends. If not, a power
            failure may cost the last moments; that of a process costs nothing.

        Returns
        -------
        Database

        Raises
        ------
        ConfigurationError
            If the address cannot be used, or holds a password.
        StorageError
            If the database is not there, cannot be reached, or is of another format.
        """
        key, file = layout.title, file_of(where)
        name = f"{layout.title[:1].upper()}{layout.title[1:]} {shown(where)}"
        if file is None:
            database = cls(server_engine(key, str(where), durable), name, None)
        else:
            if not file.exists():
                if not create:
                    raise StorageError(f"{name} does not exist; check the path.")
                made(file, lambda path: _made_at(path, layout, name))
            database = cls(file_engine(file, durable), name, file)
        try:
            database._check(layout, create)
        except BaseException:
            database.close()
            raise
        return database

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database.

        Raises
        ------
        StorageError
            Here and in :meth:`writing`: if the database fails, or its file is another by now.
        """
        self._check_place()
        with explained(self.where), self.engine.connect() as connection:
            if self.file is None:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a transaction that is written when the block ends, or not at all.

        In SQLite there is one writer at a time over all processes; in PostgreSQL, writers wait for
        each other at the head of a chain (:func:`fed_credit.storage.chain.head`).
        """
        with explained(self.where), writing_alone(self.file), self.engine.connect() as connection:
            self._check_place()
            writer = connection.execution_options(begin="BEGIN IMMEDIATE")
            with writer.begin():
                yield writer

    @contextmanager
    def driver(self, begin: str, *, wait: bool = True) -> Iterator[Any]:
        """Give a cursor of the driver in a transaction, as :meth:`writing` does a connection.

        Parameters
        ----------
        begin : str
            The statement that begins it.
        wait : bool
            Whether to wait for other processes that write to the same file.

        Raises
        ------
        OccupiedError
            If others write, and they are not waited for.
        DuplicateError
            If a column that is unique would hold a value twice.
        """
        with explained(self.where, self._failures), writing_alone(self.file, wait=wait):
            self._check_place()
            connection = self.engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute(begin)
                yield cursor
                connection.commit()
            except BaseException:
                connection.rollback()
                raise
            finally:
                connection.close()

    def forget(self) -> None:
        """Write what was deleted out of SQLite's write-ahead log too; a server has its own ways."""
        if self.file is not None:
            with explained(self.where), writing_alone(self.file):
                connection = self.engine.raw_connection()
                try:
                    connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
                finally:
                    connection.close()

    def _check_place(self) -> None:
        """Refuse a file that was removed or replaced.

        Its connections go on in what no path leads to any more, and all that is written goes when
        the last of them is closed.
        """
        if self.file is not None and _identity(self.file) != self._identity:
            raise StorageError(
                f"{self.where} was removed or replaced while it was in use; put it back, or start"
                " again with the one that is there."
            )

    def _check(self, layout: Layout, create: bool) -> None:
        with self.reading() as connection:
            there = _format(connection, layout.name)
        if there is None and create:
            with self.writing() as connection:
                _make(connection, layout)
                there = _format(connection, layout.name)
        if there is None:
            raise StorageError(f"{self.where} holds no {layout.title}; check the path or address.")
        if there != layout.format:
            raise StorageError(
                f"{self.where} has format {there}, and this version of Fed Credit reads"
                f" {layout.format}; use the version that it goes with."
            )


def _identity(file: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one in its place; None where there is none."""
    try:
        there = file.stat()
    except OSError:
        return None
    return there.st_dev, there.st_ino


def _format(connection: Connection, name: str) -> int | None:
    if not inspect(connection).has_table(FORMATS.name):
        return None
    return connection.scalar(select(FORMATS.c.format).where(FORMATS.c.name == name))


def _make(connection: Connection, layout: Layout) -> None:
    """Make tables and triggers in the transaction that is open; again, nothing changes."""
    dialect = connection.dialect.name
    if dialect == POSTGRESQL:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MAKING})")
    SHARED.create_all(connection)
    layout.metadata.create_all(connection)
    for statement in layout.statements[dialect]:
        connection.exec_driver_sql(statement)
    if _format(connection, layout.name) is None:  # else another process was quicker
        heads = [{"name": name, "number": 0, "hash": GENESIS} for name in layout.chains]
        connection.execute(insert(CHAINS), heads)
        connection.execute(insert(FORMATS).values(name=layout.name, format=layout.format))


def _made_at(path: Path, layout: Layout, name: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with explained(name):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")  # it stays so
        engine = file_engine(path, durable=True)
        try:
            with (
                engine.connect().execution_options(begin="BEGIN IMMEDIATE") as writer,
                writer.begin(),
            ):
                _make(writer, layout)
        finally:
            engine.dispose()
