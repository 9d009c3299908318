"""The egress ledger: what left a bank, line by line, each line chained to the one before it.

A line is written and on the disk before its message leaves; if it cannot be written, the message
does not leave. So the ledger holds at least what left. A line may stand for a message that was
about to leave when the machine stopped or its disk was full.

What the chain can show: a line that was changed, taken out, put in or moved, by whoever did not
also write all later lines and the side file anew. With the side file ``ledger.head`` it shows a
cut-off end too. What it cannot show: that somebody who may write both files at the bank made them
anew from some line on, since there is no secret in the chain. Against that, note the last hash from
time to time where that person cannot reach it: ``fed-credit ledger verify --anchor HASH`` later
tells whether the ledger still holds it. Nor does a ledger prove that nothing left by another way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clients.ledger_lines import (
    COUNTED,
    REBUILT,
    TORN,
    TORN_END,
    Departure,
    Head,
    Line,
    encoded,
    head_path,
    make_line,
    parsed,
    read_head,
)
from fed_credit.errors import LedgerError, ReleaseError

# Beneath a bank's home folder.
LEDGER = Path("state") / "ledger.jsonl"

_VERIFY = "see what fed-credit ledger verify says"


class Ledger:
    """Appends to a ledger; safe for several threads and processes at once.

    A message costs the same however long the ledger is: the side file beside it knows the last hash
    and the exchanges of each run.

    Parameters
    ----------
    path : Path
        The file; it and its folder are made for the owner alone when they are first needed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def exchanges(self, run: str) -> int:
        """Return how many answers left for a run; errors are not counted."""
        head = read_head(self._path)
        return 0 if head is None else head.runs.get(run, 0)

    def append(self, departure: Departure, *, limit: int | None = None) -> Line:
        """Write what is about to leave; on return it is on the disk.

        Parameters
        ----------
        departure : Departure
            What is about to leave.
        limit : int or None
            Largest number of exchanges of its run.

        Returns
        -------
        Line

        Raises
        ------
        ReleaseError
            If the run was answered so often already; nothing is written.
        LedgerError
            If the line cannot be written, or the ledger was cut or changed: nothing may leave.
        """
        with self._locked() as file:
            head = self._caught_up(file)
            if (
                limit is not None
                and departure.kind in COUNTED
                and head.runs.get(departure.run, 0) >= limit
            ):
                raise exchanges_used_up(limit)
            line = self._write(file, head, departure)
            self._write_head(head)
            return line

    @contextmanager
    def _locked(self) -> Iterator[int]:
        import fcntl  # where a bank runs; a simulation has no ledger and may run elsewhere

        file = -1
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            while True:
                flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                file = os.open(self._path, flags, 0o600)
                fcntl.flock(file, fcntl.LOCK_EX)
                if _same_file(file, self._path):
                    break
                os.close(file)  # it was put away while this process waited
            yield file
        except OSError as error:
            raise _unwritable(self._path, error) from None
        finally:
            if file >= 0:
                with suppress(OSError):
                    os.close(file)

    def _caught_up(self, file: int) -> Head:
        """Return the end of the ledger, taking in lines that the side file does not know of."""
        size = os.fstat(file).st_size
        head = read_head(self._path)
        missing = head is None and size > 0
        head = head or Head()
        if size < head.size:
            raise LedgerError(
                f"{self._path} is shorter than {head_path(self._path).name} says: its end was cut"
                f" off. Nothing leaves; {_VERIFY}, keep both files elsewhere and start anew."
            )
        if size == head.size:
            return head
        with os.fdopen(os.dup(file), "rb") as reader:
            reader.seek(head.size)
            reached = head.size
            for number, raw in enumerate(reader, head.n + 1):
                if raw.endswith(TORN_END) or not raw.endswith(b"\n"):
                    continue  # of no message; what follows it says so
                line = parsed(raw)
                if isinstance(line, str) or line.n != head.n + 1 or line.prev != head.hash:
                    raise LedgerError(
                        f"{self._path} was changed near line {number}. Nothing leaves; {_VERIFY},"
                        " keep it elsewhere and start anew."
                    )
                reached = reader.tell()
                head.add(line, reached)
            reader.seek(reached)
            torn = reader.read()
        if torn:
            self._set_aside(file, head, torn)
        if missing:
            self._write(file, head, Departure("", "", 0, REBUILT, (), b""))
        return head

    def _set_aside(self, file: int, head: Head, torn: bytes) -> None:
        """Close half a line, of what did not leave, and write a line that says so."""
        end = b"" if torn.endswith(b"\n") else TORN_END
        head.size += len(torn)
        self._write(file, head, Departure("", "", 0, TORN, (), torn + end), before=end)

    def _write(self, file: int, head: Head, departure: Departure, *, before: bytes = b"") -> Line:
        line = make_line(head, departure)
        data = before + encoded(line)
        written = 0
        while written < len(data):  # the disk may take less than it is given
            written += os.write(file, data[written:])
        os.fsync(file)
        if head.n == 0:
            _sync_folder(self._path.parent)
        head.add(line, head.size + len(data))
        return line

    def _write_head(self, head: Head) -> None:
        path = head_path(self._path)
        temporary = path.with_name(f".{path.name}.part")
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as writer:
            json.dump(vars(head), writer)
        temporary.replace(path)


def exchanges_used_up(limit: int) -> ReleaseError:
    """Return the refusal of a run that was answered often enough; safe to send."""
    return ReleaseError(
        f"policy.max_exchanges_per_run in the bank's bank.yaml allows {limit:,} answers to a run,"
        " and this one had them; refused."
    )


def _same_file(file: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(file)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unwritable(path: Path, error: OSError) -> LedgerError:
    return LedgerError(
        f"{path} cannot be written ({error.strerror or error}), so nothing leaves; free space, or"
        " mend its permissions."
    )
