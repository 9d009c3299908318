"""One exchange: exact sums in any order, faults by name, and one vector at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Context,
    Error,
    Message,
    MetricRecord,
    RecordDict,
)

from clients.bank import Bank
from clients.gate import Gate
from clients.policy import Policy
from fed_credit.config.bank import PolicySpec
from fed_credit.config.convert import build
from fed_credit.config.location import deploy_dir
from fed_credit.config.yaml_file import read_mapping
from fed_credit.data.book import Part
from fed_credit.errors import QuorumError
from fed_credit.runtime.local import InProcessGrid
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.task import METRICS, OWN_METRICS, RECEIPT, RELEASE, Task, TaskConfig
from strategies.exchange import Attendance, Roster, SumCollector, exchange, identify, requests

LIMITS = build(PolicySpec, read_mapping(deploy_dir() / "bank.yaml")["policy"])
NODES = {2: "North Bank", 3: "South Bank", 4: "West Bank"}


def _exchange(world: Any, quorum: float = 1.0, grid: Any = None) -> dict[str, np.ndarray]:
    return exchange(
        grid or world.grid,
        world.roster,
        Task.COUNTS,
        TaskConfig(world.spec),
        ArrayRecord([]),
        quorum=quorum,
        timeout=5.0,
    )


def _replies(world: Any) -> dict[str, Message]:
    messages = requests(Task.COUNTS, TaskConfig(world.spec), ArrayRecord([]), world.roster.nodes)
    replies = list(world.grid.send_and_receive(messages))
    return {NODES[reply.metadata.src_node_id]: reply for reply in replies}


def _collector(world: Any) -> SumCollector:
    layout = TaskConfig(world.spec).layout(Task.COUNTS)
    return SumCollector(world.roster, frozenset(NODES), Task.COUNTS, 0, layout)


def _vector(reply: Message) -> np.ndarray:
    (vector,) = reply.content.array_records[RELEASE].to_numpy_ndarrays()
    return vector


def _with(reply: Message, vector: np.ndarray | None = None, **receipt: str | int) -> Message:
    """The same bank's reply, changed."""
    content = RecordDict(
        {
            RELEASE: ArrayRecord({"sum": Array(_vector(reply) if vector is None else vector)}),
            RECEIPT: ConfigRecord({**reply.content.config_records[RECEIPT], **receipt}),
        }
    )
    changed = Message(content, dst_node_id=1, message_type=reply.metadata.message_type)
    changed.metadata.__dict__["_src_node_id"] = reply.metadata.src_node_id
    return changed


def test_nodes_go_by_the_banks_names() -> None:
    assert Roster({7: "B", 9: "A", 8: "C"}).nodes == [9, 7, 8]


def test_a_sum_is_the_same_in_any_order_of_arrival(world: Any) -> None:
    replies = _replies(world)
    expected = sum(_vector(reply) for reply in replies.values())
    for order in permutations(replies.values()):
        collector = _collector(world)
        for reply in order:
            collector.add(reply)
        sums = collector.result(1.0)
        np.testing.assert_array_equal(collector.layout.encode(sums), expected)


def test_a_bank_counts_once(world: Any) -> None:
    replies = _replies(world)
    collector = _collector(world)
    for reply in [*replies.values(), *replies.values(), _with(replies["West Bank"], number=9)]:
        collector.add(reply)
    expected = sum(_vector(reply) for reply in replies.values())
    np.testing.assert_array_equal(collector.layout.encode(collector.result(1.0)), expected)


def test_a_stranger_does_not_enter_the_sum(world: Any) -> None:
    replies = _replies(world)
    stranger = _with(replies["North Bank"])
    stranger.metadata.__dict__["_src_node_id"] = 99
    collector = _collector(world)
    for reply in [stranger, *replies.values()]:
        collector.add(reply)
    assert collector.answered == set(NODES.values())
    expected = sum(_vector(reply) for reply in replies.values())
    np.testing.assert_array_equal(collector.layout.encode(collector.result(1.0)), expected)


def _no_array(reply: Message) -> Message:
    broken = Array("int64", (3,), "numpy.ndarray", b"PK\x03\x04 this is no array")
    content = RecordDict(
        {
            RELEASE: ArrayRecord({"sum": broken}),
            RECEIPT: reply.content.config_records[RECEIPT],
        }
    )
    changed = Message(content, dst_node_id=1, message_type="train.counts")
    changed.metadata.__dict__["_src_node_id"] = reply.metadata.src_node_id
    return changed


