"""A bank's machine with real processes: what happens when something goes wrong."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from clients.adapter import ERROR_FAILED, ERROR_REFUSED
from clients.ledger import LEDGER
from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.data.load import resolve_schema
from fed_credit.data.synthetic import generate
from fed_credit.node.children import _START_SECONDS
from fed_credit.node.task import GRACE_SECONDS
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.task import Task, TaskConfig
from tests.fed_credit.node.calls import calls, watched
from tests.fed_credit.node.rig import Questions, Rig, TestBank, bundle, processes_of, wait_for

pytestmark = pytest.mark.slow

IDENTIFY, COUNTS = "query.identify", f"train.{Task.COUNTS}"
# A query that ends when the sun does; SQLite hears no signal meanwhile.
FOR_EVER = (
    "WITH RECURSIVE n(loan_id) AS (SELECT 1 UNION ALL SELECT loan_id + 1 FROM n)"
    " SELECT max(loan_id) AS loan_id FROM n"
)


@pytest.fixture(scope="module")
def counts() -> dict[str, Any]:
    """What a bank is asked for its counts with."""
    spec = compose(
        [
            "data.schema=synthetic",
            "data.split.kind=random",
            "data.split.stratified=false",
            "data.target.as_of='2024-12-31'",
        ]
    )
    schema = resolve_schema(spec.data.schema, schema_dir())
    fields = schema.features(spec.data.decision_point)
    return TaskConfig(RunSpec.of(spec, schema, fields, 1)).to_config()


def write_loans(bank: TestBank, number: int) -> None:
    """Give a bank loans of its own."""
    generator = replace(compose([]).data.generator, num_loans=number, num_institutions=1)
    generate(generator).drop(columns="institution").to_parquet(bank.home / "loans.parquet")
    bank.say(source={"path": "loans.parquet"})


def never_end(bank: TestBank, **policy: float) -> None:
    """Let every task that reads the bank's loans go on for ever."""
    (bank.home / "loans.db").touch()
    bank.say(source={"url": "sqlite:///loans.db", "query": FOR_EVER}, policy=policy)


@pytest.fixture
def bank(running: TestBank) -> Iterator[TestBank]:
    """The bank that runs, with its file put back."""
    before = (running.home / "bank.yaml").read_text()
    yield running
    (running.home / "bank.yaml").write_text(before)


def node_of(bank: TestBank) -> psutil.Process:
    return named(bank, "fed_credit.node.supernode")


def worker_of(bank: TestBank) -> psutil.Process:
    return named(bank, "fed_credit.node.worker")


def named(bank: TestBank, word: str) -> psutil.Process:
    assert bank.process is not None
    family = psutil.Process(bank.process.pid).children(recursive=True)
    leaders = [one for one in family if one.ppid() == bank.process.pid]
    return next(one for one in leaders if word in " ".join(one.cmdline()))


def child_of(worker: psutil.Process) -> psutil.Process:
    wait_for(lambda: len(worker.children()) > 0, "the worker's child")
    return worker.children()[0]


def last_task(bank: TestBank) -> str:
    return str(bank.tasks[-1]["outcome"])


def test_a_bank_answers_by_its_worker(questions: Questions, bank: TestBank) -> None:
    said = questions.ask(IDENTIFY, bank)
    assert said == {"running": {"receipt": {"institution": "running"}}}
    assert last_task(bank) == "answered"
    assert "answered in" in bank.terminal
    assert psutil.Process(worker_of(bank).pid).num_threads() == 1


def test_a_bank_answers_from_its_own_loans(
    questions: Questions, bank: TestBank, counts: dict[str, Any]
) -> None:
    write_loans(bank, 1_000)
    said = questions.ask(COUNTS, bank, config=counts)["running"]
    assert said["receipt"]["task"] == "counts"
    # Threads that the work started are the child's own.
    assert psutil.Process(worker_of(bank).pid).num_threads() == 1


def test_without_a_worker_the_bank_answers_all_the_same(
    questions: Questions, bank: TestBank
) -> None:
    (bank.home / "state" / "worker.sock").rename(bank.home / "state" / "away")
    try:
        said = questions.ask(IDENTIFY, bank)
        assert said["running"] == {"receipt": {"institution": "running"}}
    finally:
        (bank.home / "state" / "away").rename(bank.home / "state" / "worker.sock")


def test_a_failure_leaves_a_sentence_without_its_reason(
    questions: Questions, bank: TestBank, counts: dict[str, Any]
) -> None:
    bank.say(source={"path": "no-such-secret-file.csv"})
    said = questions.ask(COUNTS, bank, config=counts)["running"]
    assert said["code"] == ERROR_FAILED
    assert "secret" not in said["reason"]
    assert "no-such-secret-file" in bank.log("worker")


