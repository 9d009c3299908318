"""Threads for compiled loops, which release the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

_SMALL = 1 << 14  # loans of a thread, below which it costs more than it saves


class Workers:
    """Some threads; started for each piece of work, so that a process can be forked in between.

    Parameters
    ----------
    threads : int
        How many, at least 1.
    """

    def __init__(self, threads: int) -> None:
        self.threads = max(1, threads)

    def over_rows(self, n: int, work: Callable[[slice], None]) -> None:
        """Do some work on all of ``n`` rows, which must not depend on how they are parted."""
        parts = max(1, min(self.threads, n // _SMALL))
        edges = [n * k // parts for k in range(parts + 1)]
        self.each([slice(*edges[k : k + 2]) for k in range(parts)], work)

    def over_columns(self, n: int, work: Callable[[slice], None]) -> None:
        """Do some work on all of ``n`` columns."""
        parts = max(1, min(self.threads, n))
        edges = [n * k // parts for k in range(parts + 1)]
        self.each([slice(*edges[k : k + 2]) for k in range(parts)], work)

    def each(self, parts: Sequence[slice], work: Callable[[slice], None]) -> None:
        """Do the work on each part."""
        if len(parts) == 1:
            work(parts[0])
            return
        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(work, parts))
