"""What became of the loans of a matured vintage, against what the model said.

Three questions, each with a third of the vintage's level: is the default rate the mean PD; are the
defaults where the PDs say, once the level is put right; does the model still rank as it did.
"""

from __future__ import annotations

from fed_credit.config.monitor import AlarmsSpec, LimitSpec, OutcomesSpec
from fed_credit.drift.calibration import shape_test
from fed_credit.drift.default_rate import RateTest
from fed_credit.drift.groups import ScoreGroups
from fed_credit.drift.profile import Profile
from fed_credit.drift.rank import fall_p_value
from fed_credit.drift.sums import VintageSums
from fed_credit.drift.verdicts import (
    CalibrationVerdict,
    LevelVerdict,
    RankVerdict,
    State,
    VintageVerdict,
)
from fed_credit.evaluation.bounds import ks
from fed_credit.evaluation.intervals import area_interval, delong_cells
from fed_credit.evaluation.sums import ScoreSums

QUESTIONS = 3


def judge_vintage(
    period: str,
    sums: VintageSums,
    profile: Profile,
    outcomes: OutcomesSpec,
    alarms: AlarmsSpec,
) -> VintageVerdict:
    """Judge a vintage.

    Parameters
    ----------
    period : str
        ``YYYY-Qn``.
    sums : VintageSums
        By the cells of the profile's score.
    profile : Profile
        Of the loans that the model was chosen by; its AUC is what this one is compared with.
    outcomes, alarms
        Limits and level.

    Returns
    -------
    VintageVerdict
    """
    level = alarms.vintage_level / QUESTIONS
    scores = sums.scores
    loans, bads = scores.n, int(scores.bads.sum())
    nan = float("nan")
    rate = bads / loans if loans else nan
    mean = float(scores.pd_sum.sum()) / loans if loans else nan
    auc, variance = delong_cells(scores.goods, scores.bads)
    smaller = min(bads, loans - bads)
    interval = area_interval(auc, variance, smaller, outcomes.confidence)
    return VintageVerdict(
        period,
        loans,
        bads,
        rate,
        mean,
        rate / mean if loans and mean > 0 else nan,
        auc,
        interval.lo,
        interval.hi,
        ks(scores.goods, scores.bads).value,
        scores.squared_error / loans if loans else nan,
        scores.log_loss / loans if loans else nan,
        _level(scores, rate, mean, outcomes, level),
        _calibration(scores, profile.groups.score, outcomes, level),
        _rank(scores, profile.score, outcomes, level),
        sums.left_out,
    )


def _level(
    scores: ScoreSums, rate: float, mean: float, outcomes: OutcomesSpec, level: float
) -> LevelVerdict:
    if not scores.n:
        return LevelVerdict(float("nan"), float("nan"), float("nan"), State.TOO_FEW)
    test = RateTest(scores.goods + scores.bads, scores.pd_sum, outcomes.asset_correlation)
    bads = int(scores.bads.sum())
    p_value = test.p_value(bads)
    low, high = test.range(level)
    # Defaults that are expected count, not those that came: none at all says much of a high PD.
    expected = mean * scores.n
    few = scores.n < outcomes.min_loans or max(expected, bads) < outcomes.min_bads
    ratio = max(rate / mean, mean / rate) if rate > 0 and mean > 0 else float("inf")
    state = _state(ratio, outcomes.default_rate, p_value, level, few=few)
    return LevelVerdict(low, high, p_value, state)


def _calibration(
    scores: ScoreSums, groups: ScoreGroups, outcomes: OutcomesSpec, level: float
) -> CalibrationVerdict:
    misplaced, p_value = shape_test(
        groups.grouped(scores.goods + scores.bads),
        groups.grouped(scores.bads),
        groups.grouped(scores.pd_sum),
    )
    few = _few(scores, outcomes) or p_value != p_value
    state = _state(misplaced, outcomes.calibration, p_value, level, few=few)
    return CalibrationVerdict(misplaced, p_value, state)


def _rank(
    scores: ScoreSums, reference: ScoreSums, outcomes: OutcomesSpec, level: float
) -> RankVerdict:
    before, _ = delong_cells(reference.goods, reference.bads)
    now, _ = delong_cells(scores.goods, scores.bads)
    p_value = fall_p_value(scores, reference)
    few = _few(scores, outcomes) or _few(reference, outcomes)
    state = _state(before - now, outcomes.auc, p_value, level, few=few)
    return RankVerdict(before, p_value, state)


def _few(scores: ScoreSums, outcomes: OutcomesSpec) -> bool:
    bads = int(scores.bads.sum())
    return scores.n < outcomes.min_loans or min(bads, scores.n - bads) < outcomes.min_bads


def _state(value: float, limit: LimitSpec, p_value: float, level: float, *, few: bool) -> State:
    if few:
        return State.TOO_FEW
    if not (value >= limit.watch and p_value <= level):
        return State.OK
    return State.ALERT if value >= limit.alert else State.WATCH
