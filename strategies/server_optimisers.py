"""Flower's server-side optimisers over our weighted, fixed-point mean.

The mean update of a round is taken for a gradient, and a server optimiser moves the model by it.
What it remembers between rounds goes into the checkpoint, so a resumed run gives the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord
from flwr.serverapp.strategy import FedAdagrad as FlowerFedAdagrad
from flwr.serverapp.strategy import FedAdam as FlowerFedAdam
from flwr.serverapp.strategy import FedAvg
from flwr.serverapp.strategy import FedAvgM as FlowerFedAvgM
from flwr.serverapp.strategy import FedYogi as FlowerFedYogi

from fed_credit.training.task import TaskConfig
from strategies.exchange import Roster
from strategies.summed import SummedFedAvg, named, take


class _Float32(FedAvg):
    """Stands first: Flower's optimisers compute some steps in float64, banks train in float32.

    Not derived from :class:`SummedFedAvg`, which has to come after Flower's optimisers.
    """

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Return the moved model as float32, and what the banks measured of the incoming one."""
        model, metrics = super().aggregate_train(server_round, replies)
        if model is not None:
            model = ArrayRecord([a.astype(np.float32) for a in model.to_numpy_ndarrays()])
        return model, metrics


class _Moments(_Float32):
    """The state that FedAdam, FedYogi and FedAdagrad share: first and second moments."""

    m_t: dict[str, np.ndarray] | None
    v_t: dict[str, np.ndarray] | None

    def server_state(self) -> dict[str, np.ndarray]:
        """Return the moments by array."""
        return {**dict(named("m", self.m_t)), **dict(named("v", self.v_t))}

    def restore(self, state: Mapping[str, np.ndarray], incoming: ArrayRecord) -> None:
        """Take up the moments."""
        self.m_t, self.v_t = take("m", state), take("v", state)


class WeightedFedAdam(_Moments, FlowerFedAdam, SummedFedAvg):
    """FedAdam (Reddi et al., Adaptive Federated Optimization, 2021).

    Parameters
    ----------
    roster : Roster
        The banks' registered names.
    task : TaskConfig
        What a round asks for.
    eta : float
        Server learning rate.
    beta_1, beta_2 : float
        Decay of the first and second moments.
    tau : float
        Adaptivity: the smaller, the more adaptive.
    quorum, share : float, default=1.0
        See :class:`~strategies.weighted_fedavg.WeightedFedAvg`.
    """

    def __init__(
        self,
        roster: Roster,
        task: TaskConfig,
        *,
        eta: float,
        beta_1: float,
        beta_2: float,
        tau: float,
        quorum: float = 1.0,
        share: float = 1.0,
    ) -> None:
        super().__init__(eta=eta, beta_1=beta_1, beta_2=beta_2, tau=tau)
        self.join(roster, task, quorum=quorum, share=share)


class WeightedFedYogi(_Moments, FlowerFedYogi, SummedFedAvg):
    """FedYogi (Reddi et al., 2021): the second moment moves by the sign of its difference.

    Parameters
    ----------
    roster, task, eta, beta_1, beta_2, tau, quorum, share
        See :class:`WeightedFedAdam`.
    """

    def __init__(
        self,
        roster: Roster,
        task: TaskConfig,
        *,
        eta: float,
        beta_1: float,
        beta_2: float,
        tau: float,
        quorum: float = 1.0,
        share: float = 1.0,
    ) -> None:
        super().__init__(eta=eta, beta_1=beta_1, beta_2=beta_2, tau=tau)
        self.join(roster, task, quorum=quorum, share=share)


class WeightedFedAdagrad(_Moments, FlowerFedAdagrad, SummedFedAvg):
    """FedAdagrad (Reddi et al., 2021): the second moment only grows.

    Parameters
    ----------
    roster, task, eta, tau, quorum, share
        See :class:`WeightedFedAdam`.
    """

    def __init__(
        self,
        roster: Roster,
        task: TaskConfig,
        *,
        eta: float,
        tau: float,
        quorum: float = 1.0,
        share: float = 1.0,
    ) -> None:
        super().__init__(eta=eta, tau=tau)
        self.join(roster, task, quorum=quorum, share=share)


class WeightedFedAvgM(_Float32, FlowerFedAvgM, SummedFedAvg):
    """FedAvgM (Hsu, Qi and Brown, Measuring the Effects of Non-Identical Data Distribution, 2019).

    Parameters
    ----------
    roster : Roster
        The banks' registered names.
    task : TaskConfig
        What a round asks for.
    server_learning_rate : float
        Of the server's step.
    server_momentum : float
        Share of the last step that is kept.
    quorum, share : float, default=1.0
        See :class:`~strategies.weighted_fedavg.WeightedFedAvg`.
    """

    momentum_vector: list[np.ndarray] | None
    current_arrays: ArrayRecord | None

    def __init__(
        self,
        roster: Roster,
        task: TaskConfig,
        *,
        server_learning_rate: float,
        server_momentum: float,
        quorum: float = 1.0,
        share: float = 1.0,
    ) -> None:
        super().__init__(server_learning_rate=server_learning_rate, server_momentum=server_momentum)
        self.join(roster, task, quorum=quorum, share=share)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Return the moved model; the next round starts from it in float32, as the banks do."""
        model, metrics = super().aggregate_train(server_round, replies)
        self.current_arrays = model
        return model, metrics

    def server_state(self) -> dict[str, np.ndarray]:
        """Return the momentum by array."""
        vector = self.momentum_vector or []
        return {f"momentum/{k:03d}": np.asarray(array) for k, array in enumerate(vector)}

    def restore(self, state: Mapping[str, np.ndarray], incoming: ArrayRecord) -> None:
        """Take up the momentum and the model that it moves."""
        found = take("momentum", state)
        self.momentum_vector = None if found is None else [found[key] for key in sorted(found)]
        self.current_arrays = incoming
