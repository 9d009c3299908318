"""Whether the service lives, whether it can decide, and what it counted."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response

from fed_credit.errors import FedCreditError
from fed_credit.serving.answers import to_json
from fed_credit.serving.exposition import CONTENT_TYPE, exposition
from fed_credit.serving.state import BankState


def health(state: BankState) -> APIRouter:
    """Return the routes that watch over a service.

    Parameters
    ----------
    state : BankState
        The worker's.

    Returns
    -------
    APIRouter
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> Response:
        return Response(to_json({"status": "alive"}), media_type="application/json")

    @router.get("/readyz")
    async def readyz() -> Response:
        reason = await _unready(state)
        if reason is not None:
            body = to_json({"status": "unready", "reason": reason})
            return Response(body, 503, media_type="application/json")
        return Response(to_json({"status": "ready"}), media_type="application/json")

    @router.get("/metrics")
    async def metrics() -> Response:
        counts = await asyncio.to_thread(state.shared.total, state.metrics)
        return Response(exposition(counts, state.models()), headers={"content-type": CONTENT_TYPE})

    return router


async def _unready(state: BankState) -> str | None:
    """Return why no decision could be made now; None if one could."""
    if state.live is None:
        return "no model is in service"
    if not await state.committer.writable():
        return "the decision log cannot be written"
    try:
        keys = state.keys.keys()
        if all(key.revoked is not None for key in keys):
            return "there is no API key"
    except FedCreditError:
        return "the API keys cannot be read"
    return None
