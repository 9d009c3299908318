"""``sweep.json``: what a sweep found, setting by setting; see ``docs/sweeps.md``.

A setting is what the jobs vary besides the seed. Over seeds there are a mean and a spread; against
a reference setting there is the difference paired by seed, on the loans that both tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from fed_credit.config.convert import shown
from fed_credit.evaluation.intervals import Interval, resampled_interval
from fed_credit.sweep.plan import Plan
from fed_credit.sweep.results import Job
from fed_credit.sweep.settings import varying
from fed_credit.sweep.shared import (
    PAIRED,
    Difference,
    TestLoans,
    difference,
    read_test_loans,
    shared_by_all,
)

_CONFIDENCE = 0.95  # where no job says
_NOTHING: dict[str, float | None] = {"value": None, "lo": None, "hi": None}


def summarise(plan: Plan, jobs: Sequence[Job]) -> dict[str, Any]:
    """Put together what a sweep found.

    Parameters
    ----------
    plan : Plan
        The sweep.
    jobs : sequence of Job
        All of them, those that failed or were not done included.

    Returns
    -------
    dict
        Plain values, ready for JSON.
    """
    keys = varying([job.overrides for job in jobs])
    done = [job for job in jobs if job.ok]
    groups = _grouped(jobs, keys)
    tested = _Tested(done)
    shared = tested.shared_by_seed()
    confidence = done[0].results["confidence"] if done else _CONFIDENCE
    bodies = []
    for setting, members in groups:
        reference = _reference(setting, groups, plan.reference)
        bodies.append(
            {
                **_of_group(setting, members),
                "reference": None if reference is None else reference[0],
                "is_reference": reference is not None and reference[0] == setting,
                **_against(members, reference, setting, tested, confidence),
                "shared": _on_shared(members, shared),
            }
        )
    return {
        "format": 1,
        "folder": str(plan.folder),
        "overrides": plan.overrides,
        "settings": keys,
        "confidence": confidence,
        "count": {
            "jobs": len(jobs),
            **{
                name.replace(" ", "_"): sum(job.state == name for job in jobs)
                for name in ("ok", "failed", "not done")
            },
        },
        "jobs": [_of_job(job) for job in jobs],
        "groups": bodies,
        "best": _best(done, bodies, keys),
        "shared_test": {
            "same": bool(shared) and all(each["same"] for each in shared.values()),
            "by_seed": {
                str(seed): {"loans": each["loans"], "bads": each["bads"]}
                for seed, each in shared.items()
            },
        },
    }


def _of_job(job: Job) -> dict[str, Any]:
    return {
        "number": job.number,
        "folder": str(job.folder),
        "overrides": job.overrides,
        "seed": job.seed,
        "status": job.state,
        "error": None if job.status is None else job.status.error,
        "seconds": None if job.status is None else job.status.seconds,
        "metrics": job.metrics(),
        "test": job.results.get("test", {}),
        "overall": job.results.get("overall", {}),
    }


_Group = tuple[dict[str, Any], list[Job]]


def _grouped(jobs: Sequence[Job], keys: Sequence[str]) -> list[_Group]:
    """Jobs by setting, in the order of the first of each."""
    groups: dict[tuple[str, ...], _Group] = {}
    for job in jobs:
        setting = {key: job.overrides.get(key) for key in keys}
        name = tuple(shown(value) for value in setting.values())
        groups.setdefault(name, (setting, []))[1].append(job)
    return list(groups.values())


def _of_group(setting: dict[str, Any], members: Sequence[Job]) -> dict[str, Any]:
    done = [job for job in members if job.ok]
    names = list(done[0].metrics()) if done else []
    values = {name: [job.metrics()[name] for job in done] for name in names}
    return {
        "setting": setting,
        "jobs": [job.number for job in members],
        "seeds": [job.seed for job in done],
        "n": len(done),
        "mean": {name: _mean(each) for name, each in values.items()},
        "sd": {name: _sd(each) for name, each in values.items()},
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _sd(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None


def _reference(
    setting: dict[str, Any], groups: Sequence[_Group], wanted: dict[str, Any]
) -> _Group | None:
    """Find what a setting is compared with: itself but for the reference's values, or the first."""
    if not wanted:
        return next((group for group in groups if any(job.ok for job in group[1])), None)
    like = {**setting, **{key: value for key, value in wanted.items() if key in setting}}
    return next((group for group in groups if group[0] == like), None)


