"""The bank's gate: what is asked passes it on the way in, and all that leaves on the way out.

On the way in the bank's policy is asked before anything is read or computed. On the way out it is
asked again, now about the loans behind the answer, and the ledger is written. What cannot be
written does not leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clients.ledger import LEDGER, Ledger, exchanges_used_up
from clients.ledger_lines import ERROR, Departure, Layout
from clients.policy import Policy
from fed_credit.config.bank import PolicySpec
from fed_credit.data.book import Part
from fed_credit.models.protocol import Weights
from fed_credit.training.task import Task, TaskConfig


@dataclass(frozen=True)
class Letter:
    """One thing in an answer, as one line of the ledger.

    Parameters
    ----------
    kind : str
        As in :class:`~clients.ledger_lines.Departure`.
    layout : sequence of tuple
        Name, shape and fractional bits of each array; ``None`` for numbers not in fixed point.
    payload : sequence of numpy.ndarray or str
        What it holds, in this order.
    """

    kind: str
    layout: Layout
    payload: Sequence[np.ndarray | str]


@dataclass(frozen=True)
class Gate:
    """A bank's policy and ledger.

    Parameters
    ----------
    policy : Policy
        What is let in and out.
    ledger : Ledger or None
        Where everything that leaves is written; None in simulation.
    """

    policy: Policy
    ledger: Ledger | None

    @classmethod
    def open(cls) -> Gate:
        """Return the gate that lets everything pass and writes nothing, for simulation."""
        return cls(Policy.open(), None)

    @classmethod
    def at(cls, home: Path, limits: PolicySpec) -> Gate:
        """Return the gate of the bank with this home folder and these limits."""
        return cls(Policy.of(limits), Ledger(home / LEDGER))


@dataclass(frozen=True)
class Visit:
    """One request at the gate.

    Parameters
    ----------
    gate : Gate
        The bank's.
    run : str
        The run that asks.
    task : str
        What is asked.
    round : int
        In which round; 0 outside of training.
    """

    gate: Gate
    run: str
    task: str
    round: int

    def admit(self, task: Task, asked: TaskConfig, incoming: Weights) -> None:
        """Ask the policy before anything is read or computed.

        Raises
        ------
        ReleaseError
            If the request is not answered; names the limit, safe to send.
        LedgerError
            If the ledger cannot be read.
        """
        policy, ledger = self.gate.policy, self.gate.ledger
        policy.check_request(task, asked, incoming)
        limit = policy.max_exchanges
        if ledger is not None and limit is not None and ledger.exchanges(self.run) >= limit:
            raise exchanges_used_up(limit)

    def let_out(self, letters: Sequence[Letter], loans: Mapping[Part, int]) -> None:
        """Ask the policy about an answer and write it down; on return it may leave.

        Parameters
        ----------
        letters : sequence of Letter
            What the answer holds.
        loans : mapping of Part to int
            How many loans it was made of, by part.

        Raises
        ------
        ReleaseError
            If too few loans stand behind it, or the run had all its answers; safe to send.
        LedgerError
            If it cannot be written down: it must not leave.
        """
        self.gate.policy.check_loans(loans)
        if self.gate.ledger is None:
            return
        for letter in letters:
            self.gate.ledger.append(
                self._departure(letter.kind, letter.layout, _bytes(letter.payload)),
                limit=self.gate.policy.max_exchanges,
            )

    def let_error_out(self, sentence: str) -> None:
        """Write an error sentence down; on return it may leave.

        Raises
        ------
        LedgerError
            If it cannot be written down: it must not leave.
        """
        if self.gate.ledger is not None:
            payload = sentence.encode("utf-8", "replace")
            self.gate.ledger.append(self._departure(ERROR, (), payload, sentence))

    def _departure(self, kind: str, layout: Layout, payload: bytes, text: str = "") -> Departure:
        return Departure(self.run, self.task, self.round, kind, layout, payload, text)


def _bytes(payload: Sequence[np.ndarray | str]) -> bytes:
    """Write arrays as little-endian bytes and text as UTF-8, one after the other."""
    return b"".join(
        item.encode("utf-8", "replace")
        if isinstance(item, str)
        else item.astype(item.dtype.newbyteorder("<"), copy=False).tobytes()
        for item in payload
    )
