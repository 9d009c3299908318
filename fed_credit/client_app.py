"""The bank's Flower app: answers from the loans that the bank's own file names.

The path of that file comes from the bank's side of the SuperNode; nothing in a message or a run's
configuration can point elsewhere. Without it the bank refuses to work.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
from flwr.app import Context

from clients.adapter import make_client_app
from clients.bank import Bank
from clients.gate import Gate
from fed_credit.bank.prepare import prepare
from fed_credit.bank.received import keep_model
from fed_credit.bank.watched import load_watched
from fed_credit.config.bank import BANK_FILE, BankSpec, load_bank
from fed_credit.data.book import Part
from fed_credit.errors import DataError
from fed_credit.training.run_spec import RunSpec

BANK_KEY = "bank"
_MOST_BANKS = 4  # in memory: a process answers for one bank, and for few runs at a time


class NodeBanks:
    """The one bank of a SuperNode, by the ``bank.yaml`` that the node's own configuration names."""

    def __init__(self) -> None:
        self._banks: OrderedDict[tuple[object, ...], Bank] = OrderedDict()

    def gate(self, context: Context) -> Gate:
        """Return what the bank lets in and out, by its file as it is now."""
        file = _file(context)
        return Gate.at(file.parent, load_bank(file).policy)

    def name(self, context: Context) -> str:
        """Return the bank's name."""
        return load_bank(_file(context)).name

    def bank(self, context: Context, spec: RunSpec) -> Bank:
        """Return the bank with its loans for a run; see :func:`fed_credit.bank.prepare.prepare`."""
        file = _file(context)
        own = load_bank(file)
        # Read anew for each message, so that what the bank allows holds from now on.
        key = (str(file), repr(own), context.run_id, spec.json_text)
        if key not in self._banks:
            self._banks[key] = _bank(own, file.parent, context.run_id, spec)
            while len(self._banks) > _MOST_BANKS:
                self._banks.popitem(last=False)
        self._banks.move_to_end(key)
        return self._banks[key]

    def watched(self, context: Context, spec: RunSpec, as_of: str) -> Bank:
        """Return the bank with all its loans; see :func:`fed_credit.bank.watched.load_watched`.

        They are read anew for each request: a monitor asks once.
        """
        own = load_bank(_file(context))
        loans = load_watched(own, spec, as_of)
        parts = np.full(len(loans), Part.SET_ASIDE, np.int8)
        return Bank(loans, parts, decided=loans.decided, min_loans=own.policy.min_loans)


def _bank(own: BankSpec, home: Path, run_id: int, spec: RunSpec) -> Bank:
    loans = prepare(own, spec, run_id, home)
    return Bank(
        loans.book,
        loans.parts,
        kept=loans.matrices,
        on_test=lambda task, weights: keep_model(home, run_id, task, weights),
    )


def _file(context: Context) -> Path:
    path = context.node_config.get(BANK_KEY)
    if path is None:
        raise DataError(
            "This node does not know its bank; start it by fed-credit bank run, or its SuperNode"
            f" with --node-config '{BANK_KEY}=\"PATH\"', the path of {BANK_FILE}."
        )
    file = Path(str(path)).absolute()
    return file / BANK_FILE if file.is_dir() else file


app = make_client_app(NodeBanks())
