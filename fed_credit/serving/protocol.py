"""The HTTP protocol with limits that uvicorn's own has not: on the time and size of headers."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MOST_HEADER_BYTES = 32_768
_ANSWER = (
    b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"connection: close\r\nx-content-type-options: nosniff\r\n\r\n%s"
)


def limited_protocol(headers_timeout_s: float) -> type[HttpToolsProtocol]:
    """Return a protocol class for uvicorn.

    Parameters
    ----------
    headers_timeout_s : float
        Seconds from the first byte of a request, or from the connection, until its headers are
        there; then the connection is closed.

    Returns
    -------
    type
    """

    class LimitedProtocol(HttpToolsProtocol):
        """Closes connections that do not say what they want."""

        _timer: asyncio.TimerHandle | None = None
        _unread = 0
        _within = False  # a request's headers are being read

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._begin()

        def connection_lost(self, exc: Exception | None) -> None:
            self._end()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._within:
                self._unread += len(data)
                if self._unread > _MOST_HEADER_BYTES and not self._complete(data):
                    self._refuse(
                        b"431 Request Header Fields Too Large", b"The headers are too long."
                    )
                    return
            super().data_received(data)

        def on_message_begin(self) -> None:
            if not self._within:
                self._begin()
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._end()
            super().on_headers_complete()

        def send_400_response(self, msg: str) -> None:
            self._refuse(b"400 Bad Request", b"The request is not HTTP.")

        def _complete(self, data: bytes) -> bool:
            return b"\r\n\r\n" in data[:_MOST_HEADER_BYTES]

        def _begin(self) -> None:
            self._within, self._unread = True, 0
            self._timer = self.loop.call_later(headers_timeout_s, self._late)

        def _end(self) -> None:
            self._within = False
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _late(self) -> None:
            self._refuse(b"408 Request Timeout", b"The request did not arrive in time.")

        def _refuse(self, status: bytes, reason: bytes) -> None:
            body = b'{"detail":[{"field":"","reason":"%s"}]}' % reason
            if not self.transport.is_closing():
                self.transport.write(_ANSWER % (status, len(body), body))
                self.transport.close()

    return LimitedProtocol
