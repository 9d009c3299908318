"""Changes of a share: of missing values, of values not listed, of one category.

The chance of a share like the one found is a binomial tail at the limit. The reference is a sample
too: as in the index, ``n`` loans against ``m`` count as ``1 / (1/n + 1/m)``, and the tail is taken
at that number by the incomplete beta function, which is the binomial tail at whole numbers. So it
is exact against a large reference, and near to the test of two proportions against a small one.
"""

from __future__ import annotations

import math


def share_p_value(count: int, loans: int, held: int, reference: int, limit: float) -> float:
    """Return the chance of a change like this one or more where the true one is at the limit.

    Parameters
    ----------
    count, loans : int
        Loans with it, of how many.
    held, reference : int
        The same of the reference.
    limit : float
        True change of the share, either way; 0 for none, which is tested on both sides.

    Returns
    -------
    float
    """
    from scipy.special import betainc

    share, before = count / loans, held / reference
    size = 1.0 / (1.0 / loans + 1.0 / reference)
    up = share >= before
    if not up:  # the share of the others went up
        share, before = 1.0 - share, 1.0 - before
    at = before + limit
    if share <= before or at >= 1.0:
        return 1.0
    found = size * share
    tail = float(betainc(found, size - found + 1.0, at)) if at > 0.0 else 0.0
    return min(1.0, 2.0 * tail) if limit == 0.0 else tail


def critical_change(
    level: float, loans: int, held: int, reference: int, limit: float, *, up: bool
) -> float:
    """Return the change of a share from which on :func:`share_p_value` is not above the level.

    Parameters
    ----------
    level : float
        Of the test.
    loans, held, reference, limit
        As for :func:`share_p_value`.
    up : bool
        Whether the share has risen.

    Returns
    -------
    float
        Not below the limit; infinite if no share is such a change.
    """
    from scipy.special import betaincinv

    before = held / reference if up else 1.0 - held / reference
    at = before + limit
    if at >= 1.0:
        return math.inf
    size = 1.0 / (1.0 / loans + 1.0 / reference)
    wanted = level / 2.0 if limit == 0.0 else level
    # The tail falls as the share rises: halve the place of the share that meets the level.
    low, high = at, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        if float(betaincinv(size * middle, size * (1.0 - middle) + 1.0, wanted)) < at:
            low = middle
        else:
            high = middle
    return high - before if high < 1.0 - 1e-12 else math.inf
