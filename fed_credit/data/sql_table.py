"""Records from a database: a query through SQLAlchemy, fetched in chunks, never written to."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from fed_credit.config.urls import PASSWORD_VARIABLE, USER_VARIABLE, check_url, redacted
from fed_credit.data.table import CHUNK_ROWS
from fed_credit.errors import ConfigurationError, DataError
from fed_credit.files import local_path

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection, Engine

_SIGN_IN = "PGUSER and PGPASSWORD"
_UNREACHABLE = (
    "connection refused",
    "could not translate host",
    "failed to resolve host",
    "timeout expired",
    "no route to host",
    "could not connect",
    "is the server running",
    "connection to server",
)
_LONGEST_REASON = 200


class SqlTable:
    """The rows of a query; values are the driver's own objects.

    User and password come from the environment: ``FED_CREDIT_DB_USER`` and
    ``FED_CREDIT_DB_PASSWORD``, or the database's own variables (``PGUSER``, ``PGPASSWORD``,
    ``PGPASSFILE`` for PostgreSQL).

    Parameters
    ----------
    url : str
        SQLAlchemy URL without a password.
    query : str
        What to ask; without an ``ORDER BY`` the database may give the rows in another order each
        time, and the fingerprint of the data differs.
    key : str
        Configuration section, for messages.

    Raises
    ------
    ConfigurationError
        If the URL holds a password or cannot be used, or its driver is not installed.
    DataError
        If the database refuses the connection or the query.
    """

    def __init__(self, url: str, query: str, key: str) -> None:
        check_url(f"{key}.url", url)
        self._key, self._query = key, query.strip().rstrip(";")
        self._url = self._parsed(url)
        self.where = f"{key}.url={redacted(self._url.render_as_string(hide_password=True))}"
        with self._connection() as connection, self._explained():
            result = self._ask(connection)
            self.names = tuple(str(name).strip() for name in result.keys())  # noqa: SIM118 - rows else
            result.close()

    def chunks(
        self, columns: Collection[str] | None = None, rows: int = CHUNK_ROWS
    ) -> Iterator[pd.DataFrame]:
        """Read the records; see :class:`fed_credit.data.table.Table`."""
        kept = [k for k, name in enumerate(self.names) if columns is None or name in columns]
        read = 0
        with self._connection() as connection:
            with self._explained():
                result = self._ask(connection)
            while True:
                with self._explained():
                    fetched = result.fetchmany(rows)
                if not fetched:
                    break
                index = pd.RangeIndex(read, read + len(fetched))
                columns = {self.names[k]: _column([row[k] for row in fetched]) for k in kept}
                yield pd.DataFrame(columns).set_axis(index, axis=0)
                read += len(fetched)
        if not read:
            raise DataError(f"{self.where}: {self._key}.query gives no rows; check the query.")

    def _parsed(self, url: str) -> URL:
        try:
            from sqlalchemy.engine import make_url
            from sqlalchemy.exc import ArgumentError
        except ImportError:
            raise ConfigurationError(
                f"{self._key}.url needs SQLAlchemy; install fed-credit[sql]."
            ) from None
        try:
            made = make_url(url)
        except (ArgumentError, ValueError):
            raise ConfigurationError(
                f"{self._key}.url is no address of a database: write one like sqlite:///FILE or"
                " postgresql+psycopg://HOST:5432/DATABASE."
            ) from None
        if made.drivername == "postgresql":
            made = made.set(drivername="postgresql+psycopg")
        return made

    def _engine(self) -> Engine:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
        from sqlalchemy.pool import NullPool

        url = self._url
        if url.get_backend_name() == "sqlite":
            path = local_path(url.database or "")
            if not path.is_file():
                # Connecting would make an empty database.
                raise DataError(f"{self.where} names no file; check the path after sqlite:///.")
            place = f"file:{quote(str(path.resolve()))}?mode=ro"
            return create_engine(
                "sqlite://",
                creator=lambda: sqlite3.connect(place, uri=True),
                poolclass=NullPool,
            )
        user, password = os.environ.get(USER_VARIABLE), os.environ.get(PASSWORD_VARIABLE)
        if user:
            url = url.set(username=user)
        if password:
            url = url.set(password=password)
        try:
            return create_engine(url, poolclass=NullPool, hide_parameters=True)
        except NoSuchModuleError:
            raise ConfigurationError(
                f"{self._key}.url: '{url.drivername}' is no database that SQLAlchemy knows here;"
                " install its dialect, or write sqlite:///FILE or"
                " postgresql+psycopg://HOST:5432/DATABASE."
            ) from None
        except ImportError as error:
            raise ConfigurationError(
                f"{self._key}.url needs the driver '{error.name}'; install fed-credit[sql], which"
                " holds that of PostgreSQL, or the package of the driver."
            ) from None
        except (SQLAlchemyError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{self._key}.url cannot be used ({_reason(error)}); check the address."
            ) from None

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        engine = self._engine()
        with self._explained():
            connection = engine.connect()
        try:
            options: dict[str, Any] = {"stream_results": True}
            if engine.dialect.name == "postgresql":
                options |= {"postgresql_readonly": True}
            yield connection.execution_options(**options)
        finally:
            with suppress(Exception):  # the database may be gone, and there is nothing to save
                connection.close()
            engine.dispose()

    def _ask(self, connection: Connection) -> Any:
        result = connection.exec_driver_sql(self._query)
        if not result.returns_rows:
            raise ConfigurationError(
                f"{self._key}.query gives no table; write one that begins with SELECT."
            )
        return result

    @contextmanager
    def _explained(self) -> Iterator[None]:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise self._sentence(error) from None

    def _sentence(self, error: Exception) -> DataError:
        origin = getattr(error, "orig", None) or error
        reason, state = _reason(origin), getattr(origin, "sqlstate", None) or ""
        low = str(origin).lower()
        if (
            "password authentication failed" in low
            or "no password supplied" in low
            or (state.startswith("28"))
        ):
            return DataError(
                f"{self.where} refuses the user or the password; set {_SIGN_IN}, or"
                f" {USER_VARIABLE} and {PASSWORD_VARIABLE}, in the environment."
            )
        if re.search(r'database ".*" does not exist', low):
            return DataError(f"{self.where} names a database that is not there; check the address.")
        if state == "42P01" or "no such table" in low:
            return DataError(
                f"{self.where} has no table that {self._key}.query names ({reason}); check its"
                " name and schema."
            )
        if state == "42703" or "no such column" in low:
            return DataError(
                f"{self.where} has no column that {self._key}.query names ({reason}); check its"
                " name."
            )
        if "not a database" in low or "malformed" in low or "disk image" in low:
            return DataError(f"{self.where} is no whole SQLite database; copy it again.")
        if any(words in low for words in _UNREACHABLE):
            return DataError(
                f"{self.where} cannot be reached ({reason}); check host and port, and that the"
                " database runs."
            )
        return DataError(
            f"{self.where}: the database refuses {self._key}.query ({reason}); mend the query."
        )


def _reason(error: BaseException) -> str:
    """Return the first line of what a driver said, with nothing secret in it."""
    line = (str(error).strip().splitlines() or ["no reason given"])[0]
    return redacted(" ".join(line.split())).rstrip(".")[:_LONGEST_REASON]


def _column(values: list[Any]) -> pd.Series:
    given = [value for value in values if value is not None]
    if given and all(isinstance(value, bool) for value in given):
        return pd.Series(values, dtype="boolean")
    cells = np.empty(len(values), dtype=object)
    cells[:] = values
    return pd.Series(cells, dtype="object")
