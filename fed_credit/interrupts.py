"""Ctrl-C that a library swallowed is still Ctrl-C.

Some parsers turn a ``KeyboardInterrupt`` that reaches them in a callback into an error of their
own, without a reason. Whoever reports an error asks here first whether it was an interrupt.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

_seen = threading.Event()


def watch() -> None:
    """Note interrupts from now on, where nobody else handles them; they are raised as before."""
    _seen.clear()
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        signal.signal(signal.SIGINT, _note)


def interrupted() -> bool:
    """Return whether an interrupt came since :func:`watch`."""
    return _seen.is_set()


def _note(number: int, frame: FrameType | None) -> None:
    _seen.set()
    signal.default_int_handler(number, frame)
