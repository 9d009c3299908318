"""Processes that a supervisor starts, keeps and ends with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_LOG_BYTES = 20 * 2**20


class Kept:
    """A process in a group of its own, with a log.

    Its standard input is a pipe that nobody writes to: it ends when the supervisor ends, however
    that comes about, and tells the process to end too.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    environment : mapping of str to str
        All of its environment.
    folder : Path
        Where it runs.
    log : Path
        Its output goes there, after what is there; an old log that has grown is put aside.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
    ) -> None:
        self.log = log
        self.started = time.monotonic()
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".old.log"))
        with log.open("ab") as file:
            self._log_start = file.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Number of the process and of its group."""
        return self._process.pid

    def ended(self) -> bool:
        """Return whether the process has ended; its group may live on."""
        if self._process.returncode is not None:
            return True
        # Not reaped here: while the process is a zombie, nobody else can get its group's number.
        state = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return state is not None

    def end(self, seconds: float) -> int:
        """Ask the process to end, wait, and kill what is left of its group.

        Parameters
        ----------
        seconds : float
            How long to wait before killing.

        Returns
        -------
        int
            Exit code; negative for a signal.
        """
        if self._process.returncode is not None:
            return self._process.returncode
        limit = time.monotonic() + seconds
        if not self.ended():
            self._process.terminate()
        while not self.ended() and time.monotonic() < limit:
            time.sleep(0.05)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()
        return self._process.wait()

    def last_words(self, size: int) -> str:
        """Return the end of what it has logged since it started, at most so many bytes."""
        with suppress(OSError), self.log.open("rb") as file:
            file.seek(max(self._log_start, self.log.stat().st_size - size))
            return file.read().decode(errors="replace")
        return ""
