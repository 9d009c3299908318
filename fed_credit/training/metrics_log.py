"""``metrics.jsonl``: one line per measured round."""

from __future__ import annotations

import json
from pathlib import Path

from fed_credit.files import append_text, plain, write_text
from fed_credit.training.state import RunState

METRICS = "metrics.jsonl"


class MetricsLog:
    """The measured rounds of a run; a resumed run writes no line twice.

    Parameters
    ----------
    path : Path
        The file, which may exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: set[tuple[int, int]] = set()
        if path.exists():
            # An interrupted write may have left half a line: only whole ones are kept.
            whole = [line for line in path.read_text(encoding="utf-8").split("\n")[:-1] if line]
            write_text(path, "".join(f"{line}\n" for line in whole))
            for line in whole:
                entry = json.loads(line)
                self._written.add((entry["repeat"], entry["round"]))

    def write(self, repeat: int, state: RunState) -> None:
        """Append the rounds measured since the last call."""
        fresh = [m for m in state.history if (repeat, m.number) not in self._written]
        if not fresh:
            return
        lines = [
            {
                "repeat": repeat,
                "round": m.number,
                "loss": m.loss,
                "auc": m.auc,
                "loans": m.loans,
                "banks": m.banks,
            }
            for m in fresh
        ]
        text = "".join(json.dumps(plain(line), allow_nan=False) + "\n" for line in lines)
        append_text(self._path, text)
        self._written.update((repeat, m.number) for m in fresh)
