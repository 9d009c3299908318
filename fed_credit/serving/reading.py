"""What the service tells: decisions, the model in service, and what an application consists of."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from fed_credit.decision.policy import Verdict
from fed_credit.decision_log.records import Decision, Override
from fed_credit.errors import DecisionLogError, FedCreditError
from fed_credit.files import plain
from fed_credit.model_file.card import cards
from fed_credit.serving.access import Caller
from fed_credit.serving.answers import Refusal, to_json
from fed_credit.serving.deciding import Answers
from fed_credit.serving.intake import body_of, check_head, parsed
from fed_credit.serving.live import Live
from fed_credit.serving.state import BankState

_T = TypeVar("_T")

MOST_DECISIONS = 500
_ID = re.compile(r"[0-9a-f]{32}")
_LONGEST_REASON = 2_000
_OTHERS_S = 0.25  # in which the log gets what another worker has just answered


class _Listing(BaseModel):
    """What a list of decisions may be asked for; another name is a mistake."""

    model_config = ConfigDict(extra="forbid")

    most: int = Field(50, ge=1, le=MOST_DECISIONS)
    before: str | None = Field(None, pattern=r"^[0-9a-f]{32}$")
    verdict: Verdict | None = None


def reading(state: BankState) -> APIRouter:
    """Return the routes that tell, and the one that overrides a decision.

    Parameters
    ----------
    state : BankState
        The worker's.

    Returns
    -------
    APIRouter
    """
    router = APIRouter(prefix="/v1", include_in_schema=False)
    answers = Answers(state.settings.languages)

    @router.get("/decisions")
    async def decisions(query: Annotated[_Listing, Query()]) -> Response:
        try:
            found = await _read(
                state,
                partial(state.log.recent, query.most, before=query.before, verdict=query.verdict),
            )
        except DecisionLogError:
            raise Refusal(404, "is not in the log", "before") from None
        last = found[-1].id if len(found) == query.most else None
        listed = [answers.decision(one) for one in found]
        for body in listed:
            del body["reasons"]  # which quote the application
        return _json({"decisions": listed, "next": last})

    @router.get("/decisions/{id}")
    async def decision(id: str) -> Response:
        try:
            return _json(await _read(state, partial(_whole, state, answers, _known(id))))
        except DecisionLogError:
            raise _unknown() from None

    @router.post("/decisions/{id}/override")
    async def override(id: str, request: Request) -> Response:
        name = _known(id)
        verdict, reason = await _override_of(state, request)
        caller: Caller = request.scope["caller"]
        actor = f"{caller.name} ({caller.key})"
        try:
            made = await _read(
                state, partial(state.log.override, name, verdict, reason=reason, actor=actor)
            )
        except DecisionLogError:
            raise _unknown() from None
        except FedCreditError as error:
            raise state.unlogged(error) from None
        state.metrics.events["overridden"] += 1
        return _json(_override_body(made), 201)

    @router.get("/model")
    async def model() -> Response:
        return _json(plain(_model_body(_live(state))))

    @router.get("/schema")
    async def schema() -> Response:
        live = _live(state)
        body = {
            "name": live.schema.name,
            "currency": live.schema.currency,
            "model": {"version": live.version, "sha256": live.sha256},
            "fields": live.form.fields(),
            "json_schema": live.form.json_schema(),
            "example": live.example,
        }
        return _json(body)

    return router


async def _read(state: BankState, read: Callable[[], _T]) -> _T:
    """Ask the log, which may get decisions a moment after they were answered."""
    await state.committer.caught_up()
    try:
        return await asyncio.to_thread(read)
    except DecisionLogError:
        if not state.committer.answers_ahead:
            raise
    await asyncio.sleep(_OTHERS_S)
    return await asyncio.to_thread(read)


def _json(body: Any, status: int = 200) -> Response:
    return Response(to_json(body), status, media_type="application/json")


def _live(state: BankState) -> Live:
    if state.live is None:
        raise Refusal(503, "No model is in service.")
    return state.live


def _known(id: str) -> str:
    if not _ID.fullmatch(id):
        raise _unknown()
    return id


def _unknown() -> Refusal:
    return Refusal(404, "There is no such decision.", "id")


async def _override_of(state: BankState, request: Request) -> tuple[str, str]:
    head = dict(request.scope["headers"])
    limits = state.settings.limits
    check_head(head, limits.max_body_bytes)
    body = parsed(await body_of(request.receive, limits.max_body_bytes))
    if body.__class__ is not dict or body.keys() != {"verdict", "reason"}:
        raise Refusal(422, 'Send {"verdict": "approve|refer|decline", "reason": TEXT}.')
    verdict, reason = body["verdict"], body["reason"]
    if verdict.__class__ is not str or verdict not in list(Verdict):
        raise Refusal(422, f"must be one of {', '.join(Verdict)}", "verdict")
    if reason.__class__ is not str or not 0 < len(reason.strip()) <= _LONGEST_REASON:
        raise Refusal(422, f"must be text of 1 to {_LONGEST_REASON} letters", "reason")
    return verdict, reason.strip()


def _whole(state: BankState, answers: Answers, id: str) -> dict[str, Any]:
    return decision_body(state.log.get(id), state.log.overrides(id), answers)


def decision_body(
    decision: Decision, overrides: list[Override], answers: Answers
) -> dict[str, Any]:
    """Return everything that the log holds of a decision, as plain values."""
    return {
        **answers.decision(decision),
        "inputs": decision.inputs,
        "model_pd": decision.model_pd,
        "key": decision.key,
        "shadow": decision.shadow,
        "overrides": [_override_body(one) for one in overrides],
    }


def _override_body(override: Override) -> dict[str, Any]:
    return {
        "decision": override.decision,
        "time": override.time,
        "verdict": override.verdict,
        "reason": override.reason,
        "actor": override.actor,
    }


def _model_body(live: Live) -> dict[str, Any]:
    model, registered = live.opened.model, live.registered
    return {
        "version": live.version,
        "sha256": live.sha256,
        "family": registered.family,
        "registered": registered.registered,
        "by": registered.by,
        "reason": registered.reason,
        "policy": model.policy.as_dict(),
        "calibration": model.calibration.as_dict(),
        "evaluation": dict(model.evaluation),
        "provenance": dict(model.provenance),
        "card": cards(model),
    }
