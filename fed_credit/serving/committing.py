"""How a worker's decisions get into the log before they are answered.

They are sent, a few at a time, to a process of the log's own, and what comes there while a
transaction is written makes up the next one (:mod:`fed_credit.serving.log_process`). A single one
that nobody else waits for is written at once, where the disk is quick: then the way to another
process costs more. And if that process is gone,
:class:`~fed_credit.decision_log.committer.GroupCommitter` does it all.

Where the log need not survive a power failure at once, a decision is answered when a journal has
it (:mod:`fed_credit.serving.ahead`), and sent to that process afterwards.
"""

from __future__ import annotations

import asyncio
import logging
import marshal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from fed_credit.decision_log.committer import GroupCommitter
from fed_credit.decision_log.journal import Journal
from fed_credit.decision_log.log import DecisionLog
from fed_credit.decision_log.records import Decision, decision_row
from fed_credit.errors import (
    DuplicateError,
    FedCreditError,
    OverloadError,
    StorageError,
)
from fed_credit.serving.ahead import Ahead, Batch
from fed_credit.serving.log_process import (
    DECISIONS,
    DUPLICATE,
    FAILED,
    ROWS,
    WRITTEN,
    packed,
    split,
)
from fed_credit.storage.files import OccupiedError

log = logging.getLogger("fed_credit.serving")

_AT_ONCE = 4  # requests in a message: it is on its way while the next ones are decided
_MOST_WAITING = 10_000
_QUICK_S = 0.002  # as long as the loop may be held up
_TRY_AGAIN = 64

_Waiting = tuple[Sequence[Decision], "asyncio.Future[None]", bool]


