"""Making a logged decision again, to see whether the same comes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fed_credit.decision_log.records import Decision
from fed_credit.scoring.record import RecordError, RecordScorer
from fed_credit.scoring.result import ReasonText
from fed_credit.scoring.scorer import Explain

_FIGURES = ("model_pd", "pd", "score", "grade", "verdict")


def differences(decision: Decision, scorer: RecordScorer) -> list[str]:
    """Score a decision's inputs again and say what comes out otherwise.

    Parameters
    ----------
    decision : Decision
        As it is in the log.
    scorer : RecordScorer
        Of the model that decided.

    Returns
    -------
    list of str
        A phrase for each figure, and each part of a reason, that is not the same to the last bit;
        empty if all is.
    """
    # Reasons of an application that was not declined were asked for.
    asked = bool(decision.reasons) and decision.verdict != "decline"
    try:
        score = scorer.score(decision.inputs, Explain.ALL if asked else Explain.DECLINED)
    except RecordError as error:
        return [f"the inputs are refused now: {error}"]
    found = [
        f"{name} was {getattr(decision, name)!r} and is {_plain(getattr(score, name))!r}"
        for name in _FIGURES
        if getattr(decision, name) != _plain(getattr(score, name))
    ]
    logged, made = decision.reasons, [reason_dict(reason) for reason in score.reasons]
    if len(logged) != len(made):
        found.append(f"there were {len(logged)} reasons and are {len(made)}")
    for number, (before, now) in enumerate(zip(logged, made, strict=False), 1):
        found += [
            f"{name} of reason {number} was {before.get(name)!r} and is {value!r}"
            for name, value in now.items()
            if before.get(name) != value
        ]
    return found


def reason_dict(reason: ReasonText) -> Mapping[str, Any]:
    """Return a reason as the log holds it."""
    return {
        "feature": reason.feature,
        "value": reason.value,
        "amount": reason.amount,
        "unit": reason.unit,
        "en": reason.en,
        "zh": reason.zh,
    }


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
