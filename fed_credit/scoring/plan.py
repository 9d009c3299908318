"""What a model does with one application, laid out once per model as tables and short loops.

A plan takes the features' values and gives the same bits as the model gives for a table of one row:
points, log-odds and what each feature took from the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from fed_credit.artefact import Artefact
from fed_credit.config.names import TREE_FAMILIES
from fed_credit.scoring.cells import Value

Row = Any
"""What a plan makes of the values; its own business."""


class Plan(Protocol):
    """One model's way with one application.

    ``features`` are names in the order of values and amounts; ``unit`` is that of amounts.
    """

    features: tuple[str, ...]
    unit: str

    def row(self, values: Sequence[Value]) -> Row:
        """Return what the model looks at, of the features' values."""
        ...

    def pd(self, row: Row) -> float:
        """Return the model's PD."""
        ...

    def amounts(self, row: Row) -> list[float]:
        """Return what each feature took from a good score."""
        ...


def plan_of(artefact: Artefact) -> Plan:
    """Return the plan of a model of any family."""
    family, model = artefact.spec.family, artefact.model
    if family == "scorecard":
        from fed_credit.families.card import ScorecardModel
        from fed_credit.scoring.plan_card import CardPlan

        assert isinstance(model, ScorecardModel)
        return CardPlan(model)
    if family == "logreg_exact":
        from fed_credit.families.logistic import LogisticModel
        from fed_credit.scoring.plan_columns import RegressionPlan

        assert isinstance(model, LogisticModel)
        return RegressionPlan(model)
    if family in TREE_FAMILIES:
        from fed_credit.families.boosted import TreesModel
        from fed_credit.scoring.plan_trees import TreesPlan

        assert isinstance(model, TreesModel)
        return TreesPlan(model)
    from fed_credit.families.network import NetworkModel
    from fed_credit.scoring.plan_columns import NetworkPlan

    assert isinstance(model, NetworkModel)
    return NetworkPlan(artefact, model)
