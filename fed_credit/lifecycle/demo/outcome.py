"""What the demo is to do, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DemoSettings:
    """What the demo does.

    Parameters
    ----------
    folder : Path or None
        Where everything is put, and stays; ``None`` takes a temporary folder, which goes.
    loans : int
        Records in all.
    singles : int
        Applications that are asked one by one.
    model : str
        As in ``model=NAME``.
    seed : int
        Of the records.
    """

    folder: Path | None
    loans: int
    singles: int
    model: str
    seed: int


@dataclass(frozen=True)
class Step:
    """What one step did.

    Parameters
    ----------
    name, found : str
        The step, and one line on what came of it.
    seconds : float
        Wall time.
    """

    name: str
    found: str
    seconds: float


@dataclass(frozen=True)
class DemoOutcome:
    """What the demo found.

    Parameters
    ----------
    steps : tuple of Step
        In their order.
    versions : tuple of int
        The champion before and after.
    alerts : int
        Of the monitor after the drift.
    swapped, failures : int
        Answers while the champion was exchanged, and requests that got none.
    reproduced : int
        Logged decisions that were made again to the last bit.
    """

    steps: tuple[Step, ...]
    versions: tuple[int, int]
    alerts: int
    swapped: int
    failures: int
    reproduced: int
