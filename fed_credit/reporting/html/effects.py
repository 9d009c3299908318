"""What each setting of a sweep does, and which settings the best one is told from; paired by seed.

A *main effect* of a value is the mean, over all combinations of the other settings that ran with
both values, of the difference from a base value, seed by seed. Its interval is over seeds, with the
correction for splits that share loans (Nadeau and Bengio, Machine Learning 52, 2003).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fed_credit.config.convert import shown
from fed_credit.evaluation.intervals import Interval, resampled_interval

_EVERYWHERE = (-float("inf"), float("inf"))


@dataclass(frozen=True)
class Effect:
    """What one value of a setting does against another.

    Parameters
    ----------
    value : object
        Of the setting.
    interval : Interval
        Mean difference over seeds.
    seeds : int
        How many.
    """

    value: Any
    interval: Interval
    seeds: int


def main_effects(
    sweep: dict[str, Any], key: str, base: Any, metric: str, ratio: float
) -> list[Effect]:
    """Compare each value of a setting with a base value.

    Parameters
    ----------
    sweep : dict
        The body of ``sweep.json``.
    key : str
        The setting.
    base : object
        The value that others are compared with.
    metric : str
        Of the jobs' ``metrics``.
    ratio : float
        Test loans per training loan where seeds draw their own; 0 where all test on the same.

    Returns
    -------
    list of Effect
        In the order of the jobs; values with fewer than two seeds in pairs are left out.
    """
    others = [name for name in sweep["settings"] if name != key]
    by_value: dict[str, dict[tuple[Any, ...], float]] = {}
    values: dict[str, Any] = {}
    for job in _done(sweep, metric):
        value = job["overrides"].get(key)
        values.setdefault(shown(value), value)
        place = (job["seed"], *(shown(job["overrides"].get(name)) for name in others))
        by_value.setdefault(shown(value), {})[place] = job["metrics"][metric]
    against = by_value.get(shown(base), {})
    found = []
    for name, measured in by_value.items():
        if name == shown(base):
            continue
        differences: dict[Any, list[float]] = {}
        for place in measured.keys() & against.keys():
            differences.setdefault(place[0], []).append(measured[place] - against[place])
        if len(differences) > 1:
            means = [float(np.mean(differences[seed])) for seed in sorted(differences)]
            interval = resampled_interval(means, ratio, sweep["confidence"], limits=_EVERYWHERE)
            found.append(Effect(values[name], interval, len(means)))
    return found


def rivals(sweep: dict[str, Any], ratio: float) -> tuple[list[dict[str, Any]], int]:
    """Find the settings that the best one is not told from by its validation loss.

    Parameters
    ----------
    sweep : dict
        The body of ``sweep.json``, with a ``best``.
    ratio : float
        Validation loans per training loan, since each seed draws its own.

    Returns
    -------
    (list of dict, int)
        Groups whose interval of the difference in loss, paired by seed, holds zero (or which have
        fewer than two seeds in common with the best), lowest loss first; and how many groups there
        are besides the best.
    """
    metric = "validation_loss"
    best = sweep["best"]["setting"]
    own = {job["seed"]: job["metrics"][metric] for job in _of(sweep, best, metric)}
    open_, n = [], 0
    for group in sweep["groups"]:
        if group["setting"] == best or not group["n"]:
            continue
        n += 1
        pairs = [
            job["metrics"][metric] - own[job["seed"]]
            for job in sorted(_of(sweep, group["setting"], metric), key=lambda job: job["seed"])
            if job["seed"] in own
        ]
        if len(pairs) < 2:
            open_.append(group)
            continue
        interval = resampled_interval(pairs, ratio, sweep["confidence"], limits=_EVERYWHERE)
        if not interval.lo > 0:
            open_.append(group)
    return sorted(open_, key=lambda group: group["mean"][metric] or 0.0), n


def _of(sweep: dict[str, Any], setting: dict[str, Any], metric: str) -> Iterator[dict[str, Any]]:
    for job in _done(sweep, metric):
        if all(job["overrides"].get(key) == value for key, value in setting.items()):
            yield job


def _done(sweep: dict[str, Any], metric: str) -> Iterator[dict[str, Any]]:
    for job in sweep["jobs"]:
        if job["status"] == "ok" and job["metrics"].get(metric) is not None:
            yield job


def values_of(groups: Sequence[dict[str, Any]], key: str) -> list[Any]:
    """Return the values of a setting in the order of the jobs; numbers ascending."""
    found = {shown(group["setting"][key]): group["setting"][key] for group in groups}
    values = list(found.values())
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return sorted(values)
    return values
