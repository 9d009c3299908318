"""Training on loans that are all at hand, whatever the family: one bank alone, and pooled data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from fed_credit.config.names import EXACT_FAMILIES
from fed_credit.errors import DataError
from fed_credit.families.at_hand import LoansAtHand
from fed_credit.families.fit import fit_exact
from fed_credit.families.network import NetworkModel
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.training.alone import AloneModel, Loans, train_alone
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import ExactState

_KNOWS_NOTHING = 0.5  # PD from a bank that has no loan to learn from


class Scores(Protocol):
    """What a model trained alone is for."""

    def score(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the PD of loans, ``(n,) float64``."""
        ...


class OnePD:
    """Gives every loan the same PD: all that a bank alone can say that cannot fit a model.

    Parameters
    ----------
    pd : float
        The PD.
    """

    def __init__(self, pd: float) -> None:
        self._pd = pd

    def score(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the PD of loans, ``(n,) float64``."""
        return np.full(len(frame), self._pd)


@dataclass(frozen=True)
class Alone:
    """What a bank has by itself.

    Parameters
    ----------
    model : Scores
        Its model, or one PD for all loans where its loans do not suffice for one.
    columns : int
        Columns that the model looks at.
    best_round : int or None
        The round whose model it is; None where there is no model.
    """

    model: Scores
    columns: int = 0
    best_round: int | None = None


def train_pooled(
    train: Loans, validation: Loans, run: RunSpec, preprocessor: Preprocessor | None
) -> Scores:
    """Train on all banks' loans together.

    Parameters
    ----------
    train, validation : Loans
        The loans.
    run : RunSpec
        What is trained.
    preprocessor : Preprocessor or None
        A network's, where it is fitted already.

    Raises
    ------
    DataError
        If an exact model cannot be fitted.
    """
    if run.model.family in EXACT_FAMILIES:
        return fit_exact(LoansAtHand(run, train, validation), run, ExactState())
    found = train_alone("pooled data", train, validation, run, run.rounds, preprocessor)
    return _network(run, found)


def train_one_bank(name: str, train: Loans, validation: Loans, run: RunSpec) -> Alone:
    """Train on one bank's loans alone.

    Parameters
    ----------
    name : str
        The bank.
    train, validation : Loans
        Its loans.
    run : RunSpec
        What is trained.

    Returns
    -------
    Alone
        One PD for all loans where there is none to learn from, or too few for an exact model.
    """
    if not len(train.y):
        return Alone(OnePD(_KNOWS_NOTHING))  # a newcomer after an out-of-time cut
    if run.model.family not in EXACT_FAMILIES:
        found = train_alone(name, train, validation, run, run.rounds)
        return Alone(_network(run, found), len(found.preprocessor.columns), found.best_round)
    state = ExactState()
    try:
        model = fit_exact(LoansAtHand(run, train, validation), run, state)
    except DataError:
        bads = int(np.count_nonzero(train.y))
        return Alone(OnePD((bads + 0.5) / (len(train.y) + 1.0)))
    return Alone(model, len(model.columns), state.best_round or 1)


def _network(run: RunSpec, found: AloneModel) -> NetworkModel:
    return NetworkModel(run.model, found.weights, found.preprocessor, found.log_odds_offset)
