"""Progress: shown where asked for, silent otherwise."""

from __future__ import annotations

import pytest

from fed_credit.reporting.progress import RunProgress
from fed_credit.training.state import RoundMetrics


def _go(shown: bool | None) -> None:
    with RunProgress(4, shown) as progress:
        progress.stage("federation")
        progress.done(1)
        progress.done(2, RoundMetrics(1, 0.51234, 0.7, 100, 3))


@pytest.mark.parametrize("shown", [False, None])
def test_without_a_terminal_nothing_is_written(
    shown: bool | None, capfd: pytest.CaptureFixture[str]
) -> None:
    _go(shown)
    assert capfd.readouterr() == ("", "")


def test_when_asked_for_the_newest_figures_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    _go(True)
    out, errors = capsys.readouterr()
    assert out == ""  # results alone go to standard output
    assert "federation" in errors and "2/4" in errors and "loss 0.5123" in errors
