"""SQLite's files: made whole for the owner alone, and written by one process at a time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fed_credit.errors import StorageError


def made(path: Path, make: Callable[[Path], None]) -> None:
    """Put a new file in its place, whole; if another process was quicker, its file stays.

    Parameters
    ----------
    path : Path
        Where.
    make : callable
        Writes the file at the path that it is given.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            make(temporary)
            with suppress(FileExistsError):
                os.link(temporary, path)
            _sync_folder(path.parent)
        finally:
            for name in (temporary.name, f"{temporary.name}-wal", f"{temporary.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from None


class OccupiedError(Exception):
    """Another process or thread writes just now; never reaches a user."""


@contextmanager
def writing_alone(path: Path | None, *, wait: bool = True) -> Iterator[None]:
    """Wait until no other process or thread writes, by a lock file beside a database's file.

    SQLite has a lock of its own, but waits for it by sleeping, milliseconds at a time; this one
    wakes at once. The kernel takes it from a process that dies.

    Parameters
    ----------
    path : Path or None
        The database; None does nothing.
    wait : bool
        Whether to wait for others.

    Raises
    ------
    OccupiedError
        If others write, and they are not waited for.
    StorageError
        If the lock file cannot be made.
    """
    if path is None:
        yield
        return
    import fcntl  # where a bank runs

    try:
        file = os.open(
            path.with_name(f"{path.name}-lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OccupiedError from None
        yield
    finally:
        os.close(file)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def unwritable(path: Path, error: OSError) -> StorageError:
    """Return the sentence for what the system refused to write."""
    return StorageError(
        f"{path} cannot be written ({error.strerror or error}); free space, or mend its"
        " permissions."
    )
