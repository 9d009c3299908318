"""What banks release so that one preprocessor can be fitted, in two exchanges.

First *counts*: per numeric feature a histogram over universal bins, per category its count. From
their sum follow clip limits, the bin that holds the median, and the kept categories. Then
*moments*: per numeric feature the sum and the sum of squares of the value scaled to its clip
limits, and a refined histogram of the median's bin. Each loan's value is quantised before it is
summed, so both sums are exactly those of the pooled data, however the loans are divided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.data.schema import Kind
from fed_credit.features.bins import (
    NUM_BINS,
    REFINED_BINS,
    bin_edges,
    bin_index,
    refined_index,
)
from fed_credit.features.hashing import bucket_codes
from fed_credit.features.spec import FeatureSpec
from fed_credit.releases import Entry, ReleaseSpec, quantise

MOMENT_BITS = 24
_MOMENT_BOUND = float(2**26)  # loans of one bank: scaled values lie in [0, 1]


def counts_spec(features: Sequence[FeatureSpec]) -> ReleaseSpec:
    """Lay out the first exchange.

    Parameters
    ----------
    features : sequence of FeatureSpec
        The features of the run.

    Returns
    -------
    ReleaseSpec
        ``n`` and ``n_bad``; per numeric feature ``<name>/histogram`` and ``<name>/missing``; per
        boolean ``<name>/counts`` of false, true and missing; per categorical ``<name>/counts`` of
        its values or buckets, of values that are not listed, and of missing ones.
    """
    entries = [Entry("n", ()), Entry("n_bad", ())]
    for feature in features:
        if feature.kind is Kind.NUMERIC:
            entries.append(Entry(f"{feature.name}/histogram", (NUM_BINS,)))
            entries.append(Entry(f"{feature.name}/missing", ()))
        elif feature.kind is Kind.BOOLEAN:
            entries.append(Entry(f"{feature.name}/counts", (3,)))
        else:
            entries.append(Entry(f"{feature.name}/counts", (feature.num_categories + 2,)))
    return ReleaseSpec("counts", tuple(entries))


def count(
    features: Sequence[FeatureSpec], frame: pd.DataFrame, y: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute one bank's part of the first exchange.

    Parameters
    ----------
    features : sequence of FeatureSpec
        The features of the run.
    frame : pandas.DataFrame
        ``(n, n_features)``: the bank's training loans, as in a loan book.
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.

    Returns
    -------
    dict of str to numpy.ndarray
        int64 arrays in the layout of :func:`counts_spec`.
    """
    sums = {"n": np.array(len(y)), "n_bad": np.array(np.count_nonzero(y))}
    for feature in features:
        if feature.kind is Kind.NUMERIC:
            values = frame[feature.name].to_numpy(dtype=np.float64)
            there = values[~np.isnan(values)]
            sums[f"{feature.name}/histogram"] = np.bincount(bin_index(there), minlength=NUM_BINS)
            sums[f"{feature.name}/missing"] = np.array(len(values) - len(there))
        elif feature.kind is Kind.BOOLEAN:
            values = frame[feature.name].to_numpy(dtype=np.float64)
            sums[f"{feature.name}/counts"] = np.array(
                [np.sum(values == 0), np.sum(values == 1), np.sum(np.isnan(values))], dtype=np.int64
            )
        else:
            size = feature.num_categories + 2
            codes = category_codes(feature, frame[feature.name])
            sums[f"{feature.name}/counts"] = np.bincount(codes, minlength=size)
    return sums


def category_codes(feature: FeatureSpec, column: pd.Series) -> np.ndarray:
    """Code a categorical column against the run's vocabulary.

    Parameters
    ----------
    feature : FeatureSpec
        The categorical feature.
    column : pandas.Series
        ``(n,)`` text or categories.

    Returns
    -------
    numpy.ndarray
        ``(n,) int64``: position of the listed value, or hash bucket; ``num_categories`` for a value
        that is not listed; ``num_categories + 1`` where missing.
    """
    size = feature.num_categories
    missing = column.isna().to_numpy()
    if not feature.values:
        codes = bucket_codes(column, size)
    else:
        if _has_vocabulary(column, feature.values):
            codes = column.cat.codes.to_numpy(dtype=np.int64)
        else:
            codes = pd.Index(feature.values, dtype=object).get_indexer(
                pd.Index(column, dtype=object)
            )
        codes = np.where(codes < 0, size, codes)
    return np.where(missing, size + 1, codes)


def _has_vocabulary(column: pd.Series, values: tuple[str, ...]) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype) and tuple(column.cat.categories) == values


