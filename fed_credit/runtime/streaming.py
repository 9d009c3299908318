"""Flower's grid with replies handed on as they arrive, and a wait that can be called off.

Flower's own ``send_and_receive`` returns only when the last reply is in, holds them all until then,
and cannot be interrupted: after Ctrl-C its thread would keep the process alive until the time-out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

_PULL_SECONDS = 0.05  # of Flower's engine, where asking costs little


class CalledOffError(RuntimeError):
    """The wait for replies was called off."""


class StreamingGrid(Grid):
    """A grid over another one that yields replies as they arrive.

    Parameters
    ----------
    grid : Grid
        Carries the messages.
    stop : threading.Event
        Calls the wait off when it is set.
    pull_seconds : float
        How long to wait before asking again whether replies are there.
    """

    def __init__(
        self, grid: Grid, stop: threading.Event, pull_seconds: float = _PULL_SECONDS
    ) -> None:
        self._grid = grid
        self._stop = stop
        self._pull_seconds = pull_seconds

    def set_run(self, run: Run) -> None:
        """Set the run."""
        self._grid.set_run(run)

    @property
    def run(self) -> Run:
        """The run."""
        return self._grid.run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Create a message; see :class:`flwr.serverapp.Grid`."""
        return self._grid.create_message(content, message_type, dst_node_id, group_id, ttl)

    def get_node_ids(self) -> Iterable[int]:
        """Return the node ids."""
        return self._grid.get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send messages and return their ids."""
        return self._grid.push_messages(messages)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Return the replies that are there."""
        return self._grid.pull_messages(message_ids)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterator[Message]:
        """Yield replies as they arrive, until all are in or the time is up.

        Raises
        ------
        CalledOffError
            If the wait is called off.
        """
        sent = list(messages)  # the SuperLink's grid goes through them twice
        if timeout is not None:
            for message in sent:
                # A bank that comes back must not work on what nobody waits for any more.
                message.metadata.ttl = timeout
        nodes = [message.metadata.dst_node_id for message in sent]
        waiting = dict(zip(self._grid.push_messages(sent), nodes, strict=False))
        del sent
        end = float("inf") if timeout is None else time.monotonic() + timeout
        while waiting:
            for reply in self._grid.pull_messages(list(waiting)):
                node = waiting.pop(reply.metadata.reply_to_message_id, None)
                if node is not None:
                    # An answer is of whom the question went to. The SuperLink answers in its own
                    # name for a node that cannot be reached, and a node may name another one.
                    reply.metadata.__dict__["_src_node_id"] = node
                yield reply
            if time.monotonic() >= end:
                return
            if waiting and self._stop.wait(self._pull_seconds):
                raise CalledOffError("the run was interrupted")