class _Tested:
    """The test loans of jobs, read once for as long as a seed is at work."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._read: dict[int, list[TestLoans]] = {}

    def of(self, job: Job) -> list[TestLoans]:
        if job.number not in self._read:
            self._read[job.number] = read_test_loans(job.folder)
        return self._read[job.number]

    def shared_by_seed(self) -> dict[int | None, dict[str, Any]]:
        found = {}
        for seed in dict.fromkeys(job.seed for job in self._jobs):
            loans = {job.number: self.of(job) for job in self._jobs if job.seed == seed}
            shared = shared_by_all(loans) if all(loans.values()) else None
            if shared is not None:
                found[seed] = shared
        return found


def _against(
    members: Sequence[Job],
    reference: _Group | None,
    setting: dict[str, Any],
    tested: _Tested,
    confidence: float,
) -> dict[str, Any]:
    """Differences from the reference, paired by seed."""
    none = {"delta_vs_reference": {**_NOTHING, "n": 0, "loans": None, "from": None}, "deltas": {}}
    if reference is None or reference[0] == setting:
        return none
    by_seed = {job.seed: job for job in reference[1] if job.ok}
    pairs = [(job, by_seed[job.seed]) for job in members if job.ok and job.seed in by_seed]
    found = [difference(tested.of(job), tested.of(other), confidence) for job, other in pairs]
    known = [each for each in found if each is not None]
    if not known:
        return none
    ratio = _test_to_train(pairs[0][0])
    auc, origin = _interval_of_auc(known, ratio, confidence)
    deltas = {
        name: {
            **_interval([each.values[name] for each in known], ratio, confidence),
            "n": len(known),
        }
        for name in PAIRED
    }
    deltas["auc"] = {**auc, "n": len(known)}
    loans = float(np.mean([each.loans for each in known]))
    return {
        "delta_vs_reference": {**auc, "n": len(known), "loans": loans, "from": origin},
        "deltas": deltas,
    }


def _interval_of_auc(
    known: Sequence[Difference], ratio: float, confidence: float
) -> tuple[dict[str, float | None], str | None]:
    """Over seeds; with a single one over its repeats, or else DeLong's on its one test set."""
    if len(known) > 1:
        return _interval([each.values["auc"] for each in known], ratio, confidence), "seeds"
    only = known[0]
    if only.interval is not None:
        return asdict(only.interval), "test loans"
    return _interval(only.by_repeat, ratio, confidence), "repeats"


def _interval(values: Sequence[float], ratio: float, confidence: float) -> dict[str, float | None]:
    if len(values) < 2:
        return {"value": values[0], "lo": None, "hi": None}
    interval: Interval = resampled_interval(
        values, ratio, confidence, limits=(-float("inf"), float("inf"))
    )
    return asdict(interval)


def _test_to_train(job: Job) -> float:
    """Seeds that draw their own test loans share loans: Nadeau and Bengio's correction.

    Out of time the test loans are the same for every seed, and the plain t interval holds for what
    it says: the spread over starts and batch orders on these loans.
    """
    data = job.results["data"]
    if job.results["evaluation"]["split"] != "random" or not data["train"]:
        return 0.0
    return float(data["test"] / data["train"])


def _on_shared(
    members: Sequence[Job], shared: dict[int | None, dict[str, Any]]
) -> dict[str, Any] | None:
    """AUC by contender on the test loans that all jobs of a seed share."""
    rows = [shared[job.seed]["auc"][job.number] for job in members if job.ok and job.seed in shared]
    if not rows:
        return None
    names = dict.fromkeys(name for row in rows for name in row)
    values = {name: [row.get(name) for row in rows] for name in names}
    return {
        "n": len(rows),
        "mean": {name: _mean(each) for name, each in values.items()},
        "sd": {name: _sd(each) for name, each in values.items()},
    }


def _best(
    done: Sequence[Job], groups: Sequence[dict[str, Any]], keys: Sequence[str]
) -> dict[str, Any] | None:
    """Choose on validation loans, and only where all jobs of a seed validate on the same ones."""
    data: dict[int | None, set[str]] = {}
    for job in done:
        data.setdefault(job.seed, set()).add(job.results["data"]["fingerprint"])
    if any(len(prints) > 1 for prints in data.values()):
        return None
    known = [group for group in groups if group["mean"].get("validation_loss") is not None]
    if not known or any(key == "data" or key.startswith("data.") for key in keys):
        return None
    best = min(known, key=lambda group: group["mean"]["validation_loss"])
    return {
        "setting": best["setting"],
        "validation_loss": best["mean"]["validation_loss"],
        "n": best["n"],
    }
