"""A monitor over banks: one exchange, and nothing but sums comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from flwr.app import ArrayRecord
from flwr.serverapp import Grid

from fed_credit.drift.question import MonitorQuestion, PeriodsQuestion, PeriodSums, write_question
from fed_credit.drift.reference import Reference, ReferenceQuestion, read_reference
from fed_credit.training.task import Task, TaskConfig
from strategies.consortium import Terms
from strategies.exchange import Roster, SumCollector, ask_all


@dataclass(frozen=True)
class Model:
    """A model as it travels.

    Parameters
    ----------
    config : TaskConfig
        The run that it came of, with its preprocessor and offset if it is a network.
    arrays : sequence of numpy.ndarray
        Its weights, or the one packed array of an exact model.
    """

    config: TaskConfig
    arrays: Sequence[np.ndarray]


def ask_reference(
    grid: Grid, roster: Roster, model: Model, span: tuple[str, str] | None, terms: Terms
) -> Reference:
    """Ask for the population that a model was made on.

    Parameters
    ----------
    grid, roster, terms
        Whom to ask, and how.
    model : Model
        That was trained.
    span : tuple of str or None
        First and last day of decision of its loans, where the run's settings say so.

    Returns
    -------
    Reference

    Raises
    ------
    QuorumError
        If too few banks answered.
    """
    spec = model.config.spec
    question = ReferenceQuestion(spec.features, spec.histogram_bins)
    sums = _ask(grid, roster, model, question, terms).result(terms.quorum)
    return read_reference(spec.features, sums, spec.population.target.window_months, span)


def ask_periods(
    grid: Grid, roster: Roster, model: Model, question: PeriodsQuestion, terms: Terms
) -> tuple[PeriodSums, tuple[str, ...]]:
    """Ask for the sums of some months and vintages.

    Parameters
    ----------
    grid, roster, terms
        Whom to ask, and how.
    model : Model
        That is watched.
    question : PeriodsQuestion
        Periods and groups.

    Returns
    -------
    PeriodSums, tuple of str
        And the banks whose answers are in it.

    Raises
    ------
    QuorumError
        If too few banks answered.
    """
    collector = _ask(grid, roster, model, question, terms)
    sums = question.read(collector.result(terms.quorum))
    return sums, tuple(sorted(collector.answered))


def _ask(
    grid: Grid, roster: Roster, model: Model, question: MonitorQuestion, terms: Terms
) -> SumCollector:
    config = replace(model.config, question=write_question(question))
    record = ArrayRecord(list(model.arrays))
    return ask_all(grid, roster, Task.MONITOR, config, record, timeout=terms.timeout)
