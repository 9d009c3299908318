"""The thin adapter between Flower's messages and the banks' ``NumPyClient`` subclasses.

Named actions (``train.counts``, ``train.round``, ...) answer with a release. The default ``train``
and ``evaluate`` actions answer as stock Flower strategies expect, so that these can drive the
same clients.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Context,
    Error,
    Message,
    MetricRecord,
    RecordDict,
)
from flwr.clientapp import ClientApp

from clients.bank import Bank
from clients.edge import release
from clients.tasks import CLIENTS, TrainingClient
from fed_credit.errors import FedCreditError, ReleaseError
from fed_credit.models.protocol import Weights
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.task import (
    ARRAYS,
    CONFIG,
    METRICS,
    RECEIPT,
    RELEASE,
    Scalar,
    Task,
    TaskConfig,
)

ERROR_REFUSED, ERROR_FAILED = 1001, 1002

log = logging.getLogger("fed_credit.bank")

Handler = Callable[[Message, Context], Message]


class Banks(Protocol):
    """Finds the bank that a message is for, by its node; nothing in a message can name another.

    Both methods raise a :class:`~fed_credit.errors.FedCreditError` if there is none.
    """

    def name(self, context: Context) -> str:
        """Return the bank's name."""
        ...

    def bank(self, context: Context, spec: RunSpec) -> Bank:
        """Return the bank with the loans that a run is about."""
        ...


def make_client_app(banks: Banks) -> ClientApp:
    """Make the app that answers for banks.

    Parameters
    ----------
    banks : Banks
        Finds the bank of a message.

    Returns
    -------
    ClientApp
        With one train action per :class:`~fed_credit.training.task.Task`, the stock actions, and
        the query ``identify``.
    """
    app = ClientApp()
    for task in Task:
        app.train(str(task))(_guarded(_releasing(task, banks)))

    @app.train()
    @_guarded
    def train(message: Message, context: Context) -> Message:
        config = _config(message)
        bank = banks.bank(context, TaskConfig.from_config(config).spec)
        weights, n, metrics = TrainingClient(bank).fit(_arrays(message), config)
        content = RecordDict({ARRAYS: ArrayRecord(weights), METRICS: _metrics(n, metrics)})
        return Message(content, reply_to=message)

    @app.evaluate()
    @_guarded
    def evaluate(message: Message, context: Context) -> Message:
        config = _config(message)
        bank = banks.bank(context, TaskConfig.from_config(config).spec)
        loss, n, metrics = TrainingClient(bank).evaluate(_arrays(message), config)
        record = _metrics(n, {"loss": loss, **metrics})
        return Message(RecordDict({METRICS: record}), reply_to=message)

    @app.query("identify")
    @_guarded
    def identify(message: Message, context: Context) -> Message:
        name = ConfigRecord({"institution": banks.name(context)})
        return Message(RecordDict({RECEIPT: name}), reply_to=message)

    return app


def _releasing(task: Task, banks: Banks) -> Handler:
    def handle(message: Message, context: Context) -> Message:
        incoming, config = _arrays(message), _config(message)
        asked = TaskConfig.from_config(config)
        bank = banks.bank(context, asked.spec)
        answer, _, _ = CLIENTS[task](bank).fit(incoming, config)
        vector = release(bank, task, asked, incoming, answer)
        receipt = ConfigRecord(
            {
                "institution": bank.name,
                "task": str(task),
                "number": asked.number,
                "layout": asked.layout(task).fingerprint,
            }
        )
        content = RecordDict({RELEASE: ArrayRecord({"sum": Array(vector)}), RECEIPT: receipt})
        return Message(content, reply_to=message)

    return handle


def _guarded(handler: Handler) -> Handler:
    """Let no exception out of the bank: its text could hold a record's values."""

    def guarded(message: Message, context: Context) -> Message:
        try:
            return handler(message, context)
        except ReleaseError as error:  # written to be safe to send
            log.warning("%s", error)
            return Message(Error(ERROR_REFUSED, str(error)), reply_to=message)
        except Exception as error:
            log.exception("A task failed: %s", message.metadata.message_type)
            kind = "a problem" if isinstance(error, FedCreditError) else "an unexpected problem"
            sentence = f"The bank met {kind} in this task; its own log has the details."
            return Message(Error(ERROR_FAILED, sentence), reply_to=message)

    return guarded


def _metrics(n: int, metrics: Mapping[str, Scalar]) -> MetricRecord:
    """Make the record that stock strategies average by ``num-examples``, of numbers only."""
    numbers = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    return MetricRecord({"num-examples": n, **numbers})


def _arrays(message: Message) -> Weights:
    record = message.content.array_records.get(ARRAYS)
    return [] if record is None else _decode(record)


class _Decoder:
    """Keeps the last record read: in process, a round's messages to all banks share one.

    The arrays are read-only, so no bank can change what another one starts from.
    """

    def __init__(self) -> None:
        self._record: ArrayRecord | None = None
        self._weights: Weights = []

    def __call__(self, record: ArrayRecord) -> Weights:
        if record is not self._record:
            self._weights = record.to_numpy_ndarrays()
            for array in self._weights:
                array.flags.writeable = False
            self._record = record
        return self._weights


_decode = _Decoder()


def _config(message: Message) -> dict[str, Scalar]:
    record = message.content.config_records[CONFIG]
    return {key: value for key, value in record.items() if not isinstance(value, list)}
