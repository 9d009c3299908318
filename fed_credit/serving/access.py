"""Who is asking: the holder of an API key, by the key itself or by a session it opened."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from fed_credit.serving.answers import Refusal
from fed_credit.serving.keys import Key, KeyRing, Role
from fed_credit.serving.sessions import COOKIE, Sessions

_HOLDS_S = 0.1  # so soon a revoked key is revoked
_MOST_FOUND = 1_000
_CHALLENGE = ((b"www-authenticate", b"Bearer"),)
# What the least of keys may do; everything else asks for one that may read, or more.
_SCORING = frozenset(
    {"/", "/logout", "/openapi.json", "/v1/score", "/v1/score/batch", "/v1/what-if", "/v1/schema"}
)


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of an API key.

    Parameters
    ----------
    key : str
        The key's id, which goes into the log.
    name : str
        The key's name.
    role : Role
        What the key may do.
    session : str or None
        Token of the session; None where the key itself was sent.
    """

    key: str
    name: str
    role: Role
    session: str | None


class Access:
    """Tells callers by what they send.

    Parameters
    ----------
    keys : KeyRing
        The API keys.
    sessions : Sessions
        Of people who signed in.
    """

    def __init__(self, keys: KeyRing, sessions: Sessions) -> None:
        self._keys = keys
        self._sessions = sessions
        self._found: dict[bytes, tuple[Caller, float]] = {}

    def caller(self, head: Mapping[bytes, bytes]) -> Caller | None:
        """Return who sent a request; None if that is nobody known.

        Parameters
        ----------
        head : mapping of bytes to bytes
            Its headers, names in lower case.

        Returns
        -------
        Caller or None
        """
        given = head.get(b"authorization")
        if given is not None:
            return self._holder(given)
        token = token_of(head)
        session = self._sessions.find(token)
        key = None if session is None else self._holding(session.key)
        return None if key is None else Caller(key.id, key.name, key.role, token)

    def _holder(self, given: bytes) -> Caller | None:
        """Return who sent an ``Authorization``; what was found holds for a moment."""
        now = time.monotonic()
        found = self._found.get(given)
        if found is not None and now < found[1]:
            return found[0]
        scheme, _, secret = given.partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        key = self._keys.check(secret.strip().decode("latin-1"))
        if key is None:
            return None
        caller = Caller(key.id, key.name, key.role, None)
        if len(self._found) >= _MOST_FOUND:
            self._found.clear()
        self._found[given] = (caller, now + _HOLDS_S)
        return caller

    def sign_in(self, secret: str) -> str | None:
        """Open a session for the holder of a key; returns its token, or None."""
        key = self._keys.check(secret)
        return None if key is None else self._sessions.open(key.id)

    def sign_out(self, token: str) -> None:
        """End a session."""
        self._sessions.close(token)

    def _holding(self, id: str) -> Key | None:
        keys = self._keys.keys()
        found = {key.id: key for key in keys}.get(id)
        return None if found is None or found.revoked is not None else found


def unknown() -> Refusal:
    """Return the refusal of a caller whom nobody knows."""
    return Refusal(401, "Send an API key as 'Authorization: Bearer KEY'.", headers=_CHALLENGE)


def check_role(caller: Caller, path: str) -> None:
    """Refuse what a caller's key may not do.

    Parameters
    ----------
    caller : Caller
        Who is asking.
    path : str
        For what.

    Raises
    ------
    Refusal
        403, with the role that it takes.
    """
    if path in _SCORING:
        return
    needed = Role.ADMIN if path.endswith("/override") else Role.READ
    if not caller.role.includes(needed):
        raise Refusal(403, f"This takes an API key with the role '{needed}'.")


def token_of(head: Mapping[bytes, bytes]) -> str:
    """Return the session's token among a request's cookies; empty if there is none."""
    given = head.get(b"cookie")
    if given is None:
        return ""
    cookies = SimpleCookie()
    try:
        cookies.load(given.decode("latin-1"))
    except CookieError:
        return ""
    found = cookies.get(COOKIE)
    return "" if found is None else found.value


def check_origin(head: Mapping[bytes, bytes]) -> None:
    """Refuse a browser's request that another site made it send.

    The cookie is ``SameSite=Strict`` already; this holds where a browser does not keep to it.

    Raises
    ------
    Refusal
        403.
    """
    site = head.get(b"sec-fetch-site")
    origin = head.get(b"origin")
    own = origin is None or origin.partition(b"://")[2] == head.get(b"host")
    if (site is not None and site not in (b"same-origin", b"none")) or not own:
        raise Refusal(403, "The request comes from another site.")
