"""What all strategies share: rounds whose updates and metrics are added, never collected."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from fed_credit.data.book import Part
from fed_credit.evaluation.sums import ScoreSums, measure_sums
from fed_credit.training.seeds import keyed_seed
from fed_credit.training.task import Task, TaskConfig, read_scores
from fed_credit.training.updates import apply_mean_update
from strategies.exchange import Roster, SumCollector, requests


class SummedFedAvg(FedAvg):
    """FedAvg (McMahan et al., 2017) from fixed-point sums that are taken as replies arrive.

    Flower's own class divides by a count that is sent in the clear, averages every metric, AUC
    included, and holds all replies at once. This one holds one vector however many banks there
    are, gives the same bits in any order of arrival, and computes metrics from the parts they are
    made of. It stands behind Flower's server-side optimisers in the method resolution order, so
    that these move what it has averaged.

    A round asks a seeded sample of the banks to train. The others only evaluate the incoming
    model, in the same exchange, so that every round is judged on the same validation loans.
    """

    _roster: Roster
    _task: TaskConfig
    _quorum: float
    _share: float

    def join(self, roster: Roster, task: TaskConfig, *, quorum: float, share: float) -> None:
        """Say who takes part in what.

        Parameters
        ----------
        roster : Roster
            The banks' registered names.
        task : TaskConfig
            What a round asks for; the round's number is filled in.
        quorum : float
            Share of the banks asked that must answer.
        share : float
            Share of the banks that train in a round.
        """
        self._roster, self._quorum, self._share = roster, quorum, share
        self._task = replace(task, score_incoming=True, part=Part.VALIDATION)

    def sample(self, server_round: int) -> list[int]:
        """Return the nodes that train in a round: by name, whatever their ids and order."""
        names, seed = self._roster.names, self._task.spec.seed
        count = max(1, math.ceil(self._share * len(self._roster) - 1e-9))
        drawn = sorted(
            self._roster.nodes,
            key=lambda node: keyed_seed(seed, "sample", names[node], server_round),
        )
        return sorted(drawn[:count], key=lambda node: names[node])

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask all banks to evaluate the incoming model, and the sampled ones to train from it."""
        task = replace(self._task, number=server_round)
        training = self.sample(server_round)
        watching = [node for node in self._roster.nodes if node not in set(training)]
        self._incoming = arrays
        self._updates = self._collector(task, Task.ROUND, training)
        self._watched = self._collector(task, Task.EVALUATION, watching)
        return chain(
            requests(Task.ROUND, task, arrays, training),
            requests(Task.EVALUATION, task, arrays, watching),
        )

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Return the weighted mean model, and what the banks measured of the incoming one.

        Raises
        ------
        QuorumError
            If too few banks answered.
        """
        for reply in replies:
            self._updates.add(reply)
            self._watched.add(reply)
        sums = self._updates.result(self._quorum)
        scores = read_scores(sums)
        answered = len(self._updates.answered)
        if self._watched.asked:
            scores = scores + read_scores(self._watched.result(self._quorum))
            answered += len(self._watched.answered)
        names = [name for name, _ in self._task.weight_shapes]
        model = apply_mean_update(names, self._incoming.to_numpy_ndarrays(), sums)
        return ArrayRecord(model), incoming_metrics(scores, answered)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask nothing: the next round's replies evaluate the model."""
        return []

    def server_state(self) -> dict[str, np.ndarray]:
        """Return what the strategy remembers between rounds, for a checkpoint."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray], incoming: ArrayRecord) -> None:
        """Take up what :meth:`server_state` returned, and the model that goes out next."""

    def _collector(self, task: TaskConfig, kind: Task, nodes: Iterable[int]) -> SumCollector:
        return SumCollector(self._roster, frozenset(nodes), kind, task.number, task.layout(kind))


def incoming_metrics(scores: ScoreSums, answered: int) -> MetricRecord:
    """Summarise summed validation scores.

    Parameters
    ----------
    scores : ScoreSums
        Sum over banks.
    answered : int
        How many banks it is over.

    Returns
    -------
    MetricRecord
        ``loss`` (mean log loss), ``auc`` (within its histogram's bound), ``loans``, ``banks``.
    """
    measured = measure_sums(scores, calibration_bins=10)
    return MetricRecord(
        {
            "loss": float(measured.log_loss.value),
            "auc": float(measured.auc.value),
            "loans": int(scores.n),
            "banks": answered,
        }
    )


def named(prefix: str, arrays: Mapping[str, np.ndarray] | None) -> Iterator[tuple[str, np.ndarray]]:
    """Name the arrays of one moment for a checkpoint; nothing before the first round."""
    return ((f"{prefix}/{key}", np.asarray(array)) for key, array in (arrays or {}).items())


def take(prefix: str, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """Read back what :func:`named` named."""
    found = {
        key[len(prefix) + 1 :]: array
        for key, array in state.items()
        if key.startswith(f"{prefix}/")
    }
    return found or None
