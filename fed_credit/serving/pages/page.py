"""From a template and values to an answer: language, strict headers, and the files beside it.

The policy of the pages is ``default-src 'self'``: no script or style stands in the markup, nothing
comes from another host, and no other site can frame a page.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from fed_credit.reporting.html.environment import templates_of
from fed_credit.reporting.html.texts import LANGUAGES
from fed_credit.serving.pages.speech import Speech, speech

if TYPE_CHECKING:
    from jinja2 import Environment

LANGUAGE_COOKIE = "fed_credit_language"
_YEAR_S = 365 * 24 * 3600
_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Entry:
    """A page in the menu.

    Parameters
    ----------
    name : str
        Key of its name in the catalogue.
    address : str
        Where it is.
    """

    name: str
    address: str


@dataclass(frozen=True)
class Site:
    """What all pages of one role share.

    Parameters
    ----------
    role : str
        ``bank`` or ``operator``.
    owner : str
        Name of the bank or the consortium; empty where it is not known.
    menu : tuple of Entry
        Its pages.
    """

    role: str
    owner: str
    menu: tuple[Entry, ...]


def speech_of(request: Request) -> Speech:
    """Return the language that a request wants: ``?lang=``, an earlier choice, the browser's."""
    return speech(
        request.query_params.get("lang"),
        request.cookies.get(LANGUAGE_COOKIE),
        request.headers.get("accept-language", ""),
    )


def respond(
    request: Request,
    site: Site,
    template: str,
    values: dict[str, Any],
    *,
    say: Speech,
    status: int = 200,
    signed_in: bool = True,
) -> Response:
    """Fill in a template and answer with it.

    Parameters
    ----------
    request : Request
        What is answered.
    site : Site
        Whose pages.
    template : str
        File in ``templates``.
    values : dict
        What the template shows; everything that is not markup is escaped.
    say : Speech
        The language.
    status : int
        HTTP status.
    signed_in : bool
        Whether menu and sign-out are shown.

    Returns
    -------
    Response
        HTML; remembers a language that the address asked for.
    """
    body = (
        _environment()
        .get_template(template)
        .render(
            say=say,
            site=site,
            here=request.url.path,
            signed_in=signed_in,
            languages=_languages(request),
            **values,
        )
    )
    answer = HTMLResponse(body, status, headers=HEADERS | {"Content-Language": say.tag})
    if request.query_params.get("lang") == say.language:
        answer.set_cookie(
            LANGUAGE_COOKIE, say.language, max_age=_YEAR_S, samesite="strict", httponly=True
        )
    return answer


def static_files() -> APIRouter:
    """Return the route of scripts, styles and the icon; they lie in the package."""
    router = APIRouter(include_in_schema=False)

    @router.get("/static/{name}")
    def static(name: str) -> Response:
        found = _static().get(name)
        if found is None:
            return Response(status_code=404, headers=HEADERS)
        kind = _KINDS[name.rpartition(".")[2]]
        # The address holds a hash of the contents, so it may be kept.
        kept = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(found, media_type=f"{kind}; charset=utf-8", headers=HEADERS | kept)

    return router


def _languages(request: Request) -> list[tuple[str, str]]:
    """Return the address of this page in each language."""
    return [
        (language, str(request.url.include_query_params(lang=language).query))
        for language in LANGUAGES
    ]


@cache
def _static() -> dict[str, bytes]:
    folder = files(__package__).joinpath("static")
    return {
        entry.name: entry.read_bytes()
        for entry in folder.iterdir()
        if entry.name.rpartition(".")[2] in _KINDS
    }


def _address(name: str) -> str:
    return f"/static/{name}?v={hashlib.sha256(_static()[name]).hexdigest()[:12]}"


@cache
def _environment() -> Environment:
    environment = templates_of("fed_credit.serving.pages")
    environment.globals["static"] = _address
    return environment
