"""Logs of the bank's processes: to standard error, which their supervisor keeps in a file."""

from __future__ import annotations

import logging
import sys

from fed_credit.errors import one_line

_LONGEST = 20_000  # characters of one entry, its traceback included


class _OneEntry(logging.Formatter):
    """Keeps each entry what it is: what it quotes comes from the operator, and may be anything.

    Further lines are indented, so that none can pass for an entry, and no sign controls a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if len(text) > _LONGEST:
            half = _LONGEST // 2
            text = f"{text[:half]} ... {text[-half:]}"
        return "\n    ".join(one_line(line, _LONGEST) for line in text.split("\n"))


def log_to_stderr() -> None:
    """Write what Fed Credit logs, with the time; Flower writes its own lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneEntry("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("fed_credit")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
