"""Flower's own SuperNode with shorter waits, and guards where it would stop or wait for ever.

``python -P -m fed_credit.node.supernode [--poll SECONDS] --patience SECONDS -- ARGUMENTS`` runs
``flower-supernode ARGUMENTS``. What is changed are names in one module of Flower's; where one of
them is not what it was when this was written, Flower's own behaviour stays, and the log says so.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

from fed_credit.node.logs import log_to_stderr
from fed_credit.node.superexec import Bell

# Flower's own waits in seconds: for a message, and for a reply of the bank's app.
FLOWER_IDLE, FLOWER_REPLY = 3, 0.5
# How long after a message the next one is expected soon.
BUSY_SECONDS = 120.0
# What the module's names are to be, for anything here to be put in their place.
LEANED_ON = ("time", "subprocess", "_push_messages", "get_fused_config_from_fab")

_LONGEST_REPLY_WAIT = 0.025  # a look into this process's own memory
_END_SECONDS = 10.0

log = logging.getLogger("fed_credit.supernode")


class StuckError(RuntimeError):
    """A reply did not come although every limit is over."""


class Waits:
    """Stands for the ``time`` of Flower's loop: the same waits, only shorter when there is work.

    Parameters
    ----------
    poll : float or None
        Seconds between two questions for work while messages come; ``None`` as Flower ships.
    patience : float
        Seconds after which a reply no longer comes.
    sleep, clock : callable
        The real ones.
    """

    def __init__(
        self,
        poll: float | None,
        patience: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._poll = poll
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        self._handled = float("-inf")

    def handling(self) -> None:
        """Note that a message is in hand."""
        self._handled = self._clock()

    def sleep(self, seconds: float) -> None:
        """Wait, as Flower's loop asks for it.

        Raises
        ------
        StuckError
            If the reply to the message in hand is overdue. It ends Flower's loop.
        """
        since = self._clock() - self._handled
        if seconds >= FLOWER_IDLE:
            busy = self._poll is not None and since < BUSY_SECONDS
            seconds = min(seconds, self._poll) if busy and self._poll is not None else seconds
        else:
            if since > self._patience:
                raise StuckError(f"The bank's app gave no reply in {since:.0f} s.")
            if self._poll is not None:
                seconds = min(seconds, self._poll / 2, _LONGEST_REPLY_WAIT)
        self._sleep(seconds)


def fit(
    module: ModuleType, waits: Waits, superexec: Callable[[Any], None], bell: Bell | None = None
) -> list[str]:
    """Put waits and guards into Flower's module.

    Parameters
    ----------
    module : module
        ``flwr.supernode.start_client_internal``.
    waits : Waits
        In place of its ``time``.
    superexec : callable
        Given the process of SuperExec when it is started.
    bell : Bell or None
        Wakes SuperExec; ``None`` leaves it as Flower ships.

    Returns
    -------
    list of str
        Names that are not what they are leaned on to be; if any, nothing is changed.
    """
    missing = [name for name in LEANED_ON if not _known(module, name)]
    if missing:
        return missing
    push, configuration = module._push_messages, module.get_fused_config_from_fab

    def push_messages(*args: Any, **kwargs: Any) -> Any:
        waits.handling()
        if bell is not None:
            bell.ring()
        return push(*args, **kwargs)

    def fused_config(fab: bytes, run: Any) -> Any:
        # A bundle that cannot be read would end Flower's loop. The task itself is refused later,
        # with a sentence to the operator; see fed_credit.node.task.
        from fed_credit.node.bundle import check_bundle

        try:
            check_bundle(fab)
            return configuration(fab, run)
        # Whatever it is: the bundle is the operator's, and Flower trusts what is in it.
        except Exception as error:
            log.warning("%s", error)
            return {}

    def popen(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        start = subprocess.Popen if bell is None else bell.start
        process = start(*args, **kwargs)
        superexec(process)
        return process

    names = {
        "time": SimpleNamespace(sleep=waits.sleep),
        "subprocess": SimpleNamespace(Popen=popen),
        "_push_messages": push_messages,
        "get_fused_config_from_fab": fused_config,
    }
    for name, value in names.items():
        setattr(module, name, value)
    return []


def _known(module: ModuleType, name: str) -> bool:
    value = getattr(module, name, None)
    return value is {"time": time, "subprocess": subprocess}.get(name, value) and value is not None


def watch_starter() -> None:
    """End this process and all it started when standard input ends: who started it is gone."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        log.warning("Whoever started the SuperNode is gone; it ends.")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_END_SECONDS)
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def watch_superexec(process: subprocess.Popen[bytes]) -> None:
    """End this process when SuperExec has ended: without it every message would wait for ever."""

    def watch() -> None:
        process.wait()
        log.error("Flower's SuperExec ended with %s; the SuperNode ends too.", process.returncode)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run Flower's SuperNode; returns only when its loop has ended by itself."""
    parser = argparse.ArgumentParser(prog="fed_credit.node.supernode", description=__doc__)
    parser.add_argument("--poll", type=float)
    parser.add_argument("--patience", type=float, required=True)
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    log_to_stderr()
    watch_starter()
    from flwr.supernode import start_client_internal
    from flwr.supernode.cli.flower_supernode import flower_supernode

    waits = Waits(given.poll, given.patience)
    bell = None if given.poll is None else Bell()
    missing = fit(start_client_internal, waits, watch_superexec, bell)
    if missing:
        log.warning(
            "This version of Flower has another %s; its own waits stay.", ", ".join(missing)
        )
    elif given.poll is not None:
        from fed_credit.runtime.pulls import pull_promptly

        pull_promptly()
    sys.argv = ["flower-supernode", *(word for word in given.rest if word != "--")]
    flower_supernode()
    return 1


if __name__ == "__main__":
    try:
        code = main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    # Its threads would keep the process when the loop has ended by an error.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
