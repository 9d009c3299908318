"""A challenger that was trained elsewhere stands against the champion on a bank's own loans.

So a bank of a federation closes the circle: the operator trains over all banks, and each bank lets
what comes of it stand before its own gate, on its own newest matured vintage, before it decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fed_credit.config.load import compose
from fed_credit.config.monitor import load_monitor
from fed_credit.config.retrain import RetrainSpec
from fed_credit.errors import ConfigurationError
from fed_credit.model_file.archive import Opened
from fed_credit.monitoring.sources import find_place, read_place
from fed_credit.registry.registry import Registry, Version
from fed_credit.reporting.html.texts import Text
from fed_credit.retraining.challenger import check_new, deployed_pd
from fed_credit.retraining.champion import Champion, days_of
from fed_credit.retraining.gate import GateResult, Judged, judge
from fed_credit.retraining.record import record
from fed_credit.retraining.retrain import current_champion
from fed_credit.retraining.triggers import Fired
from fed_credit.retraining.vintage import Vintage, newest_vintage

_HANDED = Fired("handed", Text("it was trained elsewhere", "在别处训练"))


@dataclass(frozen=True)
class Stood:
    """What came of it.

    Parameters
    ----------
    champion : Champion
        The model in use before.
    vintage : Vintage
        The loans that judged.
    gate : GateResult
        What they showed.
    version : Version or None
        The challenger in the registry; None of a dry run.
    """

    champion: Champion
    vintage: Vintage
    gate: GateResult
    version: Version | None


def stand_at_home(
    home: Path,
    registry: Registry,
    spec: RetrainSpec,
    challenger: Opened,
    *,
    as_of: np.datetime64,
    loans: Path | None,
    actor: str,
    dry_run: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Stood:
    """Let a model stand against the champion on a home's own loans.

    Parameters
    ----------
    home : Path
        Its ``monitor.yaml`` or ``bank.yaml`` says where the loans lie.
    registry : Registry
        With a champion; takes the challenger.
    spec : RetrainSpec
        The vintage, what the challenger has to show, and what it becomes.
    challenger : Opened
        The model.
    as_of : numpy.datetime64
        The day; nothing later is known.
    loans : Path or None
        A CSV or Parquet file, in place of the home's own source.
    actor : str
        Who asks.
    dry_run : bool
        Whether to record nothing.
    tell : callable
        Called with a line for each step.

    Returns
    -------
    Stood

    Raises
    ------
    FedCreditError
        If there is no champion, one of the two has seen the newest vintage, they answer different
        questions, or the loans cannot be used.
    """
    champion = current_champion(registry)
    if challenger.sha256 == champion.opened.sha256:
        raise ConfigurationError("The challenger is the champion itself; name another model.")
    window = _window(champion.opened, challenger)
    vintage = newest_vintage(as_of, window, spec.vintage.months)
    own_day, seen_until = days_of(challenger, "The challenger")
    if as_of < max(own_day, champion.as_of):
        raise ConfigurationError(
            f"--as-of {as_of} lies before the day of one of the models (champion {champion.as_of},"
            f" challenger {own_day}); give a later one."
        )
    check_new(f"the champion (version {champion.version})", champion.seen_until, vintage)
    check_new("the challenger", seen_until, vintage)
    place = find_place(home, load_monitor(home), loans)
    names = _looked_at(champion.opened, challenger)
    found = read_place(
        home, place, challenger.model.schema, names, window_months=window, as_of=str(as_of)
    )
    decided = found.decided  # NaT compares with nothing
    chosen = (decided >= vintage.first) & (decided < vintage.end) & (found.y >= 0)
    judged = found.take(chosen)
    tell(
        f"{found.rows:,} rows, {found.rejected:,} rejected; {len(judged):,} loans with an outcome"
        f" were decided from {vintage.first} to before {vintage.end}."
    )
    gate = judge(
        Judged(
            names=(found.institution,),
            bank=np.zeros(len(judged), np.int64),
            y=judged.y,
            champion=deployed_pd(champion.opened, judged.features),
            challenger=deployed_pd(challenger, judged.features),
        ),
        spec.gate,
        compose([*spec.overrides, "run_dir=retrain"]).evaluation,
    )
    for reason in gate.reasons:
        tell(reason.en)
    if dry_run:
        tell("A dry run: nothing was recorded.")
        return Stood(champion, vintage, gate, None)
    version = record(
        registry,
        spec.promote,
        actor=actor,
        champion=champion,
        challenger=challenger,
        fired=(_HANDED,),
        vintage=vintage,
        gate=gate,
        what="Stood",
        details={"run": challenger.model.provenance.get("run", {}).get("name")},
    )
    tell(f"Version {version.number} is {version.stage}.")
    return Stood(champion, vintage, gate, version)


def _window(champion: Opened, challenger: Opened) -> int:
    """Return the performance window that both models are about."""
    targets = [model.model.provenance.get("target", {}) for model in (champion, challenger)]
    windows = [target.get("window_months") for target in targets]
    if windows[0] != windows[1]:
        raise ConfigurationError(
            f"The champion is about {_months(windows[0])} and the challenger about"
            f" {_months(windows[1])}, so no loans can judge both; train one for the other's window."
        )
    if windows[0] is None:
        raise ConfigurationError(
            "Both models are about a final status, which does not say since when it holds, so no"
            " labels as of a day are known; train models with data.target.window_months."
        )
    return int(windows[0])


def _months(window: int | None) -> str:
    return "a final status" if window is None else f"{window} months"


def _looked_at(champion: Opened, challenger: Opened) -> list[str]:
    """Return what either model looks at, by the challenger's schema."""
    names = dict.fromkeys(
        feature.name
        for model in (challenger, champion)
        for feature in model.model.artefact.model.features
    )
    lacking = [name for name in names if name not in challenger.model.schema.fields]
    if lacking:
        raise ConfigurationError(
            f"The challenger's schema has no {', '.join(lacking)}, which the champion looks at, so"
            " no loans can judge both."
        )
    return list(names)
