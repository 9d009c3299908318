"""Points: a logistic regression on weights of evidence as a card that can be added up by hand.

With ``factor = pdo / ln 2`` and ``offset = base_score - factor * ln(base_odds)`` the score of
log-odds ``L`` of bad is ``offset - factor * L`` (Siddiqi, 2017, chapter 10; Thomas, 2009, 1.6).
Each class gets its part, rounded to a whole number; the score is the sum of the rounded parts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.config.decision import ScaleSpec
from fed_credit.config.scorecard import Against, PointsSpec
from fed_credit.errors import DataError
from fed_credit.scorecard.binning import Binning


@dataclass(frozen=True)
class Characteristic:
    """One feature of a scorecard.

    Parameters
    ----------
    binning : Binning
        Its classes.
    coefficient : float
        Of its weight of evidence in the log-odds of bad; negative where the feature speaks as it
        does alone.
    points : tuple of int
        Of each class.
    neutral_points : int
        Of a weight of evidence of 0.
    """

    binning: Binning
    coefficient: float
    points: tuple[int, ...]
    neutral_points: int

    @property
    def name(self) -> str:
        """Name of the feature."""
        return self.binning.name

    def reference(self, against: Against) -> int:
        """Return the points that reasons are measured against."""
        return max(self.points) if against is Against.BEST else self.neutral_points


@dataclass(frozen=True)
class Scorecard:
    """A scorecard; more points mean less risk.

    Parameters
    ----------
    characteristics : tuple of Characteristic
        In the order of the features.
    intercept : float
        Of the log-odds of bad.
    base_points : int
        That every loan gets; 0 where they are spread over the features.
    scaling : PointsSpec
        How log-odds became points.
    """

    characteristics: tuple[Characteristic, ...]
    intercept: float
    base_points: int
    scaling: PointsSpec

    @property
    def names(self) -> tuple[str, ...]:
        """Features, in their order."""
        return tuple(one.name for one in self.characteristics)

    @property
    def reversed(self) -> tuple[str, ...]:
        """Features whose points run against their own weight of evidence.

        The others make up for it, or there is too little to tell; such a card is hard to explain.
        """
        return tuple(one.name for one in self.characteristics if one.coefficient > 0)

    @cached_property
    def range(self) -> tuple[int, int]:
        """Lowest and highest score that a loan can have."""
        low = sum(min(one.points) for one in self.characteristics)
        high = sum(max(one.points) for one in self.characteristics)
        return self.base_points + low, self.base_points + high

    def classes(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the class of each loan by feature.

        Parameters
        ----------
        frame : pandas.DataFrame
            ``(n, ...)`` with a column for every feature, as in a loan book.

        Returns
        -------
        numpy.ndarray
            ``(n, n_features) int64``.

        Raises
        ------
        DataError
            If a feature has no column.
        """
        lacking = [name for name in self.names if name not in frame]
        if lacking:
            raise DataError(
                f"The loans lack {', '.join(lacking)}, which the scorecard looks at; add the"
                " columns, empty where unknown."
            )
        found = np.empty((len(frame), len(self.characteristics)), dtype=np.int64)
        for k, one in enumerate(self.characteristics):
            found[:, k] = one.binning.encode(frame[one.name])
        return found

    def points(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the points of each loan by feature, ``(n, n_features) int64``."""
        found = self.classes(frame)
        for k, one in enumerate(self.characteristics):
            found[:, k] = np.array(one.points, dtype=np.int64)[found[:, k]]
        return found

    def total(self, points: np.ndarray) -> np.ndarray:
        """Return the score of points by feature, ``(n,) int64``."""
        score: np.ndarray = self.base_points + points.sum(axis=1)
        return score

    def score(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the score of each loan, ``(n,) int64``."""
        return self.total(self.points(frame))

    def log_odds(self, scores: np.ndarray) -> np.ndarray:
        """Return the log-odds of bad that scores stand for, uncalibrated, ``(n,) float64``."""
        factor, offset = factor_and_offset(self.scaling)
        odds: np.ndarray = (offset - scores) / factor
        return odds

    def lost_points(self, frame: pd.DataFrame, against: Against) -> np.ndarray:
        """Return the points that each feature of each loan lacks.

        Parameters
        ----------
        frame : pandas.DataFrame
            ``(n, ...)`` loans.
        against : Against
            The best class of each feature, or one with a weight of evidence of 0.

        Returns
        -------
        numpy.ndarray
            ``(n, n_features) int64``; a loan's sum is exactly the score of a loan with the points
            of reference, less its own. Negative where it has more than those.
        """
        reference = np.array([one.reference(against) for one in self.characteristics])
        lost: np.ndarray = reference - self.points(frame)
        return lost

    def reasons(self, frame: pd.DataFrame, against: Against, most: int) -> list[list[str]]:
        """Return the features that cost each loan points, those that cost most first.

        Parameters
        ----------
        frame : pandas.DataFrame
            ``(n, ...)`` loans.
        against : Against
            See :meth:`lost_points`.
        most : int
            Reasons per loan at most.

        Returns
        -------
        list of list of str
            ``n`` lists of names; features that cost the same come in the order of the card.
        """
        lost = self.lost_points(frame, against)
        order = np.argsort(-lost, axis=1, kind="stable")[:, :most]
        return [
            [self.names[k] for k in row if costs[k] > 0]
            for row, costs in zip(order.tolist(), lost, strict=True)
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, which :meth:`from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Scorecard:
        """Read what :meth:`as_dict` wrote, also after a detour through JSON."""
        return cls(
            tuple(
                Characteristic(
                    Binning.from_dict(one["binning"]),
                    float(one["coefficient"]),
                    tuple(int(points) for points in one["points"]),
                    int(one["neutral_points"]),
                )
                for one in raw["characteristics"]
            ),
            float(raw["intercept"]),
            int(raw["base_points"]),
            PointsSpec(**raw["scaling"]),
        )


def factor_and_offset(spec: ScaleSpec) -> tuple[float, float]:
    """Return points per unit of log-odds, and the score at even odds."""
    factor = spec.pdo / math.log(2.0)
    return factor, spec.base_score - factor * math.log(spec.base_odds)


def make_scorecard(
    binnings: Sequence[Binning], coefficients: Sequence[float], spec: PointsSpec
) -> Scorecard:
    """Turn a regression on weights of evidence into points.

    Parameters
    ----------
    binnings : sequence of Binning
        ``m`` features of the regression.
    coefficients : sequence of float
        ``m + 1``: of the log-odds of bad, the intercept first.
    spec : PointsSpec
        Scaling.

    Returns
    -------
    Scorecard
        A sum of points is off the exact score by half a point per feature at most, and by another
        half where base points stand apart.
    """
    factor, offset = factor_and_offset(spec)
    intercept, *slopes = (float(value) for value in coefficients)
    base = offset - factor * intercept
    spread = spec.spread_base and bool(binnings)
    share = base / len(binnings) if spread else 0.0
    return Scorecard(
        characteristics=tuple(
            Characteristic(
                binning,
                slope,
                tuple(round(share - factor * slope * one.woe) for one in binning.classes),
                round(share),
            )
            for binning, slope in zip(binnings, slopes, strict=True)
        ),
        intercept=intercept,
        base_points=0 if spread else round(base),
        scaling=spec,
    )
