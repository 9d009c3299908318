"""One exchange: ask banks for a release, add the vectors as they arrive, name who is missing."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid

from fed_credit.errors import QuorumError, one_line
from fed_credit.releases import ReleaseSpec
from fed_credit.training.task import (
    ARRAYS,
    CONFIG,
    METRICS,
    OWN_METRICS,
    RECEIPT,
    RELEASE,
    Task,
    TaskConfig,
)

log = logging.getLogger("fed_credit.consortium")

_NO_ANSWER = "no answer in time"
# What the SuperLink says in a bank's place, by Flower's codes.
_FLOWERS_OWN = {
    ErrorCode.NODE_UNAVAILABLE: "it is not connected",
    ErrorCode.MESSAGE_UNAVAILABLE: _NO_ANSWER,
    ErrorCode.REPLY_MESSAGE_UNAVAILABLE: _NO_ANSWER,
}


@dataclass(frozen=True)
class Attendance:
    """Who answered in one exchange.

    Parameters
    ----------
    task : Task
        What was asked.
    number : int
        Round of training; 0 outside of training.
    answered : tuple of str
        Banks whose vector is in the sum.
    missing : mapping of str to str
        Why, by bank, for those that were asked and are not.
    seconds : float
        From the question to the last answer.
    own_metrics : mapping of str to mapping of str to float
        By bank, what it told of its own test loans; of banks that allow it, when they were asked.
    """

    task: Task
    number: int
    answered: tuple[str, ...]
    missing: Mapping[str, str]
    seconds: float
    own_metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Roster:
    """Who takes part: the registered name of each node.

    Parameters
    ----------
    names : mapping of int to str
        Bank name by node id.
    after_exchange : callable
        Told who answered, after each exchange.
    """

    names: Mapping[int, str]
    after_exchange: Callable[[Attendance], None] = lambda attendance: None

    @property
    def nodes(self) -> list[int]:
        """Node ids in the order of the banks' names."""
        return sorted(self.names, key=lambda node: self.names[node])

    def __len__(self) -> int:
        return len(self.names)


def identify(grid: Grid, expected: int, timeout: float) -> Roster:
    """Ask nodes for their names; for simulation, where no registry of keys exists.

    Parameters
    ----------
    grid : Grid
        Carries the messages.
    expected : int
        How many banks there are.
    timeout : float
        Seconds to wait for the answers.

    Returns
    -------
    Roster

    Raises
    ------
    QuorumError
        If fewer nodes answer than expected.
    """
    end = time.monotonic() + timeout
    # An engine registers its nodes while the app already runs.
    while len(nodes := list(grid.get_node_ids())) < expected and time.monotonic() < end:
        time.sleep(0.1)
    messages = [
        Message(RecordDict(), dst_node_id=node, message_type="query.identify") for node in nodes
    ]
    names = {}
    for reply in grid.send_and_receive(messages, timeout=timeout):
        if reply.has_content():
            record = reply.content.config_records[RECEIPT]
            names[reply.metadata.src_node_id] = str(record["institution"])
    if len(names) < expected:
        raise QuorumError(
            f"Only {len(names)} of {expected} institutions came up; start the others."
        )
    return Roster(names)


def requests(
    task: Task, config: TaskConfig, arrays: ArrayRecord, nodes: Iterable[int]
) -> Iterator[Message]:
    """Write one request per node, lazily; all share the same records."""
    record = RecordDict({ARRAYS: arrays, CONFIG: ConfigRecord(config.to_config())})  # type: ignore[arg-type]
    for node in nodes:
        yield Message(
            record, dst_node_id=node, message_type=f"train.{task}", group_id=str(config.number)
        )


