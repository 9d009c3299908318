"""Who is signed in: one file a session, in a folder that all workers share and that ends with them.

A session's name is random and known to the browser alone; the file's name is its hash, so what lies
on the disk opens nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fed_credit.config.serve import SessionSpec

COOKIE = "fed_credit_session"

_TOUCH_S = 5.0  # a session's last use is noted no more often
_LONGEST = 64  # letters of a token


@dataclass(frozen=True)
class Session:
    """A person who signed in.

    Parameters
    ----------
    key : str
        Id of the API key.
    since : float
        When, in seconds since the epoch.
    """

    key: str
    since: float


class Sessions:
    """The sessions of a service.

    Parameters
    ----------
    folder : Path
        Where they lie; of this user alone.
    spec : SessionSpec
        How long they last.
    """

    def __init__(self, folder: Path, spec: SessionSpec) -> None:
        self._folder = folder
        self._idle = spec.idle_minutes * 60.0
        self._lifetime = spec.lifetime_hours * 3600.0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def open(self, key: str) -> str:
        """Open a session for the holder of an API key, and return its token."""
        self._sweep()
        token = secrets.token_urlsafe(32)
        path = self._path(token)
        temporary = path.with_suffix(".part")
        body = json.dumps({"key": key, "since": time.time()})
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(body)
        temporary.replace(path)
        return token

    def find(self, token: str) -> Session | None:
        """Return the session of a token, and note that it is in use; None if there is none."""
        if not token or len(token) > _LONGEST:
            return None
        path = self._path(token)
        try:
            used = path.stat().st_mtime
            body = json.loads(path.read_text())
            session = Session(str(body["key"]), float(body["since"]))
        except (OSError, ValueError, LookupError):
            return None
        now = time.time()
        if now - used > self._idle or now - session.since > self._lifetime:
            self.close(token)
            return None
        if now - used > _TOUCH_S:
            with suppress(OSError):  # closed by another worker meanwhile
                os.utime(path)
        return session

    def close(self, token: str) -> None:
        """End a session."""
        if token and len(token) <= _LONGEST:
            with suppress(OSError):
                self._path(token).unlink()

    def _path(self, token: str) -> Path:
        return self._folder / hashlib.sha256(token.encode()).hexdigest()

    def _sweep(self) -> None:
        """Remove what nobody used for too long."""
        before = time.time() - self._idle
        for path in self._folder.iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()
