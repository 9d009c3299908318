"""Replies as they arrive, a time-out that ends the wait, and a wait that can be called off."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import pytest
from flwr.app import Context, Message, RecordDict
from flwr.app.user_config import UserConfig
from flwr.clientapp import ClientApp

from fed_credit.runtime.local import InProcessGrid
from fed_credit.runtime.streaming import CalledOffError, StreamingGrid

NODES: dict[int, UserConfig] = {node: {} for node in (2, 3, 4)}


class _LateGrid(InProcessGrid):
    """Has one reply more at each pull, in reverse order, and none from a node that is silent."""

    def __init__(self, silent: int | None = None) -> None:
        app = ClientApp()

        @app.query()
        def query(message: Message, context: Context) -> Message:
            return Message(RecordDict(), reply_to=message)

        super().__init__(app, NODES)
        self._silent = silent
        self.pulled = 0

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        keys = sorted(message_ids, reverse=True)
        ready = [key for key in keys if self._pushed[key].metadata.dst_node_id != self._silent]
        replies = list(super().pull_messages(ready[:1]))
        self.pulled += len(replies)
        return replies


def _messages() -> list[Message]:
    return [Message(RecordDict(), dst_node_id=node, message_type="query") for node in NODES]


def test_replies_are_handed_on_one_by_one() -> None:
    inner = _LateGrid()
    grid = StreamingGrid(inner, threading.Event())
    nodes = []
    for count, reply in enumerate(grid.send_and_receive(_messages(), timeout=5.0), 1):
        assert inner.pulled == count  # nothing was collected ahead
        nodes.append(reply.metadata.src_node_id)
    assert sorted(nodes) == [2, 3, 4] != nodes


def test_the_time_out_ends_the_wait_without_the_silent_bank() -> None:
    grid = StreamingGrid(_LateGrid(silent=3), threading.Event())
    start = time.monotonic()
    replies = list(grid.send_and_receive(_messages(), timeout=0.4))
    assert {reply.metadata.src_node_id for reply in replies} == {2, 4}
    assert 0.4 <= time.monotonic() - start < 2.0


class _LyingGrid(_LateGrid):
    """Each answer names node 3 as its sender."""

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        for reply in super().pull_messages(message_ids):
            reply.metadata.__dict__["_src_node_id"] = 3
            yield reply


def test_an_answer_is_of_whom_the_question_went_to() -> None:
    grid = StreamingGrid(_LyingGrid(), threading.Event())
    replies = list(grid.send_and_receive(_messages(), timeout=5.0))
    assert sorted(reply.metadata.src_node_id for reply in replies) == [2, 3, 4]


def test_a_wait_can_be_called_off() -> None:
    stop = threading.Event()
    grid = StreamingGrid(_LateGrid(silent=3), stop)
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(CalledOffError):
        list(grid.send_and_receive(_messages(), timeout=60.0))


def test_the_rest_is_the_grids_own() -> None:
    inner = _LateGrid()
    grid = StreamingGrid(inner, threading.Event())
    assert list(grid.get_node_ids()) == [2, 3, 4]
    assert grid.run == inner.run
    message = grid.create_message(RecordDict(), "query", 3, "group")
    (key,) = grid.push_messages([message])
    (reply,) = grid.pull_messages([key])
    assert reply.metadata.src_node_id == 3
