"""One repeat of a simulation: a seeded split, the federation, and what it is compared with."""

from __future__ import annotations

import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from fed_credit.config.spec import RuntimeKind, SimulationSpec
from fed_credit.data.book import Dataset, Part
from fed_credit.data.split import assign_parts
from fed_credit.errors import ArtefactError
from fed_credit.evaluation.sums import ScoreSums
from fed_credit.families.alone import train_one_bank, train_pooled
from fed_credit.families.protocol import Model
from fed_credit.families.read import model_of
from fed_credit.files import replacing
from fed_credit.job import CHECKPOINT, FederatedJob
from fed_credit.runtime.run import node_names, run_federated
from fed_credit.training.alone import Loans
from fed_credit.training.checkpoint import load_checkpoint, save_checkpoint
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.seeds import keyed_seed
from fed_credit.training.state import RunState, TrainingState

SCORES = "scores.npz"


@dataclass(frozen=True)
class Repeat:
    """What one repeat leaves.

    Parameters
    ----------
    number : int
        From 0.
    spec : RunSpec
        What was trained.
    parts : numpy.ndarray
        ``(n_loans,) int8`` split codes.
    state : TrainingState or ExactState
        Where the federation ended.
    model : Model
        Its best model.
    scores : mapping of str to numpy.ndarray
        PD by contender, ``(n_loans,) float64``, NaN where a loan was not scored (training loans).
    test_sums : ScoreSums
        The federated model's test scores as the banks released them.
    round_seconds : list of float
        Wall time of each round done in this process.
    """

    number: int
    spec: RunSpec
    parts: np.ndarray
    state: RunState
    model: Model
    scores: Mapping[str, np.ndarray]
    test_sums: ScoreSums
    round_seconds: list[float]


