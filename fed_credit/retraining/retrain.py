"""One retraining: is it due, what is learnt, does it stand, and what the registry says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fed_credit.config.retrain import RetrainSpec
from fed_credit.config.spec import SimulationSpec
from fed_credit.errors import ConfigurationError
from fed_credit.registry.registry import Registry, Version
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
from fed_credit.retraining.record import last_attempt, record
from fed_credit.retraining.triggers import FORCED, Due, due
from fed_credit.retraining.vintage import labels_since


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
    check_new(f"the champion (version {champion.version})", champion.seen_until, known.vintage)
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
    version = record(
        registry,
        spec.promote,
        actor=request.actor,
        champion=champion,
        challenger=challenger.opened,
        fired=found.fired,
        vintage=known.vintage,
        gate=gate,
        what="Retrained",
        details={
            "warm_start": {"used": challenger.warm, "why_not": challenger.why_not},
            "seconds": round(challenger.seconds, 3),
            "run": challenger.folder.name,
        },
    )
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


def _folder(runs: Path, as_of: np.datetime64) -> Path:
    """Return a folder for the run that is not there yet."""
    name, number = f"retrain-{as_of}", 2
    folder = runs / name
    while folder.exists():
        folder, number = runs / f"{name}-{number}", number + 1
    return folder
