"""``WeightedFedAvg``: federated averaging from fixed-point sums, with metrics from summed parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from fed_credit.evaluation.sums import ScoreSums, measure_sums
from fed_credit.training.task import Task, TaskConfig, read_scores
from fed_credit.training.updates import apply_mean_update
from strategies.exchange import Roster, SumCollector, requests


class WeightedFedAvg(FedAvg):
    """FedAvg (McMahan et al., 2017) weighted by loans, exposure or equally.

    Flower's own class divides by a count that is sent in the clear, averages every metric, AUC
    included, and holds all replies at once. This one adds fixed-point vectors as they arrive, so
    that it holds one vector however many banks there are, gives the same bits in any order of
    arrival, and computes metrics from the parts they are made of. Server-side optimisers
    (FedAdam, ...) put it before Flower's class in the method resolution order.

    Parameters
    ----------
    roster : Roster
        The banks' registered names.
    task : TaskConfig
        What a round asks for; the round's number is filled in.
    quorum : float, default=1.0
        Share of the banks asked that must answer.
    """

    def __init__(self, roster: Roster, task: TaskConfig, *, quorum: float = 1.0) -> None:
        super().__init__(min_train_nodes=1, min_evaluate_nodes=1, min_available_nodes=1)
        self._roster = roster
        self._task = replace(task, score_incoming=True)
        self._quorum = quorum
        self._collector: SumCollector | None = None
        self._incoming = ArrayRecord()

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask every bank to evaluate the incoming model and to train from it."""
        task = replace(self._task, number=server_round)
        nodes = self._roster.nodes
        self._incoming = arrays
        layout = task.layout(Task.ROUND)
        self._collector = SumCollector(
            self._roster, frozenset(nodes), Task.ROUND, server_round, layout
        )
        return requests(Task.ROUND, task, arrays, nodes)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Return the weighted mean model, and what the banks measured of the incoming one.

        Raises
        ------
        QuorumError
            If too few banks answered.
        """
        collector = self._collector
        assert collector is not None, "configure_train comes first"
        for reply in replies:
            collector.add(reply)
        sums = collector.result(self._quorum)
        names = [name for name, _ in self._task.weight_shapes]
        incoming = self._incoming.to_numpy_ndarrays()
        return (
            ArrayRecord(apply_mean_update(names, incoming, sums)),
            incoming_metrics(read_scores(sums), len(collector.answered)),
        )

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Ask nothing: the next round's training reply evaluates the model."""
        return []


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
