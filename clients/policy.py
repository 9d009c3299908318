"""What a bank lets itself be asked and lets out: the limits of its ``bank.yaml``.

Every refusal is a sentence that is safe to send. It names the limit, as the operator has to know
how to ask otherwise, and what was asked, which the operator wrote. It holds nothing of a record,
and of how many loans there are only that they are fewer than the bank's minimum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fed_credit.config.bank import PolicySpec
from fed_credit.data.book import Part
from fed_credit.errors import ReleaseError
from fed_credit.models.protocol import Weights
from fed_credit.training.task import QUESTIONS, Task, TaskConfig

# Whatever a bank's file says: more would slow any machine down, and thousands end the process.
MOST_THREADS = 64
# Ordinary cards span some hundred. Points that are far apart would tell the classes of many
# features at once, so the counts of a score would be those of single loans.
MOST_SCORES = 2000


@dataclass(frozen=True)
class Policy:
    """A bank's limits.

    Parameters
    ----------
    limits : PolicySpec or None
        Of its ``bank.yaml``; None for no limits at all.
    """

    limits: PolicySpec | None

    @classmethod
    def open(cls) -> Policy:
        """Return the policy that lets everything in and out, for simulation."""
        return cls(None)

    @classmethod
    def of(cls, limits: PolicySpec) -> Policy:
        """Return the policy of a bank's own file."""
        return cls(limits)

    @property
    def own_metrics(self) -> bool:
        """Whether the bank's own test metrics may go to the operator."""
        return self.limits is None or self.limits.own_metrics

    @property
    def max_exchanges(self) -> int | None:
        """How often one run is answered; None for any number of times."""
        return None if self.limits is None else self.limits.max_exchanges_per_run

    def check_request(self, task: Task, asked: TaskConfig, incoming: Weights) -> None:
        """Ask whether a request is answered at all, before anything is read or computed.

        Parameters
        ----------
        task : Task
            What is asked.
        asked : TaskConfig
            How it is asked.
        incoming : list of numpy.ndarray
            The weights that came with it.

        Raises
        ------
        ReleaseError
            Names the limit that forbids it.
        """
        limits = self.limits
        if limits is None:
            return
        if task not in limits.tasks:
            raise _refusal("tasks", f"does not name '{task}'")
        spec = asked.spec
        if spec.model.family not in limits.models:
            raise _refusal("models", f"does not name '{spec.model.family[:80]}'")
        for key, what, number in (
            ("max_features", "features", len(spec.features)),
            ("max_rounds", "rounds", max(spec.rounds, asked.number)),
            ("max_local_epochs", "local epochs", spec.local_epochs),
            ("max_histogram_bins", "bins of a score histogram", spec.histogram_bins),
            ("max_parameters", "weights", sum(array.size for array in incoming)),
        ):
            _at_most(limits, key, number, what)
        if spec.torch_threads > MOST_THREADS:
            raise ReleaseError(
                f"The run asks for {spec.torch_threads:,} threads (runtime.torch_threads), and a"
                f" bank starts at most {MOST_THREADS}; refused."
            )
        if task in QUESTIONS or task is Task.MONITOR:
            size = asked.layout(task).size
            _at_most(limits, "max_numbers", size, "numbers in one answer")
        if task in QUESTIONS and asked.scores(task) > MOST_SCORES:
            raise ReleaseError(
                f"The scorecard's scores span {asked.scores(task):,} points, and a bank counts"
                f" loans by at most {MOST_SCORES:,}; ask with a smaller model.points.pdo;"
                " refused."
            )
        if asked.preprocessor is not None:
            shapes = [shape for _, shape in asked.weight_shapes]
            size = sum(math.prod(shape) for shape in shapes)
            _at_most(limits, "max_parameters", size, "weights")

    def check_stock(self) -> None:
        """Ask whether Flower's plain ``train`` and ``evaluate`` are answered.

        Raises
        ------
        ReleaseError
            If they are not.
        """
        if self.limits is not None and not self.limits.stock_actions:
            raise _refusal("stock_actions", "does not allow Flower's plain train and evaluate")

    def check_loans(self, loans: Mapping[Part, int]) -> None:
        """Ask whether enough loans stand behind what is about to leave.

        Parameters
        ----------
        loans : mapping of Part to int
            How many loans it was made of, by part.

        Raises
        ------
        ReleaseError
            If they are too few in one of the parts; does not say how many there are.
        """
        if self.limits is None:
            return
        for part, number in loans.items():
            if number < self.limits.min_loans:
                raise _refusal("min_loans", f"asks for more {_WORDS[part]} loans than there are")


_WORDS = {
    Part.TRAIN: "training",
    Part.VALIDATION: "validation",
    Part.TEST: "test",
    Part.SET_ASIDE: "set-aside",
}


def _at_most(limits: PolicySpec, key: str, number: int, what: str) -> None:
    limit = getattr(limits, key)
    if number > limit:
        raise _refusal(key, f"allows {limit:,} {what}, and this run asks for {number:,}")


def _refusal(key: str, why: str) -> ReleaseError:
    return ReleaseError(f"policy.{key} in the bank's bank.yaml {why}; refused.")
