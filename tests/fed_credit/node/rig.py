"""A real SuperLink and real banks on free ports, and questions to them."""

from __future__ import annotations

import datetime
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml
from flwr.cli.build import build_fab_from_files

from fed_credit.config.operator import load_operator
from fed_credit.deploy.control import Control, key_bytes
from fed_credit.deploy.keys import make_node_key
from fed_credit.deploy.pki import LOOPBACK, Role, Wanted, ensure
from fed_credit.node.bundle import CLIENT_APP

BIN = Path(sys.executable).parent
PATIENCE_S = 120.0

PROJECT = """\
[project]
name = "asker"
version = "1"

[tool.flwr.app]
publisher = "tests"

[tool.flwr.app.components]
serverapp = "asker:app"
clientapp = "{client}"

[tool.flwr.app.config]
name = ""
"""


def bundle(client: str = CLIENT_APP, **files: bytes) -> bytes:
    """Build a bundle whose server app is the asker, with further files by path."""
    project = PROJECT.format(client=client).encode()
    return build_fab_from_files({"pyproject.toml": project, **files})[0]


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(ready: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)


def processes_of(folder: Path) -> list[psutil.Process]:
    """Return the processes whose command line or folder names a folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        words = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if alive and any(str(folder) in word for word in words):
            found.append(process)
    return found


@dataclass
class TestBank:
    """A bank of the rig.

    Parameters
    ----------
    home : Path
        Its home folder.
    node_id : int
        Flower's number of it.
    process : subprocess.Popen or None
        ``fed-credit bank run``, while it runs.
    """

    __test__ = False

    home: Path
    node_id: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def terminal(self) -> str:
        """What the supervisor printed."""
        return (self.home / "terminal.log").read_text(encoding="utf-8")

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The bank's log of tasks."""
        path = self.home / "state" / "log" / "tasks.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def log(self, name: str) -> str:
        """What one of its processes logged."""
        return (self.home / "state" / "log" / f"{name}.log").read_text(encoding="utf-8")

    def say(self, **changes: Any) -> None:
        """Change ``bank.yaml``."""
        path = self.home / "bank.yaml"
        body = {**yaml.safe_load(path.read_text(encoding="utf-8")), **changes}
        path.write_text(yaml.safe_dump(body), encoding="utf-8")

    def start(
        self, environment: Mapping[str, str] | None = None, *, connected: bool = True
    ) -> None:
        """Start ``fed-credit bank run`` and, if asked, wait until its SuperNode is connected."""
        command = [sys.executable, "-m", "fed_credit.cli", "bank", "run", "--home", str(self.home)]
        log = self.home / "state" / "log" / "supernode.log"
        before = log.read_text().count("SuperNode ID:") if log.exists() else 0
        with (self.home / "terminal.log").open("ab") as out:
            self.process = subprocess.Popen(
                command,
                cwd=self.home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

        def is_connected() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.terminal
            return log.exists() and log.read_text().count("SuperNode ID:") > before

        if connected:
            wait_for(is_connected, f"the SuperNode of {self.home.name}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it and return its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(60)
        self.process = None
        return code


class Questions:
    """A run whose server app asks what a test wants to know.

    Parameters
    ----------
    rig : Rig
        Where it runs.
    fab : bytes
        Its bundle.
    """

    def __init__(self, rig: Rig, fab: bytes) -> None:
        self._rig = rig
        self._number = 0
        self._folder = rig.folder / f"questions-{time.monotonic_ns()}"
        self._folder.mkdir()
        self.run_id = rig.control.start_run(fab, {"name": str(self._folder)})

    def ask(
        self,
        kind: str,
        *banks: TestBank,
        config: Mapping[str, Any] | None = None,
        timeout: float = PATIENCE_S,
    ) -> dict[str, Any]:
        """Ask banks and return what each said by the name of its folder, without who is silent."""
        self.send(kind, *banks, config=config, timeout=timeout)
        return self.answers(*banks, timeout=timeout)

    def send(
        self,
        kind: str,
        *banks: TestBank,
        config: Mapping[str, Any] | None = None,
        timeout: float = PATIENCE_S,
    ) -> None:
        """Ask without waiting."""
        question = {
            "kind": kind,
            "nodes": [bank.node_id for bank in banks],
            "config": dict(config or {}),
            "timeout": timeout,
        }
        part = self._folder / "ask.part"
        part.write_text(json.dumps(question), encoding="utf-8")
        part.rename(self._folder / f"ask-{self._number}.json")

    def answers(self, *banks: TestBank, timeout: float = PATIENCE_S) -> dict[str, Any]:
        """Wait for the answers to what was sent last."""
        path = self._folder / f"answer-{self._number}.json"
        wait_for(path.exists, f"answers of run {self.run_id}", timeout + PATIENCE_S)
        self._number += 1
        answers = json.loads(path.read_text(encoding="utf-8"))["answers"]
        names = {str(bank.node_id): bank.home.name for bank in banks}
        return {names[node]: said for node, (_, said) in answers.items()}

    def end(self) -> None:
        """End the run."""
        (self._folder / "stop").touch()


class Rig:
    """A SuperLink over TLS that admits registered keys only.

    Parameters
    ----------
    folder : Path
        Where everything is put.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.operator = folder / "operator"
        self.operator.mkdir(parents=True)
        self.port = free_port()
        self.banks: list[TestBank] = []
        now = datetime.datetime.now(datetime.UTC)
        self._make("ca", Role.AUTHORITY, None, now)
        self._make("operator-ca", Role.AUTHORITY, None, now)
        self._make("server", Role.SERVER, "ca", now)
        self._make("operator", Role.CLIENT, "operator-ca", now)
        place = f"{{host: 127.0.0.1, port: {self.port}}}"
        (self.operator / "banks.json").write_text("[]\n")
        (self.operator / "operator.yaml").write_text(
            f"name: Rig\nsuperlink: {place}\nproxy: {place}\nca: ca.crt\n"
            "client_cert: operator.crt\nclient_key: operator.key\nruns: runs\n"
        )
        self.process = self._superlink()
        self.control = Control(load_operator(self.operator))

    def add(self, name: str, **own: Any) -> TestBank:
        """Make a bank's home, with its key registered, and what its file says."""
        home = self.folder / name
        home.mkdir()
        public = make_node_key(home)
        (home / "ca.crt").write_bytes((self.operator / "ca.crt").read_bytes())
        (home / "loans.csv").write_text("loan_id\n1\n")
        body = {
            "name": name,
            "schema": "synthetic",
            "source": {"path": "loans.csv"},
            "node": {"superlink": f"127.0.0.1:{self.port}", "runtime_port": free_port()},
            **own,
        }
        (home / "bank.yaml").write_text(yaml.safe_dump(body))
        bank = TestBank(home, self.control.register(name, key_bytes(public)))
        self.banks.append(bank)
        return bank

    def questions(self, fab: bytes | None = None) -> Questions:
        """Start a run that asks."""
        return Questions(self, bundle() if fab is None else fab)

    def end(self) -> None:
        """End everything."""
        for bank in self.banks:
            bank.stop()
        self.control.__exit__(None, None, None)
        self.process.terminate()
        self.process.wait(30)
        for process in processes_of(self.folder):
            process.kill()

    def _make(self, name: str, role: Role, authority: str | None, now: datetime.datetime) -> None:
        ensure(
            self._wanted(name, role),
            None if authority is None else self._wanted(authority, Role.AUTHORITY),
            now,
        )

    def _wanted(self, name: str, role: Role) -> Wanted:
        files = (self.operator / f"{name}.crt", self.operator / f"{name}.key")
        return Wanted(*files, role, "Rig", name, LOOPBACK if role is Role.SERVER else (), 30)

    def _superlink(self) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(Path(__file__).parent),
            "FLWR_HOME": str(self.operator / "flwr"),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1",
        }
        command = [
            str(BIN / "flower-superlink"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--ssl-ca-certfile", str(self.operator / "ca.crt")),
            *("--ssl-certfile", str(self.operator / "server.crt")),
            *("--ssl-keyfile", str(self.operator / "server.key")),
            *("--database", str(self.operator / "superlink.db")),
            "--enable-supernode-auth",
            "--disable-runtime-dependency-installation",
        ]
        with (self.operator / "superlink.log").open("ab") as out:
            process = subprocess.Popen(
                command, cwd=self.operator, env=environment, stdout=out, stderr=subprocess.STDOUT
            )
        trusted = ssl.create_default_context(cafile=str(self.operator / "ca.crt"))

        def answers() -> bool:
            assert process.poll() is None, (self.operator / "superlink.log").read_text()
            try:
                address = f"https://127.0.0.1:{self.port}/health"
                return httpx.get(address, verify=trusted).is_success
            except httpx.TransportError:
                return False

        wait_for(answers, "the SuperLink")
        return process
