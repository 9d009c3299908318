"""From weights and a prepared matrix to probabilities of default."""

from __future__ import annotations

import numpy as np

from fed_credit.config.spec import ClassWeighting, ModelSpec
from fed_credit.models import family
from fed_credit.models.protocol import ROWS, Weights


def class_weight(weighting: ClassWeighting | None, n: int, n_bad: int) -> tuple[float, float]:
    """Return what a bad loan counts for, and the one prior correction that undoes it.

    Weighting bads by ``g / b`` trains as if goods and bads were equally frequent, which adds
    ``log(g / b)`` to the log-odds; subtracting it gives probabilities again (King and Zeng, 2001).

    Parameters
    ----------
    weighting : ClassWeighting or None
        Whether it is asked for.
    n, n_bad : int
        Summed training loans and bads.

    Returns
    -------
    tuple of float
        Weight of a bad loan, and the offset to add to the log-odds.
    """
    if weighting is not ClassWeighting.BALANCED or not 0 < n_bad < n:
        return 1.0, 0.0
    ratio = (n - n_bad) / n_bad
    return ratio, -float(np.log(ratio))


def default_probability(
    weights: Weights, x: np.ndarray, model: ModelSpec, log_odds_offset: float, rows: int = ROWS
) -> np.ndarray:
    """Return the probability of default.

    Parameters
    ----------
    weights : list of numpy.ndarray
        The model's weights.
    x : numpy.ndarray
        ``(n, n_columns) float32``.
    model : ModelSpec
        Family and size.
    log_odds_offset : float
        Prior correction.
    rows : int, optional
        Rows of the matrix that are computed at a time.

    Returns
    -------
    numpy.ndarray
        ``(n,) float64`` in ``[0, 1]``.
    """
    if not len(x):
        return np.empty(0)
    log_odds = family(model.family).log_odds(weights, x, model, rows) + log_odds_offset
    # The numerically stable form: exp never overflows.
    decay = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0, 1.0, decay) / (1.0 + decay)
