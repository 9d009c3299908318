"""The service's counts as Prometheus reads them, summed over its workers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from fed_credit.serving.metrics import Histogram, Metrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Model = tuple[str, int, str, str]
"""Stage, version, SHA-256 and family of a model in use."""


class SharedCounts:
    """Counts that the workers of one service leave for each other.

    A scrape reaches one worker; what the others counted is at most as old as their last
    :meth:`write`. A worker that ended leaves its counts behind, so that no sum falls.

    Parameters
    ----------
    folder : Path
        Of this service alone.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._own = folder / f"{os.getpid()}.json"

    def write(self, counts: Mapping[str, Any]) -> None:
        """Leave this worker's counts, as :meth:`Metrics.as_dict` gives them."""
        temporary = self._own.with_suffix(".part")
        with suppress(OSError):  # a full disk must not end the service
            temporary.write_text(json.dumps(counts))
            temporary.replace(self._own)

    def total(self, metrics: Metrics) -> Metrics:
        """Return this worker's counts and the others' last ones, added up."""
        made = Metrics()
        made.add(metrics)
        for path in self._folder.glob("*.json"):
            if path != self._own:
                with suppress(OSError, ValueError, LookupError, TypeError):
                    made.add(Metrics.from_dict(json.loads(path.read_text())))
        return made


def exposition(metrics: Metrics, models: tuple[Model, ...]) -> bytes:
    """Return counts in Prometheus's text format.

    Parameters
    ----------
    metrics : Metrics
        Of all workers.
    models : tuple of tuple
        Champion and, if there is one, challenger.

    Returns
    -------
    bytes
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Counts(metrics, models))
    return generate_latest(registry)


class _Counts(Collector):
    def __init__(self, metrics: Metrics, models: tuple[Model, ...]) -> None:
        self._metrics = metrics
        self._models = models

    def collect(self) -> Iterator[Metric]:
        counts = self._metrics
        requests = CounterMetricFamily(
            "fed_credit_requests", "Requests by route and status.", labels=["route", "status"]
        )
        for (route, status), n in sorted(counts.requests.items()):
            requests.add_metric([route, str(status)], n)
        yield requests
        seconds = HistogramMetricFamily(
            "fed_credit_request_seconds", "Time until an answer, by route.", labels=["route"]
        )
        for route, histogram in sorted(counts.seconds.items()):
            seconds.add_metric([route], _buckets(histogram), histogram.total)
        yield seconds
        decisions = CounterMetricFamily(
            "fed_credit_decisions", "Decisions by verdict and grade.", labels=["verdict", "grade"]
        )
        for (verdict, grade), n in sorted(counts.decisions.items()):
            decisions.add_metric([verdict, grade], n)
        yield decisions
        scores = HistogramMetricFamily(
            "fed_credit_score", "Scores given, by version of the model.", labels=["model"]
        )
        for version, histogram in sorted(counts.scores.items()):
            scores.add_metric([str(version)], _buckets(histogram), histogram.total)
        yield scores
        yield from self._single()

    def _single(self) -> Iterator[Metric]:
        counts = self._metrics
        for name, text, label, found in (
            ("rejected", "Problems of applications, by field.", "field", counts.rejected),
            (
                "shadow",
                "Decisions with a challenger, by how it decided: as the champion (agreed) or not"
                " (differed), failed, or skipped to keep the answers' time.",
                "outcome",
                counts.shadow,
            ),
            (
                "events",
                "Of the service: requests limited or unauthorized, failures of the log, models"
                " swapped, decisions overridden.",
                "event",
                counts.events,
            ),
        ):
            family = CounterMetricFamily(f"fed_credit_{name}", text, labels=[label])
            for value, n in sorted(found.items()):
                family.add_metric([value], n)
            yield family
        commits = HistogramMetricFamily(
            "fed_credit_log_seconds", "Time until a decision was in the log.", labels=[]
        )
        commits.add_metric([], _buckets(counts.commits), counts.commits.total)
        yield commits
        models = GaugeMetricFamily(
            "fed_credit_model", "Models in use.", labels=["stage", "version", "sha256", "family"]
        )
        for stage, version, sha256, family_ in self._models:
            models.add_metric([stage, str(version), sha256, family_], 1)
        yield models


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
    return list(zip(bounds, accumulate(histogram.counts), strict=True))
