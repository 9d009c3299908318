"""What a bank asks of a monitor's question that came by wire.

It is about whole periods that are over, by the bank's own clock: an answer that could be asked for
again a day later would tell, by subtraction, of the loans of that day. Groups have to be such as
sums over banks give: limits of universal bins, no more of them than there are, values of the run's
features. Where the limits lie the bank cannot check, as it knows no sum.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fed_credit.config.monitor import MOST_MONTHS, MOST_VINTAGES
from fed_credit.data.schema import Kind
from fed_credit.drift.groups import GROUPS, SCORE_CELLS, FeatureGroups, ScoreGroups
from fed_credit.drift.periods import (
    first_open_month,
    first_open_quarter,
    month_number,
    quarter_number,
)
from fed_credit.drift.question import MonitorQuestion, PeriodsQuestion
from fed_credit.errors import ConfigurationError, ReleaseError
from fed_credit.evaluation.sums import edges
from fed_credit.features.bins import bin_index, bin_limits
from fed_credit.features.spec import FeatureSpec

_LARGEST = 2.0**60  # of a calibration's numbers


def check_monitor(
    question: MonitorQuestion,
    features: tuple[FeatureSpec, ...],
    bins: int,
    window_months: int | None,
    today: np.datetime64,
) -> None:
    """Refuse a question that no monitor puts.

    Parameters
    ----------
    question : ReferenceQuestion or PeriodsQuestion
        As it came.
    features : tuple of FeatureSpec
        Of the run, which the bank has found to be its own.
    bins : int
        Universal cells of the PD, of the run.
    window_months : int or None
        Of the run's target.
    today : numpy.datetime64
        By the bank's clock.

    Raises
    ------
    ReleaseError
        Names what is wrong; safe to send.
    """
    if not isinstance(question, PeriodsQuestion):
        _ask(question.bins == bins, "another number of score cells than the run's")
        named = [feature.name for feature in question.features]
        _ask(bool(named) and len(set(named)) == len(named), "no feature, or one several times")
        return
    _check_periods(question, window_months, today)
    own = {feature.name: feature for feature in features}
    names = [one.name for one in question.groups.features]
    _ask(len(set(names)) == len(names), "one feature several times")
    for one in question.groups.features:
        _ask(one.name in own, "a feature that the run has not", one.name)
        _check_feature(one, own[one.name])
    _check_score(question.groups.score, bins)
    calibration = question.calibration
    numbers = (calibration.shift, calibration.slope)
    _ask(all(abs(number) < _LARGEST for number in numbers), "an odd calibration")


def _check_periods(
    question: PeriodsQuestion, window_months: int | None, today: np.datetime64
) -> None:
    try:
        as_of = question.day
    except ConfigurationError:
        raise ReleaseError("The request holds a day that is none; refused.") from None
    if as_of > today:
        raise ReleaseError(
            f"The request is about {as_of}, which has not come at the bank; refused."
        )
    months, vintages = question.months, question.vintages
    _ask(len(months) + len(vintages) > 0, "no period")
    _ask(len(months) <= MOST_MONTHS and len(vintages) <= MOST_VINTAGES, "too many periods")
    _ask(len(set(months)) == len(months), "a month twice")
    _ask(len(set(vintages)) == len(vintages), "a vintage twice")
    _ask(not vintages or window_months is not None, "vintages of loans without a window")
    open_month = first_open_month(as_of)
    for name in months:
        if month_number(name) >= open_month:
            raise ReleaseError(f"The month {name} is not over as of {as_of}; refused.")
    if vintages and window_months is not None:
        open_quarter = first_open_quarter(as_of, window_months)
        for name in vintages:
            if quarter_number(name) >= open_quarter:
                raise ReleaseError(f"The vintage {name} has not matured as of {as_of}; refused.")


def _check_feature(groups: FeatureGroups, own: FeatureSpec) -> None:
    name = groups.name
    same = (groups.kind, groups.values, groups.hash_buckets) == (
        own.kind,
        own.values,
        own.hash_buckets,
    )
    _ask(same, "another feature by the name", name)
    cuts, codes = groups.cuts, [code for group in groups.groups for code in group]
    if own.kind is Kind.NUMERIC:
        # Two groups for each of ten at most: no group has less than half its share.
        _ask(len(cuts) < 2 * GROUPS and _rising(cuts), "groups that are none", name)
        _ask(all(_on_a_limit(cut) for cut in cuts), "limits between universal bins", name)
        _ask(codes == list(range(len(cuts) + 1)), "groups that are none", name)
        _ask(all(len(group) == 1 for group in groups.groups), "groups that are none", name)
        return
    size = 2 if own.kind is Kind.BOOLEAN else own.num_categories
    _ask(not cuts and sorted(codes) == list(range(size)), "groups that are none", name)
    _ask(all(groups.groups), "an empty group", name)


def _check_score(score: ScoreGroups, bins: int) -> None:
    limits = set(edges(bins)[1:-1].tolist())
    _ask(score.bins == bins, "another number of score cells than the run's")
    _ask(len(score.cuts) < 2 * SCORE_CELLS and _rising(score.cuts), "cells of no score")
    _ask(all(cut in limits for cut in score.cuts), "cells between universal ones")
    starts = score.starts
    fits = bool(starts) and starts[0] == 0 and _rising(starts) and starts[-1] < score.size
    _ask(fits, "groups of no score")


def _on_a_limit(cut: float) -> bool:
    if not abs(cut) < np.inf:
        return False
    return bin_limits(int(bin_index(np.array([cut]))[0]))[0] == cut


def _rising(numbers: tuple[float, ...] | tuple[int, ...]) -> bool:
    return all(low < high for low, high in pairwise(numbers))


def _ask(fits: bool, what: str, name: str = "") -> None:
    if not fits:
        about = f" for '{name[:80]}'" if name else ""
        raise ReleaseError(f"The monitor's request holds {what}{about}; refused.")
