"""Progress on a terminal; silence where there is none."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fed_credit.training.state import RoundMetrics


class RunProgress(AbstractContextManager["RunProgress"]):
    """A bar over the rounds of all repeats, with the newest loss and AUC.

    Parameters
    ----------
    total : int
        Rounds of all repeats.
    shown : bool or None
        ``None`` shows the bar where standard error is a terminal.
    """

    def __init__(self, total: int, shown: bool | None) -> None:
        show = sys.stderr.isatty() if shown is None else shown
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[newest]}"),
            TimeRemainingColumn(),
            # Asked for where there is no terminal, it still has to be drawn.
            console=Console(stderr=True, force_terminal=shown or None),
            disable=not show,
            transient=True,
        )
        self._task = self._bar.add_task("preparing", total=total, newest="")

    def __enter__(self) -> RunProgress:
        """Start the bar."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the bar."""
        self._bar.stop()

    def stage(self, text: str) -> None:
        """Say what is being done."""
        self._bar.update(self._task, description=text)

    def done(self, rounds: int, newest: RoundMetrics | None = None) -> None:
        """Set how many rounds are done, and the newest measured model."""
        text = "" if newest is None else f"loss {newest.loss:.4f}  AUC {newest.auc:.3f}"
        self._bar.update(self._task, completed=rounds, newest=text)
