"""What an operator follows a run by: printed lines, and a line per exchange in a file."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

from fed_credit.files import append_text, plain
from fed_credit.training.state import RunState
from strategies.exchange import Attendance

EXCHANGES = "exchanges.jsonl"


class Diary:
    """Prints lines, and writes one per exchange.

    Parameters
    ----------
    folder : Path
        Of the run.
    rounds : int
        How many there will be; 0 where there are none.

    Attributes
    ----------
    exchanges : list of Attendance
        All so far.
    """

    def __init__(self, folder: Path, rounds: int) -> None:
        self.exchanges: list[Attendance] = []
        self._path = folder / EXCHANGES
        self._rounds = rounds
        self._said = 0

    def note_exchange(self, attendance: Attendance) -> None:
        """Note who answered."""
        self.exchanges.append(attendance)
        line = {"ended": time.time(), **plain(asdict(attendance))}
        append_text(self._path, json.dumps(line, ensure_ascii=False) + "\n")
        missing = "".join(f"; without {bank}: {why}" for bank, why in attendance.missing.items())
        print(
            f"{attendance.task} {attendance.number}: {len(attendance.answered)} banks in"
            f" {attendance.seconds:.1f} s{missing}",
            flush=True,
        )

    def note_round(self, state: RunState) -> None:
        """Print the rounds that were measured since."""
        for measured in state.history[self._said :]:
            print(
                f"round {measured.number}/{self._rounds}: validation loss {measured.loss:.4f},"
                f" AUC {measured.auc:.4f}",
                flush=True,
            )
        self._said = len(state.history)
