"""Signing in with an API key, for people with a browser, and signing out."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response

from fed_credit.serving.access import check_origin, token_of
from fed_credit.serving.answers import Refusal
from fed_credit.serving.edge import too_often
from fed_credit.serving.intake import body_of, check_head, parsed
from fed_credit.serving.sessions import COOKIE
from fed_credit.serving.state import ServiceState

_MOST_BYTES = 4_096
_FORM = b"application/x-www-form-urlencoded"
_PAUSE_S = 0.5  # after a failed attempt


def signing(state: ServiceState) -> APIRouter:
    """Return the routes that open and close sessions.

    Parameters
    ----------
    state : ServiceState
        The worker's.

    Returns
    -------
    APIRouter
    """
    router = APIRouter(include_in_schema=False)
    secure = state.settings.secure

    def with_cookie(response: Response, token: str) -> Response:
        # Without an age of its own the cookie ends with the browser; the service ends it sooner.
        response.set_cookie(
            COOKIE, token, path="/", secure=secure, httponly=True, samesite="strict"
        )
        return response

    @router.post("/login")
    async def login(request: Request) -> Response:
        head = dict(request.scope["headers"])
        check_origin(head)
        who = None if request.client is None else request.client.host
        wait = state.doors.closed(who, time.monotonic())
        if wait:
            state.metrics.events["limited"] += 1
            raise too_often(wait)
        is_form = head.get(b"content-type", b"").partition(b";")[0].strip() == _FORM
        secret = await _secret(request, head, is_form)
        token = state.access.sign_in(secret)
        if token is None:
            state.doors.failed(who, time.monotonic())
            state.metrics.events["unauthorized"] += 1
            await asyncio.sleep(_PAUSE_S)
            if is_form:
                return Response(status_code=303, headers={"location": "/login?failed=1"})
            raise Refusal(401, "This is no API key of the service.", "key")
        if is_form:
            return with_cookie(Response(status_code=303, headers={"location": "/"}), token)
        return with_cookie(Response(status_code=204), token)

    @router.post("/logout")
    async def logout(request: Request) -> Response:
        head = dict(request.scope["headers"])
        state.access.sign_out(token_of(head))
        wants_page = b"text/html" in head.get(b"accept", b"")
        response = (
            Response(status_code=303, headers={"location": "/login"})
            if wants_page
            else Response(status_code=204)
        )
        response.delete_cookie(COOKIE, path="/", secure=secure, httponly=True, samesite="strict")
        return response

    return router


async def _secret(request: Request, head: dict[bytes, bytes], is_form: bool) -> str:
    """Take the key out of ``{"key": SECRET}``, or of a form."""
    if not is_form:
        check_head(head, _MOST_BYTES)
    body = await body_of(request.receive, _MOST_BYTES)
    if is_form:
        try:
            values = parse_qs(body.decode("ascii"), max_num_fields=4).get("key", [""])
        except ValueError:
            values = [""]
        return values[0]
    given: Any = parsed(body)
    if given.__class__ is not dict or given.keys() != {"key"} or given["key"].__class__ is not str:
        raise Refusal(422, 'Send {"key": API KEY}.')
    return str(given["key"])