def test_a_bank_file_that_cannot_be_read_is_an_error_and_no_silence(
    questions: Questions, bank: TestBank
) -> None:
    (bank.home / "bank.yaml").write_text("name: [secret\n")
    said = questions.ask(IDENTIFY, bank)["running"]
    assert said["code"] == ERROR_FAILED
    assert "secret" not in said["reason"]


def test_a_task_over_its_time_is_stopped_and_said_to_be(
    questions: Questions, bank: TestBank, counts: dict[str, Any]
) -> None:
    write_loans(bank, 10_000)
    bank.say(policy={"max_seconds": 0.01})
    said = questions.ask(COUNTS, bank, config=counts)["running"]
    assert said["code"] == ERROR_FAILED
    assert "after 0.01 s, its limit (policy.max_seconds" in said["reason"]
    assert last_task(bank) == "late"
    assert said["reason"] in (bank.home / LEDGER).read_text()


def test_a_task_that_hears_no_signal_is_killed_and_answered_for(
    questions: Questions, bank: TestBank, counts: dict[str, Any]
) -> None:
    never_end(bank, max_seconds=1)
    start = time.monotonic()
    said = questions.ask(COUNTS, bank, config=counts)["running"]
    assert time.monotonic() - start > GRACE_SECONDS
    assert "after 1 s, its limit" in said["reason"]
    assert last_task(bank) == "died"
    assert said["reason"] in (bank.home / LEDGER).read_text()
    assert not worker_of(bank).children()


def test_a_task_whose_process_dies_is_answered_for_at_once(
    questions: Questions, bank: TestBank, counts: dict[str, Any]
) -> None:
    never_end(bank)
    questions.send(COUNTS, bank, config=counts)
    child_of(worker_of(bank)).kill()
    start = time.monotonic()
    said = questions.answers(bank)["running"]
    assert said["code"] == ERROR_FAILED
    assert "ended before it could answer" in said["reason"]
    assert time.monotonic() - start < _START_SECONDS / 4


def test_a_worker_that_dies_is_started_anew(
    questions: Questions, bank: TestBank, counts: dict[str, Any]
) -> None:
    never_end(bank)
    first = worker_of(bank)
    questions.send(COUNTS, bank, config=counts)
    child = child_of(first)
    first.kill()
    wait_for(lambda: not child.is_running(), "the child's end")
    # Nobody at the bank can answer for it any more: the SuperNode itself does, after a minute.
    said = questions.answers(bank, timeout=240)["running"]
    assert "reason" in said
    wait_for(lambda: bank.terminal.count("The worker is ready") >= 2, "a new worker")
    assert "The worker ended: killed by signal 9" in bank.terminal
    bank.say(source={"path": "loans.csv"})
    assert "receipt" in questions.ask(IDENTIFY, bank)["running"]
    assert worker_of(bank).pid != first.pid


@pytest.mark.parametrize("who", ["supernode", "superexec"])
def test_a_supernode_that_dies_is_started_anew(
    questions: Questions, bank: TestBank, who: str
) -> None:
    node = node_of(bank)
    (superexec,) = (one for one in node.children() if "superexec" in " ".join(one.cmdline()))
    connected = bank.log("supernode").count("SuperNode ID:")
    (node if who == "supernode" else superexec).kill()
    wait_for(lambda: bank.log("supernode").count("SuperNode ID:") > connected, "a new SuperNode")
    assert "The SuperNode ended" in bank.terminal
    assert not superexec.is_running()
    assert "receipt" in questions.ask(IDENTIFY, bank)["running"]


@pytest.mark.parametrize(
    "path", ["fed_credit/__init__.py", "clients/edge.py", "sitecustomize.py", "conf/model/x.py"]
)
def test_a_bundle_with_code_is_refused_before_any_of_it_runs(
    rig: Rig, bank: TestBank, path: str, tmp_path: Path
) -> None:
    proof = tmp_path / "ran"
    code = f"open({str(proof)!r}, 'a').write(__file__)\n".encode()
    questions = rig.questions(bundle(**{path: code}))
    try:
        said = questions.ask(IDENTIFY, bank)["running"]
    finally:
        questions.end()
    assert said["code"] == ERROR_REFUSED
    assert repr(path) in said["reason"]
    assert not proof.exists()
    # Nothing of any bundle was ever unpacked at the bank.
    assert not list((bank.home / "state" / "flwr").rglob("*.py"))
    assert not list(bank.home.rglob("pyproject.toml"))


