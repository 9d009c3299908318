"""Everything that leaves a bank passes its gate: policy, ledger, and no text of an exception."""

from __future__ import annotations

import hashlib
import json
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.app.user_config import UserConfig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.adapter import (
    ERROR_FAILED,
    ERROR_REFUSED,
    ERROR_UNRECORDED,
    error_reply,
    make_client_app,
)
from clients.bank import Bank
from clients.gate import Gate
from clients.ledger import LEDGER, Ledger
from clients.ledger_check import read, verify
from clients.ledger_lines import Line
from clients.policy import Policy
from clients.tasks import CLIENTS
from fed_credit.config.bank import PolicySpec
from fed_credit.data.book import Part
from fed_credit.errors import DataError
from fed_credit.models.protocol import Weights
from fed_credit.runtime.local import InProcessGrid
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.task import (
    ARRAYS,
    CONFIG,
    METRICS,
    QUESTIONS,
    RECEIPT,
    RELEASE,
    Task,
    TaskConfig,
)

NODE = 5
# Questions of exact models have a test module of their own.
ACTIONS = [
    *(f"train.{task}" for task in Task if task not in QUESTIONS),
    *("train", "evaluate", "query.identify"),
]


@dataclass
class Deployed:
    """One bank behind its gate, as a process of a deployment has it."""

    loans: Bank
    home: Path
    limits: PolicySpec
    before: Callable[[], None] = lambda: None
    found: int = 0
    asked: TaskConfig | None = field(default=None, repr=False)

    @property
    def ledger(self) -> Path:
        return self.home / LEDGER

    def gate(self, context: Context) -> Gate:
        return Gate.at(self.home, self.limits)

    def name(self, context: Context) -> str:
        self.before()
        return self.loans.name

    def bank(self, context: Context, spec: RunSpec) -> Bank:
        self.found += 1
        self.before()
        return self.loans

    def ask(
        self, message_type: str, config: TaskConfig | None, weights: Weights | None = None
    ) -> Message:
        nodes: dict[int, UserConfig] = {NODE: {}}
        grid = InProcessGrid(make_client_app(self), nodes)  # says whose messages follow
        content = RecordDict({ARRAYS: ArrayRecord(weights or [])})
        if config is not None:
            content[CONFIG] = ConfigRecord(config.to_config())
        message = Message(content, dst_node_id=NODE, message_type=message_type)
        (reply,) = grid.send_and_receive([message])
        return reply

    def lines(self) -> list[Line]:
        assert not verify(self.ledger).problems
        return list(read(self.ledger))


@pytest.fixture
def bank(banks: list[Bank], tmp_path: Path, limits: PolicySpec) -> Deployed:
    return Deployed(banks[0], tmp_path, limits)


# --- what leaves is in the ledger ----------------------------------------------------------------


@pytest.mark.parametrize("task", [Task.COUNTS, Task.ROUND, Task.EVALUATION])
def test_a_release_is_in_the_ledger(
    bank: Deployed, task_config: TaskConfig, weights: Weights, task: Task
) -> None:
    reply = bank.ask(f"train.{task}", task_config, weights)
    (line,) = bank.lines()
    (vector,) = reply.content.array_records[RELEASE].to_numpy_ndarrays()
    assert (line.kind, line.task, line.round) == ("release", str(task), 1)
    assert line.run == str(reply.metadata.run_id)
    assert line.sha256 == hashlib.sha256(vector.astype("<i8").tobytes()).hexdigest()
    assert line.bytes == vector.nbytes
    entries = task_config.layout(task).entries
    assert line.layout == tuple((e.name, e.shape, e.bits) for e in entries)


def test_the_banks_name_is_in_the_ledger(bank: Deployed) -> None:
    bank.ask("query.identify", None)
    (line,) = bank.lines()
    assert (line.kind, line.task) == ("identify", "identify")
    assert line.sha256 == hashlib.sha256(b"North Bank").hexdigest()


@pytest.mark.parametrize("message_type", ["train", "evaluate"])
def test_stock_actions_leave_only_if_the_bank_says_so(
    bank: Deployed, task_config: TaskConfig, weights: Weights, message_type: str
) -> None:
    refused = bank.ask(message_type, task_config, weights)
    assert refused.error.code == ERROR_REFUSED
    assert "policy.stock_actions" in str(refused.error.reason)
    assert bank.found == 0, "no loan is read for what is refused"
    bank.limits = replace(bank.limits, stock_actions=True)
    reply = bank.ask(message_type, task_config, weights)
    error, line = bank.lines()
    assert (error.kind, error.text) == ("error", refused.error.reason)
    assert (line.kind, line.task) == ("stock", message_type)
    arrays = reply.content.array_records.get(ARRAYS)
    sent = [] if arrays is None else arrays.to_numpy_ndarrays()
    figures = json.dumps(dict(reply.content.metric_records[METRICS]), sort_keys=True)
    payload = b"".join(array.tobytes() for array in sent) + figures.encode()
    assert line.sha256 == hashlib.sha256(payload).hexdigest()
    assert [tuple(shape) for _, shape, _ in line.layout[: len(sent)]] == [a.shape for a in sent]


