"""Reading the egress ledger: its entries, and whether it is whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from clients.ledger_lines import (
    CHANGED,
    TORN,
    TORN_END,
    Head,
    Line,
    head_path,
    line_of,
    parsed,
    read_head,
    sha256,
    unreadable,
)


@dataclass(frozen=True)
class Problem:
    """What is wrong with a ledger.

    Parameters
    ----------
    line : int
        Line of the file, from 1; 0 for the ledger as a whole.
    what : str
        One sentence.
    """

    line: int
    what: str


@dataclass(frozen=True)
class Verdict:
    """What :func:`verify` found.

    Parameters
    ----------
    entries : int
        Lines read as entries.
    hash : str
        Hash of the last one; note it elsewhere to be sure of everything before it.
    problems : tuple of Problem
        Empty if the ledger is whole.
    notes : tuple of str
        What a reader should know and is no fault.
    """

    entries: int
    hash: str
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def verify(path: Path, *, anchor: str | None = None) -> Verdict:
    """Read a ledger from its beginning and say whether it is whole.

    Parameters
    ----------
    path : Path
        The file.
    anchor : str or None
        A hash, or the beginning of one, noted earlier, that the ledger must still hold.

    Returns
    -------
    Verdict

    Raises
    ------
    LedgerError
        If it cannot be read.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    head, size = _measured(path)
    known = head or Head()
    if head is None and size:
        problems.append(
            Problem(0, f"{head_path(path).name} is missing, so a cut-off end would not show")
        )
    last, entries, aside, anchored = Head(), 0, b"", False
    for number, raw in enumerate(_lines(path, size), 1):
        if raw.endswith(TORN_END) or not raw.endswith(b"\n"):
            aside += raw
            continue
        line = parsed(raw)
        if isinstance(line, str):
            problems.append(Problem(number, line))
            if line == CHANGED:
                # Its place in the chain can still be read, so that it alone is named.
                kept = json.loads(raw)
                last.n, last.hash, entries = last.n + 1, str(kept["hash"]), entries + 1
            aside = b""
            continue
        problems += [Problem(number, what) for what in _misplaced(line, last, aside)]
        aside = b""
        last.add(line, 0)
        entries += 1
        anchored = anchored or (anchor is not None and line.hash.startswith(anchor))
        if line.n == known.n and line.hash != known.hash:
            problems.append(
                Problem(number, f"its hash differs from the one in {head_path(path).name}")
            )
    if last.n < known.n:
        problems.append(
            Problem(
                0,
                f"the last entry is number {last.n}, and {head_path(path).name} knows of"
                f" {known.n}: the end was cut off",
            )
        )
    if aside:
        notes.append(
            "It ends in half a line, of a message that did not leave; the next one sets it aside."
        )
    if head is not None and last.n > known.n and not problems:
        notes.append(
            f"{last.n - known.n} of its entries are newer than {head_path(path).name}; the next"
            " message takes them in."
        )
    if anchor is not None and not anchored:
        problems.append(Problem(0, f"no entry has the hash {anchor}"))
    return Verdict(entries, last.hash, tuple(problems), tuple(notes))


def read(path: Path, *, run: str | None = None) -> Iterator[Line]:
    """Read the entries of a ledger, without asking whether it is whole.

    Parameters
    ----------
    path : Path
        The file; none at all is an empty ledger.
    run : str or None
        Only entries of this run.

    Yields
    ------
    Line

    Raises
    ------
    LedgerError
        If it cannot be read.
    """
    _, size = _measured(path)
    for raw in _lines(path, size):
        try:
            line = line_of(json.loads(raw))
        except (ValueError, KeyError, TypeError):
            continue
        if run is None or line.run == run:
            yield line


def _misplaced(line: Line, last: Head, aside: bytes) -> Iterator[str]:
    """Say what is wrong with an entry after what came before it."""
    if line.prev != last.hash:
        yield (
            "it does not follow the entry before it: one was taken out, put in, moved or changed"
        )
    elif line.n != last.n + 1:
        yield f"it is number {line.n} where {last.n + 1} comes next"
    if aside and (line.kind, line.sha256) != (TORN, sha256(aside)):
        yield "it follows what was set aside and does not say so"
    if line.kind == TORN and not aside:
        yield "it speaks of half a line before it that is not there"


def _measured(path: Path) -> tuple[Head | None, int]:
    """Return side file and length of a ledger as they are between two messages."""
    import fcntl

    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return read_head(path), os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return read_head(path), 0
    except OSError as error:
        raise unreadable(path, error) from None


def _lines(path: Path, size: int) -> Iterator[bytes]:
    """Read the lines in the first so many bytes; what is appended meanwhile is left aside."""
    if not size:
        return
    try:
        with path.open("rb") as file:
            yield from _until(file, size)
    except OSError as error:
        raise unreadable(path, error) from None


def _until(file: IO[bytes], size: int) -> Iterator[bytes]:
    read_so_far = 0
    for raw in file:
        read_so_far += len(raw)
        yield raw
        if read_so_far >= size:
            return
