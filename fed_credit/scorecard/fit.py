"""A scorecard from questions to the banks, each of which follows from the sums before.

Up to three questions for the cuts, one for goods and bads per bin, one for cross-products, one per
Newton step (some five), one for the counts per score: about eleven, whatever the number of loans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from fed_credit.config.scorecard import ScorecardSpec
from fed_credit.errors import DataError
from fed_credit.features.cuts import common_bins
from fed_credit.features.questions import Arrays, FrameQuestion, MatrixQuestion
from fed_credit.features.spec import FeatureSpec
from fed_credit.models.design import exponent
from fed_credit.models.moments import CrossProductsQuestion, correlations, covariances
from fed_credit.models.newton import LogisticFit, fit_logistic
from fed_credit.scorecard.binning import Binning, bin_features
from fed_credit.scorecard.calibration import (
    Calibration,
    ScoreCounts,
    ScoreCountsQuestion,
    calibrate,
)
from fed_credit.scorecard.counts import ClassCountsQuestion
from fed_credit.scorecard.grades import MasterScale
from fed_credit.scorecard.points import Scorecard, make_scorecard
from fed_credit.scorecard.rule import ScoringRule
from fed_credit.scorecard.selection import Choice, by_correlation, by_information


@dataclass(frozen=True)
class WoeDesign:
    """The matrix of weights of evidence, which a bank computes once and keeps.

    Parameters
    ----------
    binnings : tuple of Binning
        One column each.
    """

    binnings: tuple[Binning, ...]

    @property
    def exponents(self) -> tuple[int, ...]:
        """Column ``j`` lies within ``[-2**exponents[j], 2**exponents[j]]``."""
        return tuple(
            exponent(max(abs(one.woe) for one in binning.classes)) for binning in self.binnings
        )

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the matrix of loans, ``(n, n_features) float64``."""
        found = np.empty((len(frame), len(self.binnings)))
        for k, binning in enumerate(self.binnings):
            found[:, k] = binning.woe(frame[binning.name])
        return found


class Banks(Protocol):
    """Whoever puts questions to the banks; each answer is the decoded sum over banks."""

    def ask(self, question: FrameQuestion) -> Arrays:
        """Ask about the training loans' fields."""
        ...

    def ask_validation(self, question: FrameQuestion) -> Arrays:
        """Ask about the validation loans' fields."""
        ...

    def ask_matrix(self, design: WoeDesign, question: MatrixQuestion) -> Arrays:
        """Ask about the training loans' weights of evidence."""
        ...


@dataclass(frozen=True, eq=False)
class FittedScorecard:
    """A scorecard and how it came about.

    Parameters
    ----------
    card : Scorecard
        Points.
    calibration : Calibration
        From score to PD, fitted on the validation loans.
    scale : MasterScale
        Rating grades.
    binnings : tuple of Binning
        Of all features, also of those left out.
    choices : tuple of Choice
        Which features are taken, and why not.
    fit : LogisticFit
        The regression behind the points.
    validation : ScoreCounts
        Goods and bads per score among the validation loans.
    """

    card: Scorecard
    calibration: Calibration
    scale: MasterScale
    binnings: tuple[Binning, ...]
    choices: tuple[Choice, ...]
    fit: LogisticFit
    validation: ScoreCounts

    @property
    def rule(self) -> ScoringRule:
        """What is needed to score a loan."""
        return ScoringRule(self.card, self.calibration, self.scale)


def fit_scorecard(
    features: Sequence[FeatureSpec], spec: ScorecardSpec, banks: Banks
) -> FittedScorecard:
    """Fit a scorecard.

    Parameters
    ----------
    features : sequence of FeatureSpec
        Candidates.
    spec : ScorecardSpec
        How.
    banks : Banks
        Whoever puts the questions.

    Returns
    -------
    FittedScorecard
        The same, bit for bit, however the loans are divided over banks.

    Raises
    ------
    DataError
        If no feature has enough information value.
    """
    scale = MasterScale.of(spec.rating.grades)  # refused before anyone is asked
    fine = common_bins(features, spec.cuts, banks.ask)
    counts = banks.ask(ClassCountsQuestion(fine))
    binnings = bin_features(fine, counts, spec.binning)
    choices = by_information(binnings, spec.selection)
    if sum(choice.taken for choice in choices) > 1:
        design = _design(binnings, choices)
        sums = banks.ask_matrix(design, CrossProductsQuestion(design.exponents))
        correlation = correlations(covariances(sums, design.exponents))
        choices = by_correlation(choices, correlation, spec.selection)
    if not any(choice.taken for choice in choices):
        raise DataError(
            f"No feature reaches an information value of {spec.selection.min_iv:g}, so there is"
            " nothing to make a scorecard of; lower model.selection.min_iv or add features."
        )
    design = _design(binnings, choices)
    fit = fit_logistic(
        lambda question: banks.ask_matrix(design, question),
        [binning.name for binning in design.binnings],
        design.exponents,
        n=int(counts["n"]),
        bads=int(counts["n_bad"]),
        spec=spec.newton,
    )
    card = make_scorecard(design.binnings, fit.coefficients.tolist(), spec.points)
    validation = ScoreCounts.of(card, banks.ask_validation(ScoreCountsQuestion(card)))
    calibration = calibrate(card, validation, floor=spec.rating.pd_floor, newton=spec.newton)
    return FittedScorecard(card, calibration, scale, binnings, choices, fit, validation)


def _design(binnings: Sequence[Binning], choices: Sequence[Choice]) -> WoeDesign:
    return WoeDesign(
        tuple(one for one, choice in zip(binnings, choices, strict=True) if choice.taken)
    )
