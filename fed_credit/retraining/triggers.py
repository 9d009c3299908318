"""What makes a retraining due."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fed_credit.config.retrain import AlertLevel, DriftSpec, TriggersSpec
from fed_credit.data.target import add_months
from fed_credit.reporting.html.texts import Text
from fed_credit.retraining.alerts import Alert, Alerts
from fed_credit.retraining.champion import Champion
from fed_credit.retraining.vintage import NewLabels

_MOST_NAMED = 3


@dataclass(frozen=True)
class Fired:
    """A trigger that fired, or that somebody pulled.

    Parameters
    ----------
    kind : str
        ``schedule``, ``drift``, ``labels`` or ``force``; ``handed`` of a challenger that was
        trained elsewhere.
    why : Text
        A phrase.
    """

    kind: str
    why: Text


@dataclass(frozen=True)
class Due:
    """Whether a retraining is due, and why or why not.

    Parameters
    ----------
    fired : tuple of Fired
        Empty where none is.
    quiet : tuple of Text
        Why the others did not fire, a phrase each.
    """

    fired: tuple[Fired, ...]
    quiet: tuple[Text, ...]


FORCED = Fired("force", Text("it was asked for with --force", "由 --force 指定"))


def due(
    spec: TriggersSpec,
    champion: Champion,
    as_of: np.datetime64,
    labels: NewLabels,
    alerts: Alerts | None,
    last_attempt: np.datetime64 | None,
) -> Due:
    """Say whether a retraining is due.

    Parameters
    ----------
    spec : TriggersSpec
        What counts.
    champion : Champion
        The model in use.
    as_of : numpy.datetime64
        Today.
    labels : NewLabels
        Matured since the champion's day.
    alerts : Alerts or None
        Of the monitor's latest report.
    last_attempt : numpy.datetime64 or None
        As-of date of the last challenger.

    Returns
    -------
    Due
    """
    if last_attempt is not None and as_of < _months_after(last_attempt, spec.rest_months):
        text = Text(
            f"the last challenger is of {last_attempt}, less than {spec.rest_months} months ago",
            f"上一个挑战者模型的日期为 {last_attempt}，不足 {spec.rest_months} 个月",
        )
        return Due((), (text,))
    found = (
        _schedule(spec, champion, as_of),
        _drift(spec.drift, champion, as_of, alerts),
        _labels(spec, labels),
    )
    return Due(
        tuple(item for item in found if isinstance(item, Fired)),
        tuple(item for item in found if isinstance(item, Text)),
    )


def _schedule(spec: TriggersSpec, champion: Champion, as_of: np.datetime64) -> Fired | Text:
    months = spec.schedule.months
    if not spec.schedule.enabled:
        return Text("the schedule is off", "未启用定期重训")
    if as_of >= _months_after(champion.as_of, months):
        why = Text(
            f"the champion is of {champion.as_of}, {months} months ago or more",
            f"冠军模型的日期为 {champion.as_of}，已满 {months} 个月",
        )
        return Fired("schedule", why)
    return Text(
        f"the champion is of {champion.as_of}, less than {months} months ago",
        f"冠军模型的日期为 {champion.as_of}，不足 {months} 个月",
    )


def _labels(spec: TriggersSpec, labels: NewLabels) -> Fired | Text:
    wanted = spec.labels
    if not wanted.enabled:
        return Text("new labels do not count", "未启用新标签触发")
    text = Text(
        f"{labels.loans} labels have matured since, {labels.bads} of them bad; {wanted.loans} and"
        f" {wanted.bads} are asked for",
        f"此后有 {labels.loans} 个标签成熟，其中违约 {labels.bads} 个；要求分别为"
        f" {wanted.loans} 和 {wanted.bads}",
    )
    enough = labels.loans >= wanted.loans and labels.bads >= wanted.bads
    return Fired("labels", text) if enough else text


def _drift(
    spec: DriftSpec, champion: Champion, as_of: np.datetime64, alerts: Alerts | None
) -> Fired | Text:
    if not spec.enabled:
        return Text("drift does not count", "未启用漂移触发")
    if alerts is None:
        return Text("the monitor has left no report", "没有监测报告")
    if alerts.model != champion.opened.sha256:
        return Text(
            "the monitor's report is about another model than the champion",
            "监测报告针对的不是当前冠军模型",
        )
    age = int((as_of - alerts.as_of).astype(np.int64))
    if not 0 <= age <= spec.max_age_days:
        return Text(
            f"the monitor's report is of {alerts.as_of}, which says nothing about {as_of}",
            f"监测报告的日期为 {alerts.as_of}，不能说明 {as_of} 的情况",
        )
    loud = [alert for alert in alerts.alerts if _counts(alert, spec)]
    if not loud:
        return Text("the monitor raised no alert that counts", "监测没有发出相应级别的警报")
    named = ", ".join(f"{a.kind} of {a.subject} in {a.period}" for a in loud[:_MOST_NAMED])
    return Fired(
        "drift",
        Text(
            f"the monitor raised {len(loud)} alerts ({named}{', ...' if len(loud) > 3 else ''})",
            f"监测发出 {len(loud)} 个警报（{named}{' 等' if len(loud) > _MOST_NAMED else ''}）",
        ),
    )


def _counts(alert: Alert, spec: DriftSpec) -> bool:
    loud = alert.level is AlertLevel.ALERT or spec.level is AlertLevel.WATCH
    return loud and alert.kind in spec.kinds


def _months_after(day: np.datetime64, months: int) -> np.datetime64:
    after: np.datetime64 = add_months(np.array([day]), months)[0]
    return after
