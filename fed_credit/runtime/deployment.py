"""The ``deployment`` runtime: a run over real banks, driven from the SuperLink's server app."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.common.config import get_project_dir
from flwr.serverapp import Grid

from fed_credit.artefact import Artefact, save_artefact
from fed_credit.config.convert import plain as config_plain
from fed_credit.config.load import CONFIG_FILE, compose, from_yaml, resolved_yaml
from fed_credit.config.location import schema_dir
from fed_credit.config.spec import PartitionKind, SimulationSpec
from fed_credit.data.load import resolve_schema
from fed_credit.data.schema import Schema, load_schema
from fed_credit.data.split import check_divisible_alone
from fed_credit.errors import ConfigurationError
from fed_credit.evaluation.sums import measure_sums
from fed_credit.files import local_path, plain, write_json, write_text
from fed_credit.job import CHECKPOINT, FederatedJob, FederatedOutcome, run_job
from fed_credit.model_file.archive import write_model_file
from fed_credit.model_file.contents import ModelFile
from fed_credit.model_file.make import make_model_file
from fed_credit.model_file.provenance import deployed
from fed_credit.model_file.reference import span_of
from fed_credit.model_file.samples import Judged, Sample
from fed_credit.runtime.diary import Diary
from fed_credit.runtime.monitored import asks_monitor, run_monitored
from fed_credit.runtime.places import (
    MODEL,
    MODEL_FILE,
    PULL_SECONDS,
    RESULTS,
    SCHEMA,
    expected_banks,
    runs_folder,
)
from fed_credit.runtime.pulls import pull_promptly
from fed_credit.runtime.registered import Registered
from fed_credit.runtime.streaming import StreamingGrid
from fed_credit.training.checkpoint import load_checkpoint, save_checkpoint
from fed_credit.training.metrics_log import METRICS, MetricsLog
from fed_credit.training.run_spec import RunSpec, planned_rounds
from fed_credit.training.state import RunState
from fed_credit.training.task import Task
from strategies.exchange import Attendance

_RESUME = "resume="


@dataclass(frozen=True)
class DeployedRun:
    """What an operator has asked for.

    Parameters
    ----------
    spec : SimulationSpec
        The configuration; where data lie and how they are divided over banks has no meaning here.
    folder : Path
        Of the run.
    banks : mapping of str to str or None
        Digest of the public key by registered name of the banks that are expected; ``None`` takes
        those that are connected.
    """

    spec: SimulationSpec
    folder: Path
    banks: Mapping[str, str] | None


def read_request(context: Context, config_dir: Path | None) -> DeployedRun:
    """Read what ``flwr run`` or ``fed-credit deploy run`` asks for.

    Parameters
    ----------
    context : Context
        Its run configuration holds ``overrides`` (as on the command line), ``name`` (of the run's
        folder; empty for one by the run's number) and ``banks`` (JSON: digest of the public key by
        name; empty for whoever is connected). Every bank can read them.
    config_dir : Path or None
        Configuration that came with the bundle.

    Returns
    -------
    DeployedRun

    Raises
    ------
    ConfigurationError
        If it cannot be run.
    """
    asked = {key: str(context.run_config.get(key, "")) for key in ("overrides", "name", "banks")}
    words = shlex.split(asked["overrides"])
    runs = runs_folder()
    resumed = [word.removeprefix(_RESUME) for word in words if word.startswith(_RESUME)]
    banks = expected_banks(asked["banks"])
    if resumed and resumed[-1] not in ("null", ""):
        folder = runs / Path(resumed[-1]).name
        if not (folder / CONFIG_FILE).exists():
            raise ConfigurationError(f"There is no run '{folder.name}' to go on with in {runs}.")
        spec = from_yaml(folder / CONFIG_FILE)
        rest = [word for word in words if not word.startswith(_RESUME)]
        if rest:
            raise ConfigurationError(
                f"resume={folder.name} goes on with the saved configuration of that run, so"
                f" {rest[0]} cannot be set."
            )
        return DeployedRun(replace(spec, resume=str(folder)), folder, banks)
    folder = runs / (Path(asked["name"]).name or f"run-{context.run_id}")
    if (folder / CONFIG_FILE).exists():
        raise ConfigurationError(
            f"Run '{folder.name}' exists already; go on with it by resume={folder.name}, or choose"
            " another name."
        )
    spec = compose(words, config_dir=config_dir)
    return DeployedRun(deployable(replace(spec, run_dir=str(folder))), folder, banks)


def deployable(spec: SimulationSpec) -> SimulationSpec:
    """Return a configuration as banks of a deployment can run it, each on its own loans alone.

    Parameters
    ----------
    spec : SimulationSpec
        As composed.

    Returns
    -------
    SimulationSpec
        With a split that no bank needs the others for, unless it says otherwise.

    Raises
    ------
    ConfigurationError
        If something depends on what no bank knows.
    """
    split = spec.data.split
    if split.stratified is None:
        split = replace(split, stratified=False)
    check_divisible_alone(split)
    target = spec.data.target
    if target.window_months is not None and target.as_of is None:
        raise ConfigurationError(
            "data.target.as_of=YYYY-MM-DD has to be given in a deployment: no bank knows up to when"
            " the others' loans were observed."
        )
    if spec.data.partition.kind is not PartitionKind.NATURAL:
        raise ConfigurationError(
            f"data.partition.kind={spec.data.partition.kind} has no meaning in a deployment, where"
            " each bank holds its own loans; leave it at natural."
        )
    return replace(spec, data=replace(spec.data, split=split))


def run_deployed(grid: Grid, context: Context) -> None:
    """Run what is asked for over the banks that are connected, and write the run's folder.

    Parameters
    ----------
    grid : Grid
        Of the SuperLink.
    context : Context
        See :func:`read_request`.

    Raises
    ------
    FedCreditError
        If it cannot be run, or too few banks answer; the SuperLink keeps the sentence.
    """
    if asks_monitor(context):
        run_monitored(grid, context)
        return
    bundled = _bundled_configuration(grid)
    request = read_request(context, bundled)
    spec, folder = request.spec, request.folder
    schema_path = _schema_path(request, bundled)
    schema = load_schema(schema_path)
    run = RunSpec.of_schema(spec, schema)
    state = load_checkpoint(folder / CHECKPOINT, run)
    banks = Registered(grid, request.banks)
    banks.gather(spec.federation)
    names = banks.names
    # From here on there is something to go on with; before, a mended command starts anew.
    write_text(folder / SCHEMA, schema_path.read_text(encoding="utf-8"))
    write_text(folder / CONFIG_FILE, resolved_yaml(spec))
    print(f"Run '{folder.name}' with {len(names)} banks: {', '.join(sorted(names.values()))}")
    metrics, diary = MetricsLog(folder / METRICS), Diary(folder, planned_rounds(spec))

    def after_round(state: RunState) -> None:
        save_checkpoint(folder / CHECKPOINT, state, run)
        metrics.write(0, state)
        diary.note_round(state)

    def after_exchange(attendance: Attendance) -> None:
        diary.note_exchange(attendance)
        banks.look_again()

    job = FederatedJob(
        spec=run,
        strategy=spec.strategy,
        federation=spec.federation,
        institutions=len(names),
        names=names,
        state=state,
        after_round=after_round,
        after_exchange=after_exchange,
        own_metrics=True,
        reference=True,
        span=span_of(spec),
    )
    pull_promptly()
    start = time.perf_counter()
    outcome = run_job(StreamingGrid(grid, threading.Event(), PULL_SECONDS), job)
    if outcome.reference is None:
        print(
            "No reference population: too few banks answered the task 'monitor', so the model's"
            " file has none, and calibration and cut-off are not chosen on validation loans.",
            flush=True,
        )
    artefact = Artefact.of(run, outcome.state, data_fingerprint=None)
    save_artefact(folder / MODEL, artefact)
    write_model_file(
        folder / MODEL_FILE,
        _model_file(spec, run, schema, artefact, outcome, folder.name, sorted(names.values())),
    )
    wall_s = time.perf_counter() - start
    write_json(
        folder / RESULTS,
        _results(spec, artefact, outcome, sorted(names.values()), diary.exchanges, wall_s),
    )
    print(f"Run '{folder.name}' is complete: {folder / RESULTS}")


def _schema_path(request: DeployedRun, bundled: Path | None) -> Path:
    """Find the run's schema: kept with a run that is gone on with, or in its bundle, or here."""
    if request.spec.resume is not None:
        return request.folder / SCHEMA
    packaged = schema_dir() if bundled is None else bundled / "schemas"
    name = request.spec.data.schema
    resolve_schema(name, packaged)  # says what is wrong with it
    named = packaged / f"{name}.yaml"
    return named if named.exists() else local_path(name)