def test_a_bundle_with_another_client_app_is_refused(rig: Rig, bank: TestBank) -> None:
    questions = rig.questions(bundle("fed_credit.server_app:app"))
    try:
        said = questions.ask(IDENTIFY, bank)["running"]
    finally:
        questions.end()
    assert said["code"] == ERROR_REFUSED
    assert "fed_credit.server_app:app" in said["reason"]


def test_a_task_of_another_kind_is_refused(questions: Questions, bank: TestBank) -> None:
    # As if Flower had started its command for agents, which runs a bundle's code.
    command = bank.home / "bin" / "flwr-clientapp"
    command.rename(bank.home / "bin" / "away")
    command.write_text('#!/bin/sh\nexec "$(dirname "$0")/flwr-agentapp" "$@"\n')
    command.chmod(0o755)
    try:
        said = questions.ask(IDENTIFY, bank)["running"]
    finally:
        (bank.home / "bin" / "away").replace(command)
    assert said["code"] == ERROR_REFUSED
    assert "runs no 'flwr-agentapp'" in said["reason"]


def test_a_stopped_run_leaves_nothing_behind(
    rig: Rig, bank: TestBank, questions: Questions, counts: dict[str, Any]
) -> None:
    never_end(bank, max_seconds=1)
    stopped = rig.questions()
    stopped.send(COUNTS, bank, config=counts)
    child = child_of(worker_of(bank))
    rig.control.stop_run(stopped.run_id)
    bank.say(source={"path": "loans.csv"})
    wait_for(lambda: not child.is_running(), "the end of the task")
    assert "receipt" in questions.ask(IDENTIFY, bank)["running"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_behind(
    rig: Rig, questions: Questions, counts: dict[str, Any], number: int
) -> None:
    bank = rig.add(f"stopped-{number}")
    never_end(bank)
    bank.start()
    questions.send(COUNTS, bank, config=counts, timeout=1)
    child = child_of(worker_of(bank))
    assert len(processes_of(bank.home)) >= 5
    assert bank.stop(number) == (-9 if number == signal.SIGKILL else 0)
    wait_for(lambda: not processes_of(bank.home), "the end of all it started", 30)
    assert not child.is_running()
    questions.answers(bank, timeout=1)


def test_a_bank_calls_nobody_but_its_operator(
    rig: Rig, questions: Questions, tmp_path: Path, counts: dict[str, Any]
) -> None:
    bank = rig.add("listened-to")
    write_loans(bank, 1_000)
    bank.start(watched(tmp_path))
    assert "receipt" in questions.ask(COUNTS, bank, config=counts)["listened-to"]
    bank.stop()
    runtime = yaml.safe_load((bank.home / "bank.yaml").read_text())["node"]["runtime_port"]
    heard = calls(tmp_path)
    assert {call.process.split()[-1] for call in heard}  # all of the bank's processes were heard
    allowed = {("127.0.0.1", str(rig.port)), ("127.0.0.1", str(runtime))}
    elsewhere = {
        (call.kind, call.host, call.port)
        for call in heard
        if (call.host, call.port) not in allowed and call.host != "worker.sock"
    }
    assert elsewhere == set()
    processes = " ".join(call.process for call in heard)
    for name in (
        "fed_credit.node.worker",
        "fed_credit.node.supernode",
        "fed_credit.node.superexec",
    ):
        assert name in processes


def test_the_hook_hears_a_call_elsewhere(tmp_path: Path) -> None:
    code = "import socket\ntry: socket.create_connection(('192.0.2.1', 9), 0.1)\nexcept OSError: 0"
    subprocess.run([sys.executable, "-c", code], env=watched(tmp_path), check=True)
    assert ("192.0.2.1", "9") in {(call.host, call.port) for call in calls(tmp_path)}


def test_a_second_start_in_the_same_home_is_refused(bank: TestBank) -> None:
    again = subprocess.run(
        [sys.executable, "-m", "fed_credit.cli", "bank", "run", "--home", str(bank.home)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert again.returncode == 2
    assert "already runs" in again.stderr


def test_a_bank_that_is_not_registered_is_told_so_and_tries_again(rig: Rig) -> None:
    bank = rig.add("stranger")
    rig.control.unregister(bank.node_id)
    bank.start(connected=False)
    told = "does not admit this bank's key: it is not registered there"
    wait_for(lambda: bank.terminal.count(told) >= 2, "two attempts")
    assert bank.stop() == 0
    assert "SuperNode ID:" not in bank.log("supernode")


def test_a_bank_with_another_authority_is_told_so(rig: Rig) -> None:
    bank = rig.add("misled")
    (bank.home / "ca.crt").write_bytes((rig.operator / "operator-ca.crt").read_bytes())
    bank.start(connected=False)
    wait_for(lambda: "does not show a certificate that ca.crt" in bank.terminal, "the refusal")
    assert bank.stop() == 0
