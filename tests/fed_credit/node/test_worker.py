from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from flwr.supercore.constant import TASK_TYPE_TO_COMMAND

from fed_credit.node.home import Home
from fed_credit.node.launcher import write_commands
from fed_credit.node.run import environment
from fed_credit.node.worker import ENVIRONMENT, PRELOADED, THREADED
from tests.fed_credit.node.rig import free_port, processes_of, wait_for

LONG = "a-folder-whose-name-alone-is-longer-than-the-address-of-a-socket-may-be" * 2


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / LONG / "with a blank")
    home.prepare()
    write_commands(home)
    return home


@pytest.fixture
def worker(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that listens; its standard input is this process's."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "fed_credit.node.worker", "--home", str(home.root)],
        stdin=subprocess.PIPE,
        stderr=(home.log / "worker.log").open("ab"),
        env=environment(home, os.environ),
        start_new_session=True,
    )
    try:
        wait_for(lambda: listens(home), "the worker")
        yield process
    finally:
        process.kill()
        process.wait()


def listens(home: Home) -> bool:
    return "The worker listens" in (home.log / "worker.log").read_text()


def log(home: Home) -> str:
    return (home.log / "worker.log").read_text()


def silent_server() -> socket.socket:
    """A SuperNode's Runtime API that takes connections and says nothing."""
    server = socket.create_server(("127.0.0.1", free_port()))
    server.listen(16)
    return server


def call(home: Home, port: int, **more: object) -> subprocess.Popen[bytes]:
    words = ["--runtime-api-address", f"127.0.0.1:{port}", "--token", "ab", "--insecure"]
    return subprocess.Popen([str(home.bin / "flwr-clientapp"), *words], **more)  # type: ignore[call-overload]


def test_there_is_a_command_for_each_kind_of_task_that_flower_knows(home: Home) -> None:
    assert {path.name for path in home.bin.iterdir()} == set(TASK_TYPE_TO_COMMAND.values())
    assert all(path.stat().st_mode & 0o777 == 0o755 for path in home.bin.iterdir())


@pytest.mark.slow
def test_the_worker_has_one_thread_and_everything_that_a_task_imports(
    home: Home, worker: subprocess.Popen[bytes]
) -> None:
    assert psutil.Process(worker.pid).num_threads() == 1
    code = (
        "import importlib, sys, threading\n"
        "from fed_credit.node.worker import PRELOADED, preload, threads\n"
        "preload(); assert threads() == 1, threads()\n"
        "assert {'torch', 'pandas', 'flwr', 'fed_credit.client_app'} <= set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **ENVIRONMENT})
    assert "fed_credit.client_app" in PRELOADED


@pytest.mark.slow
def test_only_the_banks_own_user_reaches_the_worker(
    home: Home, worker: subprocess.Popen[bytes]
) -> None:
    assert stat.S_IMODE(home.state.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.socket.stat().st_mode) == 0o600


@pytest.mark.slow
def test_a_task_runs_in_a_child_that_ends_with_its_command(
    home: Home, worker: subprocess.Popen[bytes]
) -> None:
    parent = psutil.Process(worker.pid)
    with silent_server() as server:
        command = call(home, server.getsockname()[1])
        wait_for(lambda: len(parent.children()) == 1, "a child")
        (child,) = parent.children()
        # It inherits no socket of the worker's, and no pipe of its starter's.
        assert not [item for item in child.net_connections("unix") if item.laddr]
        command.kill()
        command.wait()
        wait_for(lambda: not child.is_running(), "the child's end")
    assert parent.num_threads() == 1
    assert worker.poll() is None


@pytest.mark.slow
def test_a_task_that_cannot_be_taken_or_answered_fails_its_command(
    home: Home, worker: subprocess.Popen[bytes]
) -> None:
    bad = subprocess.run([str(home.bin / "flwr-clientapp"), "--token", "ab"], timeout=60)
    assert bad.returncode == 1
    assert "for Flower's SuperExec to call" in log(home)
    assert worker.poll() is None


@pytest.mark.slow
def test_words_that_are_no_request_do_not_end_the_worker(
    home: Home, worker: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.state)
    for said in (b"\n", b"[]\n", b'{"words": 3}\n', b"x" * 100_000, b""):
        with socket.socket(socket.AF_UNIX) as visitor:
            visitor.connect("worker.sock")
            visitor.sendall(said)
            if said:
                assert visitor.recv(100) == b""
    assert worker.poll() is None


@pytest.mark.slow
@pytest.mark.parametrize("how", ["its starter goes", "it is told to stop", "it is killed"])
def test_no_child_outlives_the_worker(
    home: Home, worker: subprocess.Popen[bytes], how: str
) -> None:
    with silent_server() as server:
        command = call(home, server.getsockname()[1])
        wait_for(lambda: len(psutil.Process(worker.pid).children()) == 1, "a child")
        (child,) = psutil.Process(worker.pid).children()
        if how == "its starter goes":
            assert worker.stdin is not None
            worker.stdin.close()
        else:
            worker.send_signal(signal.SIGTERM if how == "it is told to stop" else signal.SIGKILL)
        worker.wait(30)
        wait_for(lambda: not child.is_running(), "the child's end")
        assert command.wait(30) == 1


def test_without_a_worker_the_command_runs_the_task_by_itself(home: Home) -> None:
    with silent_server() as server:
        command = call(home, server.getsockname()[1], start_new_session=True)
        server.settimeout(60)
        server.accept()[0].close()  # the task asks for its input
        os.killpg(command.pid, signal.SIGTERM)
        assert command.wait(60) != 0
    wait_for(lambda: not processes_of(home.root), "the end of what it started")


def test_the_command_ends_when_whoever_started_it_is_gone(home: Home, tmp_path: Path) -> None:
    # Nobody listens behind the socket, so that the command waits for an answer for ever.
    folder = Path.cwd()
    os.chdir(home.state)
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("worker.sock")
    finally:
        os.chdir(folder)
    listener.listen()
    starter = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(600)",
            str(home.bin / "flwr-clientapp"),
            *("--runtime-api-address", "127.0.0.1:9", "--token", "ab"),
        ]
    )
    connection, _ = listener.accept()
    asked = json.loads(connection.recv(65_536))
    assert asked["words"][0] == "flwr-clientapp"
    assert asked["words"][-1] == "ab"
    assert asked["started"] <= time.monotonic()
    starter.kill()
    starter.wait()
    connection.settimeout(30)
    assert connection.recv(10) == b""
    connection.close()
    listener.close()


@pytest.mark.slow
def test_a_worker_with_threads_does_not_fork(home: Home, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "fed_credit.node.worker", "--home", str(home.root)],
        env={**environment(home, os.environ), "PYTHONPATH": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == THREADED
    assert "tasks run without it" in ended.stderr
    assert not home.socket.exists()
