"""The common model at the bank: what the last exchange of a run brought, kept to be looked at."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from fed_credit.artefact import Artefact, load_artefact, save_artefact
from fed_credit.bank.disk import private_folder, read_facts, write_facts
from fed_credit.bank.prepare import run_folder
from fed_credit.errors import ConfigurationError, DataError, FedCreditError
from fed_credit.models.protocol import Weights
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.task import TaskConfig

MODEL, RUN = "model", "run.json"

log = logging.getLogger("fed_credit.bank")


@dataclass(frozen=True)
class Received:
    """A run as a bank saw its end.

    Parameters
    ----------
    run : RunSpec
        What was asked.
    model : Artefact
        The model that the bank's test loans were scored by.
    """

    run: RunSpec
    model: Artefact


def keep_model(home: Path, run_id: int, task: TaskConfig, weights: Weights) -> None:
    """Keep the model of a test evaluation in the bank's folder of the run; the last one stays.

    What cannot be kept is logged: the bank's answer does not depend on it.

    Parameters
    ----------
    home : Path
        The bank's home folder.
    run_id : int
        The run.
    task : TaskConfig
        The request.
    weights : list of numpy.ndarray
        That came with it.
    """
    folder = run_folder(home, run_id)
    try:
        private_folder(folder)
        save_artefact(folder / MODEL, Artefact.received(task, weights))
        write_facts(folder / RUN, {"spec": task.spec.json_text})
    except (FedCreditError, OSError) as error:
        log.warning("The model of run %d is not kept: %s", run_id, error)


def received(home: Path, run_id: int) -> Received:
    """Read what :func:`keep_model` kept.

    Raises
    ------
    ConfigurationError
        If the run asked for no test evaluation at this bank.
    ArtefactError, DataError
        If it cannot be read.
    """
    folder = run_folder(home, run_id)
    if not (folder / RUN).exists():
        raise ConfigurationError(
            f"{folder} holds no model: run {run_id} has not come to its test evaluation at this"
            " bank."
        )
    run = RunSpec.from_json(str(read_facts(folder / RUN).get("spec")))
    return Received(run, load_artefact(folder / MODEL))


def runs_with_model(home: Path) -> list[int]:
    """Return the runs whose model the bank holds, the latest first."""
    found = [path.parent for path in run_folder(home, 0).parent.glob(f"*/{RUN}")]
    named = [folder for folder in found if folder.name.isdecimal()]
    return [int(folder.name) for folder in sorted(named, key=_when, reverse=True)]


def _when(folder: Path) -> float:
    try:
        return (folder / RUN).stat().st_mtime
    except OSError as error:
        raise DataError(f"{folder / RUN} cannot be read ({error.strerror}).") from None
