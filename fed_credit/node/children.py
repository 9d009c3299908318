"""Tasks in forked children: deadlines, deaths, and an answer in every case.

A child runs one task. What it tells through a pipe is all that its parent knows of it: until when
to wait, whom an answer goes to, and that the answer is there. A child that dies without an answer,
or is killed at its deadline, is followed by another one that answers with an error.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from fed_credit.node.home import Home

# Until a child says otherwise: to take its task from the SuperNode.
_START_SECONDS = 120.0
_GIVE_UP_SECONDS = 90.0
_REPORT_SECONDS = 24 * 3600.0
_PR_SET_PDEATHSIG = 1

log = logging.getLogger("fed_credit.worker")

OnEnd = Callable[[int], None]


@dataclass
class Child:
    """A process with one task.

    Parameters
    ----------
    pid : int
        Its number.
    words : sequence of str
        SuperExec's command line.
    pipe : int
        Where it tells how far it is.
    deadline : float
        When it is killed, by ``time.monotonic()``.
    on_end : callable or None
        Called with the exit code when all is over; ``None`` when nobody waits any more.
    """

    pid: int
    words: Sequence[str]
    pipe: int
    deadline: float
    on_end: OnEnd | None
    started: float = field(default_factory=time.monotonic)
    told: bytes = b""
    header: bytes | None = None
    limit: float | None = None
    answered: bool = False
    late: bool = False
    successor: bool = False
    report: int | None = None


class Children:
    """The tasks that run now.

    Parameters
    ----------
    home : Home
        The bank's.
    selector : selectors.BaseSelector
        Watches the children's pipes; the data of their keys is the :class:`Child`.
    """

    def __init__(self, home: Home, selector: selectors.BaseSelector) -> None:
        self._home = home
        self._selector = selector
        self._running: dict[int, Child] = {}
        self._reports: list[int] = []  # runs whose report is to be made, the next one first
        self._reporting: Child | None = None

    def __len__(self) -> int:
        return len(self._running)

    def start(self, words: Sequence[str], started: float, on_end: OnEnd) -> Child:
        """Fork a child for a task.

        Parameters
        ----------
        words : sequence of str
            SuperExec's command line.
        started : float
            ``time.monotonic()`` of the command's start.
        on_end : callable
            Called with the exit code when the task is answered, or cannot be.

        Returns
        -------
        Child
        """

        def work(tell: Callable[[dict[str, Any]], None]) -> int:
            from fed_credit.node.call import parse_call
            from fed_credit.node.task import run_task

            return run_task(self._home, parse_call(words), tell, started)

        child = self._fork(work, _START_SECONDS)
        child.words, child.on_end = words, on_end
        return child

    def abandon(self, child: Child) -> None:
        """Kill a child whose answer nobody takes any more."""
        child.on_end = None
        child.answered = True
        _kill(child)

    def read(self, child: Child) -> None:
        """Take in what a child tells."""
        with suppress(BlockingIOError):
            child.told += os.read(child.pipe, 65_536)
        *lines, child.told = child.told.split(b"\n")
        for line in lines:
            said = json.loads(line)
            if "message" in said:
                child.header = bytes.fromhex(said["message"])
            if "deadline" in said:
                child.deadline = time.monotonic() + said["deadline"]
                child.limit = said["limit"]
            child.report = said.get("report", child.report)
            child.answered = child.answered or "done" in said

    def wait_seconds(self) -> float | None:
        """Return how long nothing has to be done; ``None``: until something happens."""
        ends = [child.deadline for child in self._running.values()]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def tend(self) -> None:
        """Kill who is late and bury who has ended."""
        now = time.monotonic()
        for child in list(self._running.values()):
            if now >= child.deadline:
                child.late = True
                child.deadline = now + 1.0
                _kill(child)
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                self._bury(child, os.waitstatus_to_exitcode(status))

    def kill_all(self) -> None:
        """Kill all children and wait for their end."""
        for child in self._running.values():
            _kill(child)
            os.waitpid(child.pid, 0)
        self._running.clear()

    def _bury(self, child: Child, code: int) -> None:
        self.read(child)
        self._selector.unregister(child.pipe)
        os.close(child.pipe)
        del self._running[child.pid]
        if child is self._reporting:
            self._reporting = None
        if child.report is not None and child.report not in self._reports:
            self._reports.append(child.report)
        # One at a time: whoever asks decides how often a report is due, and how long it takes.
        if self._reports and self._reporting is None:
            self._reporting = self._make_report(self._reports.pop(0))
        if not child.answered:
            seconds = time.monotonic() - child.started
            how = "was killed at its deadline" if child.late else f"ended with {code}"
            log.error("A task %s after %.1f s, without an answer", how, seconds)
            if not child.successor:
                self._answer_for(child)
                return
        if child.on_end is not None:
            child.on_end(0 if child.answered else 1)

    def _make_report(self, run_id: int) -> Child:
        """Compare the run's model with the bank's own, behind everything else on the machine."""

        def work(tell: Callable[[dict[str, Any]], None]) -> int:
            from fed_credit.node.report import make_in_background, wanted_report

            if wanted_report(self._home, run_id):
                make_in_background(self._home, run_id)
            tell({"done": True})
            return 0

        child = self._fork(work, _REPORT_SECONDS)
        child.successor = True
        return child

    def _answer_for(self, dead: Child) -> None:
        def work(tell: Callable[[dict[str, Any]], None]) -> int:
            from fed_credit.node.call import parse_call
            from fed_credit.node.task import give_up, late

            if dead.late and dead.limit is not None:
                sentence = late(dead.limit)
            else:
                sentence = (
                    "The bank's process for this task ended before it could answer; the bank's own"
                    " log has the details."
                )
            code = give_up(self._home, parse_call(dead.words), dead.header, sentence)
            if code == 0:
                tell({"done": True})
            return code

        child = self._fork(work, _GIVE_UP_SECONDS)
        child.words, child.on_end, child.successor = dead.words, dead.on_end, True

    def _fork(self, work: Callable[[Callable[[dict[str, Any]], None]], int], limit: float) -> Child:
        read, write = os.pipe()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            self._let_go()
            _be_a_child(work, write, parent)
        os.close(write)
        os.set_blocking(read, False)
        child = Child(pid, (), read, time.monotonic() + limit, None)
        self._running[pid] = child
        self._selector.register(read, selectors.EVENT_READ, child)
        return child

    def _let_go(self) -> None:
        """In a child: close the parent's sockets and pipes; who holds one keeps it open."""
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            else:
                os.close(key.fd)


def _be_a_child(
    work: Callable[[Callable[[dict[str, Any]], None]], int], pipe: int, parent: int
) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        _die_with(parent)
        _spare_others()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

        def tell(said: dict[str, Any]) -> None:
            os.write(pipe, json.dumps(said).encode() + b"\n")

        code = work(tell)
    except BaseException:  # the end of this process, whatever it was
        log.exception("A task's process failed")
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, where it can (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _spare_others() -> None:
    """Take no more memory than the machine has, and be the first to go when it runs out."""
    with suppress(OSError, ValueError):
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        resource.setrlimit(resource.RLIMIT_DATA, (whole, whole))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _kill(child: Child) -> None:
    with suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)
