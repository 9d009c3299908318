"""What is said of a month and of a vintage."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How something stands."""

    OK = "ok"
    WATCH = "watch"
    ALERT = "alert"
    TOO_FEW = "too_few"


@dataclass(frozen=True)
class IndexVerdict:
    """A stability index.

    Parameters
    ----------
    value : float
        The index.
    threshold, alert_threshold : float
        From where on it is worth a watch and an alert, at this number of loans and tests; infinite
        where nothing can be.
    p_value : float
        Of the test for a watch; the level that it has to meet is shared among tests.
    state : State
        What follows.
    """

    value: float
    threshold: float
    alert_threshold: float
    p_value: float
    state: State


@dataclass(frozen=True)
class ShareVerdict:
    """A share of loans.

    Parameters
    ----------
    what : str
        Name of the category; empty for missing values and for those not listed.
    rate, reference : float
        The share, and that of the reference.
    threshold : float
        From which rate on it has the state that it has, or would be worth a watch.
    p_value : float
        As for an index.
    state : State
        What follows.
    """

    what: str
    rate: float
    reference: float
    threshold: float
    p_value: float
    state: State


@dataclass(frozen=True)
class FeatureVerdict:
    """A feature in a month.

    Parameters
    ----------
    name : str
        The feature.
    csi : IndexVerdict
        Over the values that are known.
    missing, unlisted : ShareVerdict
        Of missing values, and of values that the schema does not list.
    categories : tuple of ShareVerdict
        Of a boolean or categorical feature's groups.
    """

    name: str
    csi: IndexVerdict
    missing: ShareVerdict
    unlisted: ShareVerdict
    categories: tuple[ShareVerdict, ...]


@dataclass(frozen=True)
class MonthVerdict:
    """Loans decided in one month.

    Parameters
    ----------
    period : str
        ``YYYY-MM``.
    loans : int
        How many.
    mean_pd : float
        Calibrated; NaN without loans.
    score : IndexVerdict
        Of the score.
    features : tuple of FeatureVerdict
        In the model's order.
    left_out : int
        Banks whose loans are not in it, because they had too few.
    """

    period: str
    loans: int
    mean_pd: float
    score: IndexVerdict
    features: tuple[FeatureVerdict, ...]
    left_out: int = 0


@dataclass(frozen=True)
class LevelVerdict:
    """Default rate against mean PD.

    Parameters
    ----------
    low, high : float
        Default rates between which luck may bring it, at the level of the test.
    p_value : float
        Of no difference, both sides.
    state : State
        What follows.
    """

    low: float
    high: float
    p_value: float
    state: State


@dataclass(frozen=True)
class CalibrationVerdict:
    """Defaults by group against PDs, once the level is put right.

    Parameters
    ----------
    misplaced : float
        Share of the defaults that are not in the group where the PDs say.
    p_value : float
        Of PDs that are right up to their level.
    state : State
        What follows.
    """

    misplaced: float
    p_value: float
    state: State


@dataclass(frozen=True)
class RankVerdict:
    """The AUC against that of the model's validation loans.

    Parameters
    ----------
    reference_auc : float
        Theirs, from the same cells.
    p_value : float
        Of an AUC that has not fallen.
    state : State
        What follows.
    """

    reference_auc: float
    p_value: float
    state: State


@dataclass(frozen=True)
class VintageVerdict:
    """Loans decided in one quarter, whose performance window has closed.

    Parameters
    ----------
    period : str
        ``YYYY-Qn``.
    loans, bads : int
        How many.
    default_rate, mean_pd, ratio : float
        Bad loans over loans, mean calibrated PD, and the one over the other; NaN where not defined.
    auc, auc_low, auc_high, ks : float
        With the loans of a cell as ties; NaN with one class alone.
    brier, log_loss : float
        Of calibrated PDs.
    level, calibration, rank
        See the classes.
    left_out : int
        Banks whose loans are not in it, because they had too few.
    """

    period: str
    loans: int
    bads: int
    default_rate: float
    mean_pd: float
    ratio: float
    auc: float
    auc_low: float
    auc_high: float
    ks: float
    brier: float
    log_loss: float
    level: LevelVerdict
    calibration: CalibrationVerdict
    rank: RankVerdict
    left_out: int = 0
