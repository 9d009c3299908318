"""What scoring gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of accepted loans, in their order.

    Parameters
    ----------
    model_pd : numpy.ndarray
        ``(n,) float64``: the model's own PD.
    pd : numpy.ndarray
        ``(n,) float64``: the calibrated one, which decides.
    score : numpy.ndarray
        ``(n,) int64``: points; more mean less risk.
    grade : numpy.ndarray
        ``(n,) int64``: position in the policy's grades.
    verdict : numpy.ndarray
        ``(n,) int8``: code in :data:`fed_credit.decision.policy.VERDICTS`.
    """

    model_pd: np.ndarray
    pd: np.ndarray
    score: np.ndarray
    grade: np.ndarray
    verdict: np.ndarray


@dataclass(frozen=True)
class ReasonText:
    """Why an application lost score, in plain words.

    Parameters
    ----------
    feature : str
        Name of the feature.
    value : float, str, bool or None
        What the sentence tells: the application's value of the raw field where the feature is
        computed from one number alone, and of the feature itself otherwise; None where missing. A
        category is told by its label, and stands here as it is.
    amount : float
        Points lost, or log-odds of default added.
    unit : str
        Of the amount: ``points`` or ``log-odds``.
    en, zh : str
        The sentence.
    """

    feature: str
    value: float | str | bool | None
    amount: float
    unit: str
    en: str
    zh: str


@dataclass(frozen=True, eq=False)
class ScoredTable:
    """A scored table.

    Parameters
    ----------
    rows : numpy.ndarray
        ``(n,) int64``: positions of the accepted loans in the table that was given.
    scores : Scores
        Theirs.
    reasons : tuple of tuple of ReasonText
        Of each accepted loan, most important first; empty for those that get none.
    rejected : pandas.DataFrame
        ``row`` (1-based, in the table), ``field``, ``reason``, ``value``.
    """

    rows: np.ndarray
    scores: Scores
    reasons: tuple[tuple[ReasonText, ...], ...]
    rejected: pd.DataFrame
