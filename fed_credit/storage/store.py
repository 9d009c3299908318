"""What a part keeps in a database, for as long as somebody has it open."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from fed_credit.storage.database import Database


class Store:
    """Base of what lies in a database of its own tables: a context manager that closes it.

    Parameters
    ----------
    database : Database
        Where it lies.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    @property
    def file(self) -> Path | None:
        """Its file; None on a server."""
        return self._database.file

    @property
    def where(self) -> str:
        """What it is and where it lies, for messages."""
        return self._database.where
