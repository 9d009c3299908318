"""Logs of the bank's processes: to standard error, which their supervisor keeps in a file."""

from __future__ import annotations

import logging
import sys


def log_to_stderr() -> None:
    """Write what Fed Credit logs, with the time; Flower writes its own lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("fed_credit")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
