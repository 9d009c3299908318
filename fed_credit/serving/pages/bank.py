"""The pages of a bank: lending desk, monitoring, model, history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fed_credit.config.bank import BANK_FILE
from fed_credit.config.yaml_file import read_mapping
from fed_credit.data.schema import Field
from fed_credit.model_file.card import CARDS
from fed_credit.reporting.html.texts import LANGUAGES
from fed_credit.serving.keys import Role
from fed_credit.serving.live import Live
from fed_credit.serving.pages.activity import DAYS, activity
from fed_credit.serving.pages.desk import Entry, entries, form
from fed_credit.serving.pages.history import stories, versions_table
from fed_credit.serving.pages.model import model_page
from fed_credit.serving.pages.monitoring import drift
from fed_credit.serving.pages.page import Entry as MenuEntry
from fed_credit.serving.pages.page import Site, respond, speech_of, static_files
from fed_credit.serving.pages.report import told_report
from fed_credit.serving.pages.scale import drawn, scale_of
from fed_credit.serving.state import BankState

_MENU = (
    MenuEntry("desk", "/"),
    MenuEntry("monitoring", "/monitoring"),
    MenuEntry("model", "/model"),
    MenuEntry("history", "/history"),
)


def bank_pages(state: BankState) -> APIRouter:
    """Return the routes of the pages; who may see them is for the service's edge to say.

    Parameters
    ----------
    state : BankState
        The worker's.

    Returns
    -------
    APIRouter
    """
    router = APIRouter(include_in_schema=False)
    router.include_router(static_files())
    owner = _owner(state)

    def site(request: Request) -> Site:
        reads = _may(request, Role.READ)
        return Site("bank", owner, _MENU if reads else _MENU[:1])

    def page(request: Request, template: str, values: dict[str, Any]) -> Response:
        return respond(request, site(request), template, values, say=speech_of(request))

    @router.get("/login")
    def login(request: Request) -> Response:
        say = speech_of(request)
        problem = say("login.refused") if "failed" in request.query_params else ""
        values = {"problem": problem}
        return respond(request, site(request), "login.html.j2", values, say=say, signed_in=False)

    @router.get("/")
    def desk(request: Request) -> Response:
        say, live = speech_of(request), state.live
        parts = () if live is None else form(_fields(live), say)
        values = {
            "parts_of_form": parts,
            "script_fields": [entry.for_script() for entry in entries(parts)],
            "words": say.group("desk_script"),
            "paste_hint": _paste_hint(entries(parts)),
            "scale": "" if live is None else drawn(scale_of(live.opened.model), say, marked=True),
            "reads": _may(request, Role.READ),
            "overrides": _may(request, Role.ADMIN),
        }
        return page(request, "desk.html.j2", values)

    @router.get("/monitoring")
    def monitoring(request: Request) -> Response:
        say, live = speech_of(request), state.live
        labels = {} if live is None else {name: f.label for name, f in live.schema.fields.items()}
        now = datetime.now(UTC)
        since = (now - timedelta(days=DAYS - 1)).date().isoformat()
        report, problem = told_report(state.home)
        values = {
            "drift": None if report is None else drift(report, labels, say),
            "problem": problem,
            "command": f"fed-credit monitor --home {state.home}",
            "activity": activity(state.log.days(since), now.date(), say),
        }
        return page(request, "monitoring.html.j2", values)

    @router.get("/model")
    def model(request: Request) -> Response:
        live = state.live
        values = {
            "model": None
            if live is None
            else model_page(live.opened, live.version, speech_of(request))
        }
        return page(request, "model.html.j2", values)

    @router.get("/model/card.{language}.md")
    def card(language: str) -> Response:
        live = state.live
        if live is None or language not in LANGUAGES:
            return Response(status_code=404)
        name = f"model-{live.version}-card.{language}.md"
        return Response(
            live.opened.parts[CARDS[language]],
            media_type="text/markdown; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @router.get("/history")
    def history(request: Request) -> Response:
        say = speech_of(request)
        events = state.registry.history()
        values = {
            "versions": versions_table(state.registry.versions(), events, say),
            "stories": stories(events, say),
        }
        return page(request, "history.html.j2", values)

    return router


def _owner(state: BankState) -> str:
    """Return the bank's name, if its kit says it."""
    path = state.home / BANK_FILE
    return str(read_mapping(path).get("name") or "") if path.is_file() else ""


def _may(request: Request, role: Role) -> bool:
    caller = request.scope.get("caller")
    return caller is not None and caller.role.includes(role)


def _fields(live: Live) -> dict[str, Field]:
    inputs = set(live.record_scorer.inputs)
    return {name: field for name, field in live.schema.fields.items() if name in inputs}


def _paste_hint(fields: list[Entry]) -> str:
    return "\n".join(f"{entry.label}: {entry.example}" for entry in fields[:3])
