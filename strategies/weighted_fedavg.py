"""``WeightedFedAvg`` and FedProx: the weighted mean of the banks' updates is the next model."""

from __future__ import annotations

from flwr.serverapp.strategy import FedProx as FlowerFedProx

from fed_credit.training.task import TaskConfig
from strategies.exchange import Roster
from strategies.summed import SummedFedAvg


class WeightedFedAvg(SummedFedAvg):
    """FedAvg weighted by loans, exposure or equally; see :class:`~strategies.summed.SummedFedAvg`.

    Parameters
    ----------
    roster : Roster
        The banks' registered names.
    task : TaskConfig
        What a round asks for; its specification holds the weighting.
    quorum : float, default=1.0
        Share of the banks asked that must answer.
    share : float, default=1.0
        Share of the banks that train in a round.
    """

    def __init__(
        self, roster: Roster, task: TaskConfig, *, quorum: float = 1.0, share: float = 1.0
    ) -> None:
        super().__init__(min_train_nodes=1, min_evaluate_nodes=1, min_available_nodes=1)
        self.join(roster, task, quorum=quorum, share=share)


class WeightedFedProx(FlowerFedProx, SummedFedAvg):
    """FedProx (Li et al., Federated Optimization in Heterogeneous Networks, 2020).

    Each bank adds ``mu / 2`` times the squared distance from the incoming model to its loss. The
    term is part of the run's specification, since it is the banks that apply it.

    Parameters
    ----------
    roster : Roster
        The banks' registered names.
    task : TaskConfig
        What a round asks for; its specification holds ``proximal_mu``.
    quorum, share : float, default=1.0
        See :class:`WeightedFedAvg`.
    """

    def __init__(
        self, roster: Roster, task: TaskConfig, *, quorum: float = 1.0, share: float = 1.0
    ) -> None:
        super().__init__(proximal_mu=task.spec.proximal_mu)
        self.join(roster, task, quorum=quorum, share=share)
