"""What the service counts. One thread of each worker counts, so nothing here takes a lock."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fed_credit.config.decision import ScaleSpec

LATENCIES = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Upper bounds of the latency histograms, seconds."""


class Histogram:
    """Counts by size.

    Parameters
    ----------
    bounds : sequence of float
        Upper bounds, rising; a last count takes what lies above.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add(self, other: Histogram) -> None:
        """Add another's counts, of the same bounds."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Metrics:
    """The counts of one worker, or the sums of several; they only grow."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        """By route and status."""
        self.seconds: dict[str, Histogram] = {}
        """Time of an answer, by route."""
        self.decisions: Counter[tuple[str, str]] = Counter()
        """By verdict and grade."""
        self.scores: dict[int, Histogram] = {}
        """Scores, by version of the model."""
        self.rejected: Counter[str] = Counter()
        """Problems of applications, by field."""
        self.shadow: Counter[str] = Counter()
        """Decisions with a challenger: agreed, differed, failed, skipped."""
        self.commits = Histogram(LATENCIES)
        """Time until a decision was in the log."""
        self.events: Counter[str] = Counter()
        """limited, unauthorized, log_failed, swapped, swap_failed, overridden."""

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self.requests[route, status] += 1
        histogram = self.seconds.get(route)
        if histogram is None:
            histogram = self.seconds[route] = Histogram(LATENCIES)
        histogram.observe(seconds)

    def decided(self, version: int, verdict: str, grade: str, score: int) -> None:
        """Count a decision; the model's scores have bounds from :meth:`expect`."""
        self.decisions[verdict, grade] += 1
        self.scores[version].observe(score)

    def expect(self, version: int, points: ScaleSpec) -> None:
        """Prepare for a model's scores: a bound for each halving of the odds."""
        if version not in self.scores:
            bounds = [points.base_score + k * points.pdo for k in range(-8, 9)]
            self.scores[version] = Histogram(bounds)

    def add(self, other: Metrics) -> None:
        """Add another worker's counts."""
        self.requests.update(other.requests)
        self.decisions.update(other.decisions)
        self.rejected.update(other.rejected)
        self.shadow.update(other.shadow)
        self.events.update(other.events)
        self.commits.add(other.commits)
        for route, histogram in other.seconds.items():
            self.seconds.setdefault(route, Histogram(histogram.bounds)).add(histogram)
        for version, histogram in other.scores.items():
            self.scores.setdefault(version, Histogram(histogram.bounds)).add(histogram)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, which :meth:`from_dict` reads."""
        return {
            "requests": [[*key, count] for key, count in self.requests.items()],
            "decisions": [[*key, count] for key, count in self.decisions.items()],
            "rejected": dict(self.rejected),
            "shadow": dict(self.shadow),
            "events": dict(self.events),
            "commits": _plain(self.commits),
            "seconds": [[route, _plain(found)] for route, found in self.seconds.items()],
            "scores": [[version, _plain(found)] for version, found in self.scores.items()],
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Metrics:
        """Read what :meth:`as_dict` gave."""
        made = cls()
        made.requests.update({(route, status): n for route, status, n in raw["requests"]})
        made.decisions.update({(verdict, grade): n for verdict, grade, n in raw["decisions"]})
        made.rejected.update(raw["rejected"])
        made.shadow.update(raw["shadow"])
        made.events.update(raw["events"])
        made.commits = _histogram(raw["commits"])
        made.seconds = {route: _histogram(found) for route, found in raw["seconds"]}
        made.scores = {version: _histogram(found) for version, found in raw["scores"]}
        return made


def _plain(histogram: Histogram) -> list[Any]:
    return [histogram.bounds, histogram.counts, histogram.total]


def _histogram(raw: Sequence[Any]) -> Histogram:
    made = Histogram(raw[0])
    made.counts, made.total = list(raw[1]), raw[2]
    return made
