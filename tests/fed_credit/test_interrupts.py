"""An interrupt that a library turned into an error still ends the command as an interrupt."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from fed_credit import cli
from fed_credit.errors import ConfigurationError


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("swallow", "code", "said"), [(True, 130, "Interrupted."), (False, 2, "Error: no reason given")]
)
def test_a_swallowed_interrupt_is_no_mistake_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    swallow: bool,
    code: int,
    said: str,
) -> None:
    def dispatch(_: list[str]) -> int:
        if swallow:
            with suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        raise ConfigurationError("no reason given")

    monkeypatch.setattr(cli, "_dispatch", dispatch)
    assert cli.main(["simulate"]) == code
    assert capsys.readouterr().err.strip() == said


def test_an_interrupt_is_raised_as_before() -> None:
    cli.watch()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert cli.interrupted()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.watch()
    assert not cli.interrupted()
