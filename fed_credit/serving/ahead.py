"""Answering ahead of the log, where it need not survive a power failure at once.

A decision is written into a journal and answered; the log takes it with others a moment later
(:mod:`fed_credit.decision_log.journal` says why that loses nothing).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from fed_credit.decision_log.journal import Journal, Segment, completed
from fed_credit.decision_log.log import DecisionLog
from fed_credit.decision_log.records import Decision, Row, decision_row
from fed_credit.errors import FedCreditError

log = logging.getLogger("fed_credit.serving")

_GATHER_S = 0.02
_AT_ONCE = 64  # decisions that make up a batch before that time is over
_MOST_BEHIND = 2_000  # with more the log is too slow, and requests wait for it
_AGAIN_S = 1.0
_PATIENCE_S = 2.0


@dataclass(eq=False)
class Batch:
    """Decisions that were answered and that the log gets together.

    Parameters
    ----------
    rows : list of Row
        What the log gets.
    segments : list of Segment
        Of the journal: one for each time that it was written to.
    done : Event
        Set when the log has them.
    """

    rows: list[Row] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Ahead:
    """Takes decisions for a journal, and sees to it that the log gets them.

    Parameters
    ----------
    journal : Journal
        This worker's.
    decisions : DecisionLog
        The log, for batches that the one they were sent to did not write.
    send : callable
        Sends a batch to where it is written; :meth:`written` or :meth:`refused` tells of it.
    """

    def __init__(
        self, journal: Journal, decisions: DecisionLog, send: Callable[[Batch], None]
    ) -> None:
        self._journal = journal
        self._log = decisions
        self._send = send
        self._batch = Batch()
        self._sent: set[Batch] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self.behind = 0
        """Decisions that were answered and are not in the log yet."""

    def take(self, decisions: Sequence[Decision]) -> bool:
        """Write decisions into the journal; return whether they may be answered.

        Raises
        ------
        DecisionLogError
            If one cannot be written as JSON.
        """
        if self.behind >= _MOST_BEHIND:
            return False
        rows = [decision_row(one) for one in decisions]
        segment = self._journal.write(rows)
        if segment is None:
            return False
        batch = self._batch
        batch.rows += rows
        batch.segments.append(segment)
        self.behind += len(rows)
        if len(batch.rows) >= _AT_ONCE:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_GATHER_S, self.flush)
        return True

    def flush(self) -> None:
        """Send what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._batch.rows:
            batch, self._batch = self._batch, Batch()
            self._sent.add(batch)
            self._send(batch)

    def written(self, batch: Batch) -> None:
        """Note that the log has a batch."""
        for segment in batch.segments:
            segment.settle()
        self.behind -= len(batch.rows)
        self._sent.discard(batch)
        batch.done.set()

    def refused(self, batch: Batch) -> None:
        """See to a batch that was not written, or of which it is not known."""
        task = asyncio.ensure_future(self._complete(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def caught_up(self) -> None:
        """Wait until the log has what is answered by now, unless it fails."""
        self.flush()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                for batch in list(self._sent):
                    await batch.done.wait()

    async def close(self) -> None:
        """Bring the log what can be brought; the rest stays in the journal for the next who opens.

        What was sent has to be told of before.
        """
        self._closing = True
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._journal.close()

    async def _complete(self, batch: Batch) -> None:
        """Write what the log does not have of a batch, again and again if need be."""
        while True:
            with suppress(FedCreditError):
                await asyncio.to_thread(completed, batch.rows, self._log.write)
                self.written(batch)
                return
            if self._closing:
                log.error(
                    "Answered decisions that are not in the log yet: %d. It gets them from their"
                    " journal when it is next opened.",
                    len(batch.rows),
                )
                return
            await asyncio.sleep(_AGAIN_S)
