"""What the description of the service is made of: bodies of requests and answers."""

from __future__ import annotations

from typing import Any

from fed_credit.decision.policy import Verdict

_TEXT, _NUMBER, _WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_PD = {"type": "number", "minimum": 0, "maximum": 1}
_VERDICT = {"type": "string", "enum": list(Verdict)}
_MAYBE_TEXT = {"type": ["string", "null"]}
_BY_LANGUAGE = {"type": "object", "additionalProperties": _TEXT}
_ANY_OBJECT = {"type": "object"}

_WHY = {
    400: "The request ended too early",
    401: "No API key, or one that is not known",
    403: "The API key may not do that, or the request comes from another site",
    404: "There is no such decision",
    408: "The body did not arrive in time",
    409: "The idempotency key was used with another application",
    413: "The body is too long",
    415: "The body is not said to be JSON",
    422: "What was sent cannot be used; each field with what is wrong with it",
    429: "Too many requests; `Retry-After` says when to come again",
    503: "No model is in service, or the decision log cannot be written",
}


def parameter(name: str, schema: dict[str, Any], where: str = "query") -> dict[str, Any]:
    """Return the description of a parameter."""
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


def body(schema: str | dict[str, Any], example: Any) -> dict[str, Any]:
    """Return the description of a request's body: a named schema, or one of its own."""
    made = _ref(schema) if isinstance(schema, str) else schema
    return {
        "required": True,
        "content": {"application/json": {"schema": made, "example": example}},
    }


def answer(text: str, schema: str) -> dict[str, Any]:
    """Return the description of an answer."""
    return {"description": text, "content": {"application/json": {"schema": _ref(schema)}}}


def refusals(*statuses: int) -> dict[str, Any]:
    """Return the descriptions of refusals by status."""
    made: dict[str, Any] = {}
    for status in sorted(set(statuses)):
        made[str(status)] = answer(_WHY[status], "Refusal")
        if status == 429:
            made[str(status)]["headers"] = {
                "Retry-After": {"description": "Seconds", "schema": _WHOLE}
            }
    return made


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(
    properties: dict[str, Any], *, optional: tuple[str, ...] = (), closed: bool = False
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }
    return {**made, "additionalProperties": False} if closed else made


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_MODEL = _object({"version": _WHOLE, "sha256": _TEXT})
_HEADER = {
    "id": _ID,
    "time": {"type": "string", "format": "date-time"},
    "application_id": _MAYBE_TEXT,
    "model": _MODEL,
    "pd": _PD,
    "score": _WHOLE,
    "grade": _TEXT,
    "verdict": _VERDICT,
}
_DECISION = {**_HEADER, "reasons": _list(_ref("Reason"))}
_OVERRIDE = {"verdict": _VERDICT, "reason": _TEXT}

SCHEMAS: dict[str, Any] = {
    "Application": _object(
        {
            "application_id": {
                "type": ["string", "null"],
                "description": "The caller's own name for the application; printable.",
                "pattern": "^[!-~]{1,200}$",
            },
            "loan": _ref("Loan"),
        },
        optional=("application_id",),
        closed=True,
    ),
    "Reason": _object(
        {
            "feature": _TEXT,
            "value": {"type": ["number", "string", "boolean", "null"]},
            "amount": _NUMBER,
            "unit": {"type": "string", "enum": ["points", "log-odds"]},
            "en": _TEXT,
            "zh": _TEXT,
        },
        optional=("en", "zh"),
    ),
    "Decision": _object(_DECISION),
    "WholeDecision": _object(
        {
            **_DECISION,
            "inputs": _ANY_OBJECT,
            "model_pd": _PD,
            "key": _TEXT,
            "shadow": {"type": ["object", "null"]},
            "overrides": _list(_ref("Override")),
        }
    ),
    "Decisions": _object(
        {"decisions": _list(_object(_HEADER)), "next": {"type": ["string", "null"]}}
    ),
    "Results": _object(
        {
            "results": _list(
                {
                    "oneOf": [
                        _object({"decision": _ref("Decision")}, closed=True),
                        _object({"problems": _list(_ref("Problem"))}, closed=True),
                    ]
                }
            )
        }
    ),
    "Score": _object(
        {
            "pd": _PD,
            "score": _WHOLE,
            "grade": _TEXT,
            "verdict": _VERDICT,
            "reasons": _list(_ref("Reason")),
        }
    ),
    "WhatIf": _object(
        {
            "score": _ref("Score"),
            "alternatives": _list(
                _object(
                    {
                        "changes": _list(
                            _object(
                                {
                                    "field": _TEXT,
                                    "before": {},
                                    "after": {},
                                    "en": _TEXT,
                                    "zh": _TEXT,
                                }
                            )
                        ),
                        "score": _ref("Score"),
                    }
                )
            ),
        }
    ),
    "OverrideRequest": _object(
        {
            "verdict": _VERDICT,
            "reason": {"type": "string", "pattern": r"^[!-~][ -~]{0,1999}$"},
        },
        closed=True,
    ),
    "Override": _object(
        {"decision": _ID, "time": _TEXT, **_OVERRIDE, "actor": _TEXT},
    ),
    "Model": _object(
        {
            "version": _WHOLE,
            "sha256": _TEXT,
            "family": _TEXT,
            "registered": _TEXT,
            "by": _TEXT,
            "reason": _TEXT,
            "policy": _ANY_OBJECT,
            "calibration": _ANY_OBJECT,
            "evaluation": _ANY_OBJECT,
            "provenance": _ANY_OBJECT,
            "card": _BY_LANGUAGE,
        }
    ),
    "Schema": _object(
        {
            "name": _TEXT,
            "currency": _TEXT,
            "model": _MODEL,
            "fields": _list(
                _object(
                    {
                        "name": _TEXT,
                        "kind": _TEXT,
                        "label": _BY_LANGUAGE,
                        "unit": _TEXT,
                        "required": {"type": "boolean"},
                        "min": {"type": ["number", "null"]},
                        "max": {"type": ["number", "null"]},
                        "values": _list(_TEXT),
                    }
                )
            ),
            "json_schema": _ANY_OBJECT,
            "example": _ANY_OBJECT,
        }
    ),
    "Status": _object({"status": _TEXT, "reason": _TEXT}, optional=("reason",)),
    "Problem": _object({"field": _TEXT, "reason": _TEXT}, closed=True),
    "Refusal": _object({"detail": _list(_ref("Problem"))}, closed=True),
}
