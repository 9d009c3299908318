"""What the decision log keeps: decisions, what people decided otherwise, and what was purged."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fed_credit.errors import DecisionLogError
from fed_credit.storage.clock import LENGTH


class Kind(StrEnum):
    """What a row of the log is."""

    DECISION = "decision"
    OVERRIDE = "override"


@dataclass(frozen=True)
class Decision:
    """A decision with all that is needed to make it again.

    Parameters
    ----------
    id : str
        Its name; :func:`new_id` makes one.
    time : str
        When, as :func:`fed_credit.storage.clock.now` gives it.
    application : str or None
        The client's own name for the application.
    model : int
        Version in the registry.
    model_sha256 : str
        Of its model.
    inputs : mapping of str to object
        The application as it was received.
    model_pd, pd : float
        The model's PD, and the calibrated one, which decided.
    score : int
        Points.
    grade : str
        Name of the grade.
    verdict : str
        ``approve``, ``refer`` or ``decline``.
    reasons : tuple of mapping
        With ``feature``, ``value``, ``amount``, ``unit``, ``en`` and ``zh``.
    key : str
        Id of the API key that asked; empty if none did.
    shadow : mapping of str to object or None
        What the challenger would have said: ``model``, ``pd``, ``score``, ``verdict``.
    """

    id: str
    time: str
    application: str | None
    model: int
    model_sha256: str
    inputs: Mapping[str, Any]
    model_pd: float
    pd: float
    score: int
    grade: str
    verdict: str
    reasons: tuple[Mapping[str, Any], ...]
    key: str
    shadow: Mapping[str, Any] | None


@dataclass(frozen=True)
class Override:
    """What a person decided in place of the model.

    Parameters
    ----------
    number : int
        Its place in the log.
    decision : str
        Id of the decision.
    time : str
        When, ISO 8601 in UTC.
    verdict : str
        The person's.
    reason, actor : str
        Why, and who.
    """

    number: int
    decision: str
    time: str
    verdict: str
    reason: str
    actor: str


@dataclass(frozen=True)
class Purge:
    """What was removed because its time was over: the beginning of the log.

    Parameters
    ----------
    number : int
        Of the purge, from 1.
    time : str
        When, ISO 8601 in UTC.
    before : str
        Everything older went.
    first, last : int
        Numbers of the first and the last row that went.
    decisions, overrides : int
        How many of these there were among them.
    last_hash : str
        Hash of the last row that went: what the first one that stayed follows.
    actor, reason : str
        Who purged, and why.
    """

    number: int
    time: str
    before: str
    first: int
    last: int
    decisions: int
    overrides: int
    last_hash: str
    actor: str
    reason: str


@dataclass(frozen=True)
class Row:
    """A row that is ready to be written.

    Parameters
    ----------
    kind : Kind
        What it is.
    id : str
        Of the decision that it is, or is about.
    time, verdict : str
        To search and count by.
    pd : float or None
        Of a decision, to count by.
    shadow : str or None
        The challenger's verdict, to count by.
    content : str
        All of it, JSON in ASCII; the chain's hash is over this.
    """

    kind: Kind
    id: str
    time: str
    verdict: str
    pd: float | None
    shadow: str | None
    content: str

    @property
    def columns(self) -> tuple[str, str, str, str, float | None, str | None]:
        """What the table holds beside number, content and hash, in its order."""
        return self.kind, self.id, self.time, self.verdict, self.pd, self.shadow


def new_id() -> str:
    """Return a name for a decision: 32 hexadecimal digits, of the time and 80 random bits.

    Names of decisions one after another lie beside each other in the index.
    """
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def decision_row(decision: Decision) -> Row:
    """Return a decision as it is written.

    Raises
    ------
    DecisionLogError
        If it holds what JSON does not know, so that it could not be made again.
    """
    if len(decision.time) != LENGTH or decision.time[-1] != "Z":
        raise DecisionLogError(
            f"The time of decision {decision.id}, {decision.time!r}, is not one of"
            " fed_credit.storage.clock.now(); the log sorts by it."
        )
    try:
        content = _encode(vars(decision))
    except (TypeError, ValueError):
        raise DecisionLogError(
            f"Decision {decision.id} holds a value that is no text, finite number, yes, no or null,"
            " so it cannot be logged; send one of these."
        ) from None
    beside = None if decision.shadow is None else str(decision.shadow["verdict"])
    return Row(
        Kind.DECISION,
        decision.id,
        decision.time,
        decision.verdict,
        decision.pd,
        beside,
        content,
    )


def decision_of(content: str) -> Decision:
    """Read what :func:`decision_row` wrote."""
    raw = json.loads(content)
    return Decision(**{**raw, "reasons": tuple(raw["reasons"])})


def purge_content(purge: Purge) -> str:
    """Return a purge as it is written."""
    return _encode(vars(purge))


def purge_of(content: str) -> Purge:
    """Read what :func:`purge_content` wrote."""
    return Purge(**json.loads(content))


def _mapping(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(type(value).__name__)


# In ASCII: whatever text a client sends, with zeros or half a surrogate in it, any database takes.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_mapping).encode


def override_row(id: str, time: str, verdict: str, reason: str, actor: str) -> Row:
    """Return an override as it is written."""
    body = {"decision": id, "time": time, "verdict": verdict, "reason": reason, "actor": actor}
    return Row(Kind.OVERRIDE, id, time, verdict, None, None, _encode(body))


def override_of(number: int, content: str) -> Override:
    """Read what :func:`override_row` wrote."""
    return Override(number, **json.loads(content))
