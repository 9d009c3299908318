"""What a bank's supervisor tells its people: one line per event."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from datetime import datetime
from typing import IO

from fed_credit.node.home import Home
from fed_credit.node.process import Kept

# What Flower logs before it ends, and what it means at a bank.
_MEANINGS = {
    "[code: 2004]": "the operator does not admit this bank's key: it is not registered there, or"
    " was taken away, or the SuperLink counts this bank as connected, as it does for a minute"
    " after a crash.",
    "[code: 2003]": "the operator does not know this bank's key; send them node.pub.",
    "CERTIFICATE_VERIFY_FAILED": "the operator's server does not show a certificate that ca.crt"
    " signed, or not for this address; ask the operator for ca.crt and the address.",
    "Address already in use": "another process has the port; set another node.runtime_port.",
    "address already in use": "another process has the port; set another node.runtime_port.",
}
_LOG_TAIL = 8_192


class Events:
    """One line per event, on the terminal and in ``bank.log``.

    Parameters
    ----------
    home : Home
        The bank's.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._log: IO[str] | None = None
        self._told = home.tasks.stat().st_size if home.tasks.exists() else 0

    def __enter__(self) -> Events:
        """Open the log."""
        self._log = (self._home.log / "bank.log").open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()

    def say(self, text: str) -> None:
        """Write one line; a full disk or a closed terminal does not stop the bank."""
        line = f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S} {text}"
        for file in (sys.stdout, self._log):
            with suppress(OSError, ValueError):
                print(line, file=file, flush=True)

    def tell_tasks(self) -> None:
        """Say what was answered since the last time."""
        with suppress(OSError), self._home.tasks.open("rb") as file:
            file.seek(self._told)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._told += len(line)
                with suppress(ValueError, KeyError, TypeError):  # of a disk that was full
                    self.say(_sentence(json.loads(line)))


def _sentence(task: dict[str, object]) -> str:
    seconds = sum(dict(task["seconds"]).values())  # type: ignore[call-overload]
    of_round = f" {task['round']}" if task["round"] else ""
    return f"Run {task['run']}: {task['task']}{of_round} {task['outcome']} in {seconds:.2f} s."


def why(kept: Kept, code: int) -> str:
    """Say in a sentence why a process ended.

    Parameters
    ----------
    kept : Kept
        The process, which has ended.
    code : int
        Its exit code; negative for a signal.

    Returns
    -------
    str
        With the name of its log.
    """
    how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
    said = kept.last_words(_LOG_TAIL)
    meaning = next((text for sign, text in _MEANINGS.items() if sign in said), None)
    return f"{how}; {kept.log} has the details." if meaning is None else f"{how}; {meaning}"
