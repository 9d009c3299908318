"""The bank's service put together."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from fed_credit import __version__
from fed_credit.errors import FedCreditError
from fed_credit.serving.access import Caller
from fed_credit.serving.answers import Answer, Refusal
from fed_credit.serving.applications import Applications
from fed_credit.serving.edge import SCORE, Direct, Edge, Receive, log
from fed_credit.serving.health import health
from fed_credit.serving.openapi import described
from fed_credit.serving.reading import reading
from fed_credit.serving.signing import signing
from fed_credit.serving.state import BankState, ServiceState
from fed_credit.serving.swap import follow, share

_GARBAGE = 10_000  # new objects between two looks; a request makes some hundred, nearly no cycles

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
Endpoint = Callable[[dict[bytes, bytes], Caller, Receive], Awaitable[Answer]]


def bank_app(state: BankState, parent: int | None = None) -> FastAPI:
    """Put a bank's service together.

    Parameters
    ----------
    state : BankState
        The worker's; it is closed when the service ends.
    parent : int, optional
        Process that the worker ends with.

    Returns
    -------
    FastAPI
    """
    app = plain_app("Fed Credit scoring", _lifespan(state, parent))
    applications = Applications(state)
    app.add_api_route(SCORE, _route(applications.one), methods=["POST"], include_in_schema=False)
    app.add_api_route(
        f"{SCORE}/batch", _route(applications.batch), methods=["POST"], include_in_schema=False
    )
    if state.settings.what_if:
        app.add_api_route(
            "/v1/what-if", _route(applications.what_if), methods=["POST"], include_in_schema=False
        )
    for router in (reading(state), health(state), signing(state)):
        app.include_router(router)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(described(state), media_type="application/json")

    if state.settings.pages:
        from fed_credit.serving.pages.bank import bank_pages

        app.include_router(bank_pages(state))
    app.guard(state, applications.one)
    return app


class GuardedApp(FastAPI):
    """A FastAPI application behind the service's edge."""

    def guard(self, state: ServiceState, score: Direct | None = None) -> None:
        """Put the edge around everything, as :class:`~fed_credit.serving.edge.Edge` has it."""
        self._edge = Edge(super().__call__, state, score)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer as ASGI has it."""
        await self._edge(scope, receive, send)


def plain_app(title: str, lifespan: Lifespan) -> GuardedApp:
    """Return an application without pages of its own, whose refusals have one shape.

    It answers after :meth:`GuardedApp.guard` was called.

    Parameters
    ----------
    title : str
        Its name.
    lifespan : callable
        What surrounds its life.

    Returns
    -------
    GuardedApp
    """
    app = GuardedApp(
        title=title,
        version=__version__,
        # Their pages load scripts from other hosts.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    _refuse(app)
    return app


def _route(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint as FastAPI calls it."""

    async def answer(request: Request) -> Response:
        head = dict(request.scope["headers"])
        return _response(await endpoint(head, request.scope["caller"], request.receive))

    return answer


def _response(answer: Answer) -> Response:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    return Response(answer.body, answer.status, headers, media_type="application/json")


def _refuse(app: FastAPI) -> None:
    """Give every refusal the same shape."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> Response:
        return _response(error.answer())

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> Response:
        # The edge, which gets it next, writes it into the log.
        told = "The service could not answer; its log says why."
        return _response(Refusal(500, told).answer())

    @app.exception_handler(FedCreditError)
    async def failed(request: Request, error: FedCreditError) -> Response:
        log.error("A request could not be answered: %s", error)
        return _response(Refusal(503, "The service cannot answer now; its log says why.").answer())

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        # Without what was sent, which Pydantic would put into the answer.
        problems = [(str(one["loc"][-1]), str(one["msg"])) for one in error.errors()]
        return _response(Refusal.of(problems).answer())

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        reason = {404: "There is nothing here.", 405: "This takes another method."}
        headers = tuple(
            (name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()
        )
        told = reason.get(error.status_code, "The request cannot be answered.")
        return _response(Refusal(error.status_code, told, headers=headers).answer())


def _lifespan(state: BankState, parent: int | None) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(follow(state)), asyncio.create_task(share(state, parent))]
        await state.committer.start()
        # What is there now stays; the collector need not look at it while somebody waits.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GARBAGE)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            await state.committer.close()
            state.shared.write(state.metrics.as_dict())
            state.close()

    return lifespan
