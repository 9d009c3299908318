"""From loans and a model to a report: the same for one bank, for pooled loans, and for sums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.config.monitor import MonitorSpec, ReferenceKind
from fed_credit.data.every_loan import EveryLoan, every_loan_of
from fed_credit.data.schema import Field
from fed_credit.data.target import parse_date
from fed_credit.drift.months import judge_month, reference_sums
from fed_credit.drift.periods import (
    first_open_month,
    month_number,
    whole_months,
    whole_quarters,
)
from fed_credit.drift.profile import Profile
from fed_credit.drift.question import PeriodsQuestion, PeriodSums
from fed_credit.drift.sums import MonthSums
from fed_credit.drift.vintages import judge_vintage
from fed_credit.errors import ConfigurationError
from fed_credit.monitoring.alerts import About, alerts_of
from fed_credit.monitoring.report import MonitorReport, Watched
from fed_credit.scoring.scorer import Scorer

LOANS, DECISIONS = "loans", "decisions"


@dataclass(frozen=True)
class Applications:
    """Applications as they were scored, whatever came of them.

    Parameters
    ----------
    features : pandas.DataFrame
        ``(n, n_features)`` as in a loan book.
    decided : numpy.ndarray
        ``(n,) datetime64[D]``.
    """

    features: pd.DataFrame
    decided: np.ndarray


def profile_of(scorer: Scorer) -> Profile:
    """Return the reference population of a model, by the features that it looks at.

    A scorecard chooses of the run's features; what it leaves out is no part of an application.

    Raises
    ------
    ConfigurationError
        If its file holds none.
    ArtefactError
        If it cannot be read.
    """
    if scorer.model.reference is None:
        raise ConfigurationError(
            "The model's file holds no reference population, so there is nothing to compare with;"
            " train the model anew, or with banks whose policy answers the task 'monitor'."
        )
    names = {feature.name for feature in scorer.model.artefact.model.features}
    return Profile.from_dict(scorer.model.reference).only(names)


def loans_of(scorer: Scorer, raw: pd.DataFrame, *, institution: str, as_of: str) -> EveryLoan:
    """Take the loans of a table of raw records, with their outcomes by a day.

    Parameters
    ----------
    scorer : Scorer
        Whose features, schema and performance window hold.
    raw : pandas.DataFrame
        ``(n, ...)`` under the schema's names.
    institution : str
        Whose loans they are.
    as_of : str
        ``YYYY-MM-DD``: what happened later is not known.
    """
    profile = profile_of(scorer)
    return every_loan_of(
        raw,
        scorer.model.schema,
        [feature.name for feature in scorer.model.artefact.model.features],
        institution=institution,
        window_months=profile.window_months,
        as_of=as_of,
    )


def question_of(
    scorer: Scorer,
    profile: Profile,
    as_of: str,
    settings: MonitorSpec,
    *,
    since: str | None = None,
) -> PeriodsQuestion:
    """Return what a report of a day is made of.

    Parameters
    ----------
    scorer : Scorer
        The model.
    profile : Profile
        Its reference population.
    as_of : str
        Day of the report.
    settings : MonitorSpec
        How many months and vintages.
    since : str or None
        First month, ``YYYY-MM``; vintages then begin with its quarter. None takes as many as the
        settings say.
    """
    day = parse_date("--as-of", as_of)
    first = None if since is None else month_number(since)
    if first is not None and first >= first_open_month(day):
        raise ConfigurationError(
            f"--from {since} is not over as of {as_of}; name an earlier month."
        )
    window = profile.window_months
    vintages = (
        ()
        if window is None
        else whole_quarters(
            day, window, settings.vintages, since=None if first is None else first // 3
        )
    )
    before = settings.drift.together - 1
    months = whole_months(day, settings.months, since=first, before=before)
    return PeriodsQuestion(profile.groups, scorer.model.calibration, months, vintages, as_of)


def monitor(
    scorer: Scorer,
    loans: EveryLoan,
    as_of: str,
    settings: MonitorSpec,
    *,
    bank: str | None,
    model: Watched,
    since: str | None = None,
    applications: Applications | None = None,
) -> MonitorReport:
    """Report on the loans of one bank.

    Parameters
    ----------
    scorer : Scorer
        The model that is watched.
    loans : EveryLoan
        With outcomes by the day; :func:`loans_of` takes them from a table.
    as_of : str
        Day of the report, ``YYYY-MM-DD``.
    settings : MonitorSpec
        Limits and levels.
    bank : str or None
        Whose loans.
    model : Watched
        Version and hash of the model.
    since : str or None
        First month; see :func:`question_of`.
    applications : Applications or None
        What months are made of in place of the loans: all who applied, declined ones too.

    Returns
    -------
    MonitorReport

    Raises
    ------
    ConfigurationError
        If the model has no reference population, or a day or month cannot be used.
    """
    profile = profile_of(scorer)
    question = question_of(scorer, profile, as_of, settings, since=since)
    score = scorer.model.artefact.score
    model_pd = score(loans.features) if len(loans) else np.empty(0)
    sums = question.count(loans.features, loans.decided, loans.y, model_pd)
    reference = own_reference(loans, model_pd, profile, question, settings)
    if applications is not None:
        size = len(applications.decided)
        of_all = question.count(
            applications.features,
            applications.decided,
            np.full(size, -1, np.int8),
            score(applications.features) if size else np.empty(0),
        )
        sums = PeriodSums(of_all.months, sums.vintages)
    return judge(
        sums,
        profile,
        as_of,
        settings,
        bank=bank,
        banks=(loans.institution,) if loans.institution else (),
        pooled=False,
        model=model,
        fields=scorer.model.schema.fields,
        reference=reference,
        source=LOANS if applications is None else DECISIONS,
    )


def own_reference(
    loans: EveryLoan,
    model_pd: np.ndarray,
    profile: Profile,
    question: PeriodsQuestion,
    settings: MonitorSpec,
) -> MonthSums | None:
    """Count a bank's own loans of the time that the model was made on.

    Returns
    -------
    MonthSums or None
        None where the settings want the model's, that time is not known, or they are too few.
    """
    if settings.reference is ReferenceKind.MODEL or profile.span is None:
        return None
    first, last = (np.datetime64(day, "D") for day in profile.span)
    rows = np.flatnonzero((loans.decided >= first) & (loans.decided <= last))
    if len(rows) < settings.drift.min_loans * 4:
        return None
    calibrated = question.calibration.apply(model_pd[rows])
    return MonthSums.of(profile.groups, loans.features.iloc[rows], model_pd[rows], calibrated)


def _together(months: Mapping[str, MonthSums], number: int) -> Iterator[tuple[str, MonthSums]]:
    """Add to each month those before it, as far as they were asked for."""
    names = list(months)
    for last in range(number - 1, len(names)):
        taken = [months[name] for name in names[last - number + 1 : last + 1]]
        yield names[last], reduce(add, taken)


def judge(
    sums: PeriodSums,
    profile: Profile,
    as_of: str,
    settings: MonitorSpec,
    *,
    bank: str | None,
    banks: tuple[str, ...],
    pooled: bool,
    model: Watched,
    fields: Mapping[str, Field],
    reference: MonthSums | None = None,
    source: str = LOANS,
    notes: tuple[str, ...] = (),
) -> MonitorReport:
    """Report on sums of one bank or over several.

    Parameters
    ----------
    sums : PeriodSums
        By the groups of the profile.
    profile : Profile
        The model's reference population.
    as_of, settings, bank, banks, pooled, model, source, notes
        As in a :class:`~fed_credit.monitoring.report.MonitorReport`.
    fields : mapping of str to Field
        Of the model's schema, for the sentences of alerts.
    reference : MonthSums or None
        What months are compared with in place of the profile.

    Returns
    -------
    MonitorReport
    """
    kind = ReferenceKind.MODEL if reference is None else ReferenceKind.OWN
    reference = reference_sums(profile) if reference is None else reference
    months = tuple(
        judge_month(name, month, reference, profile.groups, settings.drift, settings.alarms)
        for name, month in _together(sums.months, settings.drift.together)
    )
    vintages = tuple(
        judge_vintage(name, vintage, profile, settings.outcomes, settings.alarms)
        for name, vintage in sums.vintages.items()
    )
    if profile.window_months is None:
        notes = (
            *notes,
            "The model's target is a final status without a performance window, so no vintage is"
            " known to have matured, and none is reported.",
        )
    told: Mapping[str, Any] = {
        "kind": str(kind),
        "loans": reference.loans,
        "scored": int(reference.score.sum()),
    }
    about = About(bank, model, fields)
    return MonitorReport(
        as_of,
        bank,
        banks,
        pooled,
        model,
        told,
        source,
        settings,
        months,
        vintages,
        alerts_of(months, vintages, settings, about),
        notes,
    )
