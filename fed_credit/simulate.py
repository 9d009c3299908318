"""The main job on one machine: data, federation, comparison, and what a run leaves behind."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from fed_credit.artefact import Artefact, save_artefact
from fed_credit.config.load import from_yaml, resolved_yaml
from fed_credit.config.location import schema_dir
from fed_credit.config.spec import SimulationSpec, SplitKind, Weighting
from fed_credit.data.book import Dataset, Part
from fed_credit.data.cache import cached_dataset
from fed_credit.data.loan_keys import loan_keys
from fed_credit.data.records import RejectedRowsError
from fed_credit.data.split import split_warnings
from fed_credit.errors import ConfigurationError, DataError
from fed_credit.files import plain, replacing, write_json, write_text
from fed_credit.model_file.archive import write_model_file
from fed_credit.model_file.contents import ModelFile
from fed_credit.model_file.make import make_model_file
from fed_credit.model_file.provenance import simulated
from fed_credit.model_file.reference import reference_of
from fed_credit.model_file.samples import COMPARED, Judged, Sample, segments_of, years_of
from fed_credit.repeat import Repeat, RepeatRunner
from fed_credit.reporting.html.folder import REPORT_HTML, write_run_report
from fed_credit.reporting.progress import RunProgress
from fed_credit.reporting.report import render_report
from fed_credit.reporting.results import build_results, institution_codes
from fed_credit.reporting.table import print_results
from fed_credit.tracking.protocol import SweepJob
from fed_credit.tracking.session import tracked_run
from fed_credit.training.metrics_log import METRICS, MetricsLog
from fed_credit.training.run_spec import RunSpec, planned_rounds
from fed_credit.training.state import RunState

CONFIG, FINGERPRINT, LOANS, RESULTS, REPORT, REJECTED, MODEL, MODEL_FILE = (
    "config.yaml",
    "data.sha256",
    "loans.npz",
    "results.json",
    "report.md",
    "rejected_rows.csv",
    "model",
    "model.fcm",
)
# What a tracker keeps, of what a run leaves.
TRACKED = (CONFIG, RESULTS, REPORT, REPORT_HTML, MODEL, MODEL_FILE)


@dataclass(frozen=True)
class SimulationResult:
    """What a run found and where it lies.

    Parameters
    ----------
    run_dir : Path
        The run folder.
    results : dict
        The body of ``results.json``.
    model : Artefact
        The federated model of the first repeat.
    """

    run_dir: Path
    results: dict[str, Any]
    model: Artefact


@dataclass(frozen=True)
class Start:
    """What a run starts from, where it does not start from nothing.

    Parameters
    ----------
    state : callable
        Takes what is trained and returns the state.
    provenance : mapping of str to object
        What the model's file says of it: plain values.
    """

    state: Callable[[RunSpec], RunState]
    provenance: Mapping[str, Any]


def simulate(
    spec: SimulationSpec,
    sweep: SweepJob | None = None,
    *,
    start_from: Start | None = None,
    show: bool = True,
) -> SimulationResult:
    """Run the main job: load, federate, compare, and write the run folder.

    Parameters
    ----------
    spec : SimulationSpec
        What to run; with ``resume`` set, finished parts are read back and the rest is done.
    sweep : SweepJob or None
        The sweep that it is a job of, for its tracking; a job prints no table of its own.
    start_from : Start or None
        What it starts from; None from nothing.
    show : bool, default=True
        Whether a table is printed at the end.

    Returns
    -------
    SimulationResult

    Raises
    ------
    FedCreditError
        If something cannot be used, in one sentence.
    """
    start = time.perf_counter()
    folder = Path(spec.run_dir)
    _check_folder(spec, folder)
    repeats_wanted, rounds = spec.evaluation.repeats, planned_rounds(spec)
    with (
        tracked_run(spec, folder, sweep) as tracking,
        RunProgress(repeats_wanted * rounds, spec.progress) as progress,
    ):
        progress.stage("reading loans")
        try:
            dataset = cached_dataset(
                spec.data,
                num_institutions=spec.federation.num_institutions,
                schema_dir=schema_dir(),
                seed=spec.seed,
            )
        except RejectedRowsError as error:
            write_text(folder / REJECTED, error.rejected.to_csv(index=False))
            raise DataError(f"{error} They are listed in {folder / REJECTED}.") from None
        write_text(folder / REJECTED, dataset.rejected.to_csv(index=False))
        _check_weighting(spec, dataset)
        if spec.resume is None:
            write_text(folder / FINGERPRINT, dataset.report.fingerprint + "\n")
            # From here on there is something to resume; before, a mended command starts anew.
            write_text(folder / CONFIG, resolved_yaml(spec))
        else:
            _check_same_data(folder / FINGERPRINT, dataset.report.fingerprint)
        tracking.loaded(dataset.report.fingerprint)
        metrics = MetricsLog(folder / METRICS)

        def on_round(repeat: int, state: RunState) -> None:
            metrics.write(repeat, state)
            tracking.measured(repeat, state.history)
            newest = state.history[-1] if state.history else None
            progress.done(repeat * rounds + state.round, newest)

        begin = None if start_from is None else start_from.state
        runner = RepeatRunner(spec, dataset, folder, on_round, progress.stage, begin)
        repeats = [runner.run(number) for number in range(repeats_wanted)]
        _write_loans(folder / LOANS, spec, dataset, repeats)
        progress.stage("comparing")
        first = repeats[0]
        artefact = Artefact.of(first.spec, first.state, data_fingerprint=dataset.report.fingerprint)
        # What is not defined is None from here on, as in the file.
        results = plain(
            build_results(
                spec,
                dataset,
                repeats,
                artefact,
                _warnings(spec, dataset, repeats),
                time.perf_counter() - start,
            )
        )
        save_artefact(folder / MODEL, artefact)
        write_model_file(
            folder / MODEL_FILE, _model_file(spec, dataset, first, artefact, results, start_from)
        )
        write_text(folder / REPORT, render_report(results))
        write_run_report(folder, results, spec, dataset, repeats)
        write_json(folder / RESULTS, results)
        tracking.finished(results, [folder / name for name in TRACKED])
    if sweep is None and show:  # a sweep ends in a table of its own
        _show(results, folder)
    return SimulationResult(folder, results, artefact)


def _show(results: dict[str, Any], folder: Path) -> None:
    console = Console(width=None if sys.stdout.isatty() else 140)
    print_results(results, console)
    console.print(
        f"{results['timing']['wall_s']:.1f} s. Report: {folder / REPORT_HTML}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _write_loans(
    path: Path, spec: SimulationSpec, dataset: Dataset, repeats: Sequence[Repeat]
) -> None:
    """Write what other runs know the loans by, their outcomes, and their part in each repeat."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            key=loan_keys(dataset, spec.data),
            y=dataset.y,
            parts=np.stack([repeat.parts for repeat in repeats]),
        )


