"""A monitor over banks: one exchange, and nothing but sums comes back."""

from __future__ import annotations

from flwr.app import ArrayRecord
from flwr.serverapp import Grid

from fed_credit.drift.question import MonitorQuestion, PeriodsQuestion, PeriodSums, write_question
from fed_credit.drift.reference import Reference, ReferenceQuestion, read_reference
from fed_credit.families.network import NetworkModel
from fed_credit.families.protocol import Model
from fed_credit.families.read import pack
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.task import Task, TaskConfig
from strategies.consortium import Terms
from strategies.exchange import Roster, SumCollector, ask_all


def ask_reference(
    grid: Grid,
    roster: Roster,
    spec: RunSpec,
    model: Model,
    span: tuple[str, str] | None,
    terms: Terms,
) -> Reference:
    """Ask for the population that a model was made on.

    Parameters
    ----------
    grid, roster, terms
        Whom to ask, and how.
    spec, model : RunSpec and Model
        What was trained, and the run that it came of.
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
    question = ReferenceQuestion(tuple(model.features), spec.histogram_bins)
    sums = _ask(grid, roster, spec, model, question, terms).result(terms.quorum)
    return read_reference(question.features, sums, spec.population.target.window_months, span)


def ask_periods(
    grid: Grid,
    roster: Roster,
    spec: RunSpec,
    model: Model,
    question: PeriodsQuestion,
    terms: Terms,
) -> tuple[PeriodSums, tuple[str, ...]]:
    """Ask for the sums of some months and vintages.

    Parameters
    ----------
    grid, roster, terms
        Whom to ask, and how.
    spec, model : RunSpec and Model
        What is watched, and the run that it came of.
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
    collector = _ask(grid, roster, spec, model, question, terms)
    sums = question.read(collector.result(terms.quorum))
    return sums, tuple(sorted(collector.answered))


def _ask(
    grid: Grid,
    roster: Roster,
    spec: RunSpec,
    model: Model,
    question: MonitorQuestion,
    terms: Terms,
) -> SumCollector:
    text = write_question(question)
    if isinstance(model, NetworkModel):
        config = TaskConfig(
            spec,
            preprocessor=model.preprocessor,
            log_odds_offset=model.log_odds_offset,
            question=text,
        )
        arrays = model.weights
    else:
        config, arrays = TaskConfig(spec, question=text), [pack(model)]
    record = ArrayRecord(list(arrays))
    return ask_all(grid, roster, Task.MONITOR, config, record, timeout=terms.timeout)
