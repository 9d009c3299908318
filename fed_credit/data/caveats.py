"""Caveats: what a reader of the results has to know about the data they come from."""

from __future__ import annotations

import numpy as np

from fed_credit.config.spec import DataSpec, SplitKind
from fed_credit.data.book import Dataset
from fed_credit.data.target import Labels

_SHORT_MONTHS = 24  # below, training and test cannot both cover a whole year


def caveats(
    dataset: Dataset, spec: DataSpec, labels: Labels, unknown_exposure: int
) -> tuple[str, ...]:
    """Return the sentences that belong in the results of this data set.

    Parameters
    ----------
    dataset : Dataset
        Labelled loans.
    spec : DataSpec
        What was asked for.
    labels : Labels
        How the loans were labelled.
    unknown_exposure : int
        Loans used whose exposure is missing or negative.

    Returns
    -------
    tuple of str
        Leakage first.
    """
    return (
        *_leakage(dataset),
        *labels.warnings,
        *_rejected(dataset),
        *_one_class(dataset),
        *_out_of_time(dataset, spec),
        *_exposure(unknown_exposure),
    )


def _leakage(dataset: Dataset) -> list[str]:
    return [
        f"Leakage: '{item.name}' is known only at {item.known_at}, but the model decides at"
        f" {dataset.decision_point}; no figure of this run will hold for new loans."
        for item in dataset.fields
        if item.known_at.rank > dataset.decision_point.rank
    ]


def _rejected(dataset: Dataset) -> list[str]:
    report = dataset.report
    if not report.rejected:
        return []
    reason, count = next(iter(report.reasons.items()))
    return [
        f"{report.rejected} of {report.rows} rows ({report.rejected / report.rows:.1%}) were"
        f" rejected; the commonest reason: {reason} ({count} rows)."
    ]


def _one_class(dataset: Dataset) -> list[str]:
    single = [book.institution for book in dataset.books() if book.y.min() == book.y.max()]
    if not single:
        return []
    return [
        f"{len(single)} of {len(dataset.names)} institutions have loans of one outcome only and"
        f" cannot be assessed: {', '.join(single[:5])}{', ...' if len(single) > 5 else ''}."
    ]


def _out_of_time(dataset: Dataset, spec: DataSpec) -> list[str]:
    dated = dataset.decided[~np.isnat(dataset.decided)]
    if spec.split.kind is not SplitKind.OUT_OF_TIME or not len(dated):
        return []
    sentences = []
    window = spec.target.window_months
    months = dated.astype("datetime64[M]").astype(np.int64)
    span = int(months.max() - months.min()) + 1
    if span < (window or 0) + _SHORT_MONTHS:
        sentences.append(
            f"The loans were decided within {span} months, too short a time to judge a model out of"
            " time: training and test cover parts of a year each."
        )
    if window is None:
        sentences.append(
            "Out of time without a performance window: training labels may have become known only"
            " after the cut, so the model has seen more than it could have on that day."
        )
    return sentences


def _exposure(unknown: int) -> list[str]:
    if not unknown:
        return []
    return [f"{unknown} loans have no exposure; they count as 0 in figures by amount."]
