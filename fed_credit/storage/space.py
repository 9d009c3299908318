"""Room for SQLite's write-ahead log before it is needed.

A file that grows has to be written twice to be safe: its contents, and in the file system's own
journal its length, which waits for whatever else the machine is writing. A log that has its length
already only overwrites, and a durable transaction takes a fraction of the time (measured on ext4:
0.27 ms in place of 0.5, and 0.4 ms in place of 9 at the 99th percentile).
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from fed_credit.storage.files import writing_alone

_BYTES = 17_000_000  # a little more than is copied into the database at once


def reserve(path: Path) -> None:
    """Give a database's write-ahead log the length that it will reach in any case.

    It keeps it as long as anybody has the database open. Where there is no room, or no log, nothing
    changes.

    Parameters
    ----------
    path : Path
        The database's file.
    """
    log = path.with_name(f"{path.name}-wal")
    with suppress(OSError, sqlite3.Error):
        if not log.exists() or log.stat().st_size >= _BYTES:
            return
        with writing_alone(path):
            connection = sqlite3.connect(path, isolation_level=None)
            try:
                # What does not fit into memory goes to the log before the transaction ends, and
                # this one ends in nothing.
                connection.execute("PRAGMA cache_size=10")
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("CREATE TABLE room (bytes)")
                connection.execute("INSERT INTO room VALUES (zeroblob(?))", (_BYTES,))
                connection.execute("ROLLBACK")
            finally:
                connection.close()