def _model_file(
    spec: SimulationSpec,
    run: RunSpec,
    schema: Schema,
    artefact: Artefact,
    outcome: FederatedOutcome,
    name: str,
    banks: Sequence[str],
) -> ModelFile:
    """Make the file of what an operator knows: sums over the banks, and of segments nothing."""
    reference = outcome.reference
    return make_model_file(
        artefact,
        schema,
        spec.decision,
        spec.evaluation,
        Judged(
            split=str(spec.data.split.kind),
            validation=Sample.of_sums(None if reference is None else reference.validation),
            test=Sample.of_sums(outcome.test),
        ),
        reference=None if reference is None else reference.profile.to_dict(),
        provenance=deployed(spec, run, name, banks, artefact, outcome.test.n, ()),
    )


def _results(
    spec: SimulationSpec,
    artefact: Artefact,
    outcome: FederatedOutcome,
    banks: Sequence[str],
    exchanges: Sequence[Attendance],
    wall_s: float,
) -> dict[str, Any]:
    state = outcome.state
    test = measure_sums(outcome.test, calibration_bins=spec.evaluation.calibration_bins)
    body = {
        "run": {
            "runtime": "deployment",
            "institutions": list(banks),
            "rounds": state.round,
            "best_round": state.best_round,
            "seed": spec.seed,
        },
        "model": {
            "sha256": artefact.sha256,
            "preprocessor_sha256": artefact.model.preparation_sha256,
            **config_plain(spec.model),
            **artefact.about,
            "details": dict(artefact.model.details),
        },
        "test": {"loans": outcome.test.n, "from_sums": asdict(test)},
        # Of the banks whose bank.yaml lets them out.
        "own_metrics": next(
            (
                dict(each.own_metrics)
                for each in reversed(exchanges)
                if each.task is Task.EVALUATION
            ),
            {},
        ),
        "rounds": [asdict(measured) for measured in state.history],
        "exchanges": [asdict(attendance) for attendance in exchanges],
        "timing": {"wall_s": wall_s},
    }
    found: dict[str, Any] = plain(body)
    return found


def _bundled_configuration(grid: Grid) -> Path | None:
    """Return the configuration of the run's bundle, as the SuperLink has laid it out."""
    run = grid.run
    if not run.fab_id:
        return None
    folder = Path(get_project_dir(run.fab_id, run.fab_version, run.fab_hash)) / "conf"
    return folder if folder.is_dir() else None
