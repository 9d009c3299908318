"""Lines of the egress ledger: what they hold, and how each is chained to the one before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fed_credit.errors import LedgerError

# What a line stands for.
RELEASE, OWN_METRICS, STOCK, IDENTIFY, ERROR = (
    "release",
    "own_metrics",
    "stock",
    "identify",
    "error",
)
# Lines about the ledger itself: half a line was set aside; the side file was made anew.
TORN, REBUILT = "torn", "rebuilt"
# An error sentence and what goes along with a release are no exchanges of their own.
COUNTED = frozenset({RELEASE, STOCK, IDENTIFY})

GENESIS = "0" * 64
TORN_END = b"#torn\n"  # closes half a line, of a message that did not leave
CHANGED = "it does not fit its own hash: it was changed"

Layout = Sequence[tuple[str, Sequence[int], int | None]]


@dataclass(frozen=True)
class Departure:
    """What is about to leave, as the ledger needs to know it.

    Parameters
    ----------
    run : str
        The run that asked.
    task : str
        What was asked.
    round : int
        In which round; 0 outside of training.
    kind : str
        ``release``, ``own_metrics``, ``stock``, ``identify`` or ``error``.
    layout : sequence of tuple
        Name, shape and fractional bits of each array; ``None`` for numbers not in fixed point.
    payload : bytes
        What leaves: the vector, little-endian; of a sentence, its text in UTF-8.
    text : str
        The sentence of an error.
    """

    run: str
    task: str
    round: int
    kind: str
    layout: Layout
    payload: bytes
    text: str = ""


@dataclass(frozen=True)
class Line:
    """One line of the ledger.

    Parameters
    ----------
    n : int
        Its number, from 1.
    time : str
        When it was written, UTC.
    run, task, round, kind, layout, text
        As in :class:`Departure`.
    bytes : int
        Length of what left.
    sha256 : str
        Of what left.
    prev : str
        Hash of the line before it; zeros for the first.
    hash : str
        SHA-256 over ``prev`` and the line's other fields as canonical JSON.
    """

    n: int
    time: str
    run: str
    task: str
    round: int
    kind: str
    layout: Layout
    bytes: int
    sha256: str
    prev: str
    hash: str
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what the file holds for it."""
        body = {key: value for key, value in vars(self).items() if key != "text" or value}
        body["layout"] = [[name, list(shape), bits] for name, shape, bits in self.layout]
        return body


@dataclass
class Head:
    """Where a ledger ends and how often each run was answered: the side file.

    Parameters
    ----------
    n : int
        Number of the last entry; 0 if there is none.
    hash : str
        Its hash.
    size : int
        Length of the ledger, in bytes, up to its end.
    runs : dict of str to int
        Exchanges by run.
    """

    n: int = 0
    hash: str = GENESIS
    size: int = 0
    runs: dict[str, int] = field(default_factory=dict)

    def add(self, line: Line, size: int) -> None:
        """Take in an entry after which the ledger is so long."""
        self.n, self.hash, self.size = line.n, line.hash, size
        if line.kind in COUNTED:
            self.runs[line.run] = self.runs.get(line.run, 0) + 1


def make_line(head: Head, departure: Departure) -> Line:
    """Return the entry for what is about to leave, chained to the end of a ledger."""
    # What cannot be written as UTF-8 must not stop the line.
    text = departure.text.encode("utf-8", "replace").decode("utf-8")
    line = Line(
        n=head.n + 1,
        time=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        run=departure.run,
        task=departure.task,
        round=departure.round,
        kind=departure.kind,
        layout=departure.layout,
        bytes=len(departure.payload),
        sha256=sha256(departure.payload),
        prev=head.hash,
        hash="",
        text=text,
    )
    return replace(line, hash=hash_of(line.to_dict()))


def encoded(line: Line) -> bytes:
    """Return an entry as the file holds it."""
    return json.dumps(line.to_dict(), ensure_ascii=False).encode() + b"\n"


def hash_of(body: Mapping[str, Any]) -> str:
    """Return the hash that an entry of these fields has."""
    rest = {key: value for key, value in body.items() if key != "hash"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256((str(body["prev"]) + canonical).encode("utf-8", "surrogatepass"))


def sha256(payload: bytes) -> str:
    """Return a digest in hexadecimal."""
    return hashlib.sha256(payload).hexdigest()


def parsed(raw: bytes) -> Line | str:
    """Return a line's entry, or what is wrong with it."""
    try:
        body = json.loads(raw)
        line = line_of(body)
    except (ValueError, KeyError, TypeError):
        return "it is no entry"
    return line if hash_of(body) == line.hash else CHANGED


def line_of(body: Mapping[str, Any]) -> Line:
    """Read what :meth:`Line.to_dict` wrote.

    Raises
    ------
    KeyError, TypeError, ValueError
        If it is no entry.
    """
    layout = tuple((str(name), tuple(shape), bits) for name, shape, bits in body["layout"])
    line = Line(**{**body, "layout": layout})
    numbers, words = (line.n, line.round, line.bytes), (line.run, line.kind, line.prev, line.hash)
    if not all(isinstance(item, int) for item in numbers) or not all(
        isinstance(item, str) for item in words
    ):
        raise TypeError("a field of another type")
    return line


def head_path(path: Path) -> Path:
    """Return where the side file of a ledger lies."""
    return path.with_suffix(".head")


def read_head(path: Path) -> Head | None:
    """Read the side file; None if it is missing or was cut short by a power failure."""
    try:
        return Head(**json.loads(head_path(path).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
        return None
    except OSError as error:
        raise unreadable(head_path(path), error) from None


def unreadable(path: Path, error: OSError) -> LedgerError:
    """Return the error for a file that cannot be read."""
    return LedgerError(f"{path} cannot be read ({error.strerror or error}).")
