"""One run of the consortium: preprocessor from sums, rounds of training, evaluation.

Flower's own ``Strategy.start`` counts from round one, spends a second exchange on evaluation and
keeps no checkpoint. This loop calls the same hooks of a strategy and adds what a long run needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord
from flwr.serverapp import Grid

from fed_credit.data.book import Part
from fed_credit.evaluation.sums import ScoreSums
from fed_credit.features.preprocessor import fit_from_sums
from fed_credit.features.statistics import numeric_ranges
from fed_credit.models import family
from fed_credit.models.protocol import Weights
from fed_credit.training.predict import class_weight
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.seeds import keyed_seed
from fed_credit.training.state import RoundMetrics, TrainingState
from fed_credit.training.task import Task, TaskConfig, read_scores
from strategies.exchange import Roster, exchange
from strategies.summed import SummedFedAvg, incoming_metrics


@dataclass(frozen=True)
class Terms:
    """The operator's terms of a run.

    Parameters
    ----------
    num_rounds : int
        Rounds of training.
    quorum : float
        Share of the banks that must answer an exchange.
    timeout : float
        Seconds to wait for an exchange.
    """

    num_rounds: int
    quorum: float
    timeout: float


class Consortium:
    """Runs the federation over a grid.

    Parameters
    ----------
    grid : Grid
        Carries the messages.
    roster : Roster
        Who takes part.
    spec : RunSpec
        What is trained.
    terms : Terms
        Rounds, quorum and time-out.
    """

    def __init__(self, grid: Grid, roster: Roster, spec: RunSpec, terms: Terms) -> None:
        self._grid = grid
        self._roster = roster
        self._spec = spec
        self._terms = terms

    def prepare(self) -> TrainingState:
        """Fit the common preprocessor in two exchanges and draw the initial weights.

        Raises
        ------
        QuorumError
            If too few banks answered.
        """
        spec = self._spec
        config = TaskConfig(spec)
        counts = self._ask(Task.COUNTS, config)
        ranges = numeric_ranges(spec.features, counts, spec.preprocessing.clip_quantile)
        moments = self._ask(Task.MOMENTS, replace(config, ranges=ranges))
        preprocessor = fit_from_sums(spec.features, counts, moments, spec.preprocessing)
        bad_weight, offset = class_weight(
            spec.model.class_weighting, int(counts["n"]), int(counts["n_bad"])
        )
        weights = family(spec.model.family).initial_weights(
            len(preprocessor.columns), spec.model, keyed_seed(spec.seed, "initial weights")
        )
        return TrainingState(preprocessor, bad_weight, offset, weights, weights)

    def task(self, state: TrainingState) -> TaskConfig:
        """Return what a round asks for."""
        return TaskConfig(
            self._spec,
            preprocessor=state.preprocessor,
            bad_weight=state.bad_weight,
            log_odds_offset=state.log_odds_offset,
        )

    def train(
        self,
        state: TrainingState,
        strategy: SummedFedAvg,
        after_round: Callable[[TrainingState], None] = lambda state: None,
    ) -> TrainingState:
        """Train from where the state stands; the state is changed in place.

        A round is one exchange. The model that round ``r`` ends with is measured by the banks in
        the reply of round ``r + 1``, the last one in an exchange of its own.

        Parameters
        ----------
        state : TrainingState
            From :meth:`prepare`, or a checkpoint.
        strategy : SummedFedAvg
            Its hooks are called as Flower's own loop calls them; what it remembers is part of the
            state.
        after_round : callable
            Called before the first round, after each round and once at the end, for progress,
            times and checkpoints.

        Returns
        -------
        TrainingState

        Raises
        ------
        QuorumError
            If too few banks answered.
        """
        strategy.restore(state.server, ArrayRecord(state.weights))
        after_round(state)
        for number in range(state.round + 1, self._terms.num_rounds + 1):
            arrays = ArrayRecord(state.weights)
            replies = self._grid.send_and_receive(
                strategy.configure_train(number, arrays, ConfigRecord(), self._grid),
                timeout=self._terms.timeout,
            )
            new, metrics = strategy.aggregate_train(number, replies)
            if metrics is not None and number > 1:
                state.note(_measured(state.round, metrics))
            state.weights = state.weights if new is None else new.to_numpy_ndarrays()
            state.round, state.server = number, strategy.server_state()
            after_round(state)
        if len(state.history) < state.round:
            scores = self.evaluate(state, state.weights, Part.VALIDATION)
            state.note(_measured(state.round, incoming_metrics(scores, len(self._roster))))
            after_round(state)
        return state

    def evaluate(
        self, state: TrainingState, weights: Weights, part: Part, *, own_metrics: bool = False
    ) -> ScoreSums:
        """Sum the banks' scores of a model on validation or test loans.

        Parameters
        ----------
        state : TrainingState
            With the preprocessor.
        weights : list of numpy.ndarray
            The model.
        part : Part
            Which loans.
        own_metrics : bool
            Whether to ask for each bank's own metrics on test loans too; those of the banks that
            allow it come with the :class:`~strategies.exchange.Attendance` of the exchange.

        Returns
        -------
        ScoreSums

        Raises
        ------
        QuorumError
            If too few banks answered.
        """
        config = replace(self.task(state), part=part, own_metrics=own_metrics)
        return read_scores(self._ask(Task.EVALUATION, config, weights))

    def _ask(
        self, task: Task, config: TaskConfig, weights: Weights | None = None
    ) -> dict[str, np.ndarray]:
        return exchange(
            self._grid,
            self._roster,
            task,
            config,
            ArrayRecord(weights or []),
            quorum=self._terms.quorum,
            timeout=self._terms.timeout,
        )


def _measured(number: int, metrics: MetricRecord) -> RoundMetrics:
    values = dict(metrics)
    return RoundMetrics(
        number=number,
        loss=float(cast(float, values["loss"])),
        auc=float(cast(float, values["auc"])),
        loans=int(cast(int, values["loans"])),
        banks=int(cast(int, values["banks"])),
    )
