"""Decisions that were answered and are on their way into the log.

To write a row into a database takes as long as to decide. Where the log need not survive a power
failure at once, a worker of the service appends its decisions to a plain file, answers, and lets
the log take them a few milliseconds later, many in one transaction. The file is the kernel's as
soon as it is written, so a process that is killed takes nothing with it; whoever opens the log next
puts into it what was left (:func:`recovered`).
"""

from __future__ import annotations

import logging
import os
import secrets
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fed_credit.decision_log.records import Row, decision_of, decision_row
from fed_credit.errors import DuplicateError, StorageError
from fed_credit.storage.files import unwritable, writing_alone

log = logging.getLogger("fed_credit.decision_log")

_MOST_BYTES = 4 << 20  # of a file; what does not fit takes the way without a journal
_NUMBER = 4  # bytes of a length and of a checksum, the most significant first
_AT_ONCE = 256
_ENDING = ".journal"


class Segment:
    """One of a journal's two files: while the log takes what is in one, the other is written.

    Parameters
    ----------
    path : Path
        Where it is made.
    """

    def __init__(self, path: Path) -> None:
        import fcntl  # where a bank runs

        self.path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)  # held as long as this process lives
        self._length = 0
        self._writes = 0  # that are not in the log yet

    def takes(self, size: int) -> bool:
        """Return whether there is room."""
        return self._length + size <= _MOST_BYTES

    @property
    def empty(self) -> bool:
        """Whether all that was written is in the log."""
        return self._writes == 0

    def write(self, records: bytes) -> bool:
        """Append; return whether it is there."""
        try:
            written = os.write(self._file, records)
        except OSError:
            written = 0
        if written < len(records):  # the disk is full
            with suppress(OSError):
                os.ftruncate(self._file, self._length)
            return False
        self._length += written
        self._writes += 1
        return True

    def settle(self) -> None:
        """Note that the log has what one call of :meth:`write` brought."""
        self._writes -= 1
        if self.empty:
            os.ftruncate(self._file, 0)  # nothing stays here that is purged from the log one day
            self._length = 0

    def close(self) -> None:
        """Let go of the file; if the log has all of it, it is removed."""
        if self.empty:
            self.path.unlink(missing_ok=True)
        os.close(self._file)


class Journal:
    """Where one process writes decisions before it answers.

    Parameters
    ----------
    log_file : Path
        The log's file, beside which a folder holds the journals.

    Raises
    ------
    StorageError
        If they cannot be made.
    """

    def __init__(self, log_file: Path) -> None:
        folder, name = _folder(log_file), secrets.token_hex(8)
        # Nobody else looks for journals without an owner between the making and the lock.
        with writing_alone(log_file):
            try:
                folder.mkdir(mode=0o700, exist_ok=True)
                self._segments = [Segment(folder / f"{name}-{k}{_ENDING}") for k in range(2)]
            except OSError as error:
                raise unwritable(folder, error) from None

    def write(self, rows: Sequence[Row]) -> Segment | None:
        """Write decisions; on return they survive this process.

        Returns
        -------
        Segment or None
            What to settle once the log has them; None if there is no room, and nothing was written.
        """
        records = b"".join([_record(row.content.encode()) for row in rows])
        current = self._segments[0]
        if not current.takes(len(records)):
            current = self._segments[1]
            if not current.empty or not current.takes(len(records)):
                return None
            self._segments.reverse()
        return current if current.write(records) else None

    def close(self) -> None:
        """End it; what the log does not have stays for :func:`recovered`."""
        for segment in self._segments:
            segment.close()
        with suppress(OSError):  # other workers' are in it
            self._segments[0].path.parent.rmdir()


def recovered(log_file: Path, write: Callable[[Sequence[Row]], object]) -> int:
    """Put into the log what killed processes had written for it.

    Parameters
    ----------
    log_file : Path
        The log's file.
    write : callable
        Writes rows into it, all or none.

    Returns
    -------
    int
        Decisions that the log did not have.

    Raises
    ------
    StorageError
        If a journal cannot be read, or the log not be written; nothing is lost.
    """
    folder, count = _folder(log_file), 0
    for path in sorted(folder.glob(f"*{_ENDING}")):
        with _orphan(path, log_file) as body:
            if body is not None:
                rows = [decision_row(decision_of(content)) for content in _contents(body)]
                count += completed(rows, write)
                path.unlink(missing_ok=True)
    if count:
        log.warning(
            "What a service had answered and left was put into the log; decisions: %d.", count
        )
    return count


def completed(rows: Sequence[Row], write: Callable[[Sequence[Row]], object]) -> int:
    """Write those rows that the log does not have yet; return how many these were."""
    count = 0
    for start in range(0, len(rows), _AT_ONCE):
        piece = rows[start : start + _AT_ONCE]
        try:
            write(piece)
            count += len(piece)
        except DuplicateError:
            if len(piece) > 1:
                count += sum(completed([row], write) for row in piece)
    return count


def _folder(log_file: Path) -> Path:
    return log_file.with_name(f"{log_file.name}.journals")


def _record(content: bytes) -> bytes:
    length = len(content).to_bytes(_NUMBER, "big")
    return length + zlib.crc32(content).to_bytes(_NUMBER, "big") + content


def _contents(body: bytes) -> Iterator[str]:
    """Take records apart, up to one that was not written to its end, and so not answered."""
    start = 0
    while len(body) - start > 2 * _NUMBER:
        first = start + 2 * _NUMBER
        length = int.from_bytes(body[start : start + _NUMBER], "big")
        content = body[first : first + length]
        told = int.from_bytes(body[start + _NUMBER : first], "big")
        if not 0 < length <= len(content) or zlib.crc32(content) != told:
            return
        yield content.decode("ascii")
        start = first + length


@contextmanager
def _orphan(path: Path, log_file: Path) -> Iterator[bytes | None]:
    """Give what is in a journal whose process is gone, and keep others off; else None."""
    import fcntl

    try:
        with writing_alone(log_file):
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                file = -1
    except FileNotFoundError:  # its process has just ended
        file = -1
    except OSError as error:
        raise StorageError(
            f"{path} holds answered decisions and cannot be read ({error.strerror or error}); mend"
            " its permissions."
        ) from None
    if file < 0:
        yield None
        return
    with os.fdopen(file, "rb") as stream:
        yield stream.read()
