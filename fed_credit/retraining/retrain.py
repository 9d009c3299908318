"""One retraining: is it due, what is learnt, does it stand, and what the registry says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fed_credit.config.retrain import Promotion, RetrainSpec
from fed_credit.config.spec import SimulationSpec
from fed_credit.errors import ConfigurationError
from fed_credit.registry.registry import Registry, Stage, Version
from fed_credit.reporting.html.texts import Text
from fed_credit.retraining.alerts import LATEST, read_alerts
from fed_credit.retraining.challenger import (
    Challenger,
    Known,
    check_new,
    known_on,
    stand,
    train_challenger,
)
from fed_credit.retraining.champion import Champion, champion_of
from fed_credit.retraining.gate import GateResult
from fed_credit.retraining.triggers import FORCED, Due, due
from fed_credit.retraining.vintage import labels_since

RECORD = "retraining"
_STAGES = {
    Promotion.CHALLENGER: Stage.CHALLENGER,
    Promotion.CHAMPION: Stage.CHAMPION,
    Promotion.NONE: Stage.CANDIDATE,
}


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Parameters
    ----------
    as_of : numpy.datetime64
        The day; nothing later is known.
    simulation : SimulationSpec
        The run: where the loans lie, which model.
    actor : str
        Who asks.
    force : bool
        Whether to train although no trigger fires.
    dry_run : bool
        Whether to say only what would be done.
    """

    as_of: np.datetime64
    simulation: SimulationSpec
    actor: str
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Parameters
    ----------
    champion : Champion
        The model in use before.
    due : Due
        What fired.
    known : Known
        What was known on the day.
    challenger : Challenger or None
        None where nothing was trained.
    gate : GateResult or None
        What it showed.
    version : Version or None
        The challenger in the registry.
    """

    champion: Champion
    due: Due
    known: Known
    challenger: Challenger | None = None
    gate: GateResult | None = None
    version: Version | None = None


def retrain(
    home: Path,
    registry: Registry,
    spec: RetrainSpec,
    request: Request,
    tell: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Retrain if it is due, and let the challenger stand against the champion.

    Parameters
    ----------
    home : Path
        Its ``monitoring/latest.json`` is read, its ``runs/`` takes the challenger's run.
    registry : Registry
        With a champion.
    spec : RetrainSpec
        When, how, and what the challenger has to show.
    request : Request
        What is asked for.
    tell : callable
        Called with a line for each step.

    Returns
    -------
    Outcome
        Where nothing fired, or of a dry run, nothing was trained and nothing recorded.

    Raises
    ------
    FedCreditError
        If there is no champion, it has seen the newest vintage, or the data cannot be used.
    """
    champion = current_champion(registry)
    if request.as_of < champion.as_of:
        raise ConfigurationError(
            f"--as-of {request.as_of} lies before the champion's own day, {champion.as_of}; give a"
            " later one."
        )
    known = known_on(request.as_of, spec, request.simulation)
    labels = labels_since(known.dataset, champion.as_of, known.vintage.window_months)
    alerts = read_alerts(home / LATEST)
    found = due(spec.triggers, champion, request.as_of, labels, alerts, last_attempt(registry))
    if request.force:
        found = Due((*found.fired, FORCED), found.quiet)
    for fired in found.fired:
        tell(f"Due ({fired.kind}): {fired.why.en}.")
    if not found.fired:
        tell(f"Not due: {'; '.join(text.en for text in found.quiet)}.")
        return Outcome(champion, found, known)
    check_new(champion, known.vintage)
    if request.dry_run:
        tell("A dry run: nothing was trained.")
        return Outcome(champion, found, known)
    challenger = train_challenger(
        known, spec, champion.opened, _folder(home / "runs", request.as_of)
    )
    how = "from the champion" if challenger.warm else "from nothing"
    why = f" ({challenger.why_not})" if challenger.why_not else ""
    tell(f"Trained {how}{why} in {challenger.seconds:.1f} s: {challenger.folder}.")
    gate = stand(known, spec, champion.opened, challenger.opened)
    for reason in gate.reasons:
        tell(reason.en)
    outcome = Outcome(champion, found, known, challenger, gate)
    version = _record(registry, spec, request, outcome)
    tell(f"Version {version.number} is {version.stage}.")
    return Outcome(champion, found, known, challenger, gate, version)


def current_champion(registry: Registry) -> Champion:
    """Return the registry's champion.

    Raises
    ------
    ConfigurationError
        If there is none.
    ArtefactError
        If its file does not say up to when it knows.
    """
    version = registry.champion()
    if version is None:
        raise ConfigurationError(
            f"{registry.where} has no champion to stand against; register a model and promote it"
            " with fed-credit registry."
        )
    return champion_of(version.number, registry.model(version.number))


def last_attempt(registry: Registry) -> np.datetime64 | None:
    """Return the as-of date of the latest challenger that a retraining has registered."""
    days = [
        np.datetime64(str(event.details[RECORD]["as_of"]), "D")
        for event in registry.history()
        if RECORD in event.details
    ]
    return max(days, default=None)


def _record(registry: Registry, spec: RetrainSpec, request: Request, outcome: Outcome) -> Version:
    """Register the challenger, in its stage, in one transaction with what it rests on."""
    challenger, gate = outcome.challenger, outcome.gate
    assert challenger is not None and gate is not None
    stage = _STAGES[spec.promote] if gate.passed else Stage.CANDIDATE
    reasons = list(gate.reasons)
    present = registry.champion()
    if stage is not Stage.CANDIDATE and (
        present is None or present.number != outcome.champion.version
    ):
        stage = Stage.CANDIDATE
        reasons.append(Text("The champion has changed meanwhile.", "其间冠军模型已更换。"))
    fired = ", ".join(item.kind for item in outcome.due.fired)
    return registry.register(
        challenger.opened.body,
        actor=request.actor,
        reason=" ".join([f"Retrained as of {request.as_of} ({fired}).", *(r.en for r in reasons)]),
        details={RECORD: _details(request, outcome, reasons)},
        stage=stage,
    )


def _details(request: Request, outcome: Outcome, reasons: list[Text]) -> Mapping[str, Any]:
    challenger, gate = outcome.challenger, outcome.gate
    assert challenger is not None and gate is not None
    vintage = outcome.known.vintage
    return {
        "as_of": str(request.as_of),
        "champion": outcome.champion.version,
        "triggers": [asdict(item) for item in outcome.due.fired],
        "vintage": {"first": str(vintage.first), "end": str(vintage.end)},
        "warm_start": {"used": challenger.warm, "why_not": challenger.why_not},
        "seconds": round(challenger.seconds, 3),
        "run": challenger.folder.name,
        "reasons": [asdict(reason) for reason in reasons],
        "gate": gate.as_dict(),
    }


def _folder(runs: Path, as_of: np.datetime64) -> Path:
    """Return a folder for the run that is not there yet."""
    name, number = f"retrain-{as_of}", 2
    folder = runs / name
    while folder.exists():
        folder, number = runs / f"{name}-{number}", number + 1
    return folder
