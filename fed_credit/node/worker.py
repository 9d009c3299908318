"""The warm worker: a process that has imported everything and forks a child for each task.

``python -P -m fed_credit.node.worker --home HOME`` listens on a socket in the bank's home folder
for the bank's own ``flwr-clientapp``; with ``--once WORD ...`` it runs the one task that these
words name, for a machine on which no worker listens.

It has a single thread, always: a child of a process with threads would inherit locks that nobody
opens. So libraries are imported with one thread each, and nothing is computed here.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import logging
import os
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from fed_credit.node.children import Child, Children
from fed_credit.node.home import Home
from fed_credit.node.logs import log_to_stderr

# What a task imports, most of it late: when it first connects, reads a source or trains.
PRELOADED = (
    "encodings.cp437",  # of names in a zip file
    "encodings.utf_8_sig",
    "httpcore",
    "torch",
    "torch.optim.adamw",
    "pandas",
    "pandas.core.arrays.arrow.extension_types",
    "pyarrow.csv",
    "pyarrow.dataset",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "pandera.pandas",  # checks rows when a source is read
    "safetensors.numpy",
    "fed_credit.node.task",
    "fed_credit.client_app",
    "clients.tasks",
)
# Libraries that start threads when they are imported, unless told so; read by these before.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
THREADED = 3  # exit code: it has threads, so it must not fork

_MAX_REQUEST = 65_536

log = logging.getLogger("fed_credit.worker")


class Worker:
    """Takes tasks from a socket and runs each in a child of its own.

    Parameters
    ----------
    home : Home
        The bank's.
    """

    def __init__(self, home: Home) -> None:
        self._selector = selectors.DefaultSelector()
        self._children = Children(home, self._selector)
        self._ended = False
        self._on_signals()

    def serve(self, listener: socket.socket) -> None:
        """Take tasks until told to stop, or until standard input ends: who started it is gone."""
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        with suppress(PermissionError):  # a file, which has no end to wait for
            self._selector.register(0, selectors.EVENT_READ, self._starter_gone)
        self._loop(lambda: self._ended)

    def once(self, words: Sequence[str], starter: int) -> int:
        """Run one task; gives up when the process that asked for it ends."""
        codes: list[int] = []
        self._children.start(words, time.monotonic(), codes.append)
        self._loop(lambda: bool(codes) or self._ended or os.getppid() != starter, tick=1.0)
        return codes[0] if codes else 1

    def _loop(self, ended: Callable[[], bool], tick: float | None = None) -> None:
        try:
            while not ended():
                wait = self._children.wait_seconds()
                waits = [seconds for seconds in (wait, tick) if seconds is not None]
                for key, _ in self._selector.select(min(waits, default=None)):
                    if isinstance(key.data, Child):
                        self._children.read(key.data)
                    else:
                        key.data(key.fileobj)
                self._children.tend()
        finally:
            self._children.kill_all()

    def _on_signals(self) -> None:
        """Wake up for signals: a child's end, or the order to stop."""
        wake, self._wakeup = socket.socketpair()
        for end in (wake, self._wakeup):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._selector.register(wake, selectors.EVENT_READ, lambda end: end.recv(4096))

    def _stop(self, *_: object) -> None:
        self._ended = True

    def _starter_gone(self, _: object) -> None:
        if not os.read(0, 4096):
            log.warning("Whoever started the worker is gone; it ends.")
            self._ended = True

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            visitor = _Visitor(self._selector, self._children, connection)
            self._selector.register(connection, selectors.EVENT_READ, visitor.hear)


class _Visitor:
    """One bank's command that waits for the end of its task."""

    def __init__(
        self, selector: selectors.BaseSelector, children: Children, connection: socket.socket
    ) -> None:
        self._selector = selector
        self._children = children
        self._connection = connection
        self._heard = b""
        self._child: Child | None = None

    def hear(self, _: object) -> None:
        """Take the request in; or notice that nobody waits any more."""
        try:
            part = self._connection.recv(_MAX_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        self._heard += part
        if not part or len(self._heard) > _MAX_REQUEST:
            if self._child is not None:
                self._children.abandon(self._child)
            self._leave()
        elif self._child is None and self._heard.endswith(b"\n"):
            if threads() > 1:
                log.error("The worker has %d threads; the task runs in a new process", threads())
                self._say({"fallback": True})
                return
            try:
                asked = json.loads(self._heard)
                self._child = self._children.start(asked["words"], asked["started"], self._end)
            except (ValueError, TypeError, KeyError):
                log.error("A request to the worker cannot be read")
                self._leave()

    def _end(self, code: int) -> None:
        self._child = None
        self._say({"code": code})

    def _say(self, answer: dict[str, object]) -> None:
        with suppress(OSError):
            self._connection.send(json.dumps(answer).encode() + b"\n")
        self._leave()

    def _leave(self) -> None:
        self._selector.unregister(self._connection)
        self._connection.close()


def threads() -> int:
    """Count this process's threads: all of them where the kernel says (Linux), else Python's."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()


def preload() -> None:
    """Import what tasks import; starts no thread, given :data:`ENVIRONMENT`."""
    for module in PRELOADED:
        importlib.import_module(module)
    from fed_credit.models import FAMILIES, family

    for name in FAMILIES:
        family(name)
    from fed_credit.families.warm import warm_up

    warm_up()


def listen(home: Home) -> socket.socket:
    """Listen in the bank's ``state`` folder, for the bank's own user alone.

    A socket's address has about a hundred bytes, so it is named from within its folder.
    """
    socket_ = socket.socket(socket.AF_UNIX)
    before = os.open(".", os.O_RDONLY)
    mask = os.umask(0o177)
    try:
        os.chdir(home.state)
        Path(home.socket.name).unlink(missing_ok=True)
        socket_.bind(home.socket.name)
    finally:
        os.umask(mask)
        os.fchdir(before)
        os.close(before)
    socket_.listen(16)
    return socket_


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker, or one task."""
    parser = argparse.ArgumentParser(prog="fed_credit.node.worker", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--starter", type=int)
    parser.add_argument("--once", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    home = Home(given.home.resolve())
    log_to_stderr()
    if given.once:
        return Worker(home).once(given.once, given.starter or os.getppid())
    preload()
    if threads() > 1:
        log.error("The worker has %d threads after its imports; tasks run without it", threads())
        return THREADED
    gc.collect()
    gc.freeze()  # so that no child copies what it only looks at
    with listen(home) as listener:
        log.info("The worker listens; its number is %d", os.getpid())
        Worker(home).serve(listener)
    return 0


if __name__ == "__main__":
    # Before anything imports them.
    os.environ.update(ENVIRONMENT)
    sys.exit(main())
