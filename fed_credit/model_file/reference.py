"""The reference population of a simulated run, whose loans are at hand."""

from __future__ import annotations

import numpy as np

from fed_credit.data.book import Dataset, Part
from fed_credit.drift.profile import Profile
from fed_credit.drift.reference import reference_at_hand
from fed_credit.training.run_spec import RunSpec


def reference_of(
    run: RunSpec, dataset: Dataset, parts: np.ndarray, model_pd: np.ndarray
) -> Profile:
    """Make the population that drift from a model will be measured against.

    Parameters
    ----------
    run : RunSpec
        What was trained.
    dataset : Dataset
        Loans of all banks.
    parts : numpy.ndarray
        ``(n_loans,) int8`` split codes.
    model_pd : numpy.ndarray
        ``(n_loans,) float64``: the model's own PD, at least of validation loans.

    Returns
    -------
    Profile
        The same bits as the sum over banks gives in a deployment.
    """
    seen = (parts == Part.TRAIN) | (parts == Part.VALIDATION)
    validation = parts == Part.VALIDATION
    return reference_at_hand(
        run.features,
        run.histogram_bins,
        dataset.features[seen],
        dataset.y[seen],
        dataset.y[validation],
        model_pd[validation],
        run.population.target.window_months,
        _span(dataset.decided[seen]),
    ).profile


def _span(decided: np.ndarray) -> tuple[str, str] | None:
    days = decided[~np.isnat(decided)]
    return (str(days.min()), str(days.max())) if len(days) else None
