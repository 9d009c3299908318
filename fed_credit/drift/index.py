"""The population stability index with its sampling distribution.

Of ``n`` loans against ``m`` reference loans in ``B`` groups, the index is near to
``(1/n + 1/m) * X``. Without a change ``X`` has a chi-square distribution with ``B - 1`` degrees of
freedom (Yurdakul and Naranjo 2020, "Statistical properties of the population stability index",
Journal of Risk Model Validation 14). Where the true index is ``L``, it is the noncentral one with
noncentrality ``L / (1/n + 1/m)``: the index is Pearson's statistic up to terms of third order in
the change, and that has it. So 100 loans in ten groups give an index of .09 on average though
nothing has changed, and an index of .1 there says nothing.
"""

from __future__ import annotations

import math

import numpy as np

from fed_credit.drift.groups import RARE
from fed_credit.scorecard.evidence import stability


def noise(loans: int, reference: int) -> float:
    """Return ``1/n + 1/m``."""
    return 1.0 / loans + 1.0 / reference


def index_p_value(index: float, scale: float, groups: int, limit: float) -> float:
    """Return the chance of an index like this one or more where the true one is at the limit.

    Parameters
    ----------
    index : float
        What was found.
    scale : float
        Of :func:`noise`.
    groups : int
        Groups that it is over.
    limit : float
        True index; 0 for no change.

    Returns
    -------
    float
        1 for a single group, whose share cannot change.
    """
    from scipy.stats import chi2, ncx2

    if groups < 2:
        return 1.0
    if limit == 0.0:
        return float(chi2.sf(index / scale, groups - 1))
    return float(ncx2.sf(index / scale, groups - 1, limit / scale))


def critical_index(level: float, scale: float, groups: int, limit: float) -> float:
    """Return the index whose :func:`index_p_value` is the level; infinite for a single group."""
    from scipy.stats import chi2, ncx2

    if groups < 2:
        return math.inf
    if limit == 0.0:
        return scale * float(chi2.isf(level, groups - 1))
    return scale * float(ncx2.isf(level, groups - 1, limit / scale))


def joined(
    counts: np.ndarray, reference: np.ndarray, *, ordered: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Join groups that hold next to none of the reference, where an index would be all noise.

    Parameters
    ----------
    counts, reference : numpy.ndarray
        ``(groups,) int64``.
    ordered : bool
        Whether a group may join its neighbours alone; else those that are rare join each other.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        ``(k,)`` both, by groups that follow from the reference alone.
    """
    least = RARE * reference.sum()
    if ordered:
        starts = [0]
        held = 0
        for k, own in enumerate(reference.tolist()):
            if held >= least and held > 0:
                starts.append(k)
                held = 0
            held += own
        if len(starts) > 1 and held < least:
            starts.pop()
        return np.add.reduceat(counts, starts), np.add.reduceat(reference, starts)
    rising = np.argsort(reference, kind="stable")
    through = reference[rising].cumsum()
    # The rarest, as many as it takes until together they are not rare.
    rare = int((reference < least).sum())
    taken = max(rare, int(np.searchsorted(through, least)) + 1 if rare else 0)
    if not taken:
        return counts, reference
    own = rising[taken:]
    rest = rising[:taken]
    return (
        np.append(counts[own], counts[rest].sum()),
        np.append(reference[own], reference[rest].sum()),
    )


def index_of(counts: np.ndarray, reference: np.ndarray) -> float:
    """Return the index of loans against the reference; 0 for a single group or without loans."""
    if len(counts) < 2 or not counts.sum() or not reference.sum():
        return 0.0
    return stability(counts, reference)
