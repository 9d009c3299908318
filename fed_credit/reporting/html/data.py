"""``report_data.json``: what the charts of a run need beyond ``results.json``, bounded in size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fed_credit.config.overrides import overrides_of
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.book import Dataset, Part
from fed_credit.evaluation.comparison import CONTENDERS
from fed_credit.repeat import Repeat
from fed_credit.reporting.html.curves import POINTS, curves
from fed_credit.reporting.html.portfolio import portfolio

FORMAT = 1
_MOST_REPEATS = 20
_MOST_ROUNDS = 200


def build_report_data(
    spec: SimulationSpec, dataset: Dataset, repeats: Sequence[Repeat]
) -> dict[str, Any]:
    """Put together what the charts show.

    Parameters
    ----------
    spec : SimulationSpec
        The run.
    dataset : Dataset
        Loans of all banks.
    repeats : sequence of Repeat
        One per seeded split.

    Returns
    -------
    dict
        Plain values, ready for JSON; see ``docs/report.md``.
    """
    return {
        "format": FORMAT,
        "points": POINTS,
        "curves": _curves(spec, dataset, repeats),
        "learning": [
            {
                "best_round": repeat.state.best_round,
                "rounds": _thinned([[m.number, m.loss, m.auc] for m in repeat.state.history]),
            }
            for repeat in repeats[:_MOST_REPEATS]
        ],
        "portfolio": portfolio(dataset, repeats[0].parts),
        "labels": {name: dict(field.label) for name, field in dataset.schema.fields.items()},
        "schema": dataset.schema.name,
        "overrides": overrides_of(spec),
    }


def _curves(
    spec: SimulationSpec, dataset: Dataset, repeats: Sequence[Repeat]
) -> dict[str, dict[str, Any]]:
    tested = [np.flatnonzero(repeat.parts == Part.TEST) for repeat in repeats]
    found = {}
    for name in CONTENDERS:
        if name == "best_reachable":
            if dataset.true_pd is None:
                continue
            scores = [dataset.true_pd[rows] for rows in tested]
        elif name in repeats[0].scores:
            scores = [
                repeat.scores[name][rows] for repeat, rows in zip(repeats, tested, strict=True)
            ]
        else:
            continue
        found[name] = curves(
            [(dataset.y[rows], p) for rows, p in zip(tested, scores, strict=True)],
            groups=spec.evaluation.calibration_bins,
            gain_good=spec.evaluation.profit.gain_good,
            loss_bad=spec.evaluation.profit.loss_bad,
        )
    return found


def _thinned(rounds: list[list[Any]]) -> list[list[Any]]:
    """Keep the first, the last and evenly spaced rounds between."""
    if len(rounds) <= _MOST_ROUNDS:
        return rounds
    kept = np.unique(np.linspace(0, len(rounds) - 1, _MOST_ROUNDS).astype(np.int64))
    return [rounds[k] for k in kept]
