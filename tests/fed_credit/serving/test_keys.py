"""API keys: shown once, hashed at rest, seen by a service that runs."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fed_credit.errors import ConfigurationError
from fed_credit.serving.keys import Key, KeyRing, Role

AtOnce = Callable[[Sequence[Callable[[], Any]]], list[Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api_keys.json"


def test_a_secret_is_256_bits_and_kept_nowhere(path: Path) -> None:
    ring = KeyRing.load(path)
    key, secret = ring.add("Branch 3")
    assert secret.startswith(f"fck_{key.id}_")
    assert len(secret.removeprefix(f"fck_{key.id}_")) == 43  # of 6 bits: 32 bytes
    assert ring.check(secret) == key
    assert (key.name, key.role, key.revoked) == ("Branch 3", Role.SCORE, None)
    held = path.read_text()
    assert secret not in held
    assert secret.rpartition("_")[2] not in held
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_no_secret(path: Path) -> None:
    ring = KeyRing.load(path)
    assert ring.check("fck_00000000_x") is None  # there is no file at all
    _, secret = ring.add("A")
    _, other = ring.add("B")
    wrong = [
        "",
        "fck_",
        secret[:-1],
        secret + "x",
        secret.upper(),
        secret[:13] + other[13:],
        secret.replace("fck_", "key_"),
        secret[:-1] + "\u0430",
        "fck_" + "9" * 10_000,
        f" {secret}",
    ]
    assert [ring.check(word) for word in wrong] == [None] * len(wrong)


def test_a_service_sees_changes_without_a_restart(path: Path) -> None:
    service, console = KeyRing.load(path), KeyRing.load(path)
    key, secret = console.add("Branch 3", Role.READ)
    assert service.check(secret) == key
    console.revoke(key.id)
    assert service.check(secret) is None
    (shown,) = service.keys()
    assert shown.revoked is not None
    assert console.revoke(key.id) == shown  # the first time stays
    path.unlink()
    assert service.keys() == []


def test_equal_secrets_hash_differently_in_two_files(tmp_path: Path) -> None:
    salts = set()
    for number in range(3):
        path = tmp_path / f"{number}.json"
        KeyRing.load(path).add("A")
        salts.add(json.loads(path.read_text())["salt"])
    assert len(salts) == 3


def test_roles_include_the_ones_before() -> None:
    assert [role.includes(Role.READ) for role in Role] == [False, True, True]


def test_what_cannot_be_done(path: Path) -> None:
    ring = KeyRing.load(path)
    with pytest.raises(ConfigurationError, match="needs a name on one line"):
        ring.add(" ")
    with pytest.raises(ConfigurationError, match="needs a name on one line"):
        ring.add("a\nb")
    with pytest.raises(ConfigurationError, match=r"no key 'nobody' in .*keys list"):
        ring.revoke("nobody")
    assert not path.exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[]", "is no list of keys"),
        ("{", "is no list of keys"),
        ('{"format": 1, "salt": "zz", "keys": []}', "is no list of keys"),
        ('{"format": 2, "salt": "00", "keys": []}', "its format is 2"),
    ],
)
def test_a_damaged_file_lets_nobody_in(path: Path, body: str, said: str) -> None:
    ring = KeyRing.load(path)
    _, secret = ring.add("A")
    path.write_text(body)
    for ask in (partial(ring.check, secret), partial(KeyRing.load, path)):
        with pytest.raises(ConfigurationError, match=f"{said}.*so no key is valid"):
            ask()


def _add(path: Path, times: int) -> list[tuple[Key, str]]:
    ring = KeyRing.load(path)
    return [ring.add(f"Key {number}") for number in range(times)]


def test_processes_that_add_at_once_lose_no_key(path: Path, at_once: AtOnce) -> None:
    made = [pair for pairs in at_once([partial(_add, path, 5)] * 4) for pair in pairs]
    ring = KeyRing.load(path)
    assert [ring.check(secret) for _, secret in made] == [key for key, _ in made]
    assert len(ring.keys()) == 20
    assert not list(path.parent.glob(".*"))
