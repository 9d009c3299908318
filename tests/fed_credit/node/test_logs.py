"""A bank's logs quote the operator, who must not write in them what he likes."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import pytest

from fed_credit.node.logs import log_to_stderr


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the package logs as a bank's processes do; the logger is put back after the test."""
    logger, text = logging.getLogger("fed_credit"), io.StringIO()
    before = logger.handlers[:], logger.level, logger.propagate
    monkeypatch.setattr(sys, "stderr", text)
    log_to_stderr()
    yield text
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def test_a_quotation_can_be_no_entry_of_its_own(log: io.StringIO) -> None:
    try:
        raise ValueError("no\n2030-01-01 00:00:00,000 INFO All is well\x1b[2J")
    except ValueError:
        logging.getLogger("fed_credit.bank").exception("Not: %s", "\x1b[31mred" + "x" * 10**6)
    text = log.getvalue()
    entry, *rest = text.rstrip("\n").split("\n")
    assert entry.split()[2] == "ERROR"
    assert rest and all(line.startswith("    ") for line in rest)
    assert any("All is well" in line for line in rest)
    assert "\x1b" not in text and len(text) < 21_000
