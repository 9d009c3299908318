"""A level shared among many tests, so that looking at more features raises no more false alarms.

Sources: Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian
Journal of Statistics 6, which bounds the chance of any false rejection whatever the dependence;
Benjamini and Hochberg (1995), "Controlling the false discovery rate", JRSS B 57, which bounds the
expected share of false ones among the rejections where tests are independent or depend positively.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fed_credit.config.monitor import Control


def shared_level(p_values: Sequence[float], level: float, control: Control) -> float:
    """Return the level that each single test has to meet.

    Parameters
    ----------
    p_values : sequence of float
        Of all tests that share the level.
    level : float
        Of them together.
    control : Control
        How it is shared.

    Returns
    -------
    float
        A test is rejected by the procedure exactly if its p-value is not above this.
    """
    tests = len(p_values)
    if not tests:
        return level
    rising = np.sort(np.asarray(p_values, np.float64))
    number = np.arange(1, tests + 1)
    if control is Control.HOLM:
        kept = np.flatnonzero(rising > level / (tests + 1 - number))
        # What is rejected before the first that is kept lies below that one's level too.
        return float(level / (tests - kept[0])) if len(kept) else level
    rejected = np.flatnonzero(rising <= level * number / tests)
    return float(level * (rejected[-1] + 1 if len(rejected) else 1) / tests)