FAULTS: dict[str, tuple[Callable[[Message], Message], str]] = {
    "stale round": (lambda r: _with(r, number=3), "another task, round or layout"),
    "another task": (lambda r: _with(r, task="moments"), "another task, round or layout"),
    "another name": (
        lambda r: _with(r, institution="North Bank AG"),
        "calls itself 'North Bank AG'",
    ),
    "another layout": (lambda r: _with(r, layout="0"), "another task, round or layout"),
    "too short": (lambda r: _with(r, _vector(r)[:-1]), "does not fit the layout"),
    "two dimensions": (lambda r: _with(r, _vector(r)[None]), "does not fit the layout"),
    "floats": (lambda r: _with(r, _vector(r) / 1.0), "does not fit the layout"),
    "out of bounds": (
        lambda r: _with(r, np.full_like(_vector(r), 2**62)),
        "does not fit the layout",
    ),
    "no array": (_no_array, "does not fit the layout"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_reply_that_does_not_fit_is_named_and_left_out(
    world: Any, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil, reason = FAULTS[fault]
    replies = _replies(world)
    collector = _collector(world)
    for name, reply in replies.items():
        collector.add(spoil(reply) if name == "South Bank" else reply)
    with pytest.raises(QuorumError) as caught:
        collector.result(1.0)
    sentence = str(caught.value)
    assert "Only 2 of 3 institutions answered 'counts' in round 0" in sentence
    assert "South Bank: its reply" in sentence and reason in sentence
    assert "North Bank:" not in sentence and "West Bank" not in sentence
    with caplog.at_level(logging.WARNING, logger="fed_credit.consortium"):
        sums = collector.result(0.5)
    assert "South Bank" in caplog.text
    others = _vector(replies["North Bank"]) + _vector(replies["West Bank"])
    np.testing.assert_array_equal(collector.layout.encode(sums), others)
    # The right reply may still come.
    collector.add(replies["South Bank"])
    np.testing.assert_array_equal(
        collector.layout.encode(collector.result(1.0)), others + _vector(replies["South Bank"])
    )


def test_a_banks_words_cannot_draw_on_a_terminal_or_forge_a_log(world: Any) -> None:
    reply = _replies(world)["West Bank"]
    words = "\x1b[2J no\nfed_credit.errors.QuorumError: North Bank is to blame\u202e" + "x" * 10**6
    spoken = Message(Error(1001, words), reply_to=reply)
    spoken.metadata.__dict__["_src_node_id"] = reply.metadata.src_node_id
    collector = _collector(world)
    collector.add(spoken)
    with pytest.raises(QuorumError) as caught:
        collector.result(1.0)
    sentence = str(caught.value)
    assert sentence.isprintable() and len(sentence) < 2_000
    assert "West Bank:  [2J no fed_credit" in sentence


def test_a_missing_record_is_named(world: Any) -> None:
    reply = _replies(world)["West Bank"]
    empty = Message(RecordDict(), dst_node_id=1, message_type="train.counts")
    empty.metadata.__dict__["_src_node_id"] = reply.metadata.src_node_id
    collector = _collector(world)
    collector.add(empty)
    with pytest.raises(QuorumError, match="West Bank: its reply belongs to another task"):
        collector.result(1.0)


@dataclass(frozen=True)
class Unruly:
    """The world's banks, of which one acts otherwise."""

    world: Any
    unruly: str
    act: Callable[[Bank], Bank] = lambda bank: bank
    policy: Policy = field(default_factory=Policy.open)

    def gate(self, context: Context) -> Gate:
        unruly = self.name(context) == self.unruly
        return Gate(self.policy if unruly else Policy.open(), None)

    def name(self, context: Context) -> str:
        return str(self.world.banks.name(context))

    def bank(self, context: Context, spec: RunSpec) -> Bank:
        bank = self.world.banks.bank(context, spec)
        return self.act(bank) if bank.name == self.unruly else bank


def _raising(bank: Bank) -> Bank:
    raise RuntimeError("turnover 1234567 of Zhang's Bakery")


@pytest.mark.parametrize(
    ("unruly", "reason"),
    [
        (
            {"act": _raising},
            "West Bank: The bank met an unexpected problem in this task; its own log has the"
            " details.",
        ),
        (
            {"policy": Policy.of(replace(LIMITS, tasks=["round"]))},
            "West Bank: policy.tasks in the bank's bank.yaml does not name 'counts'; refused.",
        ),
    ],
)
def test_a_bank_that_fails_is_named_with_a_safe_reason(
    make_world: Any, world: Any, unruly: dict[str, Any], reason: str
) -> None:
    troubled = make_world(banks=Unruly(world, "West Bank", **unruly))
    with pytest.raises(QuorumError) as caught:
        _exchange(troubled)
    assert str(caught.value).endswith(reason)
    assert "Zhang" not in str(caught.value)
    assert caught.value.exit_code == 3
    sums = _exchange(troubled, quorum=0.5)
    replies = _replies(world)
    expected = _vector(replies["North Bank"]) + _vector(replies["South Bank"])
    layout = TaskConfig(world.spec).layout(Task.COUNTS)
    np.testing.assert_array_equal(layout.encode(sums), expected)


class _SlowGrid(InProcessGrid):
    """One bank's reply never arrives."""

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterator[Message]:
        for reply in super().send_and_receive(messages, timeout=timeout):
            if reply.metadata.src_node_id != 4:
                yield reply


def test_a_bank_that_does_not_answer_in_time_is_named(make_world: Any) -> None:
    world = make_world(grid=_SlowGrid)
    with pytest.raises(QuorumError, match=r"\(federation.quorum\): West Bank: no answer in time\."):
        _exchange(world)
    assert int(_exchange(world, quorum=0.6)["n"]) > 0
    with pytest.raises(QuorumError, match=r"Only 2 of 3 .* 3 are needed"):
        _exchange(world, quorum=0.67)


@pytest.mark.parametrize("quorum", [0.0, 0.01, 1.0])
def test_no_answer_at_all_is_never_enough(world: Any, quorum: float) -> None:
    with pytest.raises(QuorumError, match="Only 0 of 3"):
        _collector(world).result(quorum)


class _CountingGrid(InProcessGrid):
    """Counts requests that were taken from the generator and not yet answered."""

    outstanding = most = answered = 0

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterator[Message]:
        for reply in super().send_and_receive(self._watched(messages), timeout=timeout):
            self.outstanding -= 1
            self.answered += 1
            yield reply

    def _watched(self, messages: Iterable[Message]) -> Iterator[Message]:
        assert not isinstance(messages, list)
        for message in messages:
            self.outstanding += 1
            self.most = max(self.most, self.outstanding)
            yield message


def test_one_request_and_one_vector_are_held_whoever_answers(make_world: Any) -> None:
    world = make_world(grid=_CountingGrid)
    _exchange(world)
    assert (world.grid.most, world.grid.answered) == (1, 3)
    collector = _collector(world)
    for reply in _replies(world).values():
        collector.add(reply)
    held = [value for value in vars(collector).values() if isinstance(value, np.ndarray)]
    assert [array.size for array in held] == [collector.layout.size]
    assert not any(isinstance(value, Message) for value in vars(collector).values())


def test_banks_are_asked_for_their_names(world: Any) -> None:
    assert identify(world.grid, 3, timeout=1.0).names == NODES


def test_banks_that_do_not_come_up_are_counted(world: Any) -> None:
    with pytest.raises(QuorumError, match="Only 3 of 4 institutions came up"):
        identify(world.grid, 4, timeout=0.2)


def test_own_metrics_are_kept_by_registered_name(make_world: Any, world: Any) -> None:
    """Of the banks that allow it; the others take part in the sum all the same."""
    state, config = world.prepared()
    asked = replace(config, part=Part.TEST, own_metrics=True)
    silent = make_world(
        banks=Unruly(world, "West Bank", policy=Policy.of(replace(LIMITS, min_loans=1)))
    )
    seen: list[Attendance] = []

    def ask(here: Any, how: TaskConfig) -> dict[str, np.ndarray]:
        roster = replace(here.roster, after_exchange=seen.append)
        arrays = ArrayRecord(state.weights)
        return exchange(here.grid, roster, Task.EVALUATION, how, arrays, quorum=1.0, timeout=5.0)

    everything = ask(world, asked)
    some = ask(silent, asked)
    ask(world, replace(asked, own_metrics=False))
    assert [sorted(attendance.own_metrics) for attendance in seen] == [
        ["North Bank", "South Bank", "West Bank"],
        ["North Bank", "South Bank"],
        [],
    ]
    for name in everything:
        np.testing.assert_array_equal(everything[name], some[name])
    own = seen[0].own_metrics
    assert all(set(figures) == set(OWN_METRICS) for figures in own.values())
    assert sum(figures["bads"] for figures in own.values()) == everything["scores/bads"].sum()


def test_what_a_bank_says_of_itself_beyond_that_is_left_out(world: Any) -> None:
    reply = _replies(world)["West Bank"]
    reply.content[METRICS] = MetricRecord({"auc": 0.7, "ks": float("nan"), "loans": [1, 2], "x": 1})
    collector = _collector(world)
    collector.add(reply)
    assert collector.own_metrics == {"West Bank": {"auc": 0.7}}
