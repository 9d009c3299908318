"""Strategies by the name that configuration gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fed_credit.config.names import STRATEGY_PARAMETERS
from fed_credit.config.spec import FederationSpec, StrategySpec
from fed_credit.errors import ConfigurationError, suggestion
from fed_credit.training.task import TaskConfig
from strategies.exchange import Roster
from strategies.server_optimisers import (
    WeightedFedAdagrad,
    WeightedFedAdam,
    WeightedFedAvgM,
    WeightedFedYogi,
)
from strategies.summed import SummedFedAvg
from strategies.weighted_fedavg import WeightedFedAvg, WeightedFedProx

STRATEGIES: Mapping[str, Callable[..., SummedFedAvg]] = {
    "fedavg": WeightedFedAvg,
    "fedprox": WeightedFedProx,
    "fedavgm": WeightedFedAvgM,
    "fedadam": WeightedFedAdam,
    "fedyogi": WeightedFedYogi,
    "fedadagrad": WeightedFedAdagrad,
}
# Applied by the banks, so it travels with the run instead of being handed to the strategy.
_AT_THE_BANK = ("proximal_mu",)


def build_strategy(
    spec: StrategySpec, federation: FederationSpec, roster: Roster, task: TaskConfig
) -> SummedFedAvg:
    """Build the strategy of a run.

    Parameters
    ----------
    spec : StrategySpec
        Its name and parameters.
    federation : FederationSpec
        For the quorum and the share of banks that train in a round.
    roster : Roster
        Who takes part.
    task : TaskConfig
        What a round asks for.

    Returns
    -------
    SummedFedAvg

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
    own = [name for name in STRATEGY_PARAMETERS[spec.name] if name not in _AT_THE_BANK]
    parameters = {name: getattr(spec, name) for name in own}
    return STRATEGIES[spec.name](
        roster, task, quorum=federation.quorum, share=federation.fraction, **parameters
    )
