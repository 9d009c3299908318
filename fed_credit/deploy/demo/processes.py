"""The demo's processes: started in sessions of their own, and all of them ended, only them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from fed_credit.errors import DeploymentError

_END_SECONDS = 15.0


@dataclass(frozen=True)
class _Started:
    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Processes:
    """Processes that end with this context, the last one first.

    Parameters
    ----------
    environment : mapping of str to str
        Of all of them.
    logs : Path
        Folder of what they print, a file for each.
    """

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self._environment = dict(environment)
        self._logs = logs
        self._started: list[_Started] = []

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], cwd: Path) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own.

        Parameters
        ----------
        name : str
            Of its log file, and in messages.
        command : sequence of str
            Program and arguments.
        cwd : Path
            Where it starts.

        Returns
        -------
        subprocess.Popen
        """
        log = self._logs / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                list(command),
                cwd=cwd,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(_Started(name, process, log))
        return process

    def __getitem__(self, name: str) -> subprocess.Popen[bytes]:
        """Return the process that was last started under a name."""
        return next(each.process for each in reversed(self._started) if each.name == name)

    def forget(self, name: str) -> None:
        """Wait for a process that was ended on purpose, and no longer expect it to run."""
        self[name].wait()
        self._started = [each for each in self._started if each.name != name]

    def call(self, command: Sequence[str], cwd: Path) -> int:
        """Run a process to its end in the foreground and return its exit code."""
        return subprocess.run(
            list(command), cwd=cwd, env=self._environment, stdin=subprocess.DEVNULL, check=False
        ).returncode

    def check(self) -> None:
        """See that all are still running.

        Raises
        ------
        DeploymentError
            Names the one that is not, and its log.
        """
        for started in self._started:
            code = started.process.poll()
            if code is not None:
                raise DeploymentError(
                    f"{started.name} ended with exit code {code}; see {started.log}."
                )

    def stop(self) -> None:
        """End all of them, the last one first; kill what does not end by itself."""
        for started in reversed(self._started):
            _signal(started.process, signal.SIGTERM)
        end = time.monotonic() + _END_SECONDS
        for started in reversed(self._started):
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.process.wait(max(end - time.monotonic(), 0.1))
            # What a process has left behind is in its group.
            _signal_group(started.process.pid, signal.SIGKILL)
            started.process.wait()
        self._started.clear()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)


def _signal_group(leader: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def wait_until_listening(
    address: tuple[str, int], processes: Processes, what: str, seconds: float
) -> None:
    """Wait until something accepts connections.

    Parameters
    ----------
    address : tuple of str and int
        Host and port.
    processes : Processes
        Whose end ends the wait.
    what : str
        For the message.
    seconds : float
        How long.

    Raises
    ------
    DeploymentError
        If it does not in time, or a process ended.
    """
    import socket

    end = time.monotonic() + seconds
    while True:
        processes.check()
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=1.0):
            return
        if time.monotonic() >= end:
            raise DeploymentError(
                f"{what} does not listen at {address[0]}:{address[1]} after {seconds:g} s."
            )
        time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Return ports of this machine that nothing listens on, all different."""
    import socket

    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def environment(bin_folder: Path, extra: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Return the environment of the demo's processes: this Python's programs first."""
    found = dict(os.environ)
    found["PATH"] = f"{bin_folder}{os.pathsep}{found.get('PATH', os.defpath)}"
    found.update(extra)
    return found
