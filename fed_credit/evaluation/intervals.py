"""Intervals of AUCs and of their differences: DeLong on one split, corrected t over several.

References
----------
DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver
operating characteristic curves, Biometrics 44(3). Sun and Xu (2014), Fast implementation of
DeLong's algorithm, IEEE Signal Processing Letters 21(11). Nadeau and Bengio (2003), Inference for
the generalization error, Machine Learning 52(3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Equal placements differ by rounding alone: their variance is 0, not 1e-33.
_NO_VARIANCE = 1e-24


@dataclass(frozen=True)
class Interval:
    """A value with its interval.

    Parameters
    ----------
    value, lo, hi : float
        All NaN where the value is not defined.
    """

    value: float
    lo: float
    hi: float


def delong(y: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """Return an AUC and its variance.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n,)``: 1 bad, 0 good.
    p : numpy.ndarray
        ``(n,) float64``: scores, higher is riskier.

    Returns
    -------
    auc, variance : float
        Both NaN if only one class is at hand; the variance is NaN if a class has a single loan, and
        0 where the scores part the classes fully or are all equal.

    Notes
    -----
    DeLong et al. (1988), eq. 3-6, by mid-ranks (Sun and Xu 2014): ``O(n log n)``.
    """
    of_bads, of_goods = _placements(y, p)
    if not len(of_bads) or not len(of_goods):
        return float("nan"), float("nan")
    return float(of_bads.mean()), _variance(of_bads, of_goods)


def delong_cells(goods: np.ndarray, bads: np.ndarray) -> tuple[float, float]:
    """Return an AUC and its variance from counts by score, the loans of a cell as ties.

    Parameters
    ----------
    goods, bads : numpy.ndarray
        ``(k,) int64``: loans of either kind per cell, in ascending order of the score.

    Returns
    -------
    auc, variance : float
        As :func:`delong` gives them where a cell is a score.
    """
    all_goods, all_bads = int(goods.sum()), int(bads.sum())
    if not all_goods or not all_bads:
        return float("nan"), float("nan")
    of_bads = (goods.cumsum() - goods / 2) / all_goods
    of_goods = 1.0 - (bads.cumsum() - bads / 2) / all_bads
    area = float((bads * of_bads).sum() / all_bads)
    if all_goods < 2 or all_bads < 2:
        return area, float("nan")
    parts = [
        (number * (placed - area) ** 2).sum() / ((total - 1) * total)
        for number, placed, total in ((bads, of_bads, all_bads), (goods, of_goods, all_goods))
    ]
    variance = float(sum(parts))
    return area, variance if variance > _NO_VARIANCE else 0.0


def delong_paired(y: np.ndarray, p_a: np.ndarray, p_b: np.ndarray) -> tuple[float, float]:
    """Return the difference of two AUCs on the same loans, a minus b, and its variance.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n,)``: 1 bad, 0 good.
    p_a, p_b : numpy.ndarray
        ``(n,) float64``: scores of the two models.

    Returns
    -------
    difference, variance : float
        NaN as in :func:`delong`; the variance is 0 where both rank the loans alike.

    Notes
    -----
    The AUC is a mean over pairs of a good and a bad, so the difference is one too, and its variance
    is that of the differences of the placements (equal to DeLong's ``L S L'``, ``L = (1, -1)``).
    """
    bads_a, goods_a = _placements(y, p_a)
    bads_b, goods_b = _placements(y, p_b)
    if not len(bads_a) or not len(goods_a):
        return float("nan"), float("nan")
    return (
        float(bads_a.mean() - bads_b.mean()),
        _variance(bads_a - bads_b, goods_a - goods_b),
    )


def auc_interval(y: np.ndarray, p: np.ndarray, confidence: float) -> Interval:
    """Return an AUC with its interval from one set of loans.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n,)``: 1 bad, 0 good.
    p : numpy.ndarray
        ``(n,) float64``: scores, higher is riskier.
    confidence : float
        Level, for instance .95.

    Returns
    -------
    Interval
        Normal on the logit scale, so inside [0, 1]. Where the scores part the classes fully,
        DeLong's variance is 0 and says nothing; the other end is then Clopper and Pearson's for
        as many trials without a failure as the smaller class has loans (conservative). If a class
        has a single loan, the interval is [0, 1]. If all scores are equal, the AUC is one half,
        exactly.
    """
    smaller = min(int((y == 1).sum()), int((y != 1).sum()))
    return area_interval(*delong(y, p), smaller, confidence)


def area_interval(area: float, variance: float, smaller: int, confidence: float) -> Interval:
    """Return the interval of an AUC whose variance is known; see :func:`auc_interval`.

    Parameters
    ----------
    area, variance : float
        As :func:`delong` returns them.
    smaller : int
        Loans of the smaller class.
    confidence : float
        Level, for instance .95.

    Returns
    -------
    Interval
    """
    if math.isnan(area):
        return Interval(area, area, area)
    if math.isnan(variance):
        return Interval(area, 0.0, 1.0)
    if area in (0.0, 1.0):
        limit = ((1.0 - confidence) / 2.0) ** (1.0 / smaller)
        return Interval(area, limit, 1.0) if area == 1.0 else Interval(area, 0.0, 1.0 - limit)
    logit = math.log(area / (1.0 - area))
    half = _z(confidence) * math.sqrt(variance) / (area * (1.0 - area))
    return Interval(area, _expit(logit - half), _expit(logit + half))


def difference_interval(
    y: np.ndarray, p_a: np.ndarray, p_b: np.ndarray, confidence: float
) -> Interval:
    """Return the difference of two AUCs on the same loans, a minus b, with its interval.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n,)``: 1 bad, 0 good.
    p_a, p_b : numpy.ndarray
        ``(n,) float64``: scores of the two models.
    confidence : float
        Level, for instance .95.

    Returns
    -------
    Interval
        Normal, cut to [-1, 1]. Where an AUC of 0 or 1 makes the variance 0, the interval is the
        difference of the two AUCs' own intervals (conservative). Where both rank the loans alike
        and neither is 0 or 1, it is [0, 0], rightly: the same ranking has the same AUC.
    """
    difference, variance = delong_paired(y, p_a, p_b)
    if variance == 0.0:
        a, b = auc_interval(y, p_a, confidence), auc_interval(y, p_b, confidence)
        if difference != 0.0 or a.value in (0.0, 1.0):
            return Interval(difference, a.lo - b.hi, a.hi - b.lo)
    return normal_interval(difference, variance, confidence, limits=(-1.0, 1.0))


def normal_interval(
    value: float, variance: float, confidence: float, *, limits: tuple[float, float]
) -> Interval:
    """Return a normal interval, cut to the limits of what is possible.

    Parameters
    ----------
    value, variance : float
        Estimate and its variance; a variance that is NaN gives the limits themselves.
    confidence : float
        Level, for instance .95.
    limits : tuple of float
        Smallest and largest possible value.

    Returns
    -------
    Interval
    """
    if math.isnan(value):
        return Interval(value, value, value)
    return _cut(value, _z(confidence) * math.sqrt(variance), limits)


def resampled_interval(
    values: Sequence[float],
    test_to_train: float,
    confidence: float,
    *,
    limits: tuple[float, float],
) -> Interval:
    """Return the mean over repeated random splits with its corrected resampled t interval.

    Parameters
    ----------
    values : sequence of float
        One per split, at least two.
    test_to_train : float
        Test loans over training loans of a split.
    confidence : float
        Level, for instance .95.
    limits : tuple of float
        Smallest and largest possible value.

    Returns
    -------
    Interval
        All NaN if any value is.

    Raises
    ------
    ValueError
        If there are fewer than two splits.

    Notes
    -----
    Splits share loans, so their values are correlated and the naive ``s**2 / R`` is far too small.
    Nadeau and Bengio (2003) take ``s**2 * (1 / R + n_test / n_train)`` with ``R - 1`` degrees of
    freedom. The splits must be random: with a fixed test set the spread of the values leaves out
    the noise of that set.
    """
    from scipy.stats import t

    repeats = len(values)
    if repeats < 2:
        raise ValueError(f"a resampled interval needs at least two splits, got {repeats}")
    mean = float(np.mean(values))
    if math.isnan(mean):
        return Interval(mean, mean, mean)
    variance = float(np.var(values, ddof=1)) * (1.0 / repeats + test_to_train)
    return _cut(mean, float(t.ppf((1.0 + confidence) / 2.0, repeats - 1)) * variance**0.5, limits)


def _placements(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each bad the share of goods below it, for each good that of bads above it."""
    from scipy.stats import rankdata

    bad = y == 1
    bads, goods = p[bad], p[~bad]
    if not len(bads) or not len(goods):
        return np.empty(len(bads)), np.empty(len(goods))
    rank = rankdata(p)
    return (
        (rank[bad] - rankdata(bads)) / len(goods),
        1.0 - (rank[~bad] - rankdata(goods)) / len(bads),
    )


def _variance(of_bads: np.ndarray, of_goods: np.ndarray) -> float:
    if len(of_bads) < 2 or len(of_goods) < 2:
        return float("nan")
    variance = of_bads.var(ddof=1) / len(of_bads) + of_goods.var(ddof=1) / len(of_goods)
    return float(variance) if variance > _NO_VARIANCE else 0.0


def _cut(value: float, half: float, limits: tuple[float, float]) -> Interval:
    if math.isnan(half):
        return Interval(value, *limits)
    return Interval(value, max(value - half, limits[0]), min(value + half, limits[1]))


def _z(confidence: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1.0 + confidence) / 2.0))


def _expit(x: float) -> float:
    from scipy.special import expit

    return float(expit(x))
