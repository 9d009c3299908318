"""Exact models over a grid: each question is one exchange, and nothing but sums comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from flwr.app import ArrayRecord
from flwr.serverapp import Grid

from fed_credit.data.book import Part
from fed_credit.evaluation.sums import ScoreSums, measure_sums
from fed_credit.families.fit import fit_exact
from fed_credit.families.protocol import Banks
from fed_credit.families.read import pack
from fed_credit.features.questions import Arrays, FrameQuestion, MatrixQuestion
from fed_credit.features.statistics import NumericRange
from fed_credit.models.moments import CrossProductsQuestion
from fed_credit.scorecard.fit import WoeDesign
from fed_credit.scorecard.messages import write_message
from fed_credit.training.questions import PreparedDesign, write_columns, write_design
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import ExactState, RoundMetrics
from fed_credit.training.task import Task, TaskConfig, read_scores
from strategies.consortium import Terms
from strategies.exchange import Roster, SumCollector, ask_all

if TYPE_CHECKING:  # numba takes a second to import, and few runs grow trees
    from fed_credit.trees.columns import Columns
    from fed_credit.trees.request import Request


class GridBanks(Banks):
    """Puts questions to the banks of a grid.

    Parameters
    ----------
    grid : Grid
        Carries the messages.
    roster : Roster
        Who takes part.
    spec : RunSpec
        What is fitted.
    terms : Terms
        Quorum and time-out.
    """

    answered = 0

    def __init__(self, grid: Grid, roster: Roster, spec: RunSpec, terms: Terms) -> None:
        self._grid, self._roster, self._spec, self._terms = grid, roster, spec, terms
        self._design: tuple[object, str] = (None, "")

    def counts(self) -> Arrays:
        """Ask for the counts of the common preprocessor."""
        return self._sum(Task.COUNTS, TaskConfig(self._spec))

    def moments(self, ranges: Mapping[str, NumericRange]) -> Arrays:
        """Ask for the moments of the common preprocessor."""
        return self._sum(Task.MOMENTS, TaskConfig(self._spec, ranges=ranges))

    def ask(self, question: FrameQuestion) -> Arrays:
        """Ask about the training loans' fields."""
        return self._sum(Task.CELLS, self._question(write_message(question)))

    def ask_validation(self, question: FrameQuestion) -> Arrays:
        """Ask about the validation loans' fields."""
        config = replace(self._question(write_message(question)), part=Part.VALIDATION)
        return self._sum(Task.CELLS, config)

    def ask_matrix(self, design: WoeDesign | PreparedDesign, question: MatrixQuestion) -> Arrays:
        """Ask about a matrix of the training loans."""
        task = Task.PRODUCTS if isinstance(question, CrossProductsQuestion) else Task.LIKELIHOOD
        text = self._text(design, write_design)
        return self._sum(task, replace(self._question(write_message(question)), design=text))

    def ask_trees(self, columns: Columns, request: Request) -> np.ndarray:
        """Ask what growing trees needs; the sum is not decoded."""
        config = replace(
            self._question(request.settings),
            number=request.round + 1,
            design=self._text(columns, write_columns),
            arrays=tuple(request.arrays),
        )
        return self._collected(Task.TREES, config).total(self._terms.quorum)

    def scores(self, packed: np.ndarray, part: Part, *, own_metrics: bool = False) -> ScoreSums:
        """Ask for the scores of a packed model on validation or test loans.

        Parameters
        ----------
        packed : numpy.ndarray
            ``(n,) uint8``, of :func:`~fed_credit.families.read.pack`.
        part : Part
            Which loans.
        own_metrics : bool
            Whether to ask for each bank's own metrics on test loans too.

        Returns
        -------
        ScoreSums
        """
        config = TaskConfig(self._spec, part=part, own_metrics=own_metrics)
        return read_scores(self._sum(Task.EVALUATION, config, [packed]))

    def _question(self, text: str) -> TaskConfig:
        return TaskConfig(self._spec, part=Part.TRAIN, question=text)

    def _text(self, made: object, write: Callable[..., str]) -> str:
        # A design goes with many questions; its text is made once.
        if self._design[0] is not made:
            self._design = (made, write(made))
        return self._design[1]

    def _sum(
        self, task: Task, config: TaskConfig, arrays: list[np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        collector = self._collected(task, config, arrays)
        return collector.result(self._terms.quorum)

    def _collected(
        self, task: Task, config: TaskConfig, arrays: list[np.ndarray] | None = None
    ) -> SumCollector:
        record = ArrayRecord(list(config.arrays) if arrays is None else arrays)
        collector = ask_all(
            self._grid, self._roster, task, config, record, timeout=self._terms.timeout
        )
        self.answered = len(collector.answered)
        return collector


def run_exact(
    banks: GridBanks,
    spec: RunSpec,
    state: ExactState,
    after_round: Callable[[ExactState], None] = lambda state: None,
) -> ExactState:
    """Fit the run's model from where the state stands; the state is changed in place.

    Parameters
    ----------
    banks : GridBanks
        Whom to ask.
    spec : RunSpec
        What is fitted.
    state : ExactState
        Empty, or a checkpoint.
    after_round : callable
        Called before the first round, after each and at the end, for progress and checkpoints.

    Returns
    -------
    ExactState
        With the model, measured once on validation loans.

    Raises
    ------
    FedCreditError
        If the loans do not suffice, or too few banks answered.
    """
    after_round(state)
    if state.model is None:
        model = fit_exact(banks, spec, state, lambda: after_round(state))
        packed = pack(model)
        if spec.model.family != "gbdt":
            state.round = state.best_round = 1
        _measure(banks, packed, state)
        state.model = packed
        after_round(state)
    return state


def _measure(banks: GridBanks, packed: np.ndarray, state: ExactState) -> None:
    """Add the model's loss and AUC on validation loans to the history."""
    scores = banks.scores(packed, Part.VALIDATION)
    found = measure_sums(scores, calibration_bins=10)
    measured = RoundMetrics(
        state.best_round,
        float(found.log_loss.value),
        float(found.auc.value),
        int(scores.n),
        banks.answered,
    )
    others = [metrics for metrics in state.history if metrics.number != state.best_round]
    state.history = sorted([*others, measured], key=lambda metrics: metrics.number)
