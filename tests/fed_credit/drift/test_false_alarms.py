"""Small banks do not cry wolf: months drawn from the reference's own population raise no alarm."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fed_credit.config.monitor import monitor_spec
from fed_credit.data.schema import Kind, KnownAt
from fed_credit.drift.index import index_of
from fed_credit.drift.reference import reference_at_hand
from fed_credit.drift.verdicts import MonthVerdict, State
from fed_credit.features.spec import FeatureSpec
from tests.fed_credit.drift.draws import LOUD, SIZES, Draws

FEATURES = (
    *(FeatureSpec(f"x{k}", Kind.NUMERIC, KnownAt.APPLICATION, "") for k in range(6)),
    FeatureSpec("sector", Kind.CATEGORICAL, KnownAt.APPLICATION, "", tuple("abcdefgh")),
    FeatureSpec("city", Kind.CATEGORICAL, KnownAt.APPLICATION, "", (), 16),
    FeatureSpec("flag", Kind.BOOLEAN, KnownAt.APPLICATION, ""),
)


class Population(Draws):
    """Loans whose features and scores hang together."""

    def __init__(self, rng: np.random.Generator, n: int = 20_000) -> None:
        common = rng.normal(size=n)
        columns: dict[str, object] = {}
        for k in range(6):
            values = np.exp(0.5 * common + rng.normal(size=n))
            values[rng.random(n) < 0.05 * k] = np.nan
            columns[f"x{k}"] = values
        columns["sector"] = pd.Categorical(
            rng.choice(list("abcdefgh"), n, p=[0.3, 0.2, 0.15, 0.15, 0.1, 0.07, 0.02, 0.01]),
            categories=list("abcdefgh"),
        )
        columns["city"] = pd.Categorical([f"city {k}" for k in rng.integers(0, 60, n)])
        columns["flag"] = (rng.random(n) < 0.3).astype(float)
        frame, pds = pd.DataFrame(columns), 1 / (1 + np.exp(2.5 - common))
        y = (rng.random(n) < pds).astype(np.int8)
        made = reference_at_hand(FEATURES, 256, frame, y, y, pds, None, None)
        super().__init__(frame, pds, made.profile.groups)


@pytest.fixture(scope="module")
def population() -> Population:
    return Population(np.random.default_rng(17))


def _loud(month: MonthVerdict) -> bool:
    states = [month.score.state]
    for feature in month.features:
        states += [feature.csi.state, feature.missing.state, feature.unlisted.state]
        states += [share.state for share in feature.categories]
    return any(state in LOUD for state in states)


@pytest.mark.slow
@pytest.mark.parametrize("against", ["step", "no_change", "limit"])
@pytest.mark.parametrize("size", SIZES)
def test_false_alarms_are_as_rare_as_the_level_says(
    population: Population, size: int, against: str
) -> None:
    settings = monitor_spec({"drift": {"against": against}})
    rng = np.random.default_rng(size)
    months, alarms, naive = 400, 0, 0
    for number in range(months):
        if number % 40 == 0:
            reference = population.draw(rng, 3000)
        sums = population.draw(rng, size)
        alarms += _loud(population.judged(sums, reference, settings))
        score = population.groups.score
        naive += index_of(score.grouped(sums.score), score.grouped(reference.score)) >= 0.1
    # The level is .43% a month; three times that leaves room for the index's heavier tail and luck.
    assert alarms / months <= 3 * settings.alarms.month_level + 0.005
    if size == 50:
        assert naive / months > 0.5  # what the limit of .1 alone would have raised


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "index", "watched", "alerted"),
    [
        (200, 0.25, 0.5, 0.0),
        (1000, 0.25, 0.95, 0.2),
        (1000, 0.5, 0.99, 0.95),
        (5000, 0.5, 1.0, 1.0),
    ],
)
def test_true_changes_are_seen(
    population: Population, size: int, index: float, watched: float, alerted: float
) -> None:
    settings, weights = monitor_spec({}), population.tilted(index)
    rng = np.random.default_rng(size)
    states = [
        population.judged(
            population.draw(rng, size, weights),
            population.draw(rng, 3000),
            settings,
        ).score.state
        for _ in range(100)
    ]
    assert np.mean([state in LOUD for state in states]) >= watched
    assert np.mean([state is State.ALERT for state in states]) >= alerted


def test_fifty_loans_of_the_same_kind_raise_nothing(population: Population) -> None:
    settings, rng = monitor_spec({}), np.random.default_rng(3)
    reference = population.draw(rng, 3000)
    for _ in range(12):
        assert not _loud(population.judged(population.draw(rng, 50), reference, settings))


def test_five_hundred_loans_of_another_kind_raise_an_alert(population: Population) -> None:
    settings, rng = monitor_spec({}), np.random.default_rng(3)
    reference = population.draw(rng, 3000)
    month = population.judged(
        population.draw(rng, 500, population.tilted(1.0)), reference, settings
    )
    assert month.score.state is State.ALERT
    assert month.score.value >= month.score.alert_threshold > month.score.threshold >= 0.1
