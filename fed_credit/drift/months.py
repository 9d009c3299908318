"""Drift of the loans decided in one month against a reference.

Each kind of test - of the score, of features, of missing values, of categories - has a quarter of
the month's level, shared among its tests by :func:`~fed_credit.drift.levels.shared_level`. So the
score's one test is not weakened by the number of features, and a month's verdict stays as it is
when further months are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fed_credit.config.monitor import Against, AlarmsSpec, DriftSpec, LimitSpec
from fed_credit.data.schema import Kind
from fed_credit.drift.groups import FeatureGroups, Groups
from fed_credit.drift.index import critical_index, index_of, index_p_value, joined, noise
from fed_credit.drift.levels import shared_level
from fed_credit.drift.profile import Profile
from fed_credit.drift.shares import critical_change, share_p_value
from fed_credit.drift.sums import MonthSums
from fed_credit.drift.verdicts import (
    FeatureVerdict,
    IndexVerdict,
    MonthVerdict,
    ShareVerdict,
    State,
)

KINDS = 4  # of tests, each with its share of the level


def reference_sums(profile: Profile) -> MonthSums:
    """Return a reference population as what months are compared with."""
    score = profile.score.goods + profile.score.bads
    return MonthSums(profile.loans, 0.0, score, profile.features)


def _null(limit: float, of: LimitSpec, against: Against) -> float:
    """Return the true change that a change beyond a limit is tested against."""
    if against is Against.LIMIT:
        return limit
    loud = against is Against.STEP and limit == of.alert and of.alert > of.watch
    return of.watch if loud else 0.0


@dataclass(frozen=True)
class _IndexTest:
    """An index with its two p-values; none where there are too few loans."""

    value: float
    scale: float
    groups: int
    limit: LimitSpec
    against: Against
    enough: bool

    def null(self, limit: float) -> float:
        return _null(limit, self.limit, self.against)

    def p(self, limit: float) -> float:
        return index_p_value(self.value, self.scale, self.groups, self.null(limit))

    def threshold(self, level: float, limit: float) -> float:
        return max(limit, critical_index(level, self.scale, self.groups, self.null(limit)))


@dataclass(frozen=True)
class _ShareTest:
    """A share of loans with its two p-values."""

    what: str
    count: int
    loans: int
    held: int
    reference: int
    limit: LimitSpec
    against: Against
    enough: bool

    @property
    def rate(self) -> float:
        return self.count / self.loans if self.loans else float("nan")

    @property
    def before(self) -> float:
        return self.held / self.reference if self.reference else float("nan")

    @property
    def value(self) -> float:
        return abs(self.rate - self.before)

    def null(self, limit: float) -> float:
        return _null(limit, self.limit, self.against)

    def p(self, limit: float) -> float:
        return share_p_value(self.count, self.loans, self.held, self.reference, self.null(limit))

    def threshold(self, level: float, limit: float) -> float:
        up = self.rate >= self.before
        change = critical_change(
            level, self.loans, self.held, self.reference, self.null(limit), up=up
        )
        change = max(limit, change)
        found = self.before + change if up else self.before - change
        return found if 0.0 <= found <= 1.0 else math.inf


def judge_month(
    period: str,
    sums: MonthSums,
    reference: MonthSums,
    groups: Groups,
    drift: DriftSpec,
    alarms: AlarmsSpec,
) -> MonthVerdict:
    """Judge a month.

    Parameters
    ----------
    period : str
        ``YYYY-MM``.
    sums, reference : MonthSums
        Of the month, and of what it is compared with.
    groups : Groups
        What both are counted by.
    drift, alarms
        Limits and level.

    Returns
    -------
    MonthVerdict
    """
    level = alarms.month_level / KINDS
    score = _index_test(
        groups.score.grouped(sums.score),
        groups.score.grouped(reference.score),
        drift.psi,
        drift,
        ordered=True,
    )
    indices, missing, unlisted, categories = [], [], [], []
    for one in groups.features:
        now, before = sums.features[one.name], reference.features[one.name]
        indices.append(
            _index_test(now[:-2], before[:-2], drift.csi, drift, ordered=one.kind is Kind.NUMERIC)
        )
        missing.append(_share_test("", now, before, -1, drift.missing, drift))
        unlisted.append(_share_test("", now, before, -2, drift.unlisted, drift))
        categories.append(_category_tests(one, now, before, drift))
    control = alarms.control

    def levels(tests: Sequence[_IndexTest | _ShareTest]) -> tuple[float, float]:
        counted = [test for test in tests if test.enough]
        return (
            shared_level([test.p(test.limit.watch) for test in counted], level, control),
            shared_level([test.p(test.limit.alert) for test in counted], level, control),
        )

    listed = [
        test
        for one, test in zip(groups.features, unlisted, strict=True)
        if one.kind is Kind.CATEGORICAL and one.values
    ]
    of_score, of_indices, of_missing = levels([score]), levels(indices), levels(missing)
    of_categories = levels([*listed, *(test for tests in categories for test in tests)])
    features = tuple(
        FeatureVerdict(
            one.name,
            _index(index, of_indices),
            _share(gone, of_missing),
            _share(new, of_categories),
            tuple(_share(test, of_categories) for test in tests),
        )
        for one, index, gone, new, tests in zip(
            groups.features, indices, missing, unlisted, categories, strict=True
        )
    )
    mean = sums.pd_sum / sums.loans if sums.loans else float("nan")
    return MonthVerdict(period, sums.loans, mean, _index(score, of_score), features, sums.left_out)


def _index_test(
    now: np.ndarray, before: np.ndarray, limit: LimitSpec, drift: DriftSpec, *, ordered: bool
) -> _IndexTest:
    loans, reference = int(now.sum()), int(before.sum())
    if not loans or not reference:
        return _IndexTest(0.0, 1.0, 1, limit, drift.against, False)
    now, before = joined(now, before, ordered=ordered)
    groups = len(before)
    enough = min(loans, reference) >= max(drift.min_loans, drift.per_group * groups)
    return _IndexTest(
        index_of(now, before), noise(loans, reference), groups, limit, drift.against, enough
    )


def _share_test(
    what: str, now: np.ndarray, before: np.ndarray, code: int, limit: LimitSpec, drift: DriftSpec
) -> _ShareTest:
    loans, reference = int(now.sum()), int(before.sum())
    enough = min(loans, reference) >= drift.min_loans
    return _ShareTest(
        what, int(now[code]), loans, int(before[code]), reference, limit, drift.against, enough
    )


def _category_tests(
    groups: FeatureGroups, now: np.ndarray, before: np.ndarray, drift: DriftSpec
) -> list[_ShareTest]:
    if groups.kind is Kind.NUMERIC:
        return []
    # Shares among known values: what is missing is told elsewhere.
    now, before = now[:-1], before[:-1]
    return [
        _share_test(name, now, before, code, drift.category, drift)
        for code, name in enumerate(groups.names)
    ]


def _state(test: _IndexTest | _ShareTest, levels: tuple[float, float]) -> State:
    if not test.enough:
        return State.TOO_FEW
    watch, alert = test.limit.watch, test.limit.alert
    if not (test.value >= watch and test.p(watch) <= levels[0]):
        return State.OK
    loud = test.value >= alert and test.p(alert) <= levels[1]
    return State.ALERT if loud else State.WATCH


def _index(test: _IndexTest, levels: tuple[float, float]) -> IndexVerdict:
    state = _state(test, levels)
    return IndexVerdict(
        test.value,
        test.threshold(levels[0], test.limit.watch),
        test.threshold(levels[1], test.limit.alert),
        test.p(test.limit.watch) if test.enough else float("nan"),
        state,
    )


def _share(test: _ShareTest, levels: tuple[float, float]) -> ShareVerdict:
    state = _state(test, levels)
    threshold, p_value = math.inf, float("nan")
    if test.enough:
        p_value = test.p(test.limit.watch)
        if state is State.ALERT:
            threshold = test.threshold(levels[1], test.limit.alert)
        else:
            threshold = test.threshold(levels[0], test.limit.watch)
    return ShareVerdict(test.what, test.rate, test.before, threshold, p_value, state)
