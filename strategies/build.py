"""Strategies by the name that configuration gives them."""

from __future__ import annotations

from fed_credit.config.spec import FederationSpec, StrategySpec
from fed_credit.errors import ConfigurationError, suggestion
from fed_credit.training.task import TaskConfig
from strategies.exchange import Roster
from strategies.weighted_fedavg import WeightedFedAvg

STRATEGIES = {"fedavg": WeightedFedAvg}


def build_strategy(
    spec: StrategySpec, federation: FederationSpec, roster: Roster, task: TaskConfig
) -> WeightedFedAvg:
    """Build the strategy of a run.

    Parameters
    ----------
    spec : StrategySpec
        Its name and parameters.
    federation : FederationSpec
        For the quorum.
    roster : Roster
        Who takes part.
    task : TaskConfig
        What a round asks for.

    Returns
    -------
    WeightedFedAvg

    Raises
    ------
    ConfigurationError
        If there is no strategy of that name.
    """
    if spec.name not in STRATEGIES:
        raise ConfigurationError(
            f"strategy.name={spec.name} is not known; choose one of {', '.join(STRATEGIES)}."
            f"{suggestion(spec.name, STRATEGIES)}"
        )
    return STRATEGIES[spec.name](roster, task, quorum=federation.quorum)
