"""Engines of SQLAlchemy for an SQLite file or a PostgreSQL server, with the settings we rely on."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from fed_credit.config.urls import PASSWORD_VARIABLE, USER_VARIABLE, check_url, redacted
from fed_credit.errors import ConfigurationError
from fed_credit.files import local_path
from fed_credit.storage.failures import BUSY_S
from fed_credit.storage.layout import POSTGRESQL, SQLITE

_CONNECT_S = 10
# Pages of 4 KiB in the write-ahead log before they are copied into the file, by the writer itself.
_CHECKPOINT_PAGES = 4_000


def file_of(where: str | Path) -> Path | None:
    """Return the file that is meant, or None for the address of a server."""
    if isinstance(where, Path):
        return where
    if "://" not in where:
        return local_path(where)
    if where.startswith((f"{SQLITE}:///", f"{SQLITE}+pysqlite:///")):
        return local_path(where.partition(":///")[2])
    return None


def shown(where: str | Path) -> str:
    """Return where a database lies, for messages: without a password."""
    return redacted(str(where))


def file_engine(path: Path, durable: bool) -> Engine:
    """Return an engine for an SQLite file that is there.

    Parameters
    ----------
    path : Path
        The file.
    durable : bool
        Whether each transaction is on the disk when it ends.

    Returns
    -------
    Engine
    """
    place = f"file:{quote(str(path.absolute()))}?mode=rw"  # never makes an empty one

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            place, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA secure_delete=ON")  # what is purged is overwritten
        return connection

    engine = create_engine(
        f"{SQLITE}://", creator=connect, poolclass=QueuePool, hide_parameters=True
    )
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    """Begin as asked: a writer at once, so that it never fails half-way for another's lock."""
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def server_engine(key: str, url: str, durable: bool) -> Engine:
    """Return an engine for a PostgreSQL server.

    Parameters
    ----------
    key : str
        What it is the address of, for messages.
    url : str
        Without a password.
    durable : bool
        Whether each transaction is on the server's disk when it ends, as the server understands it.

    Returns
    -------
    Engine

    Raises
    ------
    ConfigurationError
        If the address cannot be used, or its driver is not installed.
    """
    check_url(key, url)
    try:
        made = _signed_in(make_url(url))
    except (ArgumentError, ValueError):
        raise _no_address(key) from None
    if made.get_backend_name() != POSTGRESQL:
        raise _no_address(key)
    if made.drivername == POSTGRESQL:
        made = made.set(drivername=f"{POSTGRESQL}+psycopg")
    try:
        engine = create_engine(
            made,
            hide_parameters=True,
            pool_pre_ping=True,
            connect_args={"connect_timeout": _CONNECT_S},
        )
    except (ImportError, NoSuchModuleError):
        raise ConfigurationError(
            f"{key}: the driver of PostgreSQL is not installed; install it with: pip install"
            " 'fed-credit[sql]'."
        ) from None

    # Not as options of the connection, which would take the place of the user's own.
    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{BUSY_S}s'")
            if not durable:
                cursor.execute("SET synchronous_commit = off")
        connection.commit()

    return engine


def _signed_in(url: URL) -> URL:
    user, password = os.environ.get(USER_VARIABLE), os.environ.get(PASSWORD_VARIABLE)
    url = url.set(username=user) if user else url
    return url.set(password=password) if password else url


def _no_address(key: str) -> ConfigurationError:
    return ConfigurationError(
        f"{key} is no address of a database that it can lie in: write a file's path, or one like"
        " postgresql+psycopg://HOST:5432/DATABASE."
    )
