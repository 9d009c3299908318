"""The bank's app: works on the loans that the bank's own file names, and on no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.app.user_config import UserConfig

from clients.adapter import make_client_app
from clients.ledger import LEDGER
from clients.ledger_check import read, verify
from fed_credit.client_app import BANK_KEY, NodeBanks, app
from fed_credit.data.split import assign_parts
from fed_credit.job import FederatedJob, FederatedOutcome, run_job
from fed_credit.runtime.local import InProcessGrid
from fed_credit.runtime.run import node_names, run_federated
from fed_credit.training.checkpoint import weights_sha256
from fed_credit.training.task import CONFIG, RECEIPT, Task, TaskConfig
from strategies.exchange import requests


def _identify(node_config: UserConfig, content: RecordDict | None = None) -> Message:
    grid = InProcessGrid(app, {2: node_config})
    message = Message(content or RecordDict(), dst_node_id=2, message_type="query.identify")
    (reply,) = grid.send_and_receive([message])
    return reply


def _bits(outcome: FederatedOutcome) -> tuple[object, ...]:
    state = outcome.state
    sums = {name: array.tolist() for name, array in outcome.test.arrays().items()}
    return weights_sha256(state.weights), state.preprocessor.fingerprint, sums


def test_a_bank_goes_by_the_name_in_its_own_file(homes: Any) -> None:
    for path in (homes.path(2), homes.path(2) / "bank.yaml"):
        reply = _identify({BANK_KEY: str(path)})
        assert dict(reply.content.config_records[RECEIPT]) == {"institution": "Lake Bank"}


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=logreg"],
        [
            "model=mlp_small",
            "model.hidden=[8]",
            "model.dropout=0.1",
            "data.split.kind=out_of_time",
            "data.split.test_from=2021-07-01",
            "federation.local_epochs=2",
        ],
    ],
    ids=["random", "out_of_time"],
)
def test_banks_with_homes_of_their_own_give_the_weights_of_the_local_runtime(
    homes: Any, overrides: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["federation.num_rounds=3", "model.batch_size=32", *overrides]
    spec, run = homes.central(given), homes.run_spec(given)
    dataset = homes.dataset(spec.data)
    parts = assign_parts(dataset, spec.data.split, spec.data.target.window_months, spec.seed)

    def job(names: dict[int, str]) -> FederatedJob:
        return FederatedJob(
            run, spec.strategy, spec.federation, 3, names, None, after_round=lambda state: None
        )

    central = run_federated(
        spec.runtime, dataset, parts, job(node_names(dataset)), homes.folder / "books"
    )
    names = {k + 10: homes.spec(k).name for k in range(3)}
    nodes: dict[int, UserConfig] = {k + 10: {BANK_KEY: str(homes.path(k))} for k in range(3)}
    assert _bits(run_job(InProcessGrid(app, nodes), job(names))) == _bits(central)
    # And again, from what lies prepared on the banks' disks.
    fresh = make_client_app(NodeBanks())
    monkeypatch.setattr("fed_credit.bank.prepare.load_own", _must_not_be_read)
    assert _bits(run_job(InProcessGrid(fresh, nodes), job(names))) == _bits(central)


def _must_not_be_read(*arguments: Any) -> Any:
    raise AssertionError("the source was read again")


def test_without_a_file_of_its_own_a_bank_refuses(homes: Any, tmp_path: Path) -> None:
    # A path in the message changes nothing.
    content = RecordDict({CONFIG: ConfigRecord({BANK_KEY: str(homes.path(0))})})
    for node_config in ({}, {BANK_KEY: str(tmp_path / "missing.yaml")}):
        reply = _identify(node_config, content)
        assert reply.has_error()
        assert str(tmp_path) not in str(reply.error.reason)


def _ask(homes: Any, change: Callable[[Path], None]) -> str:
    change(homes.path(0))
    grid = InProcessGrid(app, {2: {BANK_KEY: str(homes.path(0))}})
    (reply,) = grid.send_and_receive(
        requests(Task.COUNTS, TaskConfig(homes.run_spec()), ArrayRecord([]), [2])
    )
    return str(reply.error.reason) if reply.has_error() else ""


def test_what_is_wrong_with_a_bank_s_data_does_not_leave(homes: Any) -> None:
    def break_data(home: Path) -> None:
        (home / "loans.csv").write_text("nonsense;F17\n1;2\n", encoding="utf-8")

    reason = _ask(homes, break_data)
    assert reason == "The bank met a problem in this task; its own log has the details."


def test_what_allows_changes_holds_from_the_next_message_on(homes: Any) -> None:
    assert _ask(homes, lambda home: None) == ""
    reason = _ask(homes, lambda home: homes.change(0, schema="synthetic"))
    assert "by the schema 'synthetic', and the run asks for 'small business'" in reason
    assert str(homes.folder) not in reason


def test_what_leaves_is_written_down_in_the_banks_home(homes: Any) -> None:
    assert _ask(homes, lambda home: None) == ""
    refused = _ask(homes, lambda home: homes.change(0, policy={"min_loans": 10**6}))
    assert "policy.min_loans" in refused
    ledger = homes.path(0) / LEDGER
    assert not verify(ledger).problems
    assert [(line.task, line.kind, line.text) for line in read(ledger)] == [
        ("counts", "release", ""),
        ("counts", "error", refused),
    ]


def test_a_bank_that_answered_a_run_often_enough_stops(homes: Any) -> None:
    def allow_one(home: Path) -> None:
        homes.change(0, policy={"max_exchanges_per_run": 1})

    assert _ask(homes, allow_one) == ""
    assert "policy.max_exchanges_per_run" in _ask(homes, allow_one)
