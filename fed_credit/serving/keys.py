"""API keys of the scoring service: made once, shown once, kept as hashes.

A secret is 256 random bits. Nobody finds one by trying, however fast the hash is; a slow hash
protects words that people choose, and each request would pay for it. So SHA-256 is enough, with a
salt of the file's own, so that no table made beforehand fits.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from fed_credit.config.convert import build
from fed_credit.errors import ConfigurationError
from fed_credit.files import replacing
from fed_credit.storage.clock import now
from fed_credit.storage.files import writing_alone

KEYS_FILE = "api_keys.json"
PREFIX = "fck_"

_FORMAT = 1
_ID_BYTES, _SECRET_BYTES, _SALT_BYTES = 4, 32, 16
_LONGEST = 128  # characters of what can be a secret


class Role(StrEnum):
    """What a key may do; each role may what the ones before it may."""

    SCORE = "score"
    """Ask for scores and what would change them."""
    READ = "read"
    """See decisions, the model and monitoring."""
    ADMIN = "admin"
    """Override decisions."""

    def includes(self, other: Role) -> bool:
        """Return whether this role may do what another may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True)
class Key:
    """A key without its secret.

    Parameters
    ----------
    id : str
        Eight hexadecimal digits, which its secret begins with.
    name : str
        Whose it is.
    role : Role
        What it may do.
    created : str
        When, ISO 8601 in UTC.
    revoked : str or None
        When it was revoked; None while it holds.
    """

    id: str
    name: str
    role: Role
    created: str
    revoked: str | None


@dataclass
class _Record:
    id: str
    name: str
    role: Role
    created: str
    revoked: str | None
    sha256: str


@dataclass
class _File:
    format: int
    salt: str
    keys: list[_Record]


@dataclass(frozen=True)
class _Ring:
    salt: bytes
    keys: Mapping[str, tuple[Key, bytes]]


_EMPTY = _Ring(b"", {})
_Mark = tuple[int, int, int]


class KeyRing:
    """The keys in a file; changes to it by other processes are seen at once.

    Parameters
    ----------
    path : Path
        The file, which need not be there: then no secret is valid.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ring = _EMPTY
        self._mark: _Mark | None = None
        self._refresh()

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """Read the keys in a file.

        Raises
        ------
        ConfigurationError
            Here and below: if the file is there and cannot be read.
        """
        return cls(path)

    def check(self, secret: str) -> Key | None:
        """Return the key of a secret; None if there is none or it was revoked.

        The secret's hash is compared in a time that does not tell how much of it is right. The
        costs are a question to the file system, whether the file is another, and one hash.
        """
        self._refresh()
        ring = self._ring
        if len(secret) > _LONGEST or not secret.isascii() or not secret.startswith(PREFIX):
            return None
        id = secret[len(PREFIX) :].partition("_")[0]
        key, digest = ring.keys.get(id, (None, b"\0" * 32))
        fits = hmac.compare_digest(_hash(ring.salt, secret), digest)
        return key if fits and key is not None and key.revoked is None else None

    def keys(self) -> list[Key]:
        """Return all keys, revoked ones too, in the order in which they were made."""
        self._refresh()
        return [key for key, _ in self._ring.keys.values()]

    def add(self, name: str, role: Role = Role.SCORE) -> tuple[Key, str]:
        """Make a key.

        Parameters
        ----------
        name : str
            Whose it is.
        role : Role
            What it may do.

        Returns
        -------
        (Key, str)
            The key, and its secret, which is kept nowhere.

        Raises
        ------
        ConfigurationError
            If the name is empty or not on one line.
        """
        if not name.strip() or not name.isprintable():
            raise ConfigurationError("A key needs a name on one line, of whom it is for.")
        with self._changing() as file:
            taken = {record.id for record in file.keys}
            while (id := secrets.token_hex(_ID_BYTES)) in taken:
                pass
            secret = f"{PREFIX}{id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
            digest = _hash(bytes.fromhex(file.salt), secret).hex()
            record = _Record(id, name.strip(), role, now(), None, digest)
            file.keys.append(record)
        return _key(record), secret

    def revoke(self, id: str) -> Key:
        """Let a key hold no longer; revoked once, it stays so.

        Raises
        ------
        ConfigurationError
            If there is no such key.
        """
        with self._changing() as file:
            for place, record in enumerate(file.keys):
                if record.id == id:
                    file.keys[place] = replace(record, revoked=record.revoked or now())
                    return _key(file.keys[place])
            raise ConfigurationError(  # before anything is written
                f"There is no key {id!r} in {self._path}; fed-credit keys list shows them."
            )

    @contextmanager
    def _changing(self) -> Iterator[_File]:
        """Give the file's contents to change, alone, and write them in one step."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with writing_alone(self._path):
            file = _read(self._path) or _File(_FORMAT, secrets.token_hex(_SALT_BYTES), [])
            yield file
            text = json.dumps(asdict(file), indent=1, ensure_ascii=False) + "\n"
            with replacing(self._path) as temporary:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as out:
                    out.write(text)
                    out.flush()
                    os.fsync(out.fileno())

    def _refresh(self) -> None:
        mark = _mark(self._path)
        if mark == self._mark:
            return
        file = _read(self._path)
        self._ring = _EMPTY if file is None else _ring(file)
        # Of before the reading: if the file was changed meanwhile, it is read again.
        self._mark = mark


def _ring(file: _File) -> _Ring:
    keys = {record.id: (_key(record), bytes.fromhex(record.sha256)) for record in file.keys}
    return _Ring(bytes.fromhex(file.salt), keys)


def _mark(path: Path) -> _Mark | None:
    """Return what differs when a file was replaced; None where there is none."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    return there.st_ino, there.st_mtime_ns, there.st_size


def _read(path: Path) -> _File | None:
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        file = build(_File, raw)
        _ring(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    except (ConfigurationError, AttributeError, TypeError, ValueError):
        raise _unreadable(path, "it is no list of keys") from None
    if file.format != _FORMAT:
        raise _unreadable(path, f"its format is {file.format}, and this version reads {_FORMAT}")
    return file


def _unreadable(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} cannot be read ({reason}), so no key is valid; restore it, or remove it and make"
        " new keys."
    )


def _key(record: _Record) -> Key:
    return Key(record.id, record.name, record.role, record.created, record.revoked)


def _hash(salt: bytes, secret: str) -> bytes:
    return hashlib.sha256(salt + secret.encode()).digest()
