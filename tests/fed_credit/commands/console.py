"""Typing commands of a home, as the bank's staff do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fed_credit.cli import main


class Console:
    """Types subcommands of one command in a home."""

    def __init__(self, command: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._command, self._home, self._capsys = command, home, capsys

    def __call__(self, *words: object, code: int = 0) -> str:
        given = [str(word) for word in words]
        found = main([self._command, given[0], "--home", str(self._home), *given[1:]])
        printed = self._capsys.readouterr()
        assert found == code, printed
        return printed.err if code == 2 else printed.out

    def json(self, *words: object) -> Any:
        return json.loads(self(*words, "--json"))
