"""The decision log's own process: it hashes and writes while the worker answers others.

In one process the thread that writes and the loop that answers would wait for each other after
every step, since only one of them can run Python at a time. A message is a length of four bytes and
plain values by :mod:`marshal`, which is quick and goes between two processes of one program only.
"""

from __future__ import annotations

import marshal
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Any

from fed_credit.decision_log.log import DecisionLog
from fed_credit.decision_log.records import Decision, Kind, Row, decision_row
from fed_credit.errors import DuplicateError, FedCreditError
from fed_credit.storage.checkpoints import Checkpoints

HEADER = 4
"""Bytes of a message's length, the most significant first."""

_LOOK_S = 5.0
_MOST_BYTES = 1 << 20  # read at once; so much at most makes up a transaction

DECISIONS, ROWS = 0, 1
"""What a message holds: values of decisions, or of rows that are ready to be written."""

WRITTEN, DUPLICATE, FAILED = 0, 1, 2
"""What became of a message."""

_Message = tuple[int, list[tuple[Any, ...]]]


def packed(values: Any) -> bytes:
    """Return plain values as a message."""
    body = marshal.dumps(values)
    return len(body).to_bytes(HEADER, "big") + body


def main(arguments: Sequence[str]) -> None:
    """Write what comes over a socket, until its other end is closed.

    What comes while a transaction is written makes up the next one.

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
    with ExitStack() as stack:
        line = stack.enter_context(socket.socket(fileno=int(descriptor)))
        log = stack.enter_context(DecisionLog.open(where, durable=durable == "1"))
        if log.file is not None:
            stack.enter_context(closing(Checkpoints(log.file)))
        line.sendall(packed((WRITTEN, "")))  # ready
        for messages in _arriving(line):
            answers = _written(log, [marshal.loads(message) for message in messages])
            try:
                line.sendall(b"".join(map(packed, answers)))
            except ConnectionError:  # the worker was killed
                return


def _written(log: DecisionLog, messages: list[_Message]) -> list[tuple[int, str]]:
    """Write messages in one transaction, and say what became of each."""
    try:
        log.write([row for message in messages for row in _rows(*message)])
    except DuplicateError as error:
        if len(messages) > 1:  # each for itself, so that one's trouble is not the others'
            return [answer for one in messages for answer in _written(log, [one])]
        return [(DUPLICATE, str(error))]
    except FedCreditError as error:
        return [(FAILED, str(error))] * len(messages)
    return [(WRITTEN, "")] * len(messages)


def _rows(holds: int, values: list[tuple[Any, ...]]) -> list[Row]:
    if holds == ROWS:
        return [Row(Kind(kind), *rest) for kind, *rest in values]
    return [decision_row(Decision(*one)) for one in values]


def _arriving(line: socket.socket) -> Iterator[list[bytes]]:
    """Give all whole messages that are there, at least one, until the other end is closed."""
    pieces, parent = bytearray(), os.getppid()
    line.settimeout(_LOOK_S)
    while True:
        try:
            piece = line.recv(_MOST_BYTES)
        except TimeoutError:
            # Of a worker that was killed, some other process may hold the line.
            if os.getppid() != parent:
                return
            continue
        except ConnectionError:
            return
        if not piece:
            return
        pieces += piece
        if messages := split(pieces):
            yield messages


def split(pieces: bytearray) -> list[bytes]:
    """Take the whole messages out of what came."""
    messages, start = [], 0
    while len(pieces) - start >= HEADER:
        end = start + HEADER + int.from_bytes(pieces[start : start + HEADER], "big")
        if len(pieces) < end:
            break
        messages.append(bytes(pieces[start + HEADER : end]))
        start = end
    del pieces[:start]
    return messages


if __name__ == "__main__":
    main(sys.argv[1:])
