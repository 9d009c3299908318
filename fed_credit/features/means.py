"""What the columns of a preprocessor are on average over the training loans, from its sums."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fed_credit.features.preprocessor import Preprocessor
from fed_credit.features.steps import BooleanStep, NumericStep


def column_means(preprocessor: Preprocessor, counts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the mean of each column over the training loans.

    Parameters
    ----------
    preprocessor : Preprocessor
        Fitted from these counts.
    counts : mapping of str to numpy.ndarray
        Decoded sum of :func:`fed_credit.features.statistics.count`.

    Returns
    -------
    numpy.ndarray
        ``(n_columns,) float64``: 0 for standardised numbers, shares for all others.
    """
    n = max(1, int(counts["n"]))
    means: list[float] = []
    for step in preprocessor.steps:
        name = step.feature.name
        if isinstance(step, NumericStep):
            means += [0.0, int(counts[f"{name}/missing"]) / n][: len(step.columns)]
        elif isinstance(step, BooleanStep):
            missing = int(counts[f"{name}/counts"][2])
            means += [step.share_true, missing / n][: len(step.columns)]
        else:
            loans = np.zeros(len(step.columns))
            groups = np.array(step.groups)
            there = groups >= 0
            np.add.at(loans, groups[there], counts[f"{name}/counts"][there])
            means += (loans / n).tolist()
    return np.array(means)