@dataclass
class RepeatRunner:
    """Runs repeats over one data set; each can be interrupted and resumed.

    Parameters
    ----------
    spec : SimulationSpec
        The run.
    dataset : Dataset
        Loans of all banks.
    folder : Path
        The run folder.
    on_round : callable
        Called with repeat and state before the first round, after each and at the end.
    on_stage : callable
        Called with what is being done.
    start : callable or None
        Takes what is trained and returns the state to start from; None starts from nothing.
    """

    spec: SimulationSpec
    dataset: Dataset
    folder: Path
    on_round: Callable[[int, RunState], None]
    on_stage: Callable[[str], None]
    start: Callable[[RunSpec], RunState] | None = None

    def run(self, number: int) -> Repeat:
        """Run one repeat, or read it back if it is done already.

        Raises
        ------
        FedCreditError
            If data, configuration or a checkpoint cannot be used, or banks do not answer.
        """
        spec, dataset = self.spec, self.dataset
        seed = spec.seed if number == 0 else keyed_seed(spec.seed, "repeat", number)
        parts = assign_parts(dataset, spec.data.split, spec.data.target.window_months, seed)
        run_spec = RunSpec.of(spec, dataset.schema, dataset.fields, seed)
        folder = self.folder / "repeats" / f"{number:03d}"
        state = load_checkpoint(folder / CHECKPOINT, run_spec)
        if state is not None and (folder / SCORES).exists():
            scores, sums = _read_scores(folder / SCORES, len(dataset))
            self.on_round(number, state)
            model = model_of(run_spec, state)
            return Repeat(number, run_spec, parts, state, model, scores, sums, [])

        if state is None and self.start is not None:
            state = self.start(run_spec)
        self.on_stage(f"repeat {number + 1}: federation")
        clock: dict[int, float] = {}

        def after_round(state: RunState) -> None:
            save_checkpoint(folder / CHECKPOINT, state, run_spec)
            # The last call measures the final model; it is no round of its own.
            clock.setdefault(state.round, time.perf_counter())
            self.on_round(number, state)

        local = spec.runtime.kind is RuntimeKind.LOCAL
        job = FederatedJob(
            spec=run_spec,
            strategy=spec.strategy,
            federation=spec.federation,
            institutions=len(dataset.names),
            names=node_names(dataset) if local else None,
            state=state,
            after_round=after_round,
        )
        outcome = run_federated(spec.runtime, dataset, parts, job, folder / "books")
        scores = {"federated": self._federated(outcome.model, parts)}
        if "pooled" in spec.evaluation.baselines:
            self.on_stage(f"repeat {number + 1}: pooled data")
            scores["pooled"] = self._pooled(outcome.state, run_spec, parts)
        if "local" in spec.evaluation.baselines:
            self.on_stage(f"repeat {number + 1}: each bank alone")
            scores["local"] = self._local(run_spec, parts)
        _write_scores(folder / SCORES, scores, outcome.test)
        times = list(clock.values())
        seconds = [end - begin for begin, end in pairwise(times)]
        return Repeat(
            number, run_spec, parts, outcome.state, outcome.model, scores, outcome.test, seconds
        )

    def _federated(self, model: Model, parts: np.ndarray) -> np.ndarray:
        scores = np.full(len(parts), np.nan)
        for k in range(len(self.dataset.names)):
            start = self.dataset.rows(k).start
            own = parts[self.dataset.rows(k)]
            # One part of one bank at a time, as the banks score: the last bits of a matrix product
            # depend on which loans are multiplied together.
            for part in (Part.VALIDATION, Part.TEST):
                rows = start + np.flatnonzero(own == part)
                scores[rows] = model.score(self.dataset.features.iloc[rows])
        return scores

    def _pooled(self, state: RunState, spec: RunSpec, parts: np.ndarray) -> np.ndarray:
        rows = _held_out(parts)
        model = train_pooled(
            self._loans(np.flatnonzero(parts == Part.TRAIN)),
            self._loans(np.flatnonzero(parts == Part.VALIDATION)),
            spec,
            # The federated preprocessor is the pooled one: fitting it again gives the same bits.
            state.preprocessor if isinstance(state, TrainingState) else None,
        )
        return _spread(model.score(self.dataset.features.iloc[rows]), rows, len(parts))

    def _local(self, spec: RunSpec, parts: np.ndarray) -> np.ndarray:
        scores = np.full(len(parts), np.nan)
        for k, name in enumerate(self.dataset.names):
            start = self.dataset.rows(k).start
            own = parts[self.dataset.rows(k)]
            rows = start + _held_out(own)
            alone = train_one_bank(
                name,
                self._loans(start + np.flatnonzero(own == Part.TRAIN)),
                self._loans(start + np.flatnonzero(own == Part.VALIDATION)),
                spec,
            )
            scores[rows] = alone.model.score(self.dataset.features.iloc[rows])
        return scores

    def _loans(self, rows: np.ndarray) -> Loans:
        return Loans(self.dataset.features.iloc[rows], self.dataset.y[rows])


def _held_out(parts: np.ndarray) -> np.ndarray:
    """Positions of validation and test loans: the former choose cut-offs, the latter judge."""
    return np.flatnonzero((parts == Part.VALIDATION) | (parts == Part.TEST))


def _spread(values: np.ndarray, rows: np.ndarray, n: int) -> np.ndarray:
    scores = np.full(n, np.nan)
    scores[rows] = values
    return scores


def _write_scores(path: Path, scores: Mapping[str, np.ndarray], sums: ScoreSums) -> None:
    arrays = {f"score/{name}": value for name, value in scores.items()}
    arrays |= {f"sum/{name}": value for name, value in sums.arrays().items()}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _read_scores(path: Path, n: int) -> tuple[dict[str, np.ndarray], ScoreSums]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            named = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ArtefactError(f"{path} cannot be read ({error}); delete it to score again.") from None
    scores = {name[6:]: value for name, value in named.items() if name.startswith("score/")}
    if any(len(value) != n for value in scores.values()):
        raise ArtefactError(f"{path} belongs to other data; start afresh in another run folder.")
    sums = {name[4:]: value for name, value in named.items() if name.startswith("sum/")}
    return scores, ScoreSums.from_arrays(sums)