class Committer:
    """Writes to a decision log for an event loop.

    Parameters
    ----------
    decisions : DecisionLog
        The log, for what is not sent to the other process.
    where : str
        Where it lies.
    durable : bool
        Whether a decision is on the disk before it is answered.
    """

    def __init__(self, decisions: DecisionLog, where: str, durable: bool) -> None:
        self._log = decisions
        self._here = GroupCommitter(decisions)
        self._where, self._durable = where, durable
        self._line: _Line | None = None
        self.process: subprocess.Popen[bytes] | None = None
        """The log's own process."""
        self._waiting: list[_Waiting] = []
        self._flights: deque[list[_Waiting] | Batch] = deque()
        self._rows = 0  # that wait or are on their way
        self._due = False
        self._failed = False
        self._slow = 0  # single decisions that the other process writes, until the loop tries again
        self._tasks: set[asyncio.Task[None]] = set()
        self._ahead: Ahead | None = None
        if decisions.file is not None and not durable:
            self._ahead = Ahead(Journal(decisions.file), decisions, self._send_batch)
        self.active = 0
        """Requests that the worker is answering now; whoever answers counts them."""

    async def start(self) -> None:
        """Start the log's process; until it is ready, this one writes."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            command = [sys.executable, "-m", "fed_credit.serving.log_process"]
            command += [str(theirs.fileno()), self._where, "1" if self._durable else "0"]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        await asyncio.get_running_loop().create_unix_connection(
            lambda: _Line(self._ready, self._told, self._lost), sock=ours
        )

    @property
    def apart(self) -> bool:
        """Whether the log's own process is ready to write."""
        return self._line is not None

    async def put(self, *decisions: Decision, once: bool = False) -> None:
        """Write decisions; on return they are in the log, or on a sure way there, all of them.

        Parameters
        ----------
        *decisions : Decision
            What to write.
        once : bool
            Whether their ids may be in the log already, so that the log has to be asked.

        Raises
        ------
        DuplicateError
            If the id of one is in the log already.
        OverloadError
            If too many wait.
        FedCreditError
            If the log fails.
        """
        if self._line is None:
            await self._here.put(*decisions)
            return
        if self._rows and self._rows + len(decisions) > _MOST_WAITING:
            raise OverloadError("Too many decisions wait to be written; try again in a moment.")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((decisions, done, once))
        self._rows += len(decisions)
        if len(self._waiting) >= _AT_ONCE:
            self._send()
        elif not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._rest)
        await done

    @property
    def answers_ahead(self) -> bool:
        """Whether decisions may be answered a moment before the log has them."""
        return self._ahead is not None

    async def caught_up(self) -> None:
        """Wait until the log has what this worker has answered, for whoever reads it next."""
        if self._ahead is not None:
            await self._ahead.caught_up()

    async def writable(self) -> bool:
        """Return whether a decision could be written now."""
        if self._failed or self._here.trouble is not None:
            await self._here.probe()
            self._failed = self._here.trouble is not None
        return not self._failed

    async def close(self) -> None:
        """Write what waits, and end the log's process."""
        if self._ahead is not None:
            self._ahead.flush()
        while self._flights or self._waiting or self._tasks:
            await asyncio.sleep(0.005)
        line, self._line = self._line, None
        if line is not None:
            line.transport.close()
        if self.process is not None:
            if line is None:  # it has nothing to write
                self.process.kill()
            await asyncio.to_thread(self.process.wait)
        if self._ahead is not None:
            await self._ahead.close()
        await self._here.close()

    def _ready(self, line: _Line) -> None:
        self._line = line

    def _rest(self) -> None:
        """Write what is left of the requests that came along."""
        self._due = False
        if not self._waiting or self._line is None:
            return
        first = self._waiting[0]
        alone = self.active <= 1 and self._rows == len(first[0])
        if not (alone and self._taken_now(first)):
            self._send()

    def _send(self) -> None:
        assert self._line is not None
        flight, self._waiting = self._waiting, []
        self._flights.append(flight)
        values = [tuple(vars(one).values()) for given, _, _ in flight for one in given]
        self._line.transport.write(packed((DECISIONS, values)))

    def _send_batch(self, batch: Batch) -> None:
        assert self._ahead is not None
        if self._line is None:
            self._ahead.refused(batch)
            return
        self._flights.append(batch)
        rows = [(str(row.kind), *tuple(vars(row).values())[1:]) for row in batch.rows]
        self._line.transport.write(packed((ROWS, rows)))

    def _taken_now(self, waiting: _Waiting) -> bool:
        """Write at once, into the journal or the log, unless that would hold up the loop."""
        decisions, _, once = waiting
        error: FedCreditError | None = None
        try:
            ahead = self._ahead if not (once or self._failed) else None
            if not (ahead is not None and ahead.take(decisions)) and not self._written(decisions):
                return False
        except FedCreditError as found:
            error = found
        self._waiting = []
        self._settle([waiting], error)
        return True

    def _written(self, decisions: Sequence[Decision]) -> bool:
        """Write into the log, unless that would hold up the loop."""
        self._slow = max(self._slow - 1, 0)
        if self._slow or self._log.file is None:
            return False
        rows = [decision_row(one) for one in decisions]
        start = time.perf_counter()
        try:
            self._log.write(rows, wait=False)
        except OccupiedError:
            return False
        except DuplicateError:
            raise
        except FedCreditError:
            self._failed = True
            raise
        finally:
            if time.perf_counter() - start > _QUICK_S:
                self._slow = _TRY_AGAIN
        self._failed = False
        return True

    def _told(self, outcome: int, words: str) -> None:
        """Tell those whose decisions were sent first what became of them."""
        flight = self._flights.popleft()
        self._failed = outcome == FAILED
        if isinstance(flight, Batch):
            self._settle_batch(flight, written=outcome == WRITTEN)
            return
        if outcome == DUPLICATE and len(flight) > 1:
            self._write_here(flight)  # one is at fault; each for itself, so that others are not
            return
        error: FedCreditError | None = None
        if outcome == DUPLICATE:
            error = DuplicateError(words)
        elif outcome == FAILED:
            error = StorageError(words)
        self._settle(flight, error)

    def _lost(self) -> None:
        """Go on without the other process."""
        if self._line is not None:
            log.error("The log's process ended; this one writes decisions from now on.")
        self._line = None
        while self._flights:
            flight = self._flights.popleft()
            if isinstance(flight, Batch):
                self._settle_batch(flight, written=False)
            else:  # it may have written these, so they are not written again, and not answered
                words = "The log's process ended while it wrote."
                self._settle(flight, StorageError(words))
        waiting, self._waiting = self._waiting, []
        self._write_here(waiting)

    def _settle_batch(self, batch: Batch, *, written: bool) -> None:
        assert self._ahead is not None
        if written:
            self._ahead.written(batch)
        else:
            self._ahead.refused(batch)

    def _write_here(self, waiting: Sequence[_Waiting]) -> None:
        for one in waiting:
            task = asyncio.ensure_future(self._singly(one))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _singly(self, waiting: _Waiting) -> None:
        error: FedCreditError | None = None
        try:
            await self._here.put(*waiting[0])
        except FedCreditError as found:
            error = found
        self._settle([waiting], error)

    def _settle(self, waiting: Sequence[_Waiting], error: FedCreditError | None) -> None:
        for decisions, done, _ in waiting:
            self._rows -= len(decisions)
            if done.done():  # its request is gone
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)


class _Line(asyncio.Protocol):
    """The worker's end of the socket."""

    transport: asyncio.WriteTransport

    def __init__(
        self,
        ready: Callable[[_Line], None],
        told: Callable[[int, str], None],
        lost: Callable[[], None],
    ) -> None:
        self._is_ready, self._tell, self._lost = ready, told, lost
        self._first = True
        self._pieces = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._pieces += data
        for message in split(self._pieces):
            if self._first:
                self._first = False
                self._is_ready(self)
            else:
                self._tell(*marshal.loads(message))

    def connection_lost(self, error: Exception | None) -> None:
        self._lost()
