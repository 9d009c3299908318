"""``fed-credit bank run``: keeps the bank's worker and its SuperNode running, in the foreground."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from fed_credit.config.bank import BankSpec, load_bank
from fed_credit.errors import ConfigurationError, FedCreditError
from fed_credit.node.events import Events, why
from fed_credit.node.home import Home
from fed_credit.node.launcher import write_commands
from fed_credit.node.process import Kept
from fed_credit.node.worker import ENVIRONMENT, THREADED

_TICK_SECONDS = 0.25
_READY_SECONDS = 180.0
_END_SECONDS = 8.0  # Flower gives itself five
# A SuperNode that ends is started again after 1, 2, 4, ... seconds, up to a quarter of a minute.
_LONGEST_PAUSE = 15.0
_SETTLED_SECONDS = 60.0
# Beyond a task's own limit, its kill and the hand-over.
_PATIENCE_SECONDS = 300.0


def supervise(root: Path) -> int:
    """Run a bank until it is told to stop.

    Parameters
    ----------
    root : Path
        The bank's home folder.

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    ConfigurationError
        If the home folder is not complete.
    FedCreditError
        If the bank already runs, or its worker does not start.
    """
    home = Home(root.resolve())
    bank = load_bank(home.bank_file)
    _check(home, bank)
    home.prepare()
    write_commands(home)
    with _alone(home), Events(home) as events:
        supervisor = _Supervisor(home, bank, events)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, supervisor.stop)
        try:
            supervisor.run()
        finally:
            supervisor.end()
    return 0


def _check(home: Home, bank: BankSpec) -> None:
    for path in (home.ca, home.key):
        if not path.is_file():
            raise ConfigurationError(
                f"{path} is missing; it comes with the kit from the operator (node.key from"
                " fed-credit bank key)."
            )
    mode = stat.S_IMODE(home.key.stat().st_mode)
    if mode & 0o077:
        raise ConfigurationError(
            f"{home.key} can be read by others (mode {mode:04o}); run: chmod 600 {home.key}"
        )
    if bank.node.superlink is None:
        raise ConfigurationError(
            f"{home.bank_file}: node.superlink is not set; write the operator's HOST:PORT."
        )
    if any(sign in str(home.root) for sign in "\"'\\\n") or str(home.root).endswith(".toml"):
        raise ConfigurationError(
            f"{home.root} has a quote, a backslash or a line's end in its name, which Flower's"
            " options do not take; move the folder."
        )


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Let one supervisor at a time work in a home folder."""
    with (home.state / "run.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FedCreditError(
                f"A bank already runs in {home.root}; stop it first, or name another home."
            ) from None
        yield


