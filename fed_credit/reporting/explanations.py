"""``explanations`` of ``results.json``: what the model's features do, and three example loans."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.artefact import Artefact
from fed_credit.config.names import EXACT_FAMILIES
from fed_credit.config.spec import SourceKind
from fed_credit.data.book import Dataset, Part
from fed_credit.explain.effects import EffectsQuestion, described_effects, ranked_by_model
from fed_credit.explain.explainer import explainer_of
from fed_credit.explain.reasons import reasons

_DRAWN = 6  # features whose partial dependence is found
_POINTS = 10
_LOANS = 2000  # about as many are looked at; more would make a report slow, and change little
_REASONS = 4
_EXAMPLES = (0.05, 0.5, 0.95)  # ranks of the PDs of the example loans


def explanations(
    dataset: Dataset, parts: np.ndarray, artefact: Artefact, source: SourceKind
) -> dict[str, Any] | None:
    """Explain the common model over all banks' validation loans.

    Parameters
    ----------
    dataset : Dataset
        Loans of all banks.
    parts : numpy.ndarray
        ``(n_loans,) int8`` split codes of the artefact's repeat.
    artefact : Artefact
        The common model.
    source : SourceKind
        Where the loans come from: single ones are shown only if nobody owes them.

    Returns
    -------
    dict or None
        As :func:`~fed_credit.explain.effects.described_effects`, with ``one_in`` (how many loans
        were looked at), ``stability`` (a scorecard's features: mean population stability index over
        banks) and ``examples`` (None but for synthetic loans). None for a network.
    """
    if artefact.spec.family not in EXACT_FAMILIES:
        return None
    explainer = explainer_of(artefact)
    n = int(np.sum(parts == Part.VALIDATION))
    question = EffectsQuestion(
        ranked_by_model(explainer, _DRAWN), _POINTS, max(1, math.ceil(n / _LOANS))
    )
    layout = question.layout(explainer)
    total = np.zeros(layout.size, np.int64)
    for frame in _frames(dataset, parts, Part.VALIDATION):
        total += layout.encode(question.answer(explainer, frame))
    return {
        **described_effects(explainer, question, layout.decode(total)),
        "one_in": question.one_in,
        "stability": _stability(dataset, parts, artefact),
        "examples": _examples(dataset, parts, artefact) if source is SourceKind.SYNTHETIC else None,
    }


def _frames(dataset: Dataset, parts: np.ndarray, part: Part) -> Iterator[pd.DataFrame]:
    """Go through the banks' loans of one part."""
    for k in range(len(dataset.names)):
        own = dataset.rows(k)
        yield dataset.features.iloc[own].iloc[np.flatnonzero(parts[own] == part)]


def _stability(dataset: Dataset, parts: np.ndarray, artefact: Artefact) -> dict[str, float] | None:
    if artefact.spec.family != "scorecard":
        return None
    from fed_credit.families.card import ScorecardModel
    from fed_credit.scorecard.drift import DriftQuestion, mean_stability

    assert isinstance(artefact.model, ScorecardModel)
    characteristics = artefact.model.rule.card.characteristics
    question = DriftQuestion(tuple(one.binning for one in characteristics))
    layout = question.layout()
    total = np.zeros(layout.size, np.int64)
    for frame in _frames(dataset, parts, Part.TRAIN):
        total += layout.encode(question.answer(frame, np.empty(0)))
    return mean_stability(layout.decode(total), [one.name for one in characteristics])


def _examples(dataset: Dataset, parts: np.ndarray, artefact: Artefact) -> list[dict[str, Any]]:
    """Explain a safe, a middling and a risky test loan."""
    frame = dataset.features.iloc[np.flatnonzero(parts == Part.TEST)]
    frame = frame.iloc[: min(len(frame), _LOANS)]
    if frame.empty:
        return []
    order = np.argsort(artefact.score(frame), kind="stable")
    chosen = [int(order[int(rank * (len(order) - 1))]) for rank in _EXAMPLES]
    found = reasons(artefact, frame.iloc[chosen], _REASONS, dataset.schema.fields)
    return [asdict(one) for one in found]
