"""Retraining over the banks of a deployment: submitted, followed, and registered as a candidate.

It is not let through the gate. What comes back are sums of the challenger's scores alone; of the
champion there are none on the same loans, and no pairing could be undone from sums. So nothing
here says which of the two is better, and nothing is promoted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from fed_credit.config.load import compose
from fed_credit.config.operator import load_operator
from fed_credit.config.retrain import RetrainSpec
from fed_credit.deploy.control import Control
from fed_credit.deploy.follow import check_completed, follow
from fed_credit.deploy.results import bring_results
from fed_credit.deploy.submit import check_run, expected_banks, run_name, submit
from fed_credit.errors import DeploymentError
from fed_credit.model_file.archive import open_model_file
from fed_credit.registry.registry import Registry, Version
from fed_credit.retraining.alerts import LATEST, read_alerts
from fed_credit.retraining.record import RECORD, last_attempt
from fed_credit.retraining.retrain import Request, current_champion
from fed_credit.retraining.triggers import FORCED, Due, due
from fed_credit.retraining.vintage import NewLabels, newest_vintage

_MODEL_FILE, _RESULTS = "model.fcm", "results.json"


def as_of_overrides(overrides: Sequence[str], as_of: np.datetime64, spec: RetrainSpec) -> list[str]:
    """Return a run's overrides with the day and the vintage that is held out.

    Parameters
    ----------
    overrides : sequence of str
        Of the run.
    as_of : numpy.datetime64
        The day.
    spec : RetrainSpec
        Which vintage.

    Returns
    -------
    list of str

    Raises
    ------
    DeploymentError
        If labels have no window.
    """
    window = compose([*overrides, "run_dir=retrain"]).data.target.window_months
    if window is None:
        raise DeploymentError(
            "data.target.window_months is null, so nobody knows which labels are mature on"
            f" {as_of}; set a window."
        )
    vintage = newest_vintage(as_of, window, spec.vintage.months)
    return [
        *overrides,
        f"data.target.as_of={as_of}",
        "data.split.kind=out_of_time",
        "data.split.stratified=false",
        f"data.split.test_from={vintage.first}",
        f"data.split.embargo={str(spec.vintage.embargo).lower()}",
    ]


def retrain_over_banks(
    operator_home: Path,
    registry: Registry,
    spec: RetrainSpec,
    request: Request,
    overrides: Sequence[str],
    tell: Callable[[str], None],
) -> Version | None:
    """Retrain over the banks of a deployment if it is due.

    Parameters
    ----------
    operator_home : Path
        The operator's home; its ``monitoring/latest.json`` is about pooled sums.
    registry : Registry
        With a champion; takes the challenger as a candidate.
    spec : RetrainSpec
        When, and which vintage is held out.
    request : Request
        The day, who asks, whether by force.
    overrides : sequence of str
        Of the run.
    tell : callable
        Called with a line for each step.

    Returns
    -------
    Version or None
        None where nothing was due, or of a dry run.

    Raises
    ------
    FedCreditError
        If the run cannot be submitted, or does not complete.
    """
    champion = current_champion(registry)
    # How many labels have matured at the banks is theirs to know.
    triggers = replace(spec.triggers, labels=replace(spec.triggers.labels, enabled=False))
    alerts = read_alerts(operator_home / LATEST)
    found = due(triggers, champion, request.as_of, NewLabels(0, 0), alerts, last_attempt(registry))
    if request.force:
        found = Due((*found.fired, FORCED), found.quiet)
    for fired in found.fired:
        tell(f"Due ({fired.kind}): {fired.why.en}.")
    if not found.fired:
        tell(f"Not due: {'; '.join(text.en for text in found.quiet)}.")
        return None
    words = as_of_overrides(overrides, request.as_of, spec)
    check_run(words)
    if request.dry_run:
        tell("A dry run: nothing was submitted.")
        return None
    folder = _run(operator_home, words, f"retrain-{request.as_of}", tell)
    version = registry.register(
        open_model_file(folder / _MODEL_FILE).body,
        actor=request.actor,
        reason=f"Retrained over the banks as of {request.as_of}"
        f" ({', '.join(item.kind for item in found.fired)}). Not compared with the champion on the"
        " same loans: sums of two runs cannot be.",
        details={RECORD: _details(request, champion.version, found, folder)},
    )
    tell(
        f"Version {version.number} is {version.stage}. It has not stood against the champion: let"
        " it stand at the banks (fed-credit retrain --challenger), then promote it or not."
    )
    return version


def _run(home: Path, overrides: Sequence[str], name: str, tell: Callable[[str], None]) -> Path:
    operator = load_operator(home)
    chosen = run_name(overrides, name)
    with Control(operator) as control:
        banks = expected_banks(operator, control.nodes())
        run_id = submit(control, banks, overrides, chosen)
        tell(f"Submitted: run '{chosen}' ({run_id}) to {len(banks)} banks.")
        run, log = follow(control, run_id, tell)
        check_completed(run, log)
    return bring_results(operator, chosen, run_id, home / "runs")


def _details(request: Request, champion: int, found: Due, folder: Path) -> dict[str, Any]:
    results = json.loads((folder / _RESULTS).read_text(encoding="utf-8"))
    return {
        "as_of": str(request.as_of),
        "champion": champion,
        "triggers": [asdict(item) for item in found.fired],
        "run": folder.name,
        "gate": None,
        "pooled": results["test"],
        "own_metrics": results["own_metrics"],
    }
