"""The operator's service: pages about runs, who takes part, and drift over pooled sums; read-only.

An operator sees sums. Of a single bank these pages show whether it is there and whether it
answered, and of its figures only what its own policy has let out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from fed_credit.config.location import schema_dir
from fed_credit.data.schema import load_schema
from fed_credit.errors import FedCreditError
from fed_credit.serving.answers import Refusal
from fed_credit.serving.app import plain_app
from fed_credit.serving.keys import Role
from fed_credit.serving.pages.monitoring import drift
from fed_credit.serving.pages.page import Entry, Site, respond, speech_of, static_files
from fed_credit.serving.pages.report import Report, told_report
from fed_credit.serving.pages.run import run_page
from fed_credit.serving.pages.run_folder import SCHEMA, read_run, run_folders
from fed_credit.serving.pages.runs import overview
from fed_credit.serving.signing import signing
from fed_credit.serving.state import ServiceState
from fed_credit.serving.superlink import Watch
from fed_credit.serving.swap import share

_MENU = (Entry("runs", "/"), Entry("drift", "/monitoring"))


def operator_app(state: ServiceState, parent: int | None = None) -> FastAPI:
    """Put the operator's service together.

    Parameters
    ----------
    state : ServiceState
        The worker's.
    parent : int, optional
        Process that the worker ends with.

    Returns
    -------
    FastAPI
    """
    watch = Watch(state.home)
    app = plain_app("Fed Credit operator", _lifespan(state, watch, parent))
    for router in (signing(state), operator_pages(state, watch)):
        app.include_router(router)

    @app.get("/healthz", include_in_schema=False)
    @app.get("/readyz", include_in_schema=False)
    def healthz() -> dict[str, str]:
        return {"status": "alive"}

    app.guard(state)
    return app


def operator_pages(state: ServiceState, watch: Watch) -> APIRouter:
    """Return the routes of the operator's pages.

    Parameters
    ----------
    state : ServiceState
        The worker's.
    watch : Watch
        Asks the SuperLink.

    Returns
    -------
    APIRouter
    """
    router = APIRouter(include_in_schema=False)
    router.include_router(static_files())
    site = Site("operator", watch.name(), _MENU)

    def page(
        request: Request, template: str, values: dict[str, Any], status: int = 200
    ) -> Response:
        caller = request.scope["caller"]
        if not caller.role.includes(Role.READ):
            raise Refusal(403, f"This takes an API key with the role '{Role.READ}'.")
        return respond(request, site, template, values, say=speech_of(request), status=status)

    @router.get("/login")
    def login(request: Request) -> Response:
        say = speech_of(request)
        problem = say("login.refused") if "failed" in request.query_params else ""
        values = {"problem": problem}
        return respond(request, site, "login.html.j2", values, say=say, signed_in=False)

    @router.get("/")
    def runs(request: Request) -> Response:
        found = overview(run_folders(watch.runs()), watch.standing(), speech_of(request))
        return page(request, "runs.html.j2", {"overview": found, "home": str(state.home)})

    @router.get("/runs/{name}")
    def run(request: Request, name: str) -> Response:
        found = read_run(watch.runs(), name)
        if found is None:
            return page(request, "no_run.html.j2", {"name": name}, status=404)
        laid_out = run_page(found, watch.standing(), speech_of(request))
        return page(request, "run.html.j2", {"run": laid_out})

    @router.get("/monitoring")
    def monitoring(request: Request) -> Response:
        say = speech_of(request)
        report, problem = told_report(state.home)
        if report is not None and not report.pooled:
            # Whoever put it there: a bank's own figures are not for this page.
            report, problem = None, say("monitoring.not_pooled")
        values = {
            "drift": None if report is None else drift(report, _labels(report, watch.runs()), say),
            "problem": problem,
            "command": f"fed-credit monitor --federated --home {state.home} --model champion",
            "activity": None,
        }
        return page(request, "monitoring.html.j2", values)

    return router


def _labels(report: Report, runs: Path) -> Mapping[str, Mapping[str, str]]:
    """Return labels of a report's features: of the newest run, or a packaged schema, with them."""
    names = {name for month in report.months for name in month.features}
    kept = [runs / run.name / SCHEMA for run in run_folders(runs)]
    for path in (*kept, *sorted(schema_dir().glob("*.yaml"))):
        with suppress(FedCreditError):
            fields = load_schema(path).fields
            if names <= set(fields):
                return {name: fields[name].label for name in names}
    return {}


def _lifespan(
    state: ServiceState, watch: Watch, parent: int | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(share(state, parent))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            watch.close()
            state.close()

    return lifespan
