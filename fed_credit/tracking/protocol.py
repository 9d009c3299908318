"""What a tracker is: the few things that a run tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from fed_credit.training.state import RoundMetrics


class RunStatus(StrEnum):
    """How a run ended; the values are MLflow's."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True)
class SweepJob:
    """Where a run stands in a sweep.

    Parameters
    ----------
    folder : Path
        The sweep's folder; one parent run stands for it.
    name : str
        What to call the job.
    """

    folder: Path
    name: str


@dataclass(frozen=True)
class RunAbout:
    """What is known of a run before it starts.

    Parameters
    ----------
    folder : Path
        The run folder.
    name : str
        What to call the run.
    parameters : mapping of str to str
        Configuration by dotted key.
    contenders : tuple of str
        Whose final metrics will come: ``federated`` and the baselines.
    resumed : bool
        Whether an earlier process began it.
    sweep : Path or None
        Folder of the sweep that it belongs to.
    """

    folder: Path
    name: str
    parameters: Mapping[str, str]
    contenders: tuple[str, ...]
    resumed: bool
    sweep: Path | None


class Tracker(Protocol):
    """Takes what a run tells; may raise anything, which the run survives.

    Every call can be repeated: what is there already is not written again, so that a resumed run
    does not double its metrics.
    """

    def start(self) -> None:
        """Open the run with its parameters, or go on with the one an earlier process opened."""

    def tag(self, tags: Mapping[str, str]) -> None:
        """Note facts about the run."""

    def measure(self, repeat: int, rounds: Sequence[RoundMetrics]) -> None:
        """Note what the banks measured on validation loans in rounds of a repeat."""

    def finish(self, metrics: Mapping[str, float], files: Sequence[Path]) -> None:
        """Note the final metrics, and keep files and folders that the run leaves."""

    def end(self, status: RunStatus) -> None:
        """Close the run."""
