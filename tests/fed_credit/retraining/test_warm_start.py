"""Warm starts: what they begin with, and that they are the same bits again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fed_credit.config.retrain import retrain_spec
from fed_credit.families.boosted import TreesModel
from fed_credit.families.network import NetworkModel
from fed_credit.model_file.archive import Opened
from fed_credit.retraining.challenger import known_on, train_challenger

NOW = np.datetime64("2022-12-31")
WARM = retrain_spec({"warm_start": {"enabled": True, "rounds": 2}})
NETWORK = [
    "model=mlp_small",
    "model.hidden=[8]",
    "model.learning_rate=0.01",
    "federation.num_rounds=3",
]
TREES = ["model=gbdt", "federation.num_rounds=4", "model.trees.max_depth=2"]


@pytest.fixture(scope="module")
def network(world) -> Opened:
    opened: Opened = world.champion(*NETWORK)
    return opened


def test_a_network_goes_on_from_the_champions_weights_with_its_preprocessor(
    world,
    network: Opened,
    tmp_path: Path,
) -> None:
    champion = network
    known = known_on(NOW, WARM, world.spec(*NETWORK))
    made = train_challenger(known, WARM, champion, tmp_path / "warm")
    before, after = (each.model.artefact.model for each in (champion, made.opened))
    assert isinstance(before, NetworkModel) and isinstance(after, NetworkModel)
    assert made.warm and after.preprocessor.fingerprint == before.preprocessor.fingerprint
    assert made.opened.model.provenance["start"] == {
        "from": champion.sha256,
        "rounds_before": 0,
        "rounds": 2,
    }
    rounds = (tmp_path / "warm" / "results.json").read_text()
    assert len(json.loads(rounds)["rounds"]) == 2
    again = train_challenger(known, WARM, champion, tmp_path / "again")
    assert again.opened.sha256 == made.opened.sha256
    # Steps too small to be seen leave the champion's weights.
    still = known_on(NOW, WARM, world.spec(*NETWORK, "model.learning_rate=1e-9"))
    stood = train_challenger(still, WARM, champion, tmp_path / "still").opened
    assert isinstance(stood.model.artefact.model, NetworkModel)
    for old, new in zip(before.weights, stood.model.artefact.model.weights, strict=True):
        np.testing.assert_allclose(new, old, atol=1e-6)


def test_trees_grow_on_the_champions(world, tmp_path: Path) -> None:
    champion = world.champion(*TREES)
    known = known_on(NOW, WARM, world.spec(*TREES))
    made = train_challenger(known, WARM, champion, tmp_path / "warm")
    before, after = (each.model.artefact.model for each in (champion, made.opened))
    assert isinstance(before, TreesModel) and isinstance(after, TreesModel)
    first, grown = before.ensemble, after.ensemble
    assert made.warm and grown.base == first.base
    assert grown.bins.to_dict() == first.bins.to_dict()
    assert len(first.trees) <= len(grown.trees) <= len(first.trees) + 2
    for old, new in zip(first.trees, grown.trees, strict=False):
        assert (old.rows == new.rows).all() and (old.loans == new.loans).all()
    # What the champion's trees leave over on the new loans falls from round to round.
    fits = [loss.fit for loss in after.losses]
    assert len(fits) == 3 and fits == sorted(fits, reverse=True)


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["model=scorecard"], "fitted anew in a handful of exchanges"),
        ([*NETWORK, "data.features=[firm_age,margin]"], "other features"),
        ([*NETWORK, "model.hidden=[4]"], "another size"),
        ([*TREES], "of the family loan_risk"),
    ],
)
def test_what_cannot_go_on_starts_from_nothing_and_says_why(
    world,
    network: Opened,
    overrides: list[str],
    why: str,
) -> None:
    from fed_credit.features.spec import feature_specs
    from fed_credit.retraining.warm_start import warm_start

    known = known_on(NOW, WARM, world.spec(*overrides))
    features = feature_specs(known.dataset.fields, known.dataset.schema)
    how = warm_start(WARM.warm_start, network, known.spec, features)
    assert how.start is None and why in how.why_not
    assert how.spec == known.spec
