"""What goes back to a caller: JSON of one shape for every refusal, and nothing of the inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Headers = tuple[tuple[bytes, bytes], ...]

_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
)
to_json = _ENCODER.encode
"""Encodes plain values; raises ValueError for NaN and infinities."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is ready to be sent.

    Parameters
    ----------
    status : int
        HTTP status.
    body : bytes
        JSON.
    headers : tuple of tuple of bytes
        Beyond type, length and those that every answer has.
    """

    status: int
    body: bytes
    headers: Headers = ()


class Refusal(Exception):
    """A request that is answered with a reason instead of what it asked for.

    Parameters
    ----------
    status : int
        HTTP status, from 400 on.
    reason : str
        One sentence for the caller: nothing of the inside, no value of a sensitive field.
    field : str
        What it is about; empty for the request as a whole.
    headers : tuple of tuple of bytes
        Further ones.
    """

    def __init__(self, status: int, reason: str, field: str = "", headers: Headers = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.problems: Sequence[tuple[str, str]] = ((field, reason),)
        self.headers = headers

    @classmethod
    def of(cls, problems: Sequence[tuple[str, str]]) -> Refusal:
        """Return the refusal of an application: a field and what is wrong with it, each."""
        made = cls(422, problems[0][1], problems[0][0])
        made.problems = tuple(problems)
        return made

    def answer(self) -> Answer:
        """Return what is sent: ``{"detail": [{"field": ..., "reason": ...}, ...]}``."""
        return Answer(self.status, to_json(details(self.problems)).encode(), self.headers)


def details(problems: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the body of a refusal as plain values."""
    return {"detail": [{"field": field, "reason": reason} for field, reason in problems]}
