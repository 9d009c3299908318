"""A bank's logs quote the operator, who must not write in them what he likes."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from fed_credit.node.logs import log_to_stderr


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """The package's logger as a bank's processes have it, put back after the test."""
    logger = logging.getLogger("fed_credit")
    before = logger.handlers[:], logger.level, logger.propagate
    log_to_stderr()
    yield logger
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def test_a_quotation_can_be_no_entry_of_its_own(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        raise ValueError("no\n2030-01-01 00:00:00,000 INFO All is well\x1b[2J")
    except ValueError:
        log.exception("A task failed: %s", "train.\x1b[31mred" + "x" * 10**6)
    text = capsys.readouterr().err
    entry, *rest = text.rstrip("\n").split("\n")
    assert entry.split()[2] == "ERROR"
    assert all(line.startswith("    ") for line in rest)
    assert any("All is well" in line for line in rest)
    assert "\x1b" not in text and len(text) < 21_000
