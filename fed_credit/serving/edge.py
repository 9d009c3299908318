"""The edge of the service: what holds for every request, whoever answers it.

It finds out who is asking, keeps to the limits, hands a single application straight to its handler
and everything else to FastAPI, puts security headers on every answer, counts it, notes it, and lets
nothing of the inside out when something breaks.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fed_credit.errors import FedCreditError
from fed_credit.serving.access import Caller, check_origin, check_role, unknown
from fed_credit.serving.answers import Answer, Headers, Refusal
from fed_credit.serving.protocol import WHOLE
from fed_credit.serving.state import ServiceState

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Direct = Callable[[dict[bytes, bytes], Caller, Receive], Awaitable[Answer]]

log = logging.getLogger("fed_credit.serving")

SCORE = "/v1/score"
_OPEN = frozenset({"/healthz", "/readyz", "/login"})
_OPEN_BELOW = "/static/"
_MACHINES = ("/v1/", "/metrics", "/openapi.json", "/logout")

_COMMON: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_DOCUMENT: Headers = (  # what only a page can do
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
_NO_STORE = (b"cache-control", b"no-store")
_JSON_TYPE = (b"content-type", b"application/json")
_NOTHING_LOADS = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_OWN_LOADS = (
    b"content-security-policy",
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self';"
    b" connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
)


class Edge:
    """Middleware around the whole service.

    Parameters
    ----------
    app : ASGI application
        Answers all but single applications.
    state : ServiceState
        The worker's.
    score : callable, optional
        Answers single applications, given headers, caller and ASGI's ``receive``.
    """

    def __init__(self, app: App, state: ServiceState, score: Direct | None = None) -> None:
        self._app = app
        self._state = state
        self._score = score
        self._common = _COMMON + ((_STRICT_TRANSPORT,) if state.settings.secure else ())
        self._direct = (*self._common, _NO_STORE, _NOTHING_LOADS, _JSON_TYPE)
        self._direct_lines = lines_of(self._direct)
        self._lines = AccessLog() if state.settings.access_log else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        caller: Caller | None = None
        begun: list[int] = []  # the status of an answer that FastAPI began
        try:
            # Of a header that is sent twice, the last counts.
            head = dict(scope["headers"])
            caller = self._admit(scope, head, start)
            if scope["path"] == SCORE and scope["method"] == "POST" and self._score is not None:
                assert caller is not None  # nobody else is admitted here
                answer = await self._score(head, caller, receive)
            else:
                scope["caller"] = caller
                await self._app(scope, receive, self._completing(send, begun))
                self._note(scope, _route(scope), begun[0], start, caller)
                return
        except Refusal as refusal:
            answer = refusal.answer()
        except FedCreditError as error:
            log.error("A request could not be answered: %s", error)
            answer = Refusal(503, "The service cannot answer now; its log says why.").answer()
        except Exception as error:
            log.error("A request could not be answered.", exc_info=error)
            answer = Refusal(500, "The service could not answer; its log says why.").answer()
        if not begun:
            begun.append(answer.status)
            await self._send(answer, scope, send)
        self._note(scope, _route(scope), begun[0], start, caller)

    def _completing(self, send: Send, begun: list[int]) -> Send:
        """Return what sends FastAPI's answer with every header, and notes its status."""

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message["status"])
                message["headers"] = self._completed(message.get("headers", ()))
            await send(message)

        return completed

    def _admit(self, scope: Scope, head: dict[bytes, bytes], now: float) -> Caller | None:
        """Return who is asking; None where anybody may.

        Raises
        ------
        Refusal
            401 or, for a page, 303 to where people sign in; 403; 429.
        """
        path: str = scope["path"]
        state = self._state
        if path in _OPEN or path.startswith(_OPEN_BELOW):
            return None
        caller = state.access.caller(head)
        if caller is None:
            state.metrics.events["unauthorized"] += 1
            if path.startswith(_MACHINES):
                raise unknown()
            raise Refusal(303, "Sign in first.", headers=((b"location", b"/login"),))
        if caller.session is not None and scope["method"] not in ("GET", "HEAD"):
            check_origin(head)
        wait = state.buckets.take(caller.key, now)
        if wait:
            state.metrics.events["limited"] += 1
            raise too_often(wait)
        check_role(caller, path)
        return caller

    def _completed(self, headers: Any) -> list[tuple[bytes, bytes]]:
        """Add what every answer has and this one does not."""
        made = list(headers)
        there = {name.lower() for name, _ in made}
        kind = next((value for name, value in made if name.lower() == b"content-type"), b"")
        policy = _OWN_LOADS if kind.startswith(b"text/html") else _NOTHING_LOADS
        for header in (*self._common, *_DOCUMENT, _NO_STORE, policy):
            if header[0] not in there:
                made.append(header)
        return made

    async def _send(self, answer: Answer, scope: Scope, send: Send) -> None:
        whole = scope.get("extensions", {}).get(WHOLE)
        head = self._direct_lines
        if answer.headers:
            head += lines_of(answer.headers)
        if whole is not None and whole(answer.status, head, answer.body):
            return
        length = (b"content-length", b"%d" % len(answer.body))
        headers = [*self._direct, *answer.headers, length]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _note(
        self, scope: Scope, route: str, status: int, start: float, caller: Caller | None
    ) -> None:
        seconds = time.perf_counter() - start
        self._state.metrics.answered(route, status, seconds)
        if self._lines is not None:
            who = None if caller is None else caller.key
            self._lines.note(scope["method"], route, status, seconds, who)


def lines_of(headers: Headers) -> bytes:
    """Return headers as they are sent."""
    return b"".join(b"%s: %s\r\n" % header for header in headers)


def too_often(wait: float) -> Refusal:
    """Return the refusal of one request too many."""
    seconds = b"%d" % max(1, math.ceil(wait))
    return Refusal(429, "Too many requests; try again later.", headers=((b"retry-after", seconds),))


def _route(scope: Scope) -> str:
    """Return the path as the service knows it: never with what a caller put into it."""
    if scope["path"] == SCORE:
        return SCORE
    return str(getattr(scope.get("route"), "path", "other"))


class AccessLog:
    """A line of JSON for each request on the standard error: never what was asked or answered.

    Lines are gathered for a moment, so that no answer waits for the terminal.
    """

    _WAIT_S = 0.2

    def __init__(self) -> None:
        self._lines: list[str] = []

    def note(self, method: str, route: str, status: int, seconds: float, key: str | None) -> None:
        """Note a request."""
        if not self._lines:
            asyncio.get_running_loop().call_later(self._WAIT_S, self.flush)
        who = "null" if key is None else f'"{key}"'
        self._lines.append(
            f'{{"time":{time.time():.3f},"method":"{method}","route":"{route}",'
            f'"status":{status},"ms":{seconds * 1e3:.3f},"key":{who}}}\n'
        )

    def flush(self) -> None:
        """Write what is there."""
        lines, self._lines = self._lines, []
        sys.stderr.write("".join(lines))
        sys.stderr.flush()
