"""Common cuts of numeric features from summed histograms, in at most three questions.

1. *Histograms* over the universal bins.
2. *Parts* of those bins that matter, 256 each.
3. *Details* of those parts that are still heavy: 256 grains each, and the one value that its loans
   share if they do.

A part is asked about only if all banks together have the minimum cell of loans in it, and more than
the tolerance: the answer to the third question gives away the value of a bank's only loan there.

Then :class:`~fed_credit.features.number_line.NumberLine` takes the cuts. They follow from the sums
alone, so they are the same whatever the partition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.config.scorecard import CutsSpec
from fed_credit.data.schema import Kind
from fed_credit.features.bins import NUM_BINS, REFINED_BINS
from fed_credit.features.cells import (
    DETAIL,
    WHOLE,
    Cell,
    Place,
    detail_cells,
    detail_counts,
    histogram,
    part_cells,
    part_counts,
)
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.number_line import NumberLine
from fed_credit.features.questions import Arrays, AskFrames
from fed_credit.features.spec import FeatureSpec
from fed_credit.releases import Entry, ReleaseSpec

Specials = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class HistogramQuestion:
    """Asks for a histogram over the universal bins.

    Parameters
    ----------
    features : tuple of str
        Numeric features.
    specials : mapping of str to sequence of float
        Special values by feature, which are not counted.
    """

    features: tuple[str, ...]
    specials: Specials

    def layout(self) -> ReleaseSpec:
        """Return the layout: ``<name>/histogram`` per feature."""
        entries = [Entry(f"{name}/histogram", (NUM_BINS,)) for name in self.features]
        return ReleaseSpec("histograms", tuple(entries))

    def answer(self, frame: pd.DataFrame, y: np.ndarray) -> Arrays:
        """Return one bank's counts over its loans, ``(n, ...)``."""
        return {
            f"{name}/histogram": histogram(_plain_values(frame, name, self.specials))
            for name in self.features
        }


@dataclass(frozen=True)
class PartsQuestion:
    """Asks for a finer histogram within some universal bins.

    Parameters
    ----------
    bins : mapping of str to tuple of int
        Bins by feature, rising.
    specials : mapping of str to sequence of float
        Special values by feature, which are not counted.
    """

    bins: Mapping[str, tuple[int, ...]]
    specials: Specials

    def layout(self) -> ReleaseSpec:
        """Return the layout: ``<name>/parts`` per feature."""
        entries = [
            Entry(f"{name}/parts", (len(bins), REFINED_BINS)) for name, bins in self.bins.items()
        ]
        return ReleaseSpec("parts", tuple(entries))

    def answer(self, frame: pd.DataFrame, y: np.ndarray) -> Arrays:
        """Return one bank's counts over its loans, ``(n, ...)``."""
        return {
            f"{name}/parts": part_counts(_plain_values(frame, name, self.specials), bins)
            for name, bins in self.bins.items()
        }


@dataclass(frozen=True)
class DetailsQuestion:
    """Asks for grains of some parts of bins, and whether the loans in a part share one value.

    Parameters
    ----------
    parts : mapping of str to tuple of (int, int)
        Bins and parts by feature, rising.
    specials : mapping of str to sequence of float
        Special values by feature, which are not counted.
    """

    parts: Mapping[str, tuple[tuple[int, int], ...]]
    specials: Specials

    def layout(self) -> ReleaseSpec:
        """Return the layout: ``<name>/details`` per feature."""
        entries = [
            Entry(f"{name}/details", (len(parts), DETAIL)) for name, parts in self.parts.items()
        ]
        return ReleaseSpec("details", tuple(entries))

    def answer(self, frame: pd.DataFrame, y: np.ndarray) -> Arrays:
        """Return one bank's counts over its loans, ``(n, ...)``."""
        return {
            f"{name}/details": detail_counts(_plain_values(frame, name, self.specials), parts)
            for name, parts in self.parts.items()
        }


def common_bins(
    features: Sequence[FeatureSpec], spec: CutsSpec, ask: AskFrames
) -> tuple[FineBins, ...]:
    """Find the fine bins of all features by asking for sums.

    Parameters
    ----------
    features : sequence of FeatureSpec
        The features of the run.
    spec : CutsSpec
        Number of bins, tolerance, special values.
    ask : callable
        Puts a question to the banks: three at most, none where no feature is numeric.

    Returns
    -------
    tuple of FineBins
        In the order of the features.
    """
    numeric = tuple(feature.name for feature in features if feature.kind is Kind.NUMERIC)
    specials = {
        name: tuple(sorted(values))
        for name, values in spec.special_values.items()
        if name in numeric and values
    }
    lines = _lines(numeric, specials, spec, ask)
    found = []
    for feature in features:
        if feature.kind is Kind.NUMERIC:
            cuts, rank_error = lines[feature.name].cuts()
            special = specials.get(feature.name, ())
            found.append(FineBins(feature, cuts, special, rank_error))
        else:
            found.append(FineBins(feature))
    return tuple(found)


def _lines(
    numeric: tuple[str, ...], specials: Specials, spec: CutsSpec, ask: AskFrames
) -> dict[str, NumberLine]:
    if not numeric:
        return {}
    sums = ask(HistogramQuestion(numeric, specials))
    lines = {name: NumberLine(sums[f"{name}/histogram"], spec) for name in numeric}
    bins = {name: found for name, line in lines.items() if (found := line.bins_to_divide())}
    if bins:
        sums = ask(PartsQuestion(bins, specials))
        for name, wanted in bins.items():
            rows = zip(wanted, sums[f"{name}/parts"], strict=True)
            lines[name].divide({(k, WHOLE, WHOLE): part_cells(k, row) for k, row in rows})
    parts = {name: heavy for name, line in lines.items() if (heavy := line.parts_to_divide())}
    if parts:
        sums = ask(DetailsQuestion(parts, specials))
        for name, asked in parts.items():
            details: dict[Place, list[Cell]] = {
                (index, part, WHOLE): detail_cells(index, part, row)
                for (index, part), row in zip(asked, sums[f"{name}/details"], strict=True)
            }
            lines[name].divide(details)
    return lines


def _plain_values(frame: pd.DataFrame, name: str, specials: Specials) -> np.ndarray:
    values = frame[name].to_numpy(dtype=np.float64)
    left_out = np.isnan(values)
    for special in specials.get(name, ()):
        left_out |= values == special
    plain: np.ndarray = values[~left_out]
    return plain