def test_stock_actions_obey_the_list_of_tasks(
    bank: Deployed, task_config: TaskConfig, weights: Weights
) -> None:
    bank.limits = replace(bank.limits, stock_actions=True, tasks=["round"])
    assert not bank.ask("train", task_config, weights).has_error()
    assert "policy.tasks" in str(bank.ask("evaluate", task_config, weights).error.reason)


def test_nothing_is_read_for_what_the_policy_refuses(
    bank: Deployed, task_config: TaskConfig, weights: Weights
) -> None:
    bank.limits = replace(bank.limits, max_rounds=2)
    reply = bank.ask("train.round", replace(task_config, number=3), weights)
    assert "policy.max_rounds" in str(reply.error.reason)
    assert bank.found == 0


def test_too_few_loans_do_not_leave(
    bank: Deployed, task_config: TaskConfig, weights: Weights
) -> None:
    train = len(bank.loans.rows(Part.TRAIN))
    bank.limits = replace(bank.limits, min_loans=train)
    assert not bank.ask("train.counts", task_config).has_error()
    # The validation loans behind the scores of a round are fewer than those that train.
    scoring = replace(task_config, score_incoming=True)
    for task, config in ((Task.ROUND, scoring), (Task.EVALUATION, task_config)):
        reply = bank.ask(f"train.{task}", config, weights)
        assert reply.error.reason == (
            "policy.min_loans in the bank's bank.yaml asks for more validation loans than there"
            " are; refused."
        )
    assert [line.kind for line in bank.lines()] == ["release", "error", "error"]


def test_how_a_computation_fails_tells_nothing_of_too_few_loans(
    bank: Deployed, task_config: TaskConfig, weights: Weights
) -> None:
    bank.limits = replace(bank.limits, min_loans=10_000)
    # Not finite only if there is a loan whose value the weights do not wipe out.
    bad = [array * np.float32("nan") for array in weights]
    reply = bank.ask("train.round", task_config, bad)
    assert "policy.min_loans" in str(reply.error.reason)


def test_what_a_request_says_is_written_down_short_and_printable(
    bank: Deployed, task_config: TaskConfig
) -> None:
    said = "x\x1b[2J" * 10_000
    bank.ask("query.identify", None)  # from here on there is a run
    request = Message(RecordDict(), dst_node_id=NODE, message_type="train.counts")
    request.metadata.message_type = "train." + "x" * 10_000
    gate = Gate.at(bank.home, bank.limits)
    reply = error_reply(gate, request, ERROR_REFUSED, f"no '{said}'; refused.")
    _, line = bank.lines()
    assert line.text == reply.error.reason
    assert line.text.isprintable() and len(line.text) < 1_100
    assert len(line.task) < 100


def test_a_run_is_answered_so_often_and_no_more(bank: Deployed, task_config: TaskConfig) -> None:
    bank.limits = replace(bank.limits, max_exchanges_per_run=2)
    replies = [bank.ask("train.counts", task_config) for _ in range(4)]
    assert [reply.has_error() for reply in replies] == [False, False, True, True]
    assert "policy.max_exchanges_per_run" in str(replies[3].error.reason)
    assert bank.found == 2
    assert [line.kind for line in bank.lines()] == ["release", "release", "error", "error"]


# --- own metrics ---------------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("part", [Part.VALIDATION, Part.TEST])
def test_own_metrics_leave_if_asked_and_allowed_and_of_test_loans(
    bank: Deployed,
    task_config: TaskConfig,
    weights: Weights,
    allowed: bool,
    asked: bool,
    part: Part,
) -> None:
    bank.limits = replace(bank.limits, own_metrics=allowed)
    config = replace(task_config, part=part, own_metrics=asked)
    reply = bank.ask("train.evaluation", config, weights)
    records = {RELEASE, RECEIPT}
    if not (allowed and asked and part is Part.TEST):
        assert set(reply.content) == records
        assert [line.kind for line in bank.lines()] == ["release"]
        return
    assert set(reply.content) == {*records, METRICS}
    found = dict(reply.content.metric_records[METRICS])
    assert set(found) == {"auc", "ks", "brier", "log_loss", "loans", "bads"}
    assert found["loans"] == len(bank.loans.rows(Part.TEST))
    release, own = bank.lines()
    assert (release.kind, own.kind) == ("release", "own_metrics")
    assert own.sha256 == hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def test_a_metric_that_is_not_defined_does_not_leave(
    bank: Deployed, task_config: TaskConfig, weights: Weights
) -> None:
    good = replace(bank.loans.book, y=np.zeros_like(bank.loans.book.y))
    bank.loans = Bank(good, bank.loans.parts)
    bank.limits = replace(bank.limits, own_metrics=True)
    config = replace(task_config, part=Part.TEST, own_metrics=True)
    found = dict(bank.ask("train.evaluation", config, weights).content.metric_records[METRICS])
    assert set(found) == {"brier", "log_loss", "loans", "bads"}


