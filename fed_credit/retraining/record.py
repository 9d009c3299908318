"""What the registry keeps of a challenger that stood, or did not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from fed_credit.config.retrain import Promotion
from fed_credit.model_file.archive import Opened
from fed_credit.registry.registry import Registry, Stage, Version
from fed_credit.reporting.html.texts import Text
from fed_credit.retraining.champion import Champion
from fed_credit.retraining.gate import GateResult
from fed_credit.retraining.triggers import Fired
from fed_credit.retraining.vintage import Vintage

RECORD = "retraining"
"""Name of what goes along with the event."""

_STAGES = {
    Promotion.CHALLENGER: Stage.CHALLENGER,
    Promotion.CHAMPION: Stage.CHAMPION,
    Promotion.NONE: Stage.CANDIDATE,
}


def record(
    registry: Registry,
    promote: Promotion,
    *,
    actor: str,
    champion: Champion,
    challenger: Opened,
    fired: Sequence[Fired],
    vintage: Vintage,
    gate: GateResult,
    what: str,
    details: Mapping[str, Any],
) -> Version:
    """Register a challenger, in its stage, in one transaction with what it rests on.

    Parameters
    ----------
    registry : Registry
        Takes it.
    promote : Promotion
        What one that passed becomes; one that failed stays a candidate.
    actor : str
        Who asked.
    champion : Champion
        What it stood against.
    challenger : Opened
        Its file.
    fired : sequence of Fired
        Why it stood.
    vintage : Vintage
        On which loans.
    gate : GateResult
        What was found.
    what : str
        How the registry's reason begins, without the day.
    details : mapping of str to object
        Plain values that go along.

    Returns
    -------
    Version
    """
    stage = _STAGES[promote] if gate.passed else Stage.CANDIDATE
    reasons = list(gate.reasons)
    present = registry.champion()
    if stage is not Stage.CANDIDATE and (present is None or present.number != champion.version):
        stage = Stage.CANDIDATE
        reasons.append(Text("The champion has changed meanwhile.", "其间冠军模型已更换。"))
    why = ", ".join(item.kind for item in fired)
    body = {
        "as_of": str(vintage.as_of),
        "champion": champion.version,
        "triggers": [asdict(item) for item in fired],
        "vintage": {"first": str(vintage.first), "end": str(vintage.end)},
        **details,
        "reasons": [asdict(reason) for reason in reasons],
        "gate": gate.as_dict(),
    }
    return registry.register(
        challenger.body,
        actor=actor,
        reason=" ".join([f"{what} as of {vintage.as_of} ({why}).", *(r.en for r in reasons)]),
        details={RECORD: body},
        stage=stage,
    )


def last_attempt(registry: Registry) -> np.datetime64 | None:
    """Return the as-of date of the latest challenger that a retraining has registered."""
    days = [
        np.datetime64(str(event.details[RECORD]["as_of"]), "D")
        for event in registry.history()
        if RECORD in event.details
    ]
    return max(days, default=None)
