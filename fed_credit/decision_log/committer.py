"""Group commit: decisions of requests that come together share a transaction.

To get a transaction onto the disk takes as long for a hundred decisions as for one. So decisions
that come while one transaction is on its way make up the next one; nobody waits for a clock.

A transaction that a quick disk takes is written by the event loop itself: a thread would have to
wait for its turn after each statement, which under load takes longer than the disk does. On a slow
disk, while another process writes, or to a server, a thread writes, so that the loop can go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from fed_credit.decision_log.log import DecisionLog
from fed_credit.decision_log.records import Decision, Row, decision_row
from fed_credit.errors import DecisionLogError, DuplicateError, FedCreditError, OverloadError
from fed_credit.storage.files import OccupiedError

_MOST_AT_ONCE = 512
_QUICK_S = 0.002  # as long as the loop may be held up
_TRY_AGAIN = 64  # transactions of the thread, until the loop writes one to see if it is quick again

_Waiting = tuple[Sequence[Row], "asyncio.Future[None]"]


class GroupCommitter:
    """Writes to a decision log for an event loop.

    Parameters
    ----------
    log : DecisionLog
        Where to.
    most_waiting : int, default=10000
        Decisions that may wait; with more, :meth:`put` refuses, and the caller can tell its client
        to come again.

    Attributes
    ----------
    trouble : FedCreditError or None
        Why the last transaction failed; None if it did not. A service with trouble is not ready.
    """

    def __init__(self, log: DecisionLog, *, most_waiting: int = 10_000) -> None:
        self._log = log
        self._most_waiting = most_waiting
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="decision-log")
        self._waiting: list[_Waiting] = []
        self._rows = 0  # that wait
        self._by_thread = 0  # transactions that the thread still writes
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.trouble: FedCreditError | None = None

    async def put(self, *decisions: Decision) -> None:
        """Write decisions; on return they are in the log, all of them.

        Raises
        ------
        OverloadError
            If too many wait already.
        DecisionLogError
            If one cannot be written as JSON, or the log is closed.
        DuplicateError
            If the id of one is in the log already; then none is written.
        StorageError
            If the log fails: then for all that wait for the same transaction.
        """
        # Here, so that what cannot be written is its own request's trouble.
        rows = [decision_row(decision) for decision in decisions]
        if self._closed:
            raise DecisionLogError(f"{self._log.where} is closed; nothing more is decided.")
        if self._rows and self._rows + len(rows) > self._most_waiting:
            raise OverloadError(
                f"{self._log.where} has {self._rows:,} decisions waiting to be written; try again"
                " in a moment."
            )
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, done))
        self._rows += len(rows)
        if self._task is None:
            self._task = asyncio.create_task(self._write_all())
        await done

    async def probe(self) -> None:
        """See whether the log takes anything again, and set :attr:`trouble` accordingly."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._log.check_writable)
            self.trouble = None
        except FedCreditError as error:
            self.trouble = error

    async def close(self) -> None:
        """Write what waits, and take nothing more."""
        self._closed = True
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                await self._settle(self._taken())
        finally:
            self._task = None

    def _taken(self) -> list[_Waiting]:
        """Take the oldest that wait, about as many as a transaction shall hold."""
        rows = taken = 0
        while taken < len(self._waiting) and rows < _MOST_AT_ONCE:
            rows += len(self._waiting[taken][0])
            taken += 1
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        self._rows -= rows
        return batch

    async def _settle(self, batch: Sequence[_Waiting]) -> None:
        """Write a batch and tell those who wait for it."""
        failure: Exception | None = None
        try:
            await self._write([row for rows, _ in batch for row in rows])
            self.trouble = None
        except DuplicateError as error:
            if len(batch) > 1:
                for one in batch:  # each for itself, so that it is one request's trouble
                    await self._settle([one])
                return
            failure = error
        except FedCreditError as error:
            failure = self.trouble = error
        except Exception as error:  # a bug; whoever waits must not wait for ever
            failure, self.trouble = error, DecisionLogError(f"{self._log.where} failed.")
        for _, done in batch:
            if done.done():  # its request is gone
                continue
            if failure is None:
                done.set_result(None)
            else:
                done.set_exception(failure)

    async def _write(self, rows: Sequence[Row]) -> None:
        if self._by_thread == 0 and self._log.file is not None:
            with suppress(OccupiedError):
                start = time.perf_counter()
                self._log.write(rows, wait=False)
                if time.perf_counter() - start > _QUICK_S:
                    self._by_thread = _TRY_AGAIN
                return
        self._by_thread = max(self._by_thread - 1, 0)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._log.write, rows)
