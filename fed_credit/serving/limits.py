"""How much one caller may ask for: token buckets, and doors that close for a while."""

from __future__ import annotations

from collections.abc import Hashable

_MOST_CALLERS = 10_000  # remembered at once; beyond it the oldest are forgotten


class Buckets:
    """A token bucket for each caller.

    What turns out to cost more than the bucket holds is granted, and the caller then waits until
    the debt is paid: so a batch passes, and its rate holds.

    Parameters
    ----------
    per_second : float
        Tokens that come back.
    burst : float
        Tokens of a full bucket.
    """

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._levels: dict[Hashable, tuple[float, float]] = {}  # tokens, and at what time

    def take(self, who: Hashable, now: float) -> float:
        """Take a token, if there is one.

        Parameters
        ----------
        who : hashable
            The caller.
        now : float
            Seconds of a clock that never goes back.

        Returns
        -------
        float
            0 if it was taken; else seconds until there is one.
        """
        level, then = self._levels.get(who, (self._burst, now))
        level = min(self._burst, level + (now - then) * self._per_second)
        if level < 1.0:
            return (1.0 - level) / self._per_second
        if who not in self._levels and len(self._levels) >= _MOST_CALLERS:
            del self._levels[next(iter(self._levels))]
        self._levels[who] = (level - 1.0, now)
        return 0.0

    def charge(self, who: Hashable, cost: float) -> None:
        """Take tokens from a caller to whom one was just granted, into debt if need be."""
        if who in self._levels:
            level, then = self._levels[who]
            self._levels[who] = (level - cost, then)


class Doors:
    """Closes for an address after failures, for the rest of a minute.

    Parameters
    ----------
    attempts : int
        Failures within a minute before the door closes.
    """

    _WINDOW = 60.0

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._failed: dict[Hashable, tuple[int, float]] = {}  # how often, since when

    def closed(self, who: Hashable, now: float) -> float:
        """Return the seconds until the door opens; 0 if it is open."""
        count, since = self._failed.get(who, (0, now))
        if now - since >= self._WINDOW:
            self._failed.pop(who, None)
            return 0.0
        return since + self._WINDOW - now if count >= self._attempts else 0.0

    def failed(self, who: Hashable, now: float) -> None:
        """Note a failure."""
        count, since = self._failed.get(who, (0, now))
        if now - since >= self._WINDOW:
            count, since = 0, now
        if who not in self._failed and len(self._failed) >= _MOST_CALLERS:
            del self._failed[next(iter(self._failed))]
        self._failed[who] = (count + 1, since)