@dataclass(frozen=True)
class NumericRange:
    """What the first exchange says of a numeric feature, and the second one builds on.

    Parameters
    ----------
    low, high : float
        Clip limits, edges of universal bins.
    median_bin : int
        Universal bin that holds the (lower) median.
    """

    low: float
    high: float
    median_bin: int


def numeric_ranges(
    features: Sequence[FeatureSpec], counts: Mapping[str, np.ndarray], clip_quantile: float
) -> dict[str, NumericRange]:
    """Find clip limits and the median's bin of each numeric feature from summed counts.

    Parameters
    ----------
    features : sequence of FeatureSpec
        The features of the run.
    counts : mapping of str to numpy.ndarray
        The sum of the first exchange.
    clip_quantile : float
        Clip to the bins of this and of one minus this quantile; 0 takes the outermost bins.

    Returns
    -------
    dict of str to NumericRange
        By feature name; a feature without any value gets ``(0, 0)``.
    """
    return {
        feature.name: _range(counts[f"{feature.name}/histogram"], clip_quantile)
        for feature in features
        if feature.kind is Kind.NUMERIC
    }


def _range(histogram: np.ndarray, clip_quantile: float) -> NumericRange:
    cumulative = np.cumsum(histogram)
    n = int(cumulative[-1])
    if n == 0:
        return NumericRange(0.0, 0.0, bin_index(np.zeros(1))[0].item())
    skip = int(clip_quantile * n)
    low, median, high = (
        int(np.searchsorted(cumulative, rank, side="right"))
        for rank in (skip, (n - 1) // 2, n - 1 - skip)
    )
    return NumericRange(bin_edges(low)[0], bin_edges(high)[1], median)


def moments_spec(features: Sequence[FeatureSpec]) -> ReleaseSpec:
    """Lay out the second exchange.

    Parameters
    ----------
    features : sequence of FeatureSpec
        The features of the run.

    Returns
    -------
    ReleaseSpec
        ``n``; per numeric feature ``<name>/missing``, ``<name>/sum`` and ``<name>/sum_of_squares``
        of the scaled values, and ``<name>/median``, the refined histogram of the median's bin. The
        loans are counted again, since a bank may answer one exchange and not the other.
    """
    entries = [Entry("n", ())]
    for feature in features:
        if feature.kind is Kind.NUMERIC:
            entries.append(Entry(f"{feature.name}/missing", ()))
            entries.append(Entry(f"{feature.name}/sum", (), MOMENT_BITS, _MOMENT_BOUND))
            entries.append(Entry(f"{feature.name}/sum_of_squares", (), MOMENT_BITS, _MOMENT_BOUND))
            entries.append(Entry(f"{feature.name}/median", (REFINED_BINS,)))
    return ReleaseSpec("moments", tuple(entries))


def moments(
    features: Sequence[FeatureSpec], frame: pd.DataFrame, ranges: Mapping[str, NumericRange]
) -> dict[str, np.ndarray]:
    """Compute one bank's part of the second exchange.

    Parameters
    ----------
    features : sequence of FeatureSpec
        The features of the run.
    frame : pandas.DataFrame
        ``(n, n_features)``: the bank's training loans.
    ranges : mapping of str to NumericRange
        What the first exchange found.

    Returns
    -------
    dict of str to numpy.ndarray
        int64 arrays, already in fixed point, in the layout of :func:`moments_spec`.
    """
    sums = {"n": np.array(len(frame))}
    for feature in features:
        if feature.kind is not Kind.NUMERIC:
            continue
        found = ranges[feature.name]
        values = frame[feature.name].to_numpy(dtype=np.float64)
        missing = np.isnan(values)
        values = values[~missing]
        scaled = scale_to_range(values, found)
        sums[f"{feature.name}/missing"] = np.array(np.count_nonzero(missing))
        sums[f"{feature.name}/sum"] = quantise(scaled, MOMENT_BITS).sum()
        sums[f"{feature.name}/sum_of_squares"] = quantise(scaled * scaled, MOMENT_BITS).sum()
        inside = values[bin_index(values) == found.median_bin]
        low, high = bin_edges(found.median_bin)
        sums[f"{feature.name}/median"] = np.bincount(
            refined_index(inside, low, high), minlength=REFINED_BINS
        )
    return sums


def scale_to_range(values: np.ndarray, found: NumericRange) -> np.ndarray:
    """Clip values to a range and scale it to ``[0, 1]``; a range of no width gives zeros."""
    width = found.high - found.low
    if width <= 0:
        return np.zeros_like(values)
    scaled: np.ndarray = (np.clip(values, found.low, found.high) - found.low) / width
    return scaled
