"""Training on loans that are all at hand: each bank alone, and pooled data in simulation.

The same family, the same number of passes over the loans, the same batch size and the same choice
of the best round as in the federation, so that a comparison is of data and not of effort.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.evaluation.sums import score_sums
from fed_credit.features.preprocessor import Preprocessor, fit_pooled
from fed_credit.models import family
from fed_credit.models.protocol import TrainJob, Weights
from fed_credit.training.predict import class_weight, default_probability
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.seeds import keyed_seed


@dataclass(frozen=True)
class Loans:
    """Loans of one part of the split.

    Parameters
    ----------
    frame : pandas.DataFrame
        ``(n, n_features)``.
    y : numpy.ndarray
        ``(n,) int8``.
    """

    frame: pd.DataFrame
    y: np.ndarray


@dataclass(frozen=True)
class AloneModel:
    """A model trained without a federation.

    Parameters
    ----------
    preprocessor : Preprocessor
        Fitted on its own training loans.
    weights : list of numpy.ndarray
        Of its best round.
    log_odds_offset : float
        Prior correction.
    best_round : int
        The round with the lowest validation loss.
    steps : int
        Optimiser steps over all rounds.
    """

    preprocessor: Preprocessor
    weights: Weights
    log_odds_offset: float
    best_round: int
    steps: int

    def score(self, frame: pd.DataFrame, spec: RunSpec) -> np.ndarray:
        """Return the PD of loans, ``(n,) float64``."""
        x = self.preprocessor.transform(frame)
        return default_probability(self.weights, x, spec.model, self.log_odds_offset)


def train_alone(
    name: str,
    train: Loans,
    validation: Loans,
    spec: RunSpec,
    rounds: int,
    preprocessor: Preprocessor | None = None,
) -> AloneModel:
    """Train on loans at hand and keep the round with the lowest validation loss.

    Parameters
    ----------
    name : str
        Whose loans they are; keys the batch order.
    train, validation : Loans
        Without validation loans the last round is kept.
    spec : RunSpec
        The run it is compared with.
    rounds : int
        Rounds of ``spec.local_epochs`` passes.
    preprocessor : Preprocessor, optional
        Already fitted on the same training loans; fitted here if not given.

    Returns
    -------
    AloneModel
    """
    if preprocessor is None:
        preprocessor = fit_pooled(spec.features, train.frame, train.y, spec.preprocessing)
    models = family(spec.model.family)
    bad_weight, offset = class_weight(
        spec.model.class_weighting, len(train.y), int(np.count_nonzero(train.y))
    )
    job = TrainJob(
        institution=name,
        weights=models.initial_weights(
            len(preprocessor.columns), spec.model, keyed_seed(spec.seed, "initial weights")
        ),
        x=preprocessor.transform(train.frame),
        y=train.y,
        bad_weight=bad_weight,
        epochs=spec.local_epochs,
        seed=keyed_seed(spec.seed, "batches alone", name),
        model=spec.model,
    )
    x = preprocessor.transform(validation.frame)
    best, best_round, best_loss, steps = job.weights, 0, float("inf"), 0
    for number, result in enumerate(models.train_centrally(job, rounds, spec.torch_threads), 1):
        steps += result.steps
        p = default_probability(result.weights, x, spec.model, offset)
        loss = score_sums(validation.y, p, bins=1).log_loss if len(p) else -float(number)
        if loss < best_loss:
            best, best_round, best_loss = result.weights, number, loss
    return AloneModel(preprocessor, best, offset, best_round, steps)
