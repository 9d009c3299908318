"""Whether a model still ranks as it did: a fall of the AUC against that of its validation loans."""

from __future__ import annotations

import math

from fed_credit.evaluation.intervals import delong_cells
from fed_credit.evaluation.sums import ScoreSums


def fall_p_value(now: ScoreSums, reference: ScoreSums) -> float:
    """Return the chance of an AUC as low as this one where nothing has changed.

    Parameters
    ----------
    now, reference : ScoreSums
        Over the same cells, of different loans.

    Returns
    -------
    float
        One-sided; NaN where an AUC or its variance is not defined.

    Notes
    -----
    DeLong's variance of each, with the loans of a cell as ties; see
    :func:`~fed_credit.evaluation.intervals.delong_cells`. The two sets of loans are independent, so
    variances add.
    """
    from scipy.special import ndtr

    before, spread_before = delong_cells(reference.goods, reference.bads)
    after, spread_after = delong_cells(now.goods, now.bads)
    variance = spread_before + spread_after
    if math.isnan(after - before) or math.isnan(variance):
        return float("nan")
    if variance == 0.0:
        return 1.0 if after >= before else 0.0
    return float(ndtr((after - before) / math.sqrt(variance)))
