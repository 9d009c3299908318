"""Weight of evidence, information value and population stability from counts.

Sources: Siddiqi, *Intelligent Credit Scoring* (2nd edition 2017, chapters 10 and 14); Thomas,
*Consumer Credit Models* (2009, chapter 1) for the information value as a symmetric divergence.
"""

from __future__ import annotations

import numpy as np


def weight_of_evidence(
    goods: np.ndarray, bads: np.ndarray, total_goods: int, total_bads: int, smoothing: float
) -> np.ndarray:
    """Return the weight of evidence of classes, ``ln((g / G) / (b / B))``.

    Parameters
    ----------
    goods, bads : numpy.ndarray
        Integers of one shape: loans of each class.
    total_goods, total_bads : int
        Goods and bads over all classes, both above 0.
    smoothing : float
        Added to goods and bads of a class that has none of one of them, since its weight would be
        infinite; other classes are not touched. The usual constant is .5.

    Returns
    -------
    numpy.ndarray
        float64 of the same shape: positive where a class is safer than the whole, 0 where it is
        empty.
    """
    empty = (goods == 0) | (bads == 0)
    added = np.where(empty, smoothing, 0.0)
    odds = (goods + added) / total_goods / ((bads + added) / total_bads)
    weight: np.ndarray = np.log(np.where(goods + bads == 0, 1.0, odds))
    return weight


def information(
    goods: np.ndarray, bads: np.ndarray, total_goods: int, total_bads: int, smoothing: float
) -> np.ndarray:
    """Return what classes add to the information value, ``(g / G - b / B) * WoE``.

    Parameters
    ----------
    goods, bads, total_goods, total_bads, smoothing
        As in :func:`weight_of_evidence`.

    Returns
    -------
    numpy.ndarray
        float64 of the same shape, never negative without smoothing. The sum over a feature's
        classes is its information value: below .02 it says nothing, from .1 something, from .3
        much, and above .5 it should be doubted (Siddiqi).
    """
    weight = weight_of_evidence(goods, bads, total_goods, total_bads, smoothing)
    value: np.ndarray = (goods / total_goods - bads / total_bads) * weight
    return value


def stability(counts: np.ndarray, expected: np.ndarray) -> float:
    """Return the population stability index, ``sum((p - q) * ln(p / q))``.

    Parameters
    ----------
    counts : numpy.ndarray
        ``(k,) int64``: loans of one population by class.
    expected : numpy.ndarray
        ``(k,) int64``: loans of the population that it is compared with.

    Returns
    -------
    float
        Below .1 the populations are alike, above .25 they differ (Siddiqi). Half a loan is added
        to each class of both populations if any class of either is empty; NaN if a population has
        no loans.
    """
    if counts.sum() == 0 or expected.sum() == 0:
        return float("nan")
    added = 0.5 if (counts == 0).any() or (expected == 0).any() else 0.0
    p, q = ((k + added) / (k + added).sum() for k in (counts, expected))
    return float(((p - q) * np.log(p / q)).sum())