class _Supervisor:
    """Keeps both processes until told to stop."""

    def __init__(self, home: Home, bank: BankSpec, events: Events) -> None:
        self._home = home
        self._bank = bank
        self._events = events
        self._environment = environment(home, os.environ)
        self._worker: Kept | None = None
        self._node: Kept | None = None
        self._told = False
        self._pauses = {"worker": _Pause(), "supernode": _Pause()}
        self._with_worker = True

    def stop(self, *_: object) -> None:
        """Note the order to stop."""
        self._told = True

    def run(self) -> None:
        """Start both, and again what ends."""
        name, address = self._bank.name, self._bank.node.superlink
        self._events.say(f"{name} takes part; the operator is at {address}.")
        while not self._told:
            now = time.monotonic()
            if self._worker is not None and self._worker.ended():
                self._worker_ended(self._worker)
            if self._node is not None and self._node.ended():
                self._node_ended(self._node)
            if self._worker is None and self._with_worker and now >= self._pauses["worker"].end:
                self._start_worker()
            elif self._node is None and now >= self._pauses["supernode"].end and not self._told:
                self._start_node()
            self._events.tell_tasks()
            time.sleep(_TICK_SECONDS)

    def end(self) -> None:
        """End both, with all that they started."""
        for kept in (self._node, self._worker):
            if kept is not None:
                kept.end(_END_SECONDS)
        self._events.tell_tasks()
        self._events.say("Stopped.")

    def _start_worker(self) -> None:
        self._worker = self._keep("worker", ["--home", str(self._home.root)])
        limit = time.monotonic() + _READY_SECONDS
        while not self._told and not self._worker.ended() and not self._listens():
            if time.monotonic() > limit:
                raise FedCreditError(
                    f"The worker is not ready after {_READY_SECONDS:.0f} s; {self._worker.log}"
                    " says where it is."
                )
            time.sleep(0.05)
        if not self._told and not self._worker.ended():
            seconds = time.monotonic() - self._worker.started
            self._events.say(f"The worker is ready after {seconds:.1f} s.")

    def _listens(self) -> bool:
        here = os.open(".", os.O_RDONLY)
        try:
            os.chdir(self._home.state)  # a socket's address is short
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(self._home.socket.name)
            return True
        except OSError:
            return False
        finally:
            os.fchdir(here)
            os.close(here)

    def _start_node(self) -> None:
        node = self._bank.node
        options = {
            "--superlink": node.superlink,
            "--root-certificates": self._home.ca,
            "--auth-supernode-private-key": self._home.key,
            "--port": node.runtime_port,
            "--node-config": f'bank="{self._home.bank_file}"',
        }
        waits = ["--patience", self._bank.policy.max_seconds + _PATIENCE_SECONDS]
        if node.poll_s is not None:
            waits += ["--poll", node.poll_s]
        words = [*waits, "--", *(word for option in options.items() for word in option)]
        self._node = self._keep("supernode", [str(word) for word in words])

    def _keep(self, name: str, arguments: Sequence[str]) -> Kept:
        command = [sys.executable, "-P", "-m", f"fed_credit.node.{name}", *arguments]
        return Kept(command, self._environment, self._home.root, self._home.log / f"{name}.log")

    def _worker_ended(self, worker: Kept) -> None:
        self._worker = None
        code = worker.end(0)
        if code == THREADED:
            self._with_worker = False
            self._events.say(
                "The worker cannot be kept warm on this machine; each task starts a process of its"
                f" own, which takes seconds longer. {worker.log} says why."
            )
            return
        pause = self._pauses["worker"].begin(worker)
        self._events.say(f"The worker ended: {why(worker, code)} It starts anew in {pause:.0f} s.")

    def _node_ended(self, node: Kept) -> None:
        self._node = None
        code = node.end(0)
        pause = self._pauses["supernode"].begin(node)
        self._events.say(f"The SuperNode ended: {why(node, code)} It starts anew in {pause:.0f} s.")


class _Pause:
    """The pause before the next start, longer each time unless the process ran for a while."""

    def __init__(self) -> None:
        self._next = 1.0
        self.end = 0.0

    def begin(self, kept: Kept) -> float:
        now = time.monotonic()
        if now - kept.started > _SETTLED_SECONDS:
            self._next = 1.0
        pause, self._next = self._next, min(2 * self._next, _LONGEST_PAUSE)
        self.end = now + pause
        return pause


def environment(home: Home, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a bank's processes.

    Parameters
    ----------
    home : Home
        The bank's.
    inherited : mapping of str to str
        The supervisor's own.

    Returns
    -------
    dict of str to str
        Without calls home, and with the bank's own commands first on the path.
    """
    path = [str(home.bin), sysconfig.get_path("scripts"), inherited.get("PATH", os.defpath)]
    direct = [
        inherited.get("NO_PROXY") or inherited.get("no_proxy") or "",
        "127.0.0.1",
        "localhost",
    ]
    no_proxy = ",".join(host for host in direct if host)
    return {
        **inherited,
        **ENVIRONMENT,
        "PATH": os.pathsep.join(path),
        "FLWR_HOME": str(home.flower),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1",
        # Between the bank's own processes no proxy has a place.
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
    }
