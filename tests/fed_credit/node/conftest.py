"""A SuperLink with two banks that run, shared by the tests that need real processes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fed_credit.node.rig import Questions, Rig, TestBank


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """A SuperLink without banks."""
    with tempfile.TemporaryDirectory(prefix="rig-") as folder:
        rig = Rig(Path(folder))
        try:
            yield rig
        finally:
            rig.end()


@pytest.fixture(scope="session")
def running(rig: Rig) -> TestBank:
    """A bank that runs; a test that changes its file puts it back."""
    bank = rig.add("running")
    bank.start()
    return bank


@pytest.fixture(scope="session")
def questions(rig: Rig) -> Iterator[Questions]:
    """A run that asks."""
    questions = rig.questions()
    yield questions
    questions.end()
