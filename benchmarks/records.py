"""What one application costs: ``python -m benchmarks.records MODEL.fcm ...``.

Microseconds in one process on one core, the best of several repeats, since others use the machine
too: reading, checking and scoring an application from a Python mapping, the same with reasons, a
table of that one row beside it, and what would change a declined one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from fed_credit.export.onnx_check import drawn_loans
from fed_credit.model_file.archive import open_model_file
from fed_credit.scoring.changes import what_would_change
from fed_credit.scoring.record import RecordError, RecordScorer
from fed_credit.scoring.scorer import Explain, Scorer

_REPEATS = 7
_APPLICATIONS = 200


def main(paths: list[str]) -> None:
    """Print a line per model."""
    print(f"{'model':28}{'score':>9}{'reasons':>9}{'table':>9}{'what-if':>10}   microseconds each")
    for path in paths:
        opened = open_model_file(Path(path))
        single, table = RecordScorer(opened.model), Scorer(opened.model)
        records = _accepted(single, drawn_loans(table, 2 * _APPLICATIONS))
        declined = [r for r in records if single.score(r).verdict != "approve"][:20]
        frames = [pd.DataFrame([record]) for record in records[:20]]
        figures = (
            _best(lambda r, s=single: s.score(r, Explain.NONE), records),
            _best(lambda r, s=single: s.score(r, Explain.ALL), records),
            _best(lambda f, t=table: t.table(f, Explain.NONE), frames),
            _best(lambda r, s=single: what_would_change(s, r), declined),
        )
        family = opened.model.artefact.spec.family
        name = f"{family} ({Path(path).parent.name})"
        print(f"{name:28}" + "".join(f"{value:9,.0f}" for value in figures))


def _accepted(scorer: RecordScorer, loans: pd.DataFrame) -> list[dict[str, Any]]:
    found = []
    for record in loans.to_dict("records"):
        try:
            scorer.score(record)
        except RecordError:
            continue
        found.append({str(name): value for name, value in record.items()})
    return found[:_APPLICATIONS]


def _best(work: Callable[[Any], object], items: list[Any]) -> float:
    """Return microseconds per item, of the quickest repeat."""
    best = float("inf")
    for _ in range(_REPEATS):
        start = time.perf_counter()
        for item in items:
            work(item)
        best = min(best, time.perf_counter() - start)
    return best / len(items) * 1e6


if __name__ == "__main__":
    main(sys.argv[1:])
