"""The HTTP protocol with limits of its own: on the time of a request, and on its headers."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from fed_credit.serving.answers import Refusal

WHOLE = "fed_credit.whole_answer"
"""Extension of ASGI in a request's scope: takes a status, header lines and a body and sends them in
one piece, or returns False where they have to be sent as ASGI has it.

Head and body by ASGI are two calls with a check of each header and two writes; for a small answer
that takes longer than most of what is done for it.
"""

_MOST_HEADER_BYTES = 32_768
_HEAD = (
    b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
)


def limited_protocol(headers_s: float, body_s: float) -> type[HttpToolsProtocol]:
    """Return a protocol class for uvicorn.

    Parameters
    ----------
    headers_s : float
        Seconds from the beginning of a request, or of the connection, until its headers are there.
    body_s : float
        Seconds from then until its body is. After either, 408 is answered, and the connection ends.

    Returns
    -------
    type
    """

    class LimitedProtocol(HttpToolsProtocol):
        """Closes connections on which a request does not come to its end."""

        _timer: asyncio.TimerHandle | None = None
        _reading = False  # a request's headers
        _unread = 0  # bytes of them, at most
        _whole = False  # the request is there

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._await_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._reading:
                self._unread += len(data)
                end = b"\r\n\r\n" in data[:_MOST_HEADER_BYTES]
                if self._unread > _MOST_HEADER_BYTES and not end:
                    self._refuse(
                        b"431 Request Header Fields Too Large", 431, "The headers are too long."
                    )
                    return
            super().data_received(data)
            if not (self._whole or self._reading) and self._timer is None:
                self._timer = self.loop.call_later(body_s, self._late)

        def on_message_begin(self) -> None:
            self._whole = False
            if not self._reading:
                self._await_headers()
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._stop()
            self._reading = False
            super().on_headers_complete()
            # The task that answers begins after this.
            whole: Any = partial(_send_whole, self.cycle)
            self.scope["extensions"] = {WHOLE: whole}

        def on_message_complete(self) -> None:
            self._whole = True
            self._stop()
            super().on_message_complete()

        def send_400_response(self, msg: str) -> None:
            self._refuse(b"400 Bad Request", 400, "The request is not HTTP as it should be.")

        def _await_headers(self) -> None:
            self._stop()
            self._reading, self._unread = True, 0
            self._timer = self.loop.call_later(headers_s, self._late)

        def _stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _late(self) -> None:
            self._timer = None
            self._refuse(b"408 Request Timeout", 408, "The request did not arrive in time.")

        def _refuse(self, line: bytes, status: int, reason: str) -> None:
            # Only where it will be taken for the answer to this request, and there is none yet.
            cycle = self.cycle
            if self._reading:
                awaited = cycle is None or cycle.response_complete
            else:
                awaited = cycle is not None and not cycle.response_started
            if awaited:
                body = Refusal(status, reason).answer().body
                self.transport.write(_HEAD % (line, len(body)) + body)
            self.transport.close()

    return LimitedProtocol


def _send_whole(cycle: RequestResponseCycle, status: int, head: bytes, body: bytes) -> bool:
    """Send an answer as :meth:`RequestResponseCycle.send` would, in one piece."""
    if cycle.response_started or cycle.flow.write_paused or cycle.scope["method"] == "HEAD":
        return False
    if cycle.disconnected:
        return True
    lines = [STATUS_LINE[status], head, b"content-length: %d\r\n" % len(body)]
    lines += [b"%s: %s\r\n" % header for header in cycle.default_headers]
    if b"\r\nconnection: close\r\n" in head:
        cycle.keep_alive = False
    elif (b"connection", b"close") in cycle.scope["headers"]:
        cycle.keep_alive = False
        lines.append(b"connection: close\r\n")
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(b"".join([*lines, b"\r\n", body]))
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
