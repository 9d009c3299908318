"""The in-process grid: Flower's interface, one message at a time."""

from __future__ import annotations

import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.app.user_config import UserConfig
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from fed_credit.runtime.local import InProcessGrid

NODES: dict[int, UserConfig] = {node: {"partition-id": node - 2} for node in range(2, 8)}


@pytest.fixture
def app() -> ClientApp:
    """Answers with the place of its node, and counts in the node's own state."""
    app = ClientApp()

    @app.query()
    def query(message: Message, context: Context) -> Message:
        seen = context.state.config_records.setdefault("seen", ConfigRecord({"times": 0}))
        seen["times"] += 1
        answer = ConfigRecord(
            {"place": context.node_config["partition-id"], "times": seen["times"]}
        )
        return Message(RecordDict({"answer": answer}), reply_to=message)

    return app


def _messages(nodes: list[int]) -> list[Message]:
    return [Message(RecordDict(), dst_node_id=node, message_type="query") for node in nodes]


def _place(reply: Message) -> int:
    return int(reply.content.config_records["answer"]["place"])


def test_replies_come_from_the_nodes_asked_in_the_order_asked(app: ClientApp) -> None:
    grid = InProcessGrid(app, NODES)
    assert isinstance(grid, Grid)
    assert list(grid.get_node_ids()) == list(NODES)
    replies = list(grid.send_and_receive(_messages([5, 2, 7])))
    assert [reply.metadata.src_node_id for reply in replies] == [5, 2, 7]
    assert [_place(reply) for reply in replies] == [3, 0, 5]


def test_a_seed_shuffles_the_replies_and_loses_none(app: ClientApp) -> None:
    orders = []
    for seed in (1, 1, 2):
        grid = InProcessGrid(app, NODES, shuffle=seed)
        orders.append([_place(reply) for reply in grid.send_and_receive(_messages(list(NODES)))])
    assert orders[0] == orders[1] != orders[2]
    assert all(sorted(order) == list(range(6)) for order in orders)


def test_messages_can_be_pushed_and_pulled_later(app: ClientApp) -> None:
    grid = InProcessGrid(app, NODES)
    keys = list(grid.push_messages(_messages([3, 4])))
    assert len(set(keys)) == 2
    assert [_place(reply) for reply in grid.pull_messages(keys[1:])] == [2]
    assert [_place(reply) for reply in grid.pull_messages(keys)] == [1]
    assert list(grid.pull_messages([*keys, "unknown"])) == []


def test_a_nodes_state_is_its_own_and_lasts(app: ClientApp) -> None:
    grid = InProcessGrid(app, NODES)
    list(grid.send_and_receive(_messages([2])))
    replies = list(grid.send_and_receive(_messages([2, 3])))
    assert [reply.content.config_records["answer"]["times"] for reply in replies] == [2, 1]


def test_the_rest_of_flowers_interface(app: ClientApp) -> None:
    grid = InProcessGrid(app, NODES)
    assert grid.run.run_id == 1
    run = Run.create_empty(9)
    grid.set_run(run)
    assert grid.run is run
    message = grid.create_message(RecordDict(), "query", 4, "round 1")
    assert (message.metadata.dst_node_id, message.metadata.group_id) == (4, "round 1")
    (reply,) = grid.send_and_receive([message])
    assert _place(reply) == 2
