"""A warm start: networks from the champion's weights, boosted trees on top of its trees.

An exact logistic regression or a scorecard is the optimum of its loans wherever the search begins,
and found in a handful of exchanges, so a warm start would save little and change nothing; a single
tree is grown anew in as many exchanges as it has levels. They start from nothing.

The champion's preprocessor (network) or columns (trees) stay, which saves the exchanges that fit
them, and makes old clips and cuts meet new loans. Where the run looks at other features, or the
model has another form, they cannot stay, and the run starts from nothing and says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fed_credit.artefact import Artefact
from fed_credit.config.retrain import WarmStartSpec
from fed_credit.config.spec import ClassWeighting, SimulationSpec
from fed_credit.families.network import NetworkModel
from fed_credit.features.spec import FeatureSpec
from fed_credit.model_file.archive import Opened
from fed_credit.models import family
from fed_credit.simulate import Start
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import RunState, TrainingState

_BOOSTED = "gbdt"
_ONE_OPTIMUM = ("logreg_exact", "scorecard", "tree")


@dataclass(frozen=True)
class WarmStart:
    """How a challenger starts.

    Parameters
    ----------
    spec : SimulationSpec
        The run, with its number of rounds.
    start : Start or None
        None: from nothing.
    why_not : str
        Why it starts from nothing although a warm start was asked for; else empty.
    """

    spec: SimulationSpec
    start: Start | None
    why_not: str


def warm_start(
    wanted: WarmStartSpec,
    champion: Opened,
    spec: SimulationSpec,
    features: Sequence[FeatureSpec],
) -> WarmStart:
    """Choose how a challenger starts.

    Parameters
    ----------
    wanted : WarmStartSpec
        What was asked for.
    champion : Opened
        Whom it starts from.
    spec : SimulationSpec
        The run.
    features : sequence of FeatureSpec
        What it looks at.

    Returns
    -------
    WarmStart
    """
    if not wanted.enabled:
        return WarmStart(spec, None, "")
    why_not = _obstacle(champion.model.artefact, spec, features)
    if why_not:
        return WarmStart(spec, None, why_not)
    more = wanted.rounds or spec.federation.num_rounds
    done = 0
    if spec.model.family == _BOOSTED:
        from fed_credit.families.boosted import TreesModel

        model = champion.model.artefact.model
        assert isinstance(model, TreesModel)
        done = len(model.ensemble.trees) // model.ensemble.trees_per_round
    warm = replace(spec, federation=replace(spec.federation, num_rounds=done + more))
    provenance = {"from": champion.sha256, "rounds_before": done, "rounds": more}
    return WarmStart(warm, Start(lambda run: _state(champion.model.artefact, run), provenance), "")


def _state(champion: Artefact, run: RunSpec) -> RunState:
    model = champion.model
    if isinstance(model, NetworkModel):
        # The weight of bads that the champion was trained with, and that its offset undoes.
        bad_weight = math.exp(-model.log_odds_offset)
        return TrainingState(
            model.preprocessor, bad_weight, model.log_odds_offset, model.weights, model.weights
        )
    from fed_credit.families.boosted import TreesModel, trees_to_grow_on

    assert isinstance(model, TreesModel)
    return trees_to_grow_on(model)


def _obstacle(champion: Artefact, spec: SimulationSpec, features: Sequence[FeatureSpec]) -> str:
    """Say why a run cannot go on from a champion; empty if it can."""
    name, other = spec.model.family, champion.spec.family
    if name in _ONE_OPTIMUM:
        return f"the family {name} is fitted anew in a handful of exchanges, wherever it begins"
    if name != other:
        return f"the champion is of the family {other}, the challenger of {name}"
    if list(features) != list(champion.model.features):
        return "the challenger looks at other features than the champion"
    if name == _BOOSTED:
        trees, its = spec.model.boosting[1], champion.spec.boosting[1]
        if trees.trees_per_round != its.trees_per_round:
            return "the challenger grows another number of trees in a round"
        if ClassWeighting.BALANCED in (spec.model.class_weighting, champion.spec.class_weighting):
            return "trees that weight bad loans cannot be gone on with"
        return ""
    assert isinstance(champion.model, NetworkModel)
    columns = len(champion.model.columns)
    shapes = [shape for _, shape in family(name).shapes(columns, spec.model)]
    if shapes != [weights.shape for weights in champion.model.weights]:
        return "the challenger's network has another size"
    if spec.model.class_weighting is not champion.spec.class_weighting:
        return "the challenger weights bad loans otherwise than the champion"
    return ""
