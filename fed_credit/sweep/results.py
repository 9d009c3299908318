"""The jobs of a sweep as its folder holds them: status, overrides, figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fed_credit.sweep.plan import Plan
from fed_credit.sweep.settings import SEED, values_of
from fed_credit.sweep.status import Status, read_statuses

_RESULTS = "results.json"
_OF_FEDERATED = ("auc", "ks", "brier", "log_loss", "ece", "pr_auc", "auc_mean_banks")
# What a table of a sweep compares, besides the federated model's own figures.
_OF_OTHERS = {
    "local_auc_mean_banks": ("local", "auc_mean_banks"),
    "pooled_auc": ("pooled", "auc"),
    "best_reachable_auc": ("best_reachable", "auc"),
}
_OVERALL = "federated_minus_local"


@dataclass(frozen=True)
class Job:
    """One job, done or not.

    Parameters
    ----------
    number : int
        From 0.
    folder : Path
        Of the job.
    overrides : dict of str to object
        What it was composed with.
    status : Status or None
        What became of it; None where it has not ended.
    results : dict
        The body of its ``results.json``; empty without one.
    """

    number: int
    folder: Path
    overrides: dict[str, Any]
    status: Status | None
    results: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether it ran to its end and left results."""
        return self.status is not None and self.status.ok and bool(self.results)

    @property
    def state(self) -> str:
        """``ok``, ``failed`` or ``not done``."""
        if self.status is None:
            return "not done"
        return "ok" if self.status.ok else "failed"

    @property
    def seed(self) -> int | None:
        """Seed of the job; None before it has results."""
        seed = self.results.get("seed", self.overrides.get(SEED))
        return seed if isinstance(seed, int) else None

    def metrics(self) -> dict[str, float | None]:
        """Return the figures that a sweep compares, None where one is not defined."""
        if not self.ok or self.status is None:
            return {}
        test, overall = self.results["test"], self.results["overall"].get(_OVERALL, {})
        return {
            **{name: test["federated"].get(name) for name in _OF_FEDERATED},
            **{name: test.get(who, {}).get(what) for name, (who, what) in _OF_OTHERS.items()},
            _OVERALL: overall.get("value"),
            **{name: overall.get(name) for name in ("gain", "lose", "undecided", "not_assessable")},
            "validation_loss": self.status.validation_loss,
            "seconds": self.status.seconds,
        }


def read_jobs(plan: Plan) -> list[Job]:
    """Read the jobs of a sweep, those not done included where the plan knows them.

    Parameters
    ----------
    plan : Plan
        The sweep.

    Returns
    -------
    list of Job
        By number.
    """
    statuses = {status.number: status for status in read_statuses(plan.folder)}
    if plan.jobs is not None:
        named = dict(enumerate(plan.jobs))
    else:
        named = {number: status.overrides for number, status in statuses.items()}
    return [
        _job(plan.folder / str(number), number, overrides, statuses.get(number))
        for number, overrides in sorted(named.items())
    ]


def _job(folder: Path, number: int, overrides: Sequence[str], status: Status | None) -> Job:
    results: dict[str, Any] = {}
    if status is not None and status.ok:
        try:
            results = json.loads((folder / _RESULTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            results = {}  # somebody has tidied up
    return Job(number, folder, values_of(overrides), status, results)
