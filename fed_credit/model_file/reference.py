"""The reference population of a run: of loans at hand, and of what time it is."""

from __future__ import annotations

import numpy as np

from fed_credit.config.spec import SimulationSpec, SplitKind
from fed_credit.data.book import Dataset, Part
from fed_credit.data.target import add_months
from fed_credit.drift.profile import Profile
from fed_credit.drift.reference import reference_at_hand
from fed_credit.families.protocol import Model
from fed_credit.training.run_spec import Population, RunSpec

_EARLIEST = "1900-01-01"  # day of decision, where nobody has limited it


def reference_of(
    run: RunSpec, model: Model, dataset: Dataset, parts: np.ndarray, model_pd: np.ndarray
) -> Profile:
    """Make the population that drift from a model will be measured against.

    Parameters
    ----------
    run, model : RunSpec and Model
        What was trained, and the run that it came of.
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
        model.features,
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


def span_of(spec: SimulationSpec) -> tuple[str, str] | None:
    """Return the time that training and validation loans can be from, by a run's settings.

    Parameters
    ----------
    spec : SimulationSpec
        Of a run whose loans nobody sees together.

    Returns
    -------
    tuple of str or None
        First and last day of decision, ``YYYY-MM-DD``; None where the settings do not say.
    """
    data = spec.data
    return span_of_population(Population(data.schema, data.target, data.split, data.approved_from))


def span_of_population(population: Population) -> tuple[str, str] | None:
    """Return the time that training and validation loans can be from; see :func:`span_of`."""
    target, split = population.target, population.split
    window = target.window_months
    last = []
    if target.as_of is not None and window is not None:
        last.append(add_months(_day(target.as_of), -window)[0])
    if split.kind is SplitKind.OUT_OF_TIME and split.test_from is not None:
        cut = _day(split.test_from)
        if window is not None and split.embargo:
            cut = add_months(cut, -window)
        last.append(cut[0] - np.timedelta64(1, "D"))
    if not last:
        return None
    return population.approved_from or _EARLIEST, str(min(last))


def _day(text: str) -> np.ndarray:
    return np.array([np.datetime64(text, "D")])
