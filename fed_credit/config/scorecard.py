"""What exact models are made with, in types: cuts, classing, selection, Newton, points, ratings.

As in :mod:`fed_credit.config.spec`, no field has a default here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fed_credit.config.decision import ScaleSpec


class Trend(StrEnum):
    """How the weight of evidence moves over a numeric feature's classes."""

    ASCENDING = "ascending"
    DESCENDING = "descending"
    AUTO = "auto"
    NONE = "none"


class Against(StrEnum):
    """What a reason for a score is measured against."""

    BEST = "best"
    NEUTRAL = "neutral"


@dataclass
class CutsSpec:
    """Common cuts of numeric features.

    Parameters
    ----------
    max_bins : int
        Fine bins per feature at most, missing and special values apart. A feature with so few
        distinct values gets a bin for each.
    rank_tolerance : float
        Cells with a smaller share of the loans are not looked into; the rank error aimed at.
    min_cell : int
        Cells with fewer loans of all banks together are not looked into either.
    special_values : dict of str to list of float
        By feature: values that are codes rather than amounts (-1, 999), which get bins of their
        own.
    """

    max_bins: int
    rank_tolerance: float
    min_cell: int
    special_values: dict[str, list[float]]


@dataclass
class BinningSpec:
    """Coarse classing by weight of evidence.

    Parameters
    ----------
    max_classes : int
        Classes per feature at most, missing and special values apart.
    min_share : float
        Least share of all loans in a class.
    min_goods, min_bads : int
        Least number of goods and of bads in a class.
    min_cell : int
        A class of fewer loans is never shown: it is merged with another.
    rare_share : float
        Categories with a smaller share of all loans are put together before classing.
    trend : Trend
        How the weight of evidence moves over the classes of numeric features.
    trends : dict of str to Trend
        The same for single features.
    max_p_value : float or None
        Neighbouring classes must differ at this significance (two proportions); None to leave that
        out.
    smoothing : float
        Added to goods and bads of a class that has none of one of them.
    """

    max_classes: int
    min_share: float
    min_goods: int
    min_bads: int
    min_cell: int
    rare_share: float
    trend: Trend
    trends: dict[str, Trend]
    max_p_value: float | None
    smoothing: float


@dataclass
class SelectionSpec:
    """Which features a scorecard takes.

    Parameters
    ----------
    min_iv : float
        Features with a lower information value are left out.
    max_iv : float or None
        Features with a higher one are left out as too good to be true; None to keep them.
    max_correlation : float
        Of two features with a higher absolute correlation of their WoE the one with the lower
        information value is left out.
    max_vif : float
        The feature with the highest variance inflation factor above this is left out, again and
        again.
    """

    min_iv: float
    max_iv: float | None
    max_correlation: float
    max_vif: float


@dataclass
class NewtonSpec:
    """Exact logistic regression.

    Parameters
    ----------
    l2 : float
        Weight of half the sum of squared coefficients, intercept left out; ``1 / C`` of
        scikit-learn.
    tolerance : float
        Newton ends with the step that moves no loan's log-odds by more than this through any one
        column, no coefficient by more than this share of its standard error, or nothing by more
        than fixed point resolves.
    max_iterations : int
        Steps at most.
    confidence : float
        Of the confidence intervals, 0.95 for instance.
    """

    l2: float
    tolerance: float
    max_iterations: int
    confidence: float


@dataclass
class PointsSpec(ScaleSpec):
    """How log-odds become points of a scorecard.

    Parameters
    ----------
    pdo, base_score, base_odds : float
        See :class:`~fed_credit.config.decision.ScaleSpec`.
    spread_base : bool
        Whether the base is shared out over the features, or stands apart as base points.
    """

    spread_base: bool


@dataclass
class RatingSpec:
    """From score to PD and rating grade.

    Parameters
    ----------
    pd_floor : float
        No PD is lower (0.0005 in the Basel framework, CRE32.13).
    grades : dict of str to float
        The master scale: name and upper limit of the PD of each grade, best first; the last
        reaches 1.
    """

    pd_floor: float
    grades: dict[str, float]


@dataclass
class ScorecardSpec:
    """A scorecard.

    Parameters
    ----------
    cuts, binning, selection, newton, points, rating
        See the classes.
    """

    cuts: CutsSpec
    binning: BinningSpec
    selection: SelectionSpec
    newton: NewtonSpec
    points: PointsSpec
    rating: RatingSpec
