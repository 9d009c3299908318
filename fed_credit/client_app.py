"""The bank's Flower app: answers for the loan book that the bank's own node configuration names.

The path comes from the SuperNode's ``--node-config``, which the bank sets; nothing in a message
or a run's configuration can point elsewhere. Without it the bank refuses to work.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from flwr.app import Context

from clients.adapter import make_client_app
from clients.bank import Bank
from fed_credit.data.store import load_book
from fed_credit.errors import DataError
from fed_credit.training.run_spec import RunSpec

BOOK_KEY = "book"


@lru_cache(maxsize=256)
def stored_bank(path: Path) -> Bank:
    """Load a bank whose loan book was stored on disk; kept for the process' later messages."""
    return Bank(*load_book(path))


class NodeBanks:
    """The one bank of a SuperNode."""

    def name(self, context: Context) -> str:
        """Return the bank's name."""
        return self._stored(context).name

    def bank(self, context: Context, spec: RunSpec) -> Bank:
        """Return the bank."""
        return self._stored(context)

    def _stored(self, context: Context) -> Bank:
        path = context.node_config.get(BOOK_KEY)
        if path is None:
            raise DataError(
                "This node has no loan book; start its SuperNode with --node-config"
                f" '{BOOK_KEY}=PATH'."
            )
        return stored_bank(Path(str(path)))


app = make_client_app(NodeBanks())
