"""How often a monitor cries wolf, and what it sees, by the size of the bank and of the change.

Months are drawn from one population of built-in loans, scored by a model that never saw them, so
all features and scores of a month hang together as they do in life. The reference is another draw.

    python -m benchmarks.monitoring [--months 1000] [--reference 4000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from fed_credit.config.load import compose
from fed_credit.config.monitor import monitor_spec
from fed_credit.data.synthetic import generate
from fed_credit.drift.index import index_of, joined
from fed_credit.drift.sums import MonthSums
from fed_credit.drift.verdicts import MonthVerdict, State
from fed_credit.model_file.archive import open_model_file
from fed_credit.monitoring.job import loans_of, profile_of
from fed_credit.scoring.scorer import Scorer
from tests.fed_credit.drift.draws import LOUD, SIZES, Draws

CHANGES = (0.1, 0.25, 0.5)
AGAINST = ("step", "no_change", "limit")


class Population(Draws):
    """Loans of the built-in data under a scorecard that was made on others."""

    def __init__(self, folder: Path) -> None:
        from fed_credit.simulate import simulate

        run = [f"run_dir={folder}", "progress=false", "evaluation.repeats=1"]
        simulate(compose(["data=synthetic", "model=scorecard", *run]))
        self.scorer = Scorer(open_model_file(folder / "model.fcm").model)
        spec = compose(["data=synthetic"]).data.generator
        raw = generate(replace(spec, num_loans=60_000))
        loans = loans_of(self.scorer, raw, institution="all", as_of="2023-12-31")
        pds = self.scorer.model.artefact.score(loans.features)
        super().__init__(loans.features, pds, profile_of(self.scorer).groups)


def rule_of_thumb(sums: MonthSums, reference: MonthSums, population: Population) -> list[float]:
    """Return the index of the score and the largest of the features, as the limits are used."""
    score = population.groups.score
    psi = index_of(score.grouped(sums.score), score.grouped(reference.score))
    csi = max(
        index_of(
            *joined(
                sums.features[one.name][:-2],
                reference.features[one.name][:-2],
                ordered=not one.values and not one.hash_buckets,
            )
        )
        for one in population.groups.features
    )
    return [psi, csi]


def loud(month: MonthVerdict) -> list[bool]:
    """Whether the score, a feature's index, or anything at all is worth a watch; and the score an
    alert."""
    features = [feature.csi.state in LOUD for feature in month.features]
    others = [
        state in LOUD
        for feature in month.features
        for state in (
            feature.missing.state,
            feature.unlisted.state,
            *(share.state for share in feature.categories),
        )
    ]
    score = month.score.state in LOUD
    return [
        score,
        any(features),
        score or any(features) or any(others),
        month.score.state is State.ALERT,
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--months", type=int, default=1000)
    parser.add_argument("--reference", type=int, default=4000)
    given = parser.parse_args()
    settings = {name: monitor_spec({"drift": {"against": name}}) for name in AGAINST}
    with tempfile.TemporaryDirectory() as folder:
        population = Population(Path(folder) / "run")
    features = len(population.groups.features)
    print(f"{given.months} months each, {given.reference} reference loans, {features} features")
    print("index  loans  rule        score    any CSI  anything  score alert")
    rng = np.random.default_rng(11)
    for index in (0.0, *CHANGES):
        weights = population.tilted(index) if index else None
        for size in SIZES:
            rows: dict[str, list[list[bool]]] = {"thumb": [], **{name: [] for name in AGAINST}}
            for number in range(given.months):
                if number % 50 == 0:
                    reference = population.draw(rng, given.reference)
                sums = population.draw(rng, size, weights)
                psi, csi = rule_of_thumb(sums, reference, population)
                found = [psi >= 0.1, csi >= 0.1, max(psi, csi) >= 0.1, psi >= 0.25]
                rows["thumb"].append(found)
                for name, spec in settings.items():
                    rows[name].append(loud(population.judged(sums, reference, spec)))
            for name, months in rows.items():
                shares = "  ".join(f"{share:7.2%}" for share in np.mean(months, axis=0))
                print(f"{index:5}  {size:5}  {name:10}  {shares}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