@dataclass
class SumCollector:
    """Adds releases as replies arrive, in any order, holding one vector whoever answers.

    Parameters
    ----------
    roster : Roster
        The banks' registered names.
    asked : frozenset of int
        Nodes that were asked.
    task : Task
        What they were asked for.
    number : int
        The round they were asked in.
    layout : ReleaseSpec
        What an answer looks like.
    """

    roster: Roster
    asked: frozenset[int]
    task: Task
    number: int
    layout: ReleaseSpec
    answered: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    own_metrics: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sum = np.zeros(self.layout.size, dtype=np.int64)
        self._start = time.perf_counter()

    def add(self, reply: Message) -> None:
        """Add one reply, or note why it does not count."""
        node = reply.metadata.src_node_id
        if node not in self.asked:
            return  # nobody asked: a stranger's reply must not enter the sum
        name = self.roster.names[node]
        if name in self.answered:
            return  # a bank counts once
        vector = self._vector(reply, name)
        if isinstance(vector, str):
            self.refused[name] = vector
        else:
            self._sum += vector
            self.answered.add(name)
            if METRICS in reply.content.metric_records:
                self.own_metrics[name] = _own_metrics(reply.content.metric_records[METRICS])

    def _vector(self, reply: Message, name: str) -> np.ndarray | str:
        """Return a reply's vector, or why it does not count."""
        if reply.has_error():
            if reply.error.code in _FLOWERS_OWN:
                return _FLOWERS_OWN[reply.error.code]
            # A bank's own words go to the operator's terminal, and to a log that is read by lines.
            return one_line(reply.error.reason or f"error {reply.error.code}")
        receipt = reply.content.config_records.get(RECEIPT)
        if receipt is not None and receipt.get("institution") != name:
            return (
                f"its reply calls itself {str(receipt.get('institution'))[:100]!r}; the name in its"
                " bank.yaml and the registered one have to be equal"
            )
        expected = {
            "institution": name,
            "task": str(self.task),
            "number": self.number,
            "layout": self.layout.fingerprint,
        }
        if receipt is None or dict(receipt) != expected:
            return "its reply belongs to another task, round or layout"
        try:
            (vector,) = reply.content.array_records[RELEASE].to_numpy_ndarrays()
            fits = self.layout.admits(vector)
        except Exception:  # whatever one bank sends, the others' run goes on
            fits = False
        return vector if fits else "its reply does not fit the layout"

    def result(self, quorum: float) -> dict[str, np.ndarray]:
        """Return the decoded sum; see :meth:`total`."""
        return self.layout.decode(self.total(quorum))

    def total(self, quorum: float) -> np.ndarray:
        """Return the sum.

        Parameters
        ----------
        quorum : float
            Share of the banks asked that must have answered.

        Returns
        -------
        numpy.ndarray
            ``(layout size,) int64``.

        Raises
        ------
        QuorumError
            If too few answered; names each bank that did not and why.
        """
        needed = max(1, math.ceil(quorum * len(self.asked) - 1e-9))
        names = sorted(self.roster.names[node] for node in self.asked)
        missing = {
            name: self.refused.get(name, _NO_ANSWER).rstrip(".")
            for name in names
            if name not in self.answered
        }
        self.roster.after_exchange(
            Attendance(
                self.task,
                self.number,
                tuple(sorted(self.answered)),
                missing,
                time.perf_counter() - self._start,
                self.own_metrics,
            )
        )
        reasons = "; ".join(f"{name}: {reason}" for name, reason in missing.items())
        if len(self.answered) < needed:
            raise QuorumError(
                f"Only {len(self.answered)} of {len(self.asked)} institutions answered"
                f" '{self.task}' in round {self.number}, {needed} are needed"
                f" (federation.quorum): {reasons}."
            )
        if reasons:
            log.warning("'%s' in round %d goes on without %s", self.task, self.number, reasons)
        return self._sum


def _own_metrics(record: MetricRecord) -> dict[str, float]:
    """Take what a bank may tell of itself, whatever else it says."""
    return {
        name: value
        for name in OWN_METRICS
        if isinstance(value := record.get(name), int | float) and math.isfinite(value)
    }


def ask_all(
    grid: Grid,
    roster: Roster,
    task: Task,
    config: TaskConfig,
    arrays: ArrayRecord,
    *,
    timeout: float,
) -> SumCollector:
    """Ask all banks for one task and add their releases; see :func:`exchange`."""
    nodes = roster.nodes
    collector = SumCollector(roster, frozenset(nodes), task, config.number, config.layout(task))
    messages = requests(task, config, arrays, nodes)
    for reply in grid.send_and_receive(messages, timeout=timeout):
        collector.add(reply)
    return collector


def exchange(
    grid: Grid,
    roster: Roster,
    task: Task,
    config: TaskConfig,
    arrays: ArrayRecord,
    *,
    quorum: float,
    timeout: float,
) -> dict[str, np.ndarray]:
    """Ask all banks for one task and return the sum of their releases.

    Parameters
    ----------
    grid : Grid
        Carries the messages.
    roster : Roster
        Who takes part.
    task : Task
        What is asked.
    config : TaskConfig
        How it is asked.
    arrays : ArrayRecord
        Weights that go with it; empty where there are none.
    quorum : float
        Share of the banks that must answer.
    timeout : float
        Seconds to wait.

    Returns
    -------
    dict of str to numpy.ndarray
        Decoded sums in the task's layout.

    Raises
    ------
    QuorumError
        If too few banks answered.
    """
    return ask_all(grid, roster, task, config, arrays, timeout=timeout).result(quorum)
