"""The description of the service: OpenAPI 3.1, made of the model in service.

It is written by hand where FastAPI would have to be told everything twice: the most used route does
not pass through FastAPI, and what an application consists of is known only from the model.
"""

from __future__ import annotations

from typing import Any

from fed_credit import __version__
from fed_credit.decision.policy import Verdict
from fed_credit.serving.answers import to_json
from fed_credit.serving.openapi_parts import (
    SCHEMAS,
    answer,
    body,
    parameter,
    refusals,
)
from fed_credit.serving.state import BankState

_ABOUT = """Credit decisions by the bank's model.

Every request but those to `/healthz` and `/readyz` carries an API key, as `Authorization: Bearer
KEY`. Every refusal has the same form: a list of fields, each with what is wrong with it; the field
is empty where the request as a whole is meant. A decision that is answered is in the log."""


def described(state: BankState) -> str:
    """Return the description of a service as it is now.

    Parameters
    ----------
    state : BankState
        The worker's: its model says what an application consists of.

    Returns
    -------
    str
        JSON.
    """
    live = state.live
    loan = {"type": "object"} if live is None else live.form.json_schema()
    example = {} if live is None else live.example
    limits = state.settings.limits
    paths: dict[str, Any] = {
        "/v1/score": {"post": _score(example)},
        "/v1/score/batch": {"post": _batch(example, limits.max_batch_loans)},
        **({"/v1/what-if": {"post": _what_if(example)}} if state.settings.what_if else {}),
        "/v1/decisions": {"get": _decisions()},
        "/v1/decisions/{id}": {"get": _decision()},
        "/v1/decisions/{id}/override": {"post": _override()},
        "/v1/model": {"get": _told("The model in service", "Model", 503)},
        "/v1/schema": {"get": _told("What an application consists of", "Schema", 503)},
        "/healthz": {"get": _health()},
        "/readyz": {"get": _readiness()},
        "/metrics": {"get": _metrics()},
    }
    return to_json(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Fed Credit scoring",
                "version": __version__,
                "description": _ABOUT,
            },
            "security": [{"key": []}],
            "paths": paths,
            "components": {
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
                "schemas": {"Loan": loan, **SCHEMAS},
            },
        }
    )


def _score(example: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": "score",
        "summary": "Decide on an application",
        "description": "The decision is in the log before it is answered. Declined applications"
        " get reasons. With an `Idempotency-Key`, asking again gives the same decision, and no"
        " second one is made.",
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "The caller's own name for this request, unique to its API key.",
                "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
            }
        ],
        "requestBody": body("Application", {"application_id": "A-1", "loan": example}),
        "responses": {
            "200": answer("The decision", "Decision"),
            **refusals(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
        },
    }


def _batch(example: dict[str, Any], most: int) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "loans": {
                "type": "array",
                "minItems": 1,
                "maxItems": most,
                # No condition: what is wrong with one is told in its place, and the rest is scored.
                "items": {"description": "An application, as `POST /v1/score` takes it."},
            }
        },
        "required": ["loans"],
        "additionalProperties": False,
    }
    return {
        "operationId": "score_batch",
        "summary": "Decide on many applications",
        "description": "One result for each application, in their order: a decision, or the"
        " problems of that application. All decisions go into the log in one transaction. Counts"
        " as so many requests.",
        "requestBody": body(schema, {"loans": [{"application_id": "A-1", "loan": example}]}),
        "responses": {
            "200": answer("The results", "Results"),
            **refusals(400, 401, 403, 408, 413, 415, 422, 429, 503),
        },
    }


def _what_if(example: dict[str, Any]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {"loan": {"$ref": "#/components/schemas/Loan"}},
        "required": ["loan"],
        "additionalProperties": False,
    }
    return {
        "operationId": "what_if",
        "summary": "What would change the decision",
        "description": "Decides nothing, and leaves nothing in the log.",
        "requestBody": body(schema, {"loan": example}),
        "responses": {
            "200": answer("The score, and the smallest changes that lead to approval", "WhatIf"),
            **refusals(400, 401, 403, 408, 413, 415, 422, 429, 503),
        },
    }


def _decisions() -> dict[str, Any]:
    return {
        "operationId": "decisions",
        "summary": "Decisions, the newest first",
        "parameters": [
            parameter("most", {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}),
            parameter("before", {"type": "string", "pattern": "^[0-9a-f]{32}$"}),
            parameter("verdict", {"type": "string", "enum": list(Verdict)}),
        ],
        "responses": {
            "200": answer("The decisions, and where the next page begins", "Decisions"),
            **refusals(401, 403, 404, 422, 429, 503),
        },
    }


_ID = parameter("id", {"type": "string", "pattern": "^[0-9a-f]{32}$"}, where="path")


def _decision() -> dict[str, Any]:
    return {
        "operationId": "decision",
        "summary": "Everything about a decision",
        "parameters": [_ID],
        "responses": {
            "200": answer("The decision, what it was made of, and overrides", "WholeDecision"),
            **refusals(401, 403, 404, 429, 503),
        },
    }


def _override() -> dict[str, Any]:
    return {
        "operationId": "override",
        "summary": "Decide otherwise, with a reason",
        "description": "The decision stays in the log as it is. Takes a key with the role admin.",
        "parameters": [_ID],
        "requestBody": body(
            "OverrideRequest", {"verdict": "approve", "reason": "Guarantor came in person."}
        ),
        "responses": {
            "201": answer("The override", "Override"),
            **refusals(400, 401, 403, 404, 408, 413, 415, 422, 429, 503),
        },
    }


def _told(summary: str, schema: str, *further: int) -> dict[str, Any]:
    return {
        "operationId": schema.lower(),
        "summary": summary,
        "responses": {
            "200": answer(summary, schema),
            **refusals(401, 403, 429, *further),
        },
    }


def _health() -> dict[str, Any]:
    return {
        "operationId": "healthz",
        "summary": "Whether the process lives",
        "security": [],
        "responses": {"200": answer("It lives", "Status")},
    }


def _readiness() -> dict[str, Any]:
    return {
        "operationId": "readyz",
        "summary": "Whether a decision can be made: model, log and keys",
        "security": [],
        "responses": {
            "200": answer("It can", "Status"),
            "503": answer("It cannot, and why", "Status"),
        },
    }


def _metrics() -> dict[str, Any]:
    return {
        "operationId": "metrics",
        "summary": "Counts for Prometheus, summed over the workers",
        "responses": {
            "200": {
                "description": "Text format 0.0.4",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            },
            **refusals(401, 403, 429),
        },
    }
