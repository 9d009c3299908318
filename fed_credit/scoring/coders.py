"""Codes of one value, as columns of values are coded."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from fed_credit.data.schema import Kind
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.spec import FeatureSpec

Code = Callable[[Any], int]


def coder(fine: FineBins) -> Code:
    """Return what codes one value as :meth:`FineBins.codes` codes a column."""
    if fine.feature.kind is Kind.CATEGORICAL:
        return category_coder(fine.feature)
    missing = fine.missing
    if fine.feature.kind is Kind.BOOLEAN:
        return lambda value: missing if value is None else int(value > 0.0)
    cuts = list(fine.cuts)
    specials = {special: fine.num_values + k for k, special in enumerate(fine.specials)}

    def code(value: float | None) -> int:
        if value is None:
            return missing
        return specials[value] if value in specials else bisect_right(cuts, value)

    return code


def category_coder(feature: FeatureSpec) -> Code:
    """Return what codes one category as :func:`~fed_credit.features.statistics.category_codes`."""
    size = feature.num_categories
    if not feature.values:
        return lambda word: size + 1 if word is None else zlib.crc32(word.encode()) % size
    places = {word: k for k, word in enumerate(feature.values)}
    return lambda word: size + 1 if word is None else places.get(word, size)
