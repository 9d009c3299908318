"""Copying SQLite's write-ahead log into the database beside the writers, not in their midst.

Left to itself, SQLite does this in whichever transaction makes the log too long, and that one takes
some ten milliseconds longer. Copying by another connection holds nobody up; only the last pages,
after which the log can begin anew, are copied while writers wait.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

from fed_credit.errors import StorageError
from fed_credit.storage.files import writing_alone

_WAIT_S = 0.2
_LONG = 800  # pages of the log, from which on it shall begin anew


class Checkpoints:
    """A thread that keeps a database's write-ahead log short, until it is closed.

    Parameters
    ----------
    path : Path
        The database's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=0.0)
        try:
            while not self._end.wait(_WAIT_S):
                # What fails here is tried again, and at last done by a writer.
                with suppress(sqlite3.Error, StorageError):
                    if _copied(connection) >= _LONG:
                        with writing_alone(self._path):
                            _copied(connection)
        finally:
            connection.close()


def _copied(connection: sqlite3.Connection) -> int:
    """Copy what can be copied without waiting for anybody; return the pages in the log."""
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages)
