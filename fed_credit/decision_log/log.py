"""The decision log: append-only, chained, written before a decision is answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fed_credit.decision.policy import VERDICTS
from fed_credit.decision_log import queries
from fed_credit.decision_log.days import Day, by_day
from fed_credit.decision_log.journal import recovered
from fed_credit.decision_log.records import (
    Decision,
    Override,
    Purge,
    Row,
    decision_row,
    override_of,
    override_row,
)
from fed_credit.decision_log.retention import purge, purges
from fed_credit.decision_log.tables import CHAIN, ENTRIES, LAYOUT
from fed_credit.decision_log.verify import problems
from fed_credit.errors import DecisionLogError
from fed_credit.storage import chain
from fed_credit.storage.appender import Appender
from fed_credit.storage.clock import now, utc
from fed_credit.storage.database import Database
from fed_credit.storage.store import Store

__all__ = ["Decision", "DecisionLog", "Override"]


class DecisionLog(Store):
    """Decisions and overrides, in an SQLite file or on a PostgreSQL server.

    Any number of threads and processes may use one log at once.

    Parameters
    ----------
    database : Database
        Where it lies; :meth:`open` opens it.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._appender = Appender(database, ENTRIES, CHAIN)

    @classmethod
    def open(cls, where: str | Path, *, create: bool = False, durable: bool = True) -> DecisionLog:
        """Open a log.

        Parameters
        ----------
        where : str or Path
            A file, or an address like ``postgresql+psycopg://HOST/DATABASE`` without a password.
        create : bool
            Whether to make it where there is none.
        durable : bool
            Whether a decision is on the disk when :meth:`append` returns. If not, a power failure
            may cost the last moments; that of a process costs nothing.

        What a service that was killed had answered and not yet written here is written now
        (:mod:`fed_credit.decision_log.journal`).

        Returns
        -------
        DecisionLog
            A context manager that closes its connections.

        Raises
        ------
        ConfigurationError
            If the address cannot be used.
        StorageError
            Here and below: if the database is not there, fails, or is no decision log.
        """
        log = cls(Database.open(where, LAYOUT, create=create, durable=durable))
        try:
            if log.file is not None:
                recovered(log.file, log.write)
        except BaseException:
            log.close()
            raise
        return log

    def append(self, decisions: Sequence[Decision]) -> None:
        """Write decisions in one transaction; on return they are there, or none is.

        Raises
        ------
        DecisionLogError
            If one cannot be written as JSON.
        DuplicateError
            If an id is there already.
        """
        self.write([decision_row(decision) for decision in decisions])

    def write(self, rows: Sequence[Row], *, wait: bool = True) -> int:
        """Write rows in one transaction; return the number of the last one.

        Raises
        ------
        OccupiedError
            If another process writes to the same file, and ``wait`` is False.
        """
        if not rows:
            return 0
        return self._appender.append(
            [row.content for row in rows],
            [row.columns for row in rows],
            wait=wait,
        )

    def check_writable(self) -> None:
        """Write nothing, but as if; for a service that asks whether the log works again."""
        with self._database.writing() as connection:
            end = chain.head(connection, CHAIN)
            chain.advance(connection, CHAIN, chain.Link(end.number, "", end.hash))

    def get(self, id: str) -> Decision:
        """Return a decision.

        Raises
        ------
        DecisionLogError
            If it is not there.
        """
        with self._database.reading() as connection:
            return queries.get(connection, id)

    def overrides(self, id: str) -> list[Override]:
        """Return what people decided in place of a decision, the oldest first."""
        with self._database.reading() as connection:
            return queries.overrides(connection, [id])

    def last_overrides(self, ids: Sequence[str]) -> dict[str, Override]:
        """Return the last override of each of these decisions that has one."""
        with self._database.reading() as connection:
            return {one.decision: one for one in queries.overrides(connection, ids)}

    def override(self, id: str, verdict: str, *, reason: str, actor: str) -> Override:
        """Note that a person decided otherwise; the decision stays as it is.

        Parameters
        ----------
        id : str
            Of the decision.
        verdict : str
            ``approve``, ``refer`` or ``decline``.
        reason, actor : str
            Why, and who.

        Returns
        -------
        Override

        Raises
        ------
        DecisionLogError
            If there is no such decision or verdict, or no reason or actor is given.
        """
        if verdict not in VERDICTS:
            raise DecisionLogError(
                f"There is no verdict {verdict!r}; choose one of {', '.join(VERDICTS)}."
            )
        _said(actor, reason)
        self.get(id)
        row = override_row(id, now(), verdict, reason, actor)
        return override_of(self.write([row]), row.content)

    def recent(
        self, most: int = 50, *, before: str | None = None, verdict: str | None = None
    ) -> list[Decision]:
        """Return decisions, the newest first.

        Parameters
        ----------
        most : int
            So many at most.
        before : str, optional
            Id of a decision: only those written before it, as the next page of a list.
        verdict : str, optional
            Only of this verdict.

        Returns
        -------
        list of Decision

        Raises
        ------
        DecisionLogError
            If ``before`` is not there.
        """
        with self._database.reading() as connection:
            return queries.recent(connection, most, before, verdict)

    def read(
        self, since: str | None, until: str | None, most: int = 10_000
    ) -> Iterator[list[Decision]]:
        """Read decisions in the order in which they were written, in pieces.

        Parameters
        ----------
        since, until : str or None
            Times, ISO 8601: from ``since`` on and before ``until``; None is from the beginning, or
            to what is there when the reading begins.
        most : int
            Decisions in a piece at most.

        Returns
        -------
        iterator of list of Decision
            Never empty ones.

        Raises
        ------
        ConfigurationError
            If a time is none.
        """
        first = None if since is None else utc("since", since)
        end = None if until is None else utc("until", until)
        return queries.pieces(self._database, first, end, most)

    def purge(self, before: str, *, actor: str, reason: str) -> int:
        """Remove the beginning of the log, whose time is over, and note that it was removed.

        Rows go from the first one on, up to the first that is not older than ``before``; so what
        stays is one piece, and its chain holds.

        Parameters
        ----------
        before : str
            A time, ISO 8601: older rows go.
        actor, reason : str
            Who purges, and why.

        Returns
        -------
        int
            Decisions that went; overrides among the rows go too, and are not counted.

        Raises
        ------
        ConfigurationError
            If ``before`` is no time.
        DecisionLogError
            If no actor or reason is given.
        """
        _said(actor, reason)
        return purge(self._database, utc("before", before), actor=actor, reason=reason)

    def purges(self) -> list[Purge]:
        """Return what was removed, the oldest purge first."""
        with self._database.reading() as connection:
            return purges(connection)

    def days(self, since: str) -> list[Day]:
        """Count decisions by day.

        Parameters
        ----------
        since : str
            A time, ISO 8601: from there on.

        Returns
        -------
        list of Day
            In the order of time; days without any are left out.

        Raises
        ------
        ConfigurationError
            If ``since`` is no time.
        """
        with self._database.reading() as connection:
            return by_day(connection, utc("since", since))

    def counts(self) -> dict[str, int]:
        """Return how many decisions there are, by verdict.

        Returns
        -------
        dict of str to int
            By verdict; and ``decisions``, ``overrides`` and ``purged`` decisions in all.
        """
        with self._database.reading() as connection:
            return queries.counts(connection)

    def verify(self, *, anchor: str | None = None) -> list[str]:
        """Follow the chain from its beginning, or from what a purge left.

        Parameters
        ----------
        anchor : str, optional
            Hash of a row, or its beginning, noted earlier, that the log must still hold.

        Returns
        -------
        list of str
            A phrase for each thing that is wrong; empty if all is as it was written.
        """
        with self._database.reading() as connection:
            return list(problems(connection, anchor))

    def end(self) -> chain.Head:
        """Return number and hash of the last row, to note elsewhere."""
        with self._database.reading() as connection:
            return chain.peek(connection, CHAIN)


def _said(actor: str, reason: str) -> None:
    for name, text in (("actor", actor), ("reason", reason)):
        if not text.strip():
            raise DecisionLogError(f"This needs a {name}; say --{name} TEXT.")
