"""Whether defaults are where the PDs say, once the level of the PDs is put right.

The level is the default rate's own test. What is left is the shape: log-odds are moved until PDs
add up to the defaults, and groups of the score are compared by Pearson's statistic (Hosmer and
Lemeshow 1980, Communications in Statistics A9; named for PDs in the Basel Committee's Working Paper
14, 2005). Groups are those of the reference, so they do not depend on the outcomes, and one degree
of freedom goes with the level.
"""

from __future__ import annotations

import numpy as np

from fed_credit.decision.calibration import logit
from fed_credit.models.elementwise import sigmoid

LEAST_EXPECTED = 5.0
"""Bad and good loans that a group must be expected to hold; fewer join their neighbours."""
_STEPS = 100


def shape_test(loans: np.ndarray, bads: np.ndarray, pd_sum: np.ndarray) -> tuple[float, float]:
    """Compare defaults by group with PDs moved to the right level.

    Parameters
    ----------
    loans, bads : numpy.ndarray
        ``(groups,) int64``, in the order of the score.
    pd_sum : numpy.ndarray
        ``(groups,) float64``: sum of the calibrated PDs.

    Returns
    -------
    misplaced, p_value : float
        Share of the defaults that lie in other groups than the PDs say, from 0 to 1, and the chance
        of groups that differ like this; both NaN where fewer than two groups are large enough, or
        all loans are of one class.
    """
    from scipy.stats import chi2

    total, bad = int(loans.sum()), int(bads.sum())
    if not 0 < bad < total:
        return float("nan"), float("nan")
    held = loans > 0
    n, d = loans[held].astype(np.float64), bads[held].astype(np.float64)
    expected = n * _levelled(n, np.clip(pd_sum[held] / n, 0.0, 1.0), bad)
    starts = _large_enough(n, expected)
    if len(starts) < 2:
        return float("nan"), float("nan")
    n, d, expected = (np.add.reduceat(part, starts) for part in (n, d, expected))
    variance = expected * (1.0 - expected / n)
    statistic = float(((d - expected) ** 2 / variance).sum())
    misplaced = float(np.abs(d - expected).sum() / (2.0 * bad))
    return misplaced, float(chi2.sf(statistic, len(starts) - 1))


def _levelled(n: np.ndarray, pd: np.ndarray, bad: int) -> np.ndarray:
    odds = logit(pd)
    low, high = -60.0, 60.0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        if float((n * sigmoid(middle + odds)).sum()) < bad:
            low = middle
        else:
            high = middle
    return sigmoid((low + high) / 2.0 + odds)


def _large_enough(n: np.ndarray, expected: np.ndarray) -> list[int]:
    """Return the first cell of each group once small ones have joined the next."""
    starts: list[int] = [0]
    held = good = 0.0
    for k in range(len(n)):
        if min(held, good) >= LEAST_EXPECTED:
            starts.append(k)
            held = good = 0.0
        held, good = held + float(expected[k]), good + float(n[k] - expected[k])
    if len(starts) > 1 and min(held, good) < LEAST_EXPECTED:
        starts.pop()
    return starts
