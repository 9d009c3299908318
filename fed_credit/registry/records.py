"""What the registry keeps: versions of models, and the events that put them where they stand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from fed_credit.files import plain


class Stage(StrEnum):
    """Where a version stands."""

    CANDIDATE = "candidate"
    CHAMPION = "champion"
    CHALLENGER = "challenger"
    RETIRED = "retired"


class Kind(StrEnum):
    """What an event was."""

    REGISTERED = "registered"
    PROMOTED = "promoted"
    RETURNED = "returned"
    """To the candidates."""
    RETIRED = "retired"
    REPLACED = "replaced"
    """Retired because another version took its place."""
    ROLLED_BACK = "rolled_back"
    """Champion once more, in place of the one after it."""


@dataclass(frozen=True)
class Version:
    """A registered model.

    Parameters
    ----------
    number : int
        Its version, from 1.
    sha256 : str
        Of the model file's manifest: the model's name for life.
    family : str
        Of models.
    stage : Stage
        Where it stands now.
    registered : str
        When, ISO 8601 in UTC.
    by, reason : str
        Who registered it, and why.
    """

    number: int
    sha256: str
    family: str
    stage: Stage
    registered: str
    by: str
    reason: str


@dataclass(frozen=True)
class Event:
    """What happened to a version; never changed, never removed.

    Parameters
    ----------
    number : int
        In the order of time, from 1.
    time : str
        ISO 8601 in UTC.
    actor : str
        Who did it.
    kind : str
        See :class:`Kind`.
    version : int
        To which version.
    before : Stage or None
        Where it stood; None before it was registered.
    after : Stage
        Where it stands since.
    reason : str
        Why.
    details : mapping of str to object
        Plain values that go with it, such as the figures that a promotion rests on.
    hash : str
        Of the event and the one before; see :mod:`fed_credit.storage.chain`.
    """

    number: int
    time: str
    actor: str
    kind: str
    version: int
    before: Stage | None
    after: Stage
    reason: str
    details: Mapping[str, Any]
    hash: str


@dataclass(frozen=True)
class Prints:
    """What tells a version's file apart.

    Parameters
    ----------
    sha256 : str
        Of the manifest.
    file_sha256 : str
        Of the whole file, its signature included.
    family : str
        Of models.
    """

    sha256: str
    file_sha256: str
    family: str


@dataclass(frozen=True)
class Entry:
    """An event as it is written: what the chain's hash is over.

    Parameters
    ----------
    number, time, actor, kind, version, before, after, reason, details
        As in :class:`Event`.
    model : Prints or None
        Of the file that was registered, so that the chain vouches for it too.
    """

    number: int
    time: str
    actor: str
    kind: Kind
    version: int
    before: Stage | None
    after: Stage
    reason: str
    details: Mapping[str, Any]
    model: Prints | None

    def text(self) -> str:
        """Return the entry as the database holds it: JSON in ASCII, so any database can."""
        return json.dumps(plain(asdict(self)), separators=(",", ":"), sort_keys=True)

    @classmethod
    def of(cls, text: str) -> Entry:
        """Read what :meth:`text` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is no entry.
        """
        raw = json.loads(text)
        before, model = raw["before"], raw["model"]
        raw |= {
            "kind": Kind(raw["kind"]),
            "before": None if before is None else Stage(before),
            "after": Stage(raw["after"]),
            "model": None if model is None else Prints(**model),
        }
        return cls(**raw)

    def event(self, digest: str) -> Event:
        """Return the entry as readers see it."""
        return Event(
            self.number,
            self.time,
            self.actor,
            str(self.kind),
            self.version,
            self.before,
            self.after,
            self.reason,
            self.details,
            digest,
        )
