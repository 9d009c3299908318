"""Good and bad loans per fine bin: the one question that weight of evidence needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.features.fine_bins import FineBins
from fed_credit.features.questions import Arrays
from fed_credit.releases import Entry, ReleaseSpec


@dataclass(frozen=True)
class ClassCountsQuestion:
    """Asks for goods and bads per fine bin.

    Parameters
    ----------
    bins : tuple of FineBins
        Of all features.
    """

    bins: tuple[FineBins, ...]

    def layout(self) -> ReleaseSpec:
        """Return the layout: per feature ``<name>/counts``, goods in the first row, then bads."""
        entries = [Entry(f"{fine.feature.name}/counts", (2, fine.size)) for fine in self.bins]
        return ReleaseSpec("class counts", (Entry("n", ()), Entry("n_bad", ()), *entries))

    def answer(self, frame: pd.DataFrame, y: np.ndarray) -> Arrays:
        """Return one bank's counts over its loans, ``(n, ...)``, and outcomes, ``(n,) int8``."""
        sums = {"n": np.array(len(y)), "n_bad": np.array(np.count_nonzero(y))}
        for fine in self.bins:
            name = fine.feature.name
            cell = fine.codes(frame[name]) + y.astype(np.int64) * fine.size
            counts = np.bincount(cell, minlength=2 * fine.size)
            sums[f"{name}/counts"] = counts.reshape(2, fine.size)
        return sums