def _model_file(
    spec: SimulationSpec,
    dataset: Dataset,
    repeat: Repeat,
    artefact: Artefact,
    results: dict[str, Any],
    start_from: Start | None,
) -> ModelFile:
    return make_model_file(
        artefact,
        dataset.schema,
        spec.decision,
        spec.evaluation,
        _judged(spec, dataset, repeat, results),
        reference=reference_of(
            repeat.spec,
            repeat.model,
            dataset,
            repeat.parts,
            repeat.scores["federated"],
        ).to_dict(),
        provenance=simulated(
            spec,
            dataset,
            repeat.parts,
            artefact,
            results["warnings"],
            None if start_from is None else start_from.provenance,
        ),
    )


def _judged(
    spec: SimulationSpec, dataset: Dataset, repeat: Repeat, results: dict[str, Any]
) -> Judged:
    """Take the loans that the file is judged by; of the comparison, what results say of it."""
    scores = repeat.scores["federated"]

    def sample(part: Part) -> Sample:
        rows = repeat.parts == part
        return Sample.of(dataset.y[rows], scores[rows], dataset.decided[rows])

    test = np.flatnonzero(repeat.parts == Part.TEST)
    return Judged(
        split=str(spec.data.split.kind),
        validation=sample(Part.VALIDATION),
        test=sample(Part.TEST),
        segments=segments_of(
            dataset.schema,
            dataset.features.iloc[test],
            dataset.exposure[test],
            (dataset.names, institution_codes(dataset)[test]),
            dataset.y[test],
            scores[test],
        ),
        years=years_of(dataset.y, dataset.decided),
        comparison={key: results[key] for key in COMPARED},
    )


def _warnings(spec: SimulationSpec, dataset: Dataset, repeats: Sequence[Repeat]) -> list[str]:
    warnings = [*dataset.warnings, *split_warnings(dataset, repeats[0].parts)]
    if spec.data.split.kind is SplitKind.OUT_OF_TIME and len(repeats) > 1:
        warnings.append(
            f"All {len(repeats)} repeats test on the same loans, those after the cut: intervals"
            " leave out the noise of these loans and are too narrow."
        )
    return warnings


def _check_folder(spec: SimulationSpec, folder: Path) -> None:
    """Refuse a folder with a run for a new one, and one with another run for a resumed one."""
    if spec.resume is None:
        if (folder / CONFIG).exists():
            raise ConfigurationError(
                f"{folder} holds a run already; go on with it by resume={folder}, or choose another"
                " folder with run_dir=FOLDER."
            )
        return
    saved = from_yaml(folder / CONFIG)
    # Where the folder lies, what the terminal shows and who is told may differ; nothing else may.
    free: dict[str, Any] = {"run_dir": "", "resume": None, "progress": None}
    if replace(saved, **free, tracking=spec.tracking) != replace(spec, **free):
        raise ConfigurationError(
            f"{folder} holds a run of another configuration; go on with that one by"
            f" resume={folder} alone, or choose another folder with run_dir=FOLDER."
        )


def _check_weighting(spec: SimulationSpec, dataset: Dataset) -> None:
    """Exposure counts in millions: ones in its place would vanish in the fixed point."""
    if spec.strategy.weighting is Weighting.EXPOSURE and dataset.schema.roles.exposure is None:
        raise ConfigurationError(
            f"strategy.weighting=exposure needs a field in the role 'exposure', which schema"
            f" '{dataset.schema.name}' does not have; choose loans or equal."
        )


def _check_same_data(path: Path, fingerprint: str) -> None:
    """Checkpoints of other data must not be gone on with: nobody could say what the model saw."""
    if path.exists() and path.read_text(encoding="utf-8").strip() != fingerprint:
        raise DataError(
            f"The loans differ from those that the run in {path.parent} began with; restore them,"
            " or start anew with run_dir=FOLDER."
        )
