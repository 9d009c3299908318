"""What would change a decision: the smallest changes that lead to approval.

Counterfactual explanations (Wachter, Mittelstadt and Russell, 2018), in a form in which an
applicant can act on them: only fields that the schema calls ``changeable`` are moved, to values
that a person would propose, one to three at a time; engineered features follow from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fed_credit.data.schema import Field, Kind
from fed_credit.decision.policy import Verdict
from fed_credit.explain.sentences import named, said
from fed_credit.scoring.cells import Value
from fed_credit.scoring.record import RecordError, RecordScore, RecordScorer
from fed_credit.scoring.scorer import Explain
from fed_credit.scoring.search import Search, chosen, given


@dataclass(frozen=True)
class Change:
    """One field of an application that would be different.

    Parameters
    ----------
    field : str
        Its name.
    before, after : object
        What it is, as it was given, and what it would be; None where missing.
    en, zh : str
        The same as a phrase.
    """

    field: str
    before: Any
    after: Any
    en: str
    zh: str


@dataclass(frozen=True)
class Alternative:
    """An application that would be approved.

    Parameters
    ----------
    changes : tuple of Change
        All are needed: without one of them it is not approved.
    score : RecordScore
        What it would get.
    """

    changes: tuple[Change, ...]
    score: RecordScore


def what_would_change(
    scorer: RecordScorer, record: Mapping[str, Any], *, most: int = 3
) -> tuple[Alternative, ...]:
    """Find the smallest changes of an application that lead to approval.

    A change of a number is as large as the share of its range in the model that it moves a feature
    by; another category or answer counts as half a range. All values of single fields are tried,
    then pairs, and triples where there are fewer than ``most`` alternatives. Each set of fields
    gives one alternative at most, and a set that contains another only one of smaller changes.

    Parameters
    ----------
    scorer : RecordScorer
        What decides.
    record : mapping of str to object
        As for :meth:`RecordScorer.score`.
    most : int, default=3
        Alternatives at most.

    Returns
    -------
    tuple of Alternative
        The smallest first; empty for an application that is approved, and where no change of
        changeable fields helps. The same for the same application.

    Raises
    ------
    RecordError
        As :meth:`RecordScorer.score`.
    """
    if scorer.score(record, Explain.NONE).verdict is Verdict.APPROVE:
        return ()
    fields = {name: field for name, field in scorer.fields.items() if field.changeable}
    if not fields or most < 1:
        return ()
    search = Search(scorer, record, fields)
    singles = search.singles()
    found = singles + search.combined(2)
    if len(found) < most:
        found += search.combined(3)
    alternatives = []
    for each in chosen(found):
        made = _alternative(scorer, record, each.values, fields)
        if made is not None:
            alternatives.append(made)
        if len(alternatives) == most:
            break
    return tuple(alternatives)


def _alternative(
    scorer: RecordScorer,
    record: Mapping[str, Any],
    values: Mapping[str, Value],
    fields: Mapping[str, Field],
) -> Alternative | None:
    """Make an alternative; None if the application does not need all its changes after all."""
    after = {name: given(value, fields[name]) for name, value in values.items()}
    score = _scored(scorer, {**record, **after})
    if score is None or score.verdict is not Verdict.APPROVE:
        return None
    for name in after:
        rest = {other: value for other, value in after.items() if other != name}
        without = _scored(scorer, {**record, **rest})
        if without is not None and without.verdict is Verdict.APPROVE:
            return None
    before = scorer.raw_values(record)
    changes = []
    for name, value in values.items():
        en, zh = _phrase(fields[name], before[name], value)
        changes.append(Change(name, record.get(name), after[name], en, zh))
    return Alternative(tuple(changes), score)


def _scored(scorer: RecordScorer, record: Mapping[str, Any]) -> RecordScore | None:
    """Score a variant; None where the schema rejects an engineered field of it."""
    try:
        return scorer.score(record, Explain.NONE)
    except RecordError:
        return None


def _phrase(field: Field, before: Value, after: Value) -> tuple[str, str]:
    """Say what changes, in English and in Chinese."""
    en, zh = named(field.name, field)
    was, will = _said(field, before), _said(field, after)
    return f"{en} {will[0]} instead of {was[0]}", f"{zh}由{was[1]}改为{will[1]}"


def _said(field: Field, value: Value) -> tuple[str, str]:
    answer = field.kind is Kind.BOOLEAN and value is not None
    return said(bool(value) if answer else value, field)
