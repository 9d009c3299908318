"""What a model is made of, seen feature by feature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from fed_credit.artefact import Artefact
from fed_credit.config.names import TREE_FAMILIES


@dataclass(frozen=True, eq=False)
class Point:
    """One value of a feature at which a model is looked at.

    Parameters
    ----------
    label : str
        What it says: a number, a category, a class of a scorecard, ``missing``.
    value : float or None
        Place on the axis of a number; None for categories, classes and what is missing.
    columns : numpy.ndarray
        ``(n_columns_of_the_feature,)``: what the feature's columns of the matrix then hold.
    """

    label: str
    value: float | None
    columns: np.ndarray


@dataclass(frozen=True, eq=False)
class Parts:
    """What each feature does to some loans: ``log_odds = reference + per_unit * amounts.sum(1)``.

    Parameters
    ----------
    amounts : numpy.ndarray
        ``(n, n_features) float64``: positive where a feature speaks for default.
    reference : float
        Log-odds of default that the amounts are added to.
    per_unit : float
        Log-odds of default per unit of amount.
    unit : str
        ``points`` or ``log-odds``.
    """

    amounts: np.ndarray
    reference: float
    per_unit: float
    unit: str

    @property
    def log_odds(self) -> np.ndarray:
        """Log-odds of default of each loan, ``(n,) float64``."""
        found: np.ndarray = self.reference + self.per_unit * self.amounts.sum(axis=1)
        return found


class Explainer(Protocol):
    """Takes a model apart.

    ``features`` are names in the order of amounts, ``owner`` the feature of each column of the
    matrix, ``(n_columns,) int64``; ``tolerance`` is by how much amounts may miss their sum, in
    log-odds.
    """

    features: tuple[str, ...]
    owner: np.ndarray
    tolerance: float

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what the model looks at, ``(n, n_columns)``; each row by its own loan alone."""
        ...

    def log_odds(self, matrix: np.ndarray) -> np.ndarray:
        """Return the log-odds of default, ``(n,) float64``."""
        ...

    def default_probability(self, log_odds: np.ndarray) -> np.ndarray:
        """Return the PD of log-odds, ``(n,) float64``."""
        ...

    def contributions(self, matrix: np.ndarray) -> Parts:
        """Return what sets each loan apart from an average one, in log-odds."""
        ...

    def lost(self, matrix: np.ndarray) -> Parts:
        """Return what took most from a good score, in the unit in which the model is read."""
        ...

    def grid(self, feature: int, most: int) -> Sequence[Point]:
        """Return values of a feature at which to look, at most so many besides missing."""
        ...

    def own_importance(self) -> dict[str, dict[str, float]]:
        """Return by feature the figures by which the model itself ranks it, the first one first."""
        ...


def explainer_of(artefact: Artefact) -> Explainer:
    """Return what takes a model apart: an exact one exactly, a network approximately.

    Parameters
    ----------
    artefact : Artefact
        Of any family.

    Returns
    -------
    Explainer
        Of a network, one whose amounts add up to a tolerance only; see
        :mod:`fed_credit.explain.network`.
    """
    family, model = artefact.spec.family, artefact.model
    if family == "scorecard":
        from fed_credit.explain.card import CardExplainer
        from fed_credit.families.card import ScorecardModel

        assert isinstance(model, ScorecardModel)
        return CardExplainer(model.rule)
    if family == "logreg_exact":
        from fed_credit.explain.regression import RegressionExplainer
        from fed_credit.families.logistic import LogisticModel

        assert isinstance(model, LogisticModel)
        return RegressionExplainer(model)
    if family in TREE_FAMILIES:
        from fed_credit.explain.trees import TreesExplainer
        from fed_credit.families.boosted import TreesModel

        assert isinstance(model, TreesModel)
        return TreesExplainer(model)
    from fed_credit.explain.network import NetworkExplainer
    from fed_credit.families.network import NetworkModel

    assert isinstance(model, NetworkModel)
    return NetworkExplainer(model)


def thinned(n: int, most: int) -> list[int]:
    """Return at most ``most`` positions of ``n``, evenly spread, the first and last among them."""
    if n <= most:
        return list(range(n))
    return [int(k) for k in np.unique(np.linspace(0, n - 1, most).round())]
