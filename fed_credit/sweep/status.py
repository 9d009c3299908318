"""What became of one job of a sweep: ``status.json`` in its folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from fed_credit.files import write_json

STATUS = "status.json"
_FORMAT = 1


@dataclass(frozen=True)
class Status:
    """What became of a job.

    Parameters
    ----------
    number : int
        Of the job, from 0; also the name of its folder.
    overrides : list of str
        What the job was composed with, as on the command line.
    ok : bool
        Whether it ran to its end.
    error : str or None
        Why it did not, in one sentence.
    seconds : float
        Wall time of the last attempt.
    validation_loss : float or None
        Objective of a search: the federated model's lowest validation loss, mean over repeats.
    auc : float or None
        Federated AUC over all test loans.
    """

    number: int
    overrides: list[str]
    ok: bool
    error: str | None
    seconds: float
    validation_loss: float | None
    auc: float | None


def write_status(folder: Path, status: Status) -> None:
    """Write a job's status into its folder, in one step."""
    write_json(folder / STATUS, {"format": _FORMAT, **asdict(status)})


def read_status(folder: Path) -> Status | None:
    """Read a job's status; None where the job has not ended."""
    try:
        body = json.loads((folder / STATUS).read_text(encoding="utf-8"))
        if body.pop("format") != _FORMAT:
            return None
        return Status(**body)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def read_statuses(sweep: Path) -> list[Status]:
    """Read the statuses of a sweep's jobs that have ended, by number."""
    found = (read_status(path.parent) for path in sweep.glob(f"*/{STATUS}"))
    return sorted((each for each in found if each is not None), key=lambda each: each.number)
