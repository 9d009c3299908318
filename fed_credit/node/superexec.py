"""Flower's own SuperExec, woken when there is a task instead of asking ten times a second.

The SuperNode starts ``python -P -m fed_credit.node.superexec ARGUMENTS`` in place of
``flower-superexec ARGUMENTS`` and writes a byte to its standard input for each message.
"""

from __future__ import annotations

import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType, SimpleNamespace
from typing import IO, Any

from fed_credit.node.logs import log_to_stderr

FLOWER_COMMAND = "flower-superexec"
# Asked as often as Flower does, should a call be missed.
_LONGEST_NAP = 1.0

log = logging.getLogger("fed_credit.supernode")


class Bell:
    """The SuperNode's end of the line to its SuperExec."""

    def __init__(self) -> None:
        self._line: IO[bytes] | None = None

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start what Flower's SuperNode starts, its SuperExec as a process that hears the bell."""
        if command[0] != FLOWER_COMMAND:
            return subprocess.Popen(command, **options)
        words = [sys.executable, "-P", "-m", "fed_credit.node.superexec", *command[1:]]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, **options)
        self._line = process.stdin
        if self._line is not None:
            os.set_blocking(self._line.fileno(), False)
        return process

    def ring(self) -> None:
        """Say that there is a task; one that does not listen any more is noticed elsewhere."""
        if self._line is not None:
            with suppress(OSError):
                os.write(self._line.fileno(), b".")


def nap(seconds: float) -> None:
    """Wait for the bell; much longer than asked for if it does not ring."""
    if select.select([0], [], [], _LONGEST_NAP)[0] and not os.read(0, 4096):
        time.sleep(seconds)  # nobody is there to ring; Flower sees to it that this process ends


def fit(module: ModuleType) -> bool:
    """Let Flower's module wait for the bell.

    Parameters
    ----------
    module : module
        ``flwr.supercore.superexec.run_superexec``.

    Returns
    -------
    bool
        Whether its ``time`` is what it is leaned on to be; if not, nothing is changed.
    """
    if getattr(module, "time", None) is not time:
        return False
    module.time = SimpleNamespace(sleep=nap)  # type: ignore[attr-defined]
    return True


def main() -> None:
    """Run Flower's SuperExec."""
    log_to_stderr()
    from flwr.supercore.cli.flower_superexec import flower_superexec
    from flwr.supercore.superexec import run_superexec

    if not fit(run_superexec):
        log.warning("This version of Flower's SuperExec waits otherwise; its own waits stay.")
    sys.argv[0] = FLOWER_COMMAND
    flower_superexec()


if __name__ == "__main__":
    main()
