"""Messages in, messages out: releases, stock answers, and nothing else about a bank's records."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.app.user_config import UserConfig

from clients.adapter import ERROR_FAILED, ERROR_REFUSED, make_client_app
from clients.bank import Bank
from clients.edge import release
from clients.gate import Gate
from clients.policy import Policy
from clients.tasks import CLIENTS, TrainingClient
from fed_credit.config.bank import PolicySpec
from fed_credit.errors import DataError
from fed_credit.models.protocol import Weights
from fed_credit.runtime.local import InProcessGrid
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.task import ARRAYS, CONFIG, METRICS, RECEIPT, RELEASE, Task, TaskConfig

NODE = 5
Ask = Callable[..., Message]


@dataclass(frozen=True)
class Found:
    """Finds a bank by a function of the context, behind a gate."""

    find: Callable[[Context], Bank]
    door: Gate

    def gate(self, context: Context) -> Gate:
        return self.door

    def name(self, context: Context) -> str:
        return self.find(context).name

    def bank(self, context: Context, spec: RunSpec) -> Bank:
        return self.find(context)


@pytest.fixture
def ask(banks: list[Bank]) -> Ask:
    def send(
        message_type: str,
        config: TaskConfig | None,
        weights: Weights | None = None,
        bank_of: Callable[[Context], Bank] = lambda context: banks[0],
        gate: Gate | None = None,
    ) -> Message:
        nodes: dict[int, UserConfig] = {NODE: {}}
        grid = InProcessGrid(make_client_app(Found(bank_of, gate or Gate.open())), nodes)
        content = RecordDict({ARRAYS: ArrayRecord(weights or [])})
        if config is not None:
            content[CONFIG] = ConfigRecord(config.to_config())
        message = Message(content, dst_node_id=NODE, message_type=message_type)
        (reply,) = grid.send_and_receive([message])
        return reply

    return send


@pytest.mark.parametrize("task", [Task.COUNTS, Task.ROUND, Task.EVALUATION])
def test_a_named_action_answers_with_a_release(
    ask: Ask, banks: list[Bank], task_config: TaskConfig, weights: Weights, task: Task
) -> None:
    reply = ask(f"train.{task}", task_config, weights)
    answer, _, _ = CLIENTS[task](banks[0]).fit(weights, task_config.to_config())
    (vector,) = reply.content.array_records[RELEASE].to_numpy_ndarrays()
    np.testing.assert_array_equal(vector, release(banks[0], task, task_config, weights, answer))
    assert dict(reply.content.config_records[RECEIPT]) == {
        "institution": banks[0].name,
        "task": str(task),
        "number": 1,
        "layout": task_config.layout(task).fingerprint,
    }
    # The release and its receipt are all that leaves: no metric, no count in the clear.
    assert set(reply.content) == {RELEASE, RECEIPT}
    assert reply.metadata.src_node_id == NODE


def test_the_default_actions_answer_as_stock_strategies_expect(
    ask: Ask, banks: list[Bank], task_config: TaskConfig, weights: Weights
) -> None:
    trained, n, _ = TrainingClient(banks[0]).fit(weights, task_config.to_config())
    reply = ask("train", task_config, weights)
    for got, expected in zip(
        reply.content.array_records[ARRAYS].to_numpy_ndarrays(), trained, strict=True
    ):
        np.testing.assert_array_equal(got, expected)
    assert reply.content.metric_records[METRICS]["num-examples"] == n
    loss, n, _ = TrainingClient(banks[0]).evaluate(weights, task_config.to_config())
    metrics = ask("evaluate", task_config, weights).content.metric_records[METRICS]
    assert (metrics["num-examples"], metrics["loss"]) == (n, loss)


def test_a_bank_tells_its_name(ask: Ask) -> None:
    reply = ask("query.identify", None)
    assert dict(reply.content.config_records[RECEIPT]) == {"institution": "North Bank"}


@pytest.mark.parametrize(
    "message_type", [*(f"train.{task}" for task in Task), "train", "evaluate", "query.identify"]
)
def test_the_text_of_an_exception_stays_at_the_bank(
    ask: Ask,
    task_config: TaskConfig,
    weights: Weights,
    message_type: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def bank_of(context: Context) -> Bank:
        raise DataError("row 17: turnover 1234567 of Zhang's Bakery cannot be read")

    with caplog.at_level(logging.ERROR, logger="fed_credit.bank"):
        reply = ask(message_type, task_config, weights, bank_of)
    assert reply.error.code == ERROR_FAILED
    assert reply.error.reason == "The bank met a problem in this task; its own log has the details."
    assert "Zhang" not in str(reply)
    assert "Zhang's Bakery" in caplog.text  # for the bank's own staff


def test_a_records_value_in_an_unexpected_exception_stays_at_the_bank(
    ask: Ask, banks: list[Bank], task_config: TaskConfig, weights: Weights
) -> None:
    frame = banks[0].book.features.assign(turnover=pd.Series("Zhang's Bakery", index=range(140)))
    broken = Bank(replace(banks[0].book, features=frame), banks[0].parts)
    reply = ask("train.counts", task_config, weights, lambda context: broken)
    assert reply.error.code == ERROR_FAILED
    assert "unexpected problem" in str(reply.error.reason)
    assert "Zhang" not in str(reply)


def test_a_refusal_says_why(ask: Ask, limits: PolicySpec, task_config: TaskConfig) -> None:
    gate = Gate(Policy.of(replace(limits, tasks=["round"])), None)
    reply = ask("train.counts", task_config, gate=gate)
    assert reply.error.code == ERROR_REFUSED
    assert reply.error.reason == (
        "policy.tasks in the bank's bank.yaml does not name 'counts'; refused."
    )


@pytest.mark.parametrize("message_type", ["train.round", "train", "evaluate"])
def test_a_request_without_its_configuration_is_answered_with_an_error(
    ask: Ask, weights: Weights, message_type: str
) -> None:
    assert ask(message_type, None, weights).error.code == ERROR_FAILED


def test_a_request_without_a_preprocessor_is_refused(
    ask: Ask, task_config: TaskConfig, weights: Weights
) -> None:
    reply = ask("train.round", replace(task_config, preprocessor=None), weights)
    assert reply.error.code == ERROR_REFUSED
    assert "came without one" in str(reply.error.reason)
