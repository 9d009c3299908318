from __future__ import annotations

import math

import numpy as np
import pytest

from fed_credit.features.preprocessor import Preprocessor
from fed_credit.training.state import RoundMetrics, TrainingState


def after(losses: list[float]) -> TrainingState:
    """Note one loss a round; the weights hold the number of their round."""
    start = [np.zeros(1, np.float32)]
    state = TrainingState(Preprocessor(()), 1.0, 0.0, start, start)
    for number, loss in enumerate(losses, 1):
        state.weights, state.round = [np.full(1, number, np.float32)], number
        state.note(RoundMetrics(number, loss, 0.7, 10, 2))
    return state


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ([0.5, 0.4, 0.45], 2),
        ([0.5, 0.5, 0.5], 1),  # the first of equals, so that a resumed run chooses alike
        ([0.5, math.nan, 0.4], 3),
        ([math.nan, 0.5, 0.6], 2),
        ([math.nan, math.nan], 2),  # without validation loans the last
        ([0.5, math.nan], 1),
        ([], 0),
    ],
)
def test_the_best_round_is_kept(losses, best):
    state = after(losses)
    assert state.best_round == best and state.best_weights[0] == best
    assert len(state.history) == len(losses)
    known = [loss for loss in losses if not math.isnan(loss)]
    assert state.best_loss == (min(known) if known else math.inf)
