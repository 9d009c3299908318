"""The report of a day: the same from loans, from pooled loans and from sums."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest

from fed_credit.config.monitor import MonitorSpec, monitor_spec
from fed_credit.data.every_loan import EveryLoan
from fed_credit.drift.verdicts import State
from fed_credit.errors import ConfigurationError, SchemaError
from fed_credit.monitoring.job import (
    Applications,
    judge,
    loans_of,
    monitor,
    profile_of,
    question_of,
)
from fed_credit.monitoring.report import MonitorReport
from fed_credit.scoring.scorer import Scorer

AS_OF = "2023-12-31"
MODEL = {"reference": "model", "months": 6, "vintages": 3}
SETTINGS, OWN = monitor_spec(MODEL), monitor_spec({**MODEL, "reference": "own"})


@pytest.fixture(scope="module")
def loans(world: Any) -> EveryLoan:
    return loans_of(world.scorer, world.raw, institution="all", as_of=AS_OF)


@pytest.fixture(scope="module")
def drifted(world: Any) -> EveryLoan:
    return loans_of(world.scorer, world.drifted(), institution="all", as_of=AS_OF)


def _report(world: Any, loans: EveryLoan, settings: MonitorSpec = SETTINGS) -> MonitorReport:
    return monitor(world.scorer, loans, AS_OF, settings, bank="Bank A", model=world.model)


def test_all_loans_are_kept_and_only_mature_ones_have_outcomes(
    world: Any, loans: EveryLoan
) -> None:
    assert len(loans) + loans.rejected == loans.rows == len(world.raw)
    assert loans.rejected == 0
    closed = loans.decided < np.datetime64("2021-12-31")
    assert (loans.y[closed] >= 0).all()
    assert (loans.y[loans.decided > np.datetime64("2022-01-01")] == -1).all()


def test_sums_of_banks_give_the_report_of_the_pooled_loans(world: Any, loans: EveryLoan) -> None:
    question = question_of(world.scorer, profile_of(world.scorer), AS_OF, SETTINGS)
    layout = question.layout()
    total, parts = np.zeros(layout.size, np.int64), []
    for bank in sorted(world.raw["institution"].unique()):
        mine = loans.take((world.raw["institution"] == bank).to_numpy())
        pds = world.scorer.model.artefact.score(mine.features)
        parts.append(question.count(mine.features, mine.decided, mine.y, pds))
        total += layout.encode(parts[-1].arrays())
    pooled = _report(world, loans).to_dict()
    for sums in (question.read(layout.decode(total)), reduce(add, parts)):
        report = judge(
            sums,
            profile_of(world.scorer),
            AS_OF,
            SETTINGS,
            bank="Bank A",
            banks=("all",),
            pooled=False,
            model=world.model,
            fields=world.scorer.model.schema.fields,
        )
        assert json.dumps(report.to_dict()) == json.dumps(pooled)


def test_loans_that_come_in_any_order_raise_no_alert(world: Any, loans: EveryLoan) -> None:
    shuffled = np.random.default_rng(8).permutation(loans.decided)
    report = _report(world, replace(loans, decided=shuffled), monitor_spec({"vintages": 0}))
    assert len(report.months) == 12 and report.vintages == ()
    assert report.alerts == ()
    assert {month.score.state for month in report.months} == {State.OK}


def test_what_changed_is_told_once_each_and_of_its_months(world: Any, drifted: EveryLoan) -> None:
    report = _report(world, drifted)
    kinds = {(alert.kind, alert.subject) for alert in report.alerts}
    assert ("csi", "firm_age") in kinds and ("missing", "log_turnover") in kinds
    assert ("category", "legal_form") in kinds
    for alert in report.alerts:
        if alert.kind in ("psi", "csi", "missing", "category"):
            assert alert.period >= "2023-07"
            fallen = alert.kind == "category" and alert.value < 0.1
            assert (alert.value <= alert.threshold) if fallen else alert.value >= alert.threshold
        year = alert.period[:4]
        assert f" {year}" in alert.en and f"{year} 年" in alert.zh
    assert len({alert.id for alert in report.alerts}) == len(report.alerts)
    again = _report(world, drifted)
    assert [alert.id for alert in again.alerts] == [alert.id for alert in report.alerts]
    # People read labels, of features and of values; programs read names.
    for words in ("Values of 'Age of the firm' in ", "Annual turnover (log) is missing in ",
                  "Legal form is 'Sole proprietor' in "):  # fmt: skip
        assert any(alert.en.startswith(words) for alert in report.alerts)
    for words in (
        "“企业经营时长”取值的分布",
        "“年营业收入（对数）”缺失",
        "“组织形式”为“个体工商户”",
    ):
        assert any(words in alert.zh for alert in report.alerts)
    fields = world.scorer.model.schema.fields
    for alert in report.alerts:
        assert alert.subject == "score" or alert.subject in fields
        assert not any(name in alert.en + alert.zh for name in fields if "_" in name)
    levels = [str(alert.level) for alert in report.alerts]
    assert levels == sorted(levels)  # alerts before watches


def test_a_month_s_verdict_does_not_change_with_later_reports(
    world: Any, drifted: EveryLoan
) -> None:
    before = monitor(world.scorer, drifted, "2023-09-30", SETTINGS, bank=None, model=world.model)
    after = monitor(world.scorer, drifted, AS_OF, SETTINGS, bank=None, model=world.model)
    known = {month.period: month for month in before.months}
    for month in after.months:
        assert month.period not in known or month == known[month.period]


def test_nothing_immature_is_in_a_vintage(world: Any, loans: EveryLoan) -> None:
    report = _report(world, loans)
    assert report.vintages[-1].period == "2021-Q4"
    rows = (loans.decided >= np.datetime64("2021-10-01")) & (
        loans.decided < np.datetime64("2022-01-01")
    )
    assert report.vintages[-1].loans == rows.sum()
    assert report.vintages[-1].bads == loans.y[rows].sum()
    earlier = monitor(world.scorer, loans, "2023-12-30", SETTINGS, bank=None, model=world.model)
    assert earlier.vintages[-1].period == "2021-Q3"
    assert earlier.months[-1].period == "2023-11"


def test_few_loans_say_nothing(world: Any, loans: EveryLoan) -> None:
    few = loans.take(np.arange(0, len(loans), 12))
    report = _report(world, few)
    for month in report.months:
        if month.loans < 50:
            assert month.score.state is State.TOO_FEW
            assert {feature.csi.state for feature in month.features} == {State.TOO_FEW}
    assert report.alerts == ()
    json.dumps(report.to_dict(), allow_nan=False)


def test_months_counted_together_see_what_one_alone_does_not(
    world: Any, drifted: EveryLoan
) -> None:
    few = drifted.take(np.arange(0, len(drifted), 4))
    alone = _report(world, few)
    together = _report(world, few, monitor_spec({**MODEL, "drift": {"together": 6}}))
    assert [month.period for month in together.months] == [m.period for m in alone.months]
    last = together.months[-1]
    assert last.loans == sum(month.loans for month in alone.months[-6:])
    assert len(together.alerts) > len(alone.alerts)


def test_a_bank_is_compared_with_its_own_past(world: Any, loans: EveryLoan) -> None:
    own = _report(world, loans, OWN)
    first, last = (np.datetime64(day) for day in profile_of(world.scorer).span)
    inside = (loans.decided >= first) & (loans.decided <= last)
    assert own.reference == {"kind": "own", "loans": inside.sum(), "scored": inside.sum()}
    few = loans.take(np.flatnonzero(inside)[:100])
    assert _report(world, few, OWN).reference["kind"] == "model"
    # A bank whose firms are larger than the others' has not drifted for that.
    larger = loans.features.assign(log_employees=loans.features["log_employees"] + 1.0)
    large = replace(loans, features=larger)
    subjects = {alert.subject for alert in _report(world, large).alerts}
    assert "log_employees" in subjects
    subjects = {alert.subject for alert in _report(world, large, OWN).alerts}
    assert "log_employees" not in subjects


def test_months_are_made_of_applications_where_there_are_some(
    world: Any, loans: EveryLoan, drifted: EveryLoan
) -> None:
    applied = Applications(drifted.features, drifted.decided)
    report = monitor(
        world.scorer,
        loans,
        AS_OF,
        SETTINGS,
        bank=None,
        model=world.model,
        applications=applied,
    )
    assert report.source == "decisions"
    assert report.months == _report(world, drifted).months
    assert report.vintages == _report(world, loans).vintages


def test_bad_pds_are_told_of_a_matured_vintage(world: Any, loans: EveryLoan) -> None:
    rng = np.random.default_rng(0)
    y = loans.y.copy()
    y[(y == 0) & (rng.random(len(y)) < 0.25)] = 1
    worse = replace(loans, y=y)
    kinds = {alert.kind for alert in _report(world, worse).alerts}
    assert "default_rate" in kinds
    shuffled = loans.y.copy()
    known = np.flatnonzero(shuffled >= 0)
    shuffled[known] = rng.permutation(shuffled[known])
    settings = monitor_spec({**MODEL, "vintages": 20})
    kinds = {alert.kind for alert in _report(world, replace(loans, y=shuffled), settings).alerts}
    assert kinds & {"auc", "calibration"} and "default_rate" not in kinds


def test_what_cannot_be_reported_is_said(world: Any, loans: EveryLoan) -> None:
    with pytest.raises(ConfigurationError, match="is not over as of 2023-12-31"):
        monitor(
            world.scorer,
            loans,
            AS_OF,
            SETTINGS,
            bank=None,
            model=world.model,
            since="2024-01",
        )
    with pytest.raises(ConfigurationError, match="is not a date"):
        monitor(world.scorer, loans, "soon", SETTINGS, bank=None, model=world.model)
    bare = Scorer(replace(world.opened.model, reference=None))
    with pytest.raises(ConfigurationError, match="no reference population"):
        monitor(bare, loans, AS_OF, SETTINGS, bank=None, model=world.model)
    with pytest.raises(SchemaError, match="application_date"):
        loans_of(
            world.scorer,
            world.raw.drop(columns="application_date"),
            institution="all",
            as_of=AS_OF,
        )


def test_the_report_is_what_the_pages_and_retraining_read(world: Any, drifted: EveryLoan) -> None:
    from fed_credit.retraining.alerts import alerts_of

    body = json.loads(json.dumps(_report(world, drifted).to_dict(), allow_nan=False))
    read = alerts_of(body)
    assert len(read.alerts) == len(body["alerts"]) > 0
    assert read.model == world.opened.sha256
    assert set(body) >= {"format", "as_of", "bank", "pooled", "banks", "model", "settings"}
    month, vintage = body["months"][-1], body["vintages"][-1]
    assert set(month["score"]) >= {"psi", "threshold", "p_value", "state"}
    feature = month["features"][0]
    assert set(feature) >= {"name", "csi", "threshold", "state", "missing", "unlisted"}
    assert set(feature["missing"]) >= {"rate", "reference", "state"}
    assert set(vintage) >= {
        *("period", "loans", "bads", "default_rate", "mean_pd", "ratio", "auc", "auc_low"),
        *("auc_high", "ks", "brier", "log_loss", "calibration", "rank"),
    }
    assert set(vintage["rank"]) >= {"reference_auc", "p_value", "state"}
