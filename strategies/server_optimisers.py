"""Flower's server-side optimisers over our weighted, fixed-point mean.

The mean update of a round is taken for a gradient, and a server optimiser moves the model by it.
What it remembers between rounds goes into the checkpoint, so a resumed run gives the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

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


class _ServerOptimiser(FedAvg):
    """Stands first: joins the banks, and keeps weights in float32, as the banks train.

    Not derived from :class:`SummedFedAvg`, which has to come after Flower's optimisers.

    Parameters
    ----------
    roster : Roster
        The banks' registered names.
    task : TaskConfig
        What a round asks for.
    quorum, share : float, default=1.0
        See :class:`~strategies.weighted_fedavg.WeightedFedAvg`.
    **parameters : float
        Of Flower's optimiser.
    """

    def __init__(
        self,
        roster: Roster,
        task: TaskConfig,
        *,
        quorum: float = 1.0,
        share: float = 1.0,
        **parameters: float,
    ) -> None:
        super().__init__(**parameters)  # type: ignore[arg-type]
        cast(SummedFedAvg, self).join(roster, task, quorum=quorum, share=share)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Return the moved model, and what the banks measured of the incoming one."""
        model, metrics = super().aggregate_train(server_round, replies)
        if model is not None:
            model = ArrayRecord([a.astype(np.float32) for a in model.to_numpy_ndarrays()])
        return model, metrics


class _Moments(_ServerOptimiser):
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

    Parameters: ``eta``, the server's learning rate; ``beta_1`` and ``beta_2``, the decay of the
    moments; ``tau``, the smaller, the more adaptive.
    """


class WeightedFedYogi(_Moments, FlowerFedYogi, SummedFedAvg):
    """FedYogi (Reddi et al., 2021): the second moment moves by the sign of its difference.

    Parameters as :class:`WeightedFedAdam`.
    """


class WeightedFedAdagrad(_Moments, FlowerFedAdagrad, SummedFedAvg):
    """FedAdagrad (Reddi et al., 2021): the second moment only grows.

    Parameters: ``eta`` and ``tau`` of :class:`WeightedFedAdam`.
    """


class WeightedFedAvgM(_ServerOptimiser, FlowerFedAvgM, SummedFedAvg):
    """FedAvgM (Hsu, Qi and Brown, Measuring the Effects of Non-Identical Data Distribution, 2019).

    Parameters: ``server_learning_rate`` of the server's step and ``server_momentum``, the share of
    the last step that is kept.
    """

    momentum_vector: list[np.ndarray] | None
    current_arrays: ArrayRecord | None

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Return the moved model; the next round starts from it as the banks got it."""
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
