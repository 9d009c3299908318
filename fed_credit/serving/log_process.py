"""The decision log's own process: it hashes and writes while the worker answers others.

In one process the thread that writes and the loop that answers would wait for each other after
every step, since only one of them can run Python at a time. A message is a length of four bytes and
plain values by :mod:`marshal`, which is quick and goes between two processes of one program only.
"""

from __future__ import annotations

import marshal
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

from fed_credit.decision_log.log import DecisionLog
from fed_credit.decision_log.records import Decision, decision_row
from fed_credit.errors import DuplicateError, FedCreditError

HEADER = 4
"""Bytes of a message's length, the most significant first."""

WRITTEN, DUPLICATE, FAILED = 0, 1, 2
"""What became of decisions."""


def packed(values: Any) -> bytes:
    """Return plain values as a message."""
    body = marshal.dumps(values)
    return len(body).to_bytes(HEADER, "big") + body


def main(arguments: Sequence[str]) -> None:
    """Write what comes over a socket, until its other end is closed.

    Parameters
    ----------
    arguments : sequence of str
        The socket's descriptor, where the log lies, and whether it is durable (``1`` or ``0``).
    """
    descriptor, where, durable = arguments
    # The worker ends with its terminal or its supervisor; this process ends with the worker, when
    # what it was given is written.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with (
        socket.socket(fileno=int(descriptor)) as line,
        DecisionLog.open(where, durable=durable == "1") as log,
    ):
        line.setblocking(True)
        line.sendall(packed((WRITTEN, "")))  # ready
        while (message := _read(line)) is not None:
            line.sendall(packed(_written(log, marshal.loads(message))))


def _written(log: DecisionLog, given: list[tuple[Any, ...]]) -> tuple[int, str]:
    try:
        log.write([decision_row(Decision(*one)) for one in given])
    except DuplicateError as error:
        return DUPLICATE, str(error)
    except FedCreditError as error:
        return FAILED, str(error)
    return WRITTEN, ""


def _read(line: socket.socket) -> bytes | None:
    head = _exactly(line, HEADER)
    return None if head is None else _exactly(line, int.from_bytes(head, "big"))


def _exactly(line: socket.socket, length: int) -> bytes | None:
    pieces = bytearray()
    while len(pieces) < length:
        try:
            piece = line.recv(min(length - len(pieces), 1 << 20))
        except ConnectionError:  # the worker was killed
            return None
        if not piece:
            return None
        pieces += piece
    return bytes(pieces)


if __name__ == "__main__":
    main(sys.argv[1:])
