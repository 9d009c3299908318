"""A sweep seen from outside: a bar over its jobs on a terminal, and a line for each that ends.

The jobs' status files are what is watched, so that jobs in a launcher's own processes count too.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event, Thread
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fed_credit.sweep.settings import label, values_of
from fed_credit.sweep.status import STATUS, Status, read_status

_EVERY = 0.2  # seconds


class SweepWatch(AbstractContextManager["SweepWatch"]):
    """Show the jobs of a sweep as they end.

    Parameters
    ----------
    folder : Path
        Of the sweep.
    total : int or None
        How many jobs there are, if known.
    shown : bool or None
        ``None`` shows the bar where standard error is a terminal.
    same : collection of str
        Keys that are not worth a word, since all jobs have the same value.
    """

    def __init__(
        self, folder: Path, total: int | None, shown: bool | None, same: Collection[str]
    ) -> None:
        self._folder, self._total, self._same = folder, total, same
        # Those of an earlier attempt that failed will be written anew, so they count then.
        self._seen = {
            path.parent.name: path.stat().st_mtime_ns for path in folder.glob(f"*/{STATUS}")
        }
        statuses = [read_status(folder / name) for name in self._seen]
        done = sum(each is not None and each.ok for each in statuses)
        self._show = sys.stderr.isatty() if shown is None else shown
        self._ended, self._failed = done, 0
        self._bar = Progress(
            TextColumn("jobs"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True, force_terminal=shown or None),
            disable=not self._show,
            transient=True,
        )
        self._task = self._bar.add_task("", total=total, completed=done, failed="")
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="sweep-watch", daemon=True)

    def __enter__(self) -> SweepWatch:
        """Start to watch."""
        self._bar.start()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say what is left to say, and stop."""
        self._stop.set()
        self._thread.join()
        self._look()
        self._bar.stop()

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        for path in sorted(self._folder.glob(f"*/{STATUS}"), key=_by_number):
            written = path.stat().st_mtime_ns
            if self._seen.get(path.parent.name) == written:
                continue
            status = read_status(path.parent)
            if status is None:
                continue
            self._seen[path.parent.name] = written
            self._ended += 1
            self._failed += not status.ok
            self._bar.update(
                self._task, advance=1, failed=f"{self._failed} failed" if self._failed else ""
            )
            self._say(self._line(status))

    def _line(self, status: Status) -> str:
        values = values_of(status.overrides)
        keys = [key for key in values if key not in self._same]
        ended = "" if self._total is None else f"/{self._total}"
        said = f"[{self._ended}{ended}] job {status.number}"
        if named := label(values, keys):
            said += f" ({named})"
        if not status.ok:
            return f"{said}: failed after {status.seconds:.1f} s: {status.error}"
        auc = "-" if status.auc is None else f"{status.auc:.3f}"
        return f"{said}: ok, {status.seconds:.1f} s, federated AUC {auc}"

    def _say(self, line: str) -> None:
        if self._show:
            self._bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, flush=True)


def _by_number(path: Path) -> tuple[int, str]:
    name = path.parent.name
    return (int(name) if name.isdecimal() else 0, name)
