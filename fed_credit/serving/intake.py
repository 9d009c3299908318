"""Bodies of requests: of a bounded size, and JSON that means one thing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from fed_credit.serving.answers import Refusal

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


def check_head(head: Mapping[bytes, bytes], most: int) -> None:
    """Refuse by its headers a request whose body will not be read.

    Parameters
    ----------
    head : mapping of bytes to bytes
        Headers, names in lower case.
    most : int
        Bytes of the body.

    Raises
    ------
    Refusal
        415 if it is not said to be JSON, or is compressed; 413 if it is said to be too long.
    """
    kind = head.get(b"content-type", b"")
    if kind != b"application/json" and not _is_json(kind):
        raise Refusal(415, "Send the body as application/json, in UTF-8.")
    if head.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Refusal(415, "Send the body uncompressed.")
    declared = head.get(b"content-length")
    # More digits than any limit has: no number is made of them.
    if declared is not None and (len(declared) > 18 or int(declared) > most):
        raise _too_long(most)


def _is_json(kind: bytes) -> bool:
    name, *parameters = kind.decode("latin-1").split(";")
    charsets = [
        value.strip('" ').lower()
        for key, _, value in (item.partition("=") for item in parameters)
        if key.strip().lower() == "charset"
    ]
    return name.strip().lower() == "application/json" and all(c == "utf-8" for c in charsets)


async def body_of(receive: Receive, most: int) -> bytes:
    """Read a request's body; how long that may take is for the protocol to say.

    Parameters
    ----------
    receive : callable
        As ASGI gives it.
    most : int
        Bytes.

    Returns
    -------
    bytes

    Raises
    ------
    Refusal
        413 if it is longer, 400 if the caller went away.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > most:
            raise _too_long(most)
        return body
    pieces = bytearray()
    while message["type"] == "http.request":
        pieces += message.get("body", b"")
        if len(pieces) > most:
            raise _too_long(most)
        if not message.get("more_body", False):
            return bytes(pieces)
        message = await receive()
    raise Refusal(400, "The request ended before its body did.", headers=CLOSE)


CLOSE = ((b"connection", b"close"),)
"""Ends the connection, on which the rest of a body would otherwise be taken for a request."""


def _too_long(most: int) -> Refusal:
    return Refusal(413, f"The body is longer than {most} bytes.", headers=CLOSE)


def parsed(body: bytes) -> Any:
    """Read JSON strictly.

    Parameters
    ----------
    body : bytes
        UTF-8.

    Returns
    -------
    object
        Plain values; each name of an object was there once, each text can be written as UTF-8.
        Numbers may be too large for a float.

    Raises
    ------
    Refusal
        422, if it is anything else.
    """
    try:
        text = body.decode("utf-8")
        made = _decoder.decode(text)
        if "\\u" in text:
            _check(made)
    except _JsonError as error:
        raise Refusal(422, str(error)) from None
    except UnicodeError:
        raise Refusal(422, "The body is not text in UTF-8.") from None
    except RecursionError:
        raise Refusal(422, "The body is nested too deeply.") from None
    except ValueError:
        raise Refusal(422, "The body is not JSON.") from None
    return made


class _JsonError(Exception):
    """JSON that some would read one way and some another."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _JsonError("The body gives a name twice.")
    return made


def _no_constant(name: str) -> Any:
    raise _JsonError(f"The body holds {name}, which is not JSON; leave the field out, or null.")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _check(value: Any) -> None:
    """Raise UnicodeError for half a pair of surrogates, which only an escape can bring."""
    if value.__class__ is str:
        value.encode()
    elif value.__class__ is dict:
        for name, item in value.items():
            name.encode()
            _check(item)
    elif value.__class__ is list:
        for item in value:
            _check(item)
