"""How far banks' populations are apart, where only sums are known.

Each bank compares its own loans with all loans, whose shares it is told, and releases the index
times its number of loans. The sum gives the mean over banks, weighted by loans, and no bank's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.features.questions import Arrays
from fed_credit.releases import Entry, ReleaseSpec
from fed_credit.scorecard.binning import Binning
from fed_credit.scorecard.evidence import stability

_BITS = 16
_BOUND = float(2**32)


@dataclass(frozen=True)
class DriftQuestion:
    """Asks for each feature's population stability index, times the bank's loans.

    Parameters
    ----------
    binnings : tuple of Binning
        Of the features, with the counts of all loans.
    """

    binnings: tuple[Binning, ...]

    def layout(self) -> ReleaseSpec:
        """Return the layout: ``n`` and ``psi``, one per feature."""
        psi = Entry("psi", (len(self.binnings),), _BITS, _BOUND)
        return ReleaseSpec("drift", (Entry("n", ()), psi))

    def answer(self, frame: pd.DataFrame, y: np.ndarray) -> Arrays:
        """Return one bank's part over its loans, ``(n, ...)``; zero for a bank without loans."""
        psi = np.zeros(len(self.binnings))
        for k, binning in enumerate(self.binnings):
            own = np.bincount(binning.encode(frame[binning.name]), minlength=len(binning.classes))
            together = np.array([one.loans for one in binning.classes])
            if len(frame):
                psi[k] = len(frame) * stability(own, together)
        return {"n": np.array(len(frame)), "psi": psi}


def mean_stability(sums: Arrays, names: Sequence[str]) -> dict[str, float]:
    """Read the decoded sum of the answers: the mean index over banks by feature."""
    n = int(sums["n"])
    return {name: float(psi) / n for name, psi in zip(names, sums["psi"], strict=True)}
