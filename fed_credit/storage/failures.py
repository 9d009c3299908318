"""What a database complains of, as one sentence without passwords and without values."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from fed_credit.config.urls import PASSWORD_VARIABLE, USER_VARIABLE, redacted
from fed_credit.errors import DuplicateError, StorageError
from fed_credit.storage.triggers import ALREADY

BUSY_S = 30
"""Seconds that a writer waits for another one."""

_UNREACHABLE = (
    "connection refused",
    "could not connect",
    "connection to server",
    "connection failed",
    "connection is closed",
    "connection is bad",
    "consuming input failed",
    "could not translate host",
    "failed to resolve host",
    "no route to host",
    "server closed the connection",
    "terminating connection",
    "timeout expired",
)
_DENIED = ("unable to open", "readonly", "permission denied", "read-only")
_LONGEST_REASON = 200


@contextmanager
def explained(where: str, failure: type[Exception] = sqlite3.Error) -> Iterator[None]:
    """Turn what a database raises inside into a sentence.

    Parameters
    ----------
    where : str
        What it is and where it lies, without a password.
    failure : type of Exception
        What the driver raises.

    Raises
    ------
    DuplicateError
        If a column that is unique would hold a value twice.
    StorageError
        In place of all other errors of SQLAlchemy's and the driver's errors.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, failure) as error:
        if _is_duplicate(error):
            raise DuplicateError(f"{where} {ALREADY}.") from None
        raise StorageError(_sentence(where, error)) from None


def _sentence(where: str, error: Exception) -> str:
    origin = getattr(error, "orig", None) or error
    low, state = str(origin).lower(), getattr(origin, "sqlstate", None) or ""
    if "append-only" in low:
        return f"{where} is append-only; the change was refused."
    if state.startswith("28") or "password authentication" in low or "no password" in low:
        return (
            f"{where} refuses the user or the password; set PGUSER and PGPASSWORD, or"
            f" {USER_VARIABLE} and {PASSWORD_VARIABLE}, in the environment."
        )
    if state == "3D000" or ('database "' in low and "does not exist" in low):
        return f"{where} names a database that is not there; make it, or check the address."
    if "locked" in low or "busy" in low or state == "55P03":
        return f"{where} was in use by another writer for {BUSY_S} seconds; try again."
    if "full" in low or state == "53100":
        return f"{where} has no space left; free space and try again."
    if state == "42501" or any(words in low for words in _DENIED):
        return f"{where} cannot be opened or written; check its path and permissions."
    if any(words in low for words in ("not a database", "malformed", "disk image")):
        return f"{where} is damaged, or no database; restore it from a backup."
    if any(words in low for words in _UNREACHABLE):
        return (
            f"{where} cannot be reached ({_reason(origin)}); check host and port, and that the"
            " database runs."
        )
    return f"{where} does not answer as it should ({_reason(origin)}); check the database."


def _is_duplicate(error: Exception) -> bool:
    origin = getattr(error, "orig", None) or error
    return (
        getattr(origin, "sqlstate", None) == "23505"
        or getattr(origin, "sqlite_errorname", "") == "SQLITE_CONSTRAINT_UNIQUE"
        or ALREADY in str(origin)
    )


def _reason(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or ["no reason given"])[0]
    return redacted(" ".join(line.split())).rstrip(".")[:_LONGEST_REASON]
