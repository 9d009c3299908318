"""``fed-credit keys``: as typed by the bank's staff."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fed_credit.cli import main
from fed_credit.serving.keys import KeyRing, Role


def test_a_key_is_made_listed_and_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    home = ["--home", str(tmp_path)]
    assert main(["keys", "list", *home]) == 0
    assert "There is no key" in capsys.readouterr().out
    assert main(["keys", "add", *home, "--name", "Branch 3", "--role", "read"]) == 0
    secret = capsys.readouterr().out.splitlines()[-1]
    ring = KeyRing.load(tmp_path / "api_keys.json")
    key = ring.check(secret)
    assert key is not None
    assert (key.name, key.role) == ("Branch 3", Role.READ)
    assert main(["keys", "list", *home]) == 0
    shown = capsys.readouterr().out
    assert key.id in shown
    assert secret not in shown
    assert main(["keys", "revoke", key.id, *home]) == 0
    assert ring.check(secret) is None
    capsys.readouterr()
    assert main(["keys", "list", *home, "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed["revoked"] is not None
    assert main(["keys", "revoke", "nobody", *home]) == 2
    assert "no key 'nobody'" in capsys.readouterr().err
