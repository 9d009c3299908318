"""The registry of a bank's or an operator's models."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from fed_credit.errors import RegistryError
from fed_credit.model_file.archive import Opened, opened
from fed_credit.registry.change import Change, no_version, read, versions_of
from fed_credit.registry.records import Entry, Event, Kind, Prints, Stage, Version
from fed_credit.registry.rules import champions
from fed_credit.registry.tables import CHAIN, LAYOUT, MODELS
from fed_credit.registry.verify import problems
from fed_credit.storage import chain
from fed_credit.storage.database import Database
from fed_credit.storage.store import Store

__all__ = ["Event", "Registry", "Stage", "Version"]

_MOST_VERSIONS = 1 << 62  # what a database takes as a number


class Registry(Store):
    """Models by version and stage, in an SQLite file or on a PostgreSQL server.

    Each change is one transaction: it is there as a whole, with its event, or not at all. Any
    number of threads and processes may use one registry at once.

    Parameters
    ----------
    database : Database
        Where it lies; :meth:`open` opens it.
    """

    @classmethod
    def open(cls, where: str | Path, *, create: bool = False) -> Registry:
        """Open a registry.

        Parameters
        ----------
        where : str or Path
            A file, or an address like ``postgresql+psycopg://HOST/DATABASE`` without a password.
        create : bool
            Whether to make it where there is none.

        Returns
        -------
        Registry
            A context manager that closes its connections.

        Raises
        ------
        ConfigurationError
            If the address cannot be used.
        StorageError
            Here and below: if the database is not there, fails, or is no registry.
        """
        return cls(Database.open(where, LAYOUT, create=create))

    def register(
        self,
        body: bytes,
        *,
        actor: str,
        reason: str,
        details: Mapping[str, Any] | None = None,
        stage: Stage = Stage.CANDIDATE,
    ) -> Version:
        """Take in a model's file.

        Parameters
        ----------
        body : bytes
            The whole file, as :func:`fed_credit.model_file.archive.packed` makes it.
        actor, reason : str
            Who registers it, and why.
        details : mapping of str to object, optional
            Plain values that go with it; the first event of this version carries them.
        stage : Stage
            Where it shall stand; moved there in the same transaction.

        Returns
        -------
        Version
            The new one; or, of a model that is there (by the hash of its manifest), that one. Such
            a model is moved only if ``stage`` is another than candidate.

        Raises
        ------
        ArtefactError
            If it is no whole model's file.
        RegistryError
            If it cannot move to the stage, or actor or reason is empty.
        """
        _said(actor, reason)
        model = opened(body, "to register")
        family = model.model.artefact.spec.family
        prints = Prints(model.sha256, hashlib.sha256(body).hexdigest(), family)
        with self._database.writing() as connection:
            log = Change(connection, actor, reason)
            given = details or {}
            number = connection.scalar(
                select(MODELS.c.number).where(MODELS.c.sha256 == model.sha256)
            )
            if number is None:
                number = 1 + (connection.scalar(select(func.max(MODELS.c.number))) or 0)
                connection.execute(
                    insert(MODELS).values(number=number, sha256=model.sha256, body=body)
                )
                log.add(Kind.REGISTERED, number, None, Stage.CANDIDATE, given, prints)
                given = {}  # one event carries them
            if stage is not Stage.CANDIDATE and log.stage(number) is not stage:
                log.move(number, stage, given)
            log.write()
            return versions_of(log.entries)[number]

    def move(
        self,
        number: int,
        stage: Stage,
        *,
        actor: str,
        reason: str,
        details: Mapping[str, Any] | None = None,
    ) -> Event:
        """Move a version to another stage.

        A new champion (challenger) retires the former one in the same transaction.

        Parameters
        ----------
        number : int
            The version.
        stage : Stage
            Where it shall stand; see :data:`fed_credit.registry.rules.ALLOWED`.
        actor, reason : str
            Who moves it, and why.
        details : mapping of str to object, optional
            Plain values that go with it, such as the figures of the comparison.

        Returns
        -------
        Event
            Of this version.

        Raises
        ------
        RegistryError
            If there is no such version, the move is not allowed, or actor or reason is empty.
        """
        _said(actor, reason)
        with self._database.writing() as connection:
            log = Change(connection, actor, reason)
            log.move(number, stage, details or {})
            return log.write()

    def roll_back(self, *, actor: str, reason: str) -> Event:
        """Make the champion before the present one champion again, and retire the present one.

        Done again, it goes one further back. After a champion was retired without another, it
        brings the one before.

        Parameters
        ----------
        actor, reason : str
            Who rolls back, and why.

        Returns
        -------
        Event
            Of the version that is champion now.

        Raises
        ------
        RegistryError
            If there was none before.
        """
        _said(actor, reason)
        with self._database.writing() as connection:
            log = Change(connection, actor, reason)
            line, present = champions(log.entries), log.holder(Stage.CHAMPION)
            former = line if present is None else line[:-1]
            if not former:
                raise RegistryError(
                    "There is no champion before this one to roll back to; promote another version."
                )
            log.replace(Stage.CHAMPION)
            number = former[-1]
            log.add(Kind.ROLLED_BACK, number, log.stage(number), Stage.CHAMPION, {})
            return log.write()

    def versions(self) -> list[Version]:
        """Return all versions, the first one first."""
        return list(self._versions().values())

    def version(self, number: int) -> Version:
        """Return a version.

        Raises
        ------
        RegistryError
            Here and below: if there is none of this number.
        """
        found = self._versions().get(number)
        if found is None:
            raise no_version(number)
        return found

    def champion(self) -> Version | None:
        """Return the version that decides, if there is one."""
        return self._holder(Stage.CHAMPION)

    def challenger(self) -> Version | None:
        """Return the version that is tried beside the champion, if there is one."""
        return self._holder(Stage.CHALLENGER)

    def history(self, number: int | None = None) -> list[Event]:
        """Return what happened, to a version or to all, the oldest event first."""
        found = self._entries()
        if number is not None and all(entry.version != number for entry, _ in found):
            raise no_version(number)
        return [entry.event(digest) for entry, digest in found if number in (None, entry.version)]

    def body(self, number: int) -> bytes:
        """Return a version's file."""
        found = None
        if 0 < number < _MOST_VERSIONS:
            with self._database.reading() as connection:
                found = connection.scalar(select(MODELS.c.body).where(MODELS.c.number == number))
        if found is None:
            raise no_version(number)
        return bytes(found)

    def model(self, number: int) -> Opened:
        """Return a version's model; every hash in its file is checked.

        Raises
        ------
        ArtefactError
            If its file was changed in the database.
        """
        return opened(self.body(number), f"version {number} of {self.where}")

    def latest(self) -> int:
        """Return the number of the newest event, 0 if there is none; costs one look-up."""
        return self.end().number

    def end(self) -> chain.Head:
        """Return number and hash of the newest event, to note elsewhere."""
        with self._database.reading() as connection:
            return chain.peek(connection, CHAIN)

    def verify(self, *, anchor: str | None = None) -> list[str]:
        """Check the chain of events, what follows from it, and the hash of every file.

        Parameters
        ----------
        anchor : str, optional
            Hash of an event, or its beginning, noted earlier, that the history must still hold.

        Returns
        -------
        list of str
            A phrase for each thing that is wrong; empty if all is as it was written.
        """
        with self._database.reading() as connection:
            return list(problems(connection, anchor))

    def _entries(self) -> list[tuple[Entry, str]]:
        with self._database.reading() as connection:
            return read(connection)

    def _versions(self) -> dict[int, Version]:
        return versions_of([entry for entry, _ in self._entries()])

    def _holder(self, stage: Stage) -> Version | None:
        return next((one for one in self._versions().values() if one.stage is stage), None)


def _said(actor: str, reason: str) -> None:
    for name, text in (("actor", actor), ("reason", reason)):
        if not text.strip():
            raise RegistryError(f"A change of the registry needs a {name}; say --{name} TEXT.")
