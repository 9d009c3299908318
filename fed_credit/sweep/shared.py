"""Jobs compared on the test loans that they share.

Jobs with other institutions test on other loans: their AUCs differ for that reason alone. Here they
are compared on the loans that both have tested, known again by institution and loan identifier.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from fed_credit.data.book import Part
from fed_credit.evaluation.intervals import Interval, delong_paired, normal_interval
from fed_credit.evaluation.metrics import auc, measure
from fed_credit.repeat import SCORES

LOANS = "loans.npz"
PAIRED = ("auc", "ks", "brier", "log_loss")
_CALIBRATION_BINS = 10


@dataclass(frozen=True)
class TestLoans:
    """The test loans of one repeat of a job, by ascending key.

    Parameters
    ----------
    key : numpy.ndarray
        ``(n,) uint64``; loans whose key is not their own alone are left out.
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    scores : mapping of str to numpy.ndarray
        ``(n,) float64`` PDs by contender.
    """

    key: np.ndarray
    y: np.ndarray
    scores: Mapping[str, np.ndarray]

    def only(self, key: np.ndarray) -> TestLoans:
        """Return the loans with these keys, all of which it must hold."""
        rows = np.searchsorted(self.key, key)
        return TestLoans(key, self.y[rows], {name: p[rows] for name, p in self.scores.items()})


@dataclass(frozen=True)
class Difference:
    """One job against another on the loans that both tested, mean over repeats.

    Parameters
    ----------
    values : dict of str to float
        Difference of each of :data:`PAIRED`.
    loans : float
        How many loans that is.
    interval : Interval or None
        Of the AUC's difference, DeLong's, where there is one repeat.
    by_repeat : list of float
        The AUC's difference by repeat.
    """

    values: dict[str, float]
    loans: float
    interval: Interval | None
    by_repeat: list[float]


def read_test_loans(folder: Path) -> list[TestLoans]:
    """Read the test loans of a run, by repeat.

    Parameters
    ----------
    folder : Path
        Of the run.

    Returns
    -------
    list of TestLoans
        Empty if the run holds none that can be read.
    """
    try:
        with np.load(folder / LOANS, allow_pickle=False) as saved:
            key, y, parts = saved["key"], saved["y"], saved["parts"]
        return [
            _of_repeat(folder / "repeats" / f"{number:03d}" / SCORES, key, y, part)
            for number, part in enumerate(parts)
        ]
    except (OSError, ValueError, KeyError, EOFError, IndexError, zipfile.BadZipFile):
        return []


def _of_repeat(path: Path, key: np.ndarray, y: np.ndarray, parts: np.ndarray) -> TestLoans:
    with np.load(path, allow_pickle=False) as saved:
        scores = {name[6:]: saved[name] for name in saved.files if name.startswith("score/")}
    test = parts == Part.TEST
    own, first, count = np.unique(key[test], return_index=True, return_counts=True)
    rows = np.flatnonzero(test)[first[count == 1]]
    return TestLoans(own[count == 1], y[rows], {name: p[rows] for name, p in scores.items()})


def difference(
    job: Sequence[TestLoans], other: Sequence[TestLoans], confidence: float
) -> Difference | None:
    """Compare the federated models of two jobs on the test loans that they share.

    Parameters
    ----------
    job, other : sequence of TestLoans
        By repeat; equal seeds, so that the splits of shared loans are comparable.
    confidence : float
        Level of the interval.

    Returns
    -------
    Difference or None
        Job minus other; None where they share no bads or no goods.
    """
    values, loans, by_repeat, interval = [], [], [], None
    for one, two in zip(job, other, strict=False):
        a, b = _shared([one, two])
        if not 0 < a.y.sum() < len(a.y):
            continue
        p_a, p_b = a.scores["federated"], b.scores["federated"]
        of_a = measure(a.y, p_a, calibration_bins=_CALIBRATION_BINS)
        of_b = measure(a.y, p_b, calibration_bins=_CALIBRATION_BINS)
        values.append({name: getattr(of_a, name) - getattr(of_b, name) for name in PAIRED})
        loans.append(len(a.y))
        by_repeat.append(values[-1]["auc"])
        value, variance = delong_paired(a.y, p_a, p_b)
        interval = normal_interval(value, variance, confidence, limits=(-1.0, 1.0))
    if not values:
        return None
    means = {name: float(np.mean([each[name] for each in values])) for name in PAIRED}
    return Difference(
        means, float(np.mean(loans)), interval if len(values) == 1 else None, by_repeat
    )


def shared_by_all(jobs: Mapping[int, Sequence[TestLoans]]) -> dict[str, Any] | None:
    """Measure the AUC of several jobs on the test loans that all of them share.

    Parameters
    ----------
    jobs : mapping of int to sequence of TestLoans
        By number; equal seeds.

    Returns
    -------
    dict or None
        ``loans`` and ``bads`` (means over repeats), ``same`` (whether no job tested any other
        loan), and ``auc``: by job and contender. None where they share no bads or no goods.
    """
    repeats = list(zip(*jobs.values(), strict=False))
    same, loans, bads = True, [], []
    areas: list[dict[int, dict[str, float]]] = []
    for tested in repeats:
        common = _shared(tested)
        y = common[0].y
        if not 0 < y.sum() < len(y):
            continue
        same = same and all(len(one.key) == len(y) for one in tested)
        loans.append(len(y))
        bads.append(int(y.sum()))
        areas.append(
            {
                number: {name: auc(y, p) for name, p in one.scores.items()}
                for number, one in zip(jobs, common, strict=True)
            }
        )
    if not areas:
        return None
    return {
        "loans": float(np.mean(loans)),
        "bads": float(np.mean(bads)),
        "same": same,
        "auc": {
            number: {
                name: float(np.mean([each[number][name] for each in areas]))
                for name in areas[0][number]
            }
            for number in jobs
        },
    }


def _shared(tested: Sequence[TestLoans]) -> list[TestLoans]:
    """Keep the loans that all hold, with the same outcome."""
    keys = reduce(
        lambda a, b: np.intersect1d(a, b, assume_unique=True), [one.key for one in tested]
    )
    common = [one.only(keys) for one in tested]
    agree = np.all([one.y == common[0].y for one in common], axis=0)
    return common if agree.all() else [one.only(keys[agree]) for one in common]