# --- nothing leaves ------------------------------------------------------------------------------


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """Let this process write no file beyond a size, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("message_type", ACTIONS)
@pytest.mark.parametrize("fails", [False, True])
def test_what_cannot_be_written_down_does_not_leave(
    bank: Deployed, task_config: TaskConfig, weights: Weights, message_type: str, fails: bool
) -> None:
    bank.limits = replace(bank.limits, stock_actions=True)
    bank.ask("query.identify", None)
    if fails:
        bank.before = _raise(DataError("row 17 of Zhang's Bakery"))
    with files_no_longer_than(bank.ledger.stat().st_size + 30):
        reply = bank.ask(message_type, task_config, weights)
    assert not reply.has_content()
    assert reply.error.code == ERROR_UNRECORDED
    assert reply.error.reason == (
        "The bank's ledger cannot be written, so nothing leaves; its own log has the details."
    )
    bank.before = lambda: None
    bank.ask("query.identify", None)  # as soon as there is space, it goes on
    assert [line.kind for line in bank.lines()] == ["identify", "torn", "identify"]


def test_a_bank_whose_own_file_cannot_be_read_says_nothing_else(
    bank: Deployed, task_config: TaskConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank, "gate", lambda context: _raise(DataError(f"{bank.home} is gone"))())
    reply = bank.ask("train.counts", task_config)
    assert reply.error.code == ERROR_FAILED
    assert reply.error.reason == "The bank met a problem in this task; its own log has the details."


def test_an_error_from_elsewhere_at_the_bank_leaves_the_same_way(bank: Deployed) -> None:
    InProcessGrid(make_client_app(bank), {NODE: {}})
    message = Message(RecordDict(), dst_node_id=NODE, message_type="train.counts")
    gate = Gate.at(bank.home, bank.limits)
    reply = error_reply(gate, message, ERROR_REFUSED, "The bank refuses the bundle.")
    assert reply.error.reason == "The bank refuses the bundle."
    (line,) = bank.lines()
    assert (line.kind, line.task, line.round, line.text) == (
        "error",
        "counts",
        0,
        "The bank refuses the bundle.",
    )


# --- exceptions ----------------------------------------------------------------------------------


def _raise(error: BaseException) -> Callable[[], None]:
    def raising() -> None:
        raise error

    return raising


class _Worse(Exception):
    """An exception that cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError(*self.args)

    __repr__ = __str__


VALUES = st.text(st.characters(codec="utf-8"), max_size=40).map(lambda text: f"Zhang{text}")
EXCEPTIONS: list[Callable[..., BaseException]] = [
    ValueError,
    KeyError,
    OSError,
    MemoryError,
    UnicodeError,
    DataError,
    AssertionError,
    StopIteration,
    _Worse,
    lambda *values: ExceptionGroup("several", [ValueError(*values)]),
]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    value=VALUES,
    kind=st.sampled_from(EXCEPTIONS),
    where=st.sampled_from(["loans", "client"]),
    action=st.sampled_from(ACTIONS),
)
def test_no_value_of_a_record_leaves_in_an_error(
    bank: Deployed,
    task_config: TaskConfig,
    weights: Weights,
    value: str,
    kind: Callable[..., BaseException],
    where: str,
    action: str,
) -> None:
    bank.limits = replace(bank.limits, stock_actions=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("logging.raiseExceptions", False)
        fail = _raise(kind(f"row 17: {value}, in {bank.home}/loans.csv"))
        bank.before = fail if where == "loans" else lambda: None
        if where == "client":
            for client in CLIENTS.values():
                for method in ("fit", "evaluate"):
                    patch.setattr(client, method, lambda self, parameters, config: fail())
        reply = bank.ask(action, task_config, weights)
    bank.before = lambda: None
    if where == "client" and action == "query.identify":
        assert not reply.has_error()  # asks no client
        return
    assert reply.error.code == ERROR_FAILED
    (line,) = bank.lines()[-1:]
    for said in (str(reply), str(reply.error.reason), repr(line)):
        assert "Zhang" not in said and str(bank.home) not in said
    assert line.text == reply.error.reason
    assert line.text in (
        "The bank met a problem in this task; its own log has the details.",
        "The bank met an unexpected problem in this task; its own log has the details.",
    )


def test_in_simulation_nothing_is_written(
    bank: Deployed, task_config: TaskConfig, weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank, "gate", lambda context: Gate.open())
    for action in ACTIONS[:-1]:
        config: Any = task_config if action != "train.moments" else None
        if config is not None:
            assert not bank.ask(action, config, weights).has_error()
    assert not bank.ledger.exists()
    assert Policy.open().own_metrics
    assert Ledger(bank.ledger).exchanges("0") == 0
