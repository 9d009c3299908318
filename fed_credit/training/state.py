"""Where a run stands after a round: what a checkpoint holds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from fed_credit.features.preprocessor import Preprocessor
from fed_credit.models.protocol import Weights


@dataclass(frozen=True)
class RoundMetrics:
    """What the banks measured of the model that a round ended with, on validation loans.

    Parameters
    ----------
    number : int
        The round.
    loss : float
        Mean log loss; NaN where no bank has validation loans.
    auc : float
        Pooled AUC from score histograms.
    loans, banks : int
        What it is over.
    """

    number: int
    loss: float
    auc: float
    loans: int
    banks: int


@dataclass
class TrainingState:
    """Where a run stands after a round; all that a checkpoint holds.

    Parameters
    ----------
    preprocessor : Preprocessor
        The common preprocessor.
    bad_weight, log_odds_offset : float
        Class weighting and the prior correction that undoes it.
    weights : list of numpy.ndarray
        The model after ``round`` rounds.
    best_weights : list of numpy.ndarray
        The model with the lowest validation loss so far.
    round, best_round : int
        Rounds done; the round that the best model ended.
    history : list of RoundMetrics
        Rounds whose model has been measured.
    server : dict of str to numpy.ndarray
        What the strategy remembers between rounds, such as the moments of a server optimiser.
    """

    preprocessor: Preprocessor
    bad_weight: float
    log_odds_offset: float
    weights: Weights
    best_weights: Weights
    round: int = 0
    best_round: int = 0
    history: list[RoundMetrics] = field(default_factory=list)
    server: dict[str, np.ndarray] = field(default_factory=dict)

    def note(self, measured: RoundMetrics) -> None:
        """Note what was measured of the current model, and keep it if it is the best so far.

        Without validation loans the latest model is kept.
        """
        unknown = math.isnan(measured.loss) and math.isinf(self.best_loss)
        if unknown or measured.loss < self.best_loss:
            self.best_weights, self.best_round = self.weights, measured.number
        self.history.append(measured)

    @property
    def best_loss(self) -> float:
        """Lowest validation loss so far; infinity before the first."""
        losses = (metrics.loss for metrics in self.history if not math.isnan(metrics.loss))
        return min(losses, default=math.inf)


@dataclass
class ExactState:
    """Where the fit of an exact model stands; all that a checkpoint holds.

    Parameters
    ----------
    round, best_round : int
        Rounds done; the round whose model is kept.
    history : list of RoundMetrics
        Rounds whose model has been measured.
    notes : str
        What the family remembers to go on, as JSON; empty where it starts over.
    arrays : dict of str to numpy.ndarray
        The same, in numbers.
    model : numpy.ndarray or None
        ``(n,) uint8``: the fitted model as it travels; None until it is fitted.
    """

    round: int = 0
    best_round: int = 0
    history: list[RoundMetrics] = field(default_factory=list)
    notes: str = ""
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    model: np.ndarray | None = None


RunState = TrainingState | ExactState
