"""From score to PD, and how well the PDs hold, from counts per score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.config.scorecard import NewtonSpec
from fed_credit.evaluation.metrics import group_cells
from fed_credit.features.questions import Arrays, MatrixQuestion
from fed_credit.models.design import exponent
from fed_credit.models.elementwise import sigmoid
from fed_credit.models.newton import fit_logistic
from fed_credit.releases import Entry, ReleaseSpec
from fed_credit.scorecard.points import Scorecard

# Scores are whole numbers in a known range, so counts per score are all that is to be known.


@dataclass(frozen=True)
class ScoreCountsQuestion:
    """Asks for goods and bads per score.

    Parameters
    ----------
    card : Scorecard
        What gives the scores.
    """

    card: Scorecard

    def layout(self) -> ReleaseSpec:
        """Return the layout: ``counts`` of goods, then of bads, from the lowest score up."""
        low, high = self.card.range
        return ReleaseSpec("score counts", (Entry("counts", (2, high - low + 1)),))

    def answer(self, frame: pd.DataFrame, y: np.ndarray) -> Arrays:
        """Return one bank's counts over its loans, ``(n, ...)``, and outcomes, ``(n,) int8``."""
        low, high = self.card.range
        width = high - low + 1
        cell = self.card.score(frame) - low + y.astype(np.int64) * width
        return {"counts": np.bincount(cell, minlength=2 * width).reshape(2, width)}


@dataclass(frozen=True)
class ScoreCounts:
    """Goods and bads per score.

    Parameters
    ----------
    scores : numpy.ndarray
        ``(k,) int64``: rising by one.
    goods, bads : numpy.ndarray
        ``(k,) int64``.
    """

    scores: np.ndarray
    goods: np.ndarray
    bads: np.ndarray

    @classmethod
    def of(cls, card: Scorecard, sums: Arrays) -> ScoreCounts:
        """Read the decoded sum of the answers to a :class:`ScoreCountsQuestion`."""
        low, high = card.range
        goods, bads = sums["counts"]
        return cls(np.arange(low, high + 1), goods, bads)

    @property
    def loans(self) -> np.ndarray:
        """Goods and bads, ``(k,) int64``."""
        loans: np.ndarray = self.goods + self.bads
        return loans


@dataclass(frozen=True)
class Calibration:
    """PD of a score: ``max(floor, 1 / (1 + exp(-(shift + slope * log_odds))))``.

    Parameters
    ----------
    shift, slope : float
        Of the log-odds that the score stands for; 0 and 1 leave them as they are.
    floor : float
        No PD is lower.
    sentence : str
        How shift and slope were found.
    """

    shift: float
    slope: float
    floor: float
    sentence: str

    def default_probability(self, card: Scorecard, scores: np.ndarray) -> np.ndarray:
        """Return the PD of scores, ``(n,) float64``; it falls as the score rises."""
        log_odds = self.shift + self.slope * card.log_odds(scores)
        found: np.ndarray = np.maximum(self.floor, sigmoid(log_odds))
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, which ``Calibration(**raw)`` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Calibration:
        """Read what :meth:`as_dict` wrote."""
        return cls(**raw)


def calibrate(
    card: Scorecard, counts: ScoreCounts, *, floor: float, newton: NewtonSpec
) -> Calibration:
    """Fit PDs to outcomes by a logistic regression on the score (Platt, 1999).

    Parameters
    ----------
    card : Scorecard
        What gave the scores.
    counts : ScoreCounts
        Of loans that the card was not fitted on, best.
    floor : float
        No PD is lower.
    newton : NewtonSpec
        Tolerance and steps; there is no penalty.

    Returns
    -------
    Calibration
        Of the log-odds as they are where outcomes do not say how to shift them.
    """
    loans = counts.loans
    # Counts say all that the loans would, so the loans are made again.
    log_odds = np.repeat(card.log_odds(counts.scores), loans)[:, None]
    rows = np.column_stack([counts.goods, counts.bads]).ravel()
    y = np.repeat(np.tile(np.array([0, 1], dtype=np.int8), len(loans)), rows)
    largest = exponent(float(np.abs(log_odds).max(initial=0.0)))

    def ask(question: MatrixQuestion) -> Arrays:
        layout = question.layout()
        return layout.decode(layout.encode(question.answer(log_odds, y)))

    plain = NewtonSpec(0.0, newton.tolerance, newton.max_iterations, newton.confidence)
    fit = fit_logistic(
        ask, ["log-odds"], [largest], n=len(y), bads=int(counts.bads.sum()), spec=plain
    )
    shift, slope = (float(value) for value in fit.coefficients)
    if not fit.diagnosis.reliable or slope <= 0.0:
        return Calibration(
            0.0, 1.0, floor, "Not calibrated: the scores of these loans do not order outcomes."
        )
    return Calibration(shift, slope, floor, f"Calibrated on {len(y)} loans.")


@dataclass(frozen=True)
class FitTest:
    """The test of Hosmer and Lemeshow.

    Parameters
    ----------
    statistic : float
        Chi-squared.
    degrees : int
        Degrees of freedom.
    p_value : float
        Small where PDs do not fit outcomes.
    """

    statistic: float
    degrees: int
    p_value: float


def hosmer_lemeshow(
    counts: ScoreCounts, pd_of_scores: np.ndarray, *, groups: int, fitted: int
) -> FitTest:
    """Test whether PDs fit outcomes, over groups of similar score.

    Parameters
    ----------
    counts : ScoreCounts
        Goods and bads per score.
    pd_of_scores : numpy.ndarray
        ``(k,) float64``: PD of each score.
    groups : int
        Groups of equal size asked for, 10 by custom; a score is never parted.
    fitted : int
        2 if the PDs were fitted on these loans, else 0 (Hosmer, Lemeshow & Sturdivant, *Applied
        Logistic Regression*, 3rd edition 2013, 5.2.2).

    Returns
    -------
    FitTest
    """
    from scipy.stats import chi2

    # Rising PD, as the rule of the groups wants it.
    loans, bads = counts.loans[::-1], counts.bads[::-1]
    curve = group_cells(loans, bads, loans * pd_of_scores[::-1], groups=groups)
    spread = curve.pd_sum * (1.0 - curve.mean_pd)
    statistic = float(((curve.bads - curve.pd_sum) ** 2 / spread).sum())
    degrees = max(1, len(curve.n) - fitted)
    return FitTest(statistic, degrees, float(chi2.sf(statistic, degrees)))
