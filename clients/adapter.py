"""The thin adapter between Flower's messages and the banks' ``NumPyClient`` subclasses.

Named actions (``train.counts``, ``train.round``, ...) answer with a release. The default ``train``
and ``evaluate`` actions answer as stock Flower strategies expect, so that these can drive the
same clients.

No handler makes a message. It returns an :class:`Answer`, and one place lets that out: the policy
is asked, the ledger written, and only then is there a reply. Error sentences leave the same way.
One sentence is in no ledger: the constant one that says that the ledger cannot be written.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

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
from clients.gate import Gate, Letter, Visit
from clients.ledger_lines import IDENTIFY, OWN_METRICS, STOCK
from clients.ledger_lines import RELEASE as RELEASED
from clients.tasks import CLIENTS, TrainingClient, check_asked
from fed_credit.data.book import Part
from fed_credit.drift.question import PeriodsQuestion
from fed_credit.errors import FedCreditError, LedgerError, ReleaseError, one_line
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

ERROR_REFUSED, ERROR_FAILED, ERROR_UNRECORDED = 1001, 1002, 1003

_UNRECORDED = "The bank's ledger cannot be written, so nothing leaves; its own log has the details."

_LONGEST_NAME = 80

log = logging.getLogger("fed_credit.bank")


@dataclass(frozen=True)
class Answer:
    """What a bank is about to send.

    Parameters
    ----------
    content : RecordDict
        The message.
    letters : tuple of Letter
        What it holds, for the ledger.
    loans : mapping of Part to int
        How many loans it was made of, by part.
    """

    content: RecordDict
    letters: tuple[Letter, ...]
    loans: Mapping[Part, int] = field(default_factory=dict)


Handler = Callable[[Message, Context, Visit], Answer]


class Banks(Protocol):
    """Finds the bank that a message is for, by its node; nothing in a message can name another.

    All methods raise a :class:`~fed_credit.errors.FedCreditError` if there is none.
    """

    def gate(self, context: Context) -> Gate:
        """Return what the bank lets in and out; reads no loans."""
        ...

    def name(self, context: Context) -> str:
        """Return the bank's name."""
        ...

    def bank(self, context: Context, spec: RunSpec) -> Bank:
        """Return the bank with the loans that a run is about."""
        ...

    def watched(self, context: Context, spec: RunSpec, as_of: str) -> Bank:
        """Return the bank with all its loans, and their outcomes as far as a day knows them."""
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
        app.train(str(task))(_guarded(banks, _releasing(task, banks)))

    def train(message: Message, context: Context, visit: Visit) -> Answer:
        incoming, config = _arrays(message), _config(message)
        asked = TaskConfig.from_config(config)
        visit.gate.policy.check_stock()
        visit.admit(Task.ROUND, asked, incoming)
        bank = banks.bank(context, asked.spec)
        weights, n, metrics = TrainingClient(bank).fit(incoming, config)
        record = _metrics(n, metrics)
        letter = _stock_letter(weights, record)
        content = RecordDict({ARRAYS: ArrayRecord(weights), METRICS: record})
        return Answer(content, (letter,), _loans(bank, Part.TRAIN))

    def evaluate(message: Message, context: Context, visit: Visit) -> Answer:
        incoming, config = _arrays(message), _config(message)
        asked = TaskConfig.from_config(config)
        visit.gate.policy.check_stock()
        visit.admit(Task.EVALUATION, asked, incoming)
        bank = banks.bank(context, asked.spec)
        loss, n, metrics = TrainingClient(bank).evaluate(incoming, config)
        record = _metrics(n, {"loss": loss, **metrics})
        content = RecordDict({METRICS: record})
        return Answer(content, (_stock_letter([], record),), _loans(bank, asked.part))

    def identify(message: Message, context: Context, visit: Visit) -> Answer:
        name = banks.name(context)
        letter = Letter(IDENTIFY, (("institution", (), None),), (name,))
        return Answer(RecordDict({RECEIPT: ConfigRecord({"institution": name})}), (letter,))

    app.train()(_guarded(banks, train))
    app.evaluate()(_guarded(banks, evaluate))
    app.query("identify")(_guarded(banks, identify))
    return app


def _releasing(task: Task, banks: Banks) -> Handler:
    def handle(message: Message, context: Context, visit: Visit) -> Answer:
        incoming, config = _arrays(message), _config(message)
        if not visit.gate.policy.own_metrics:
            config["own_metrics"] = False  # so that they are not even computed
        asked = TaskConfig.from_config(config, incoming)
        visit.admit(task, asked, incoming)
        if task is Task.MONITOR and isinstance(asked.monitor, PeriodsQuestion):
            check_asked(asked)  # before loans are read for a day of the operator's choice
            bank = banks.watched(context, asked.spec, asked.monitor.as_of)
        else:
            bank = banks.bank(context, asked.spec)
        loans = _loans(bank, *asked.parts(task))
        # Before anything is computed of them: how that fails would tell something too.
        visit.gate.policy.check_loans(loans)
        answer, _, metrics = CLIENTS[task](bank).fit(incoming, config)
        vector = release(bank, task, asked, incoming, answer)
        layout = asked.layout(task)
        receipt = ConfigRecord(
            {
                "institution": bank.name,
                "task": str(task),
                "number": asked.number,
                "layout": layout.fingerprint,
            }
        )
        content = RecordDict({RELEASE: ArrayRecord({"sum": Array(vector)}), RECEIPT: receipt})
        shapes = tuple((entry.name, entry.shape, entry.bits) for entry in layout.entries)
        letters = [Letter(RELEASED, shapes, (vector,))]
        if asked.own_metrics and metrics:
            own = MetricRecord({**_numbers(metrics)})
            content[METRICS] = own
            letters.append(_figures_letter(OWN_METRICS, own))
        return Answer(content, tuple(letters), loans)

    return handle


def _guarded(banks: Banks, handler: Handler) -> Callable[[Message, Context], Message]:
    """Let nothing out of the bank but through its gate, and no text of an exception at all."""

    def guarded(message: Message, context: Context) -> Message:
        visit = None
        try:
            visit = _visit(banks.gate(context), message)
            answer = handler(message, context, visit)
            visit.let_out(answer.letters, answer.loans)
            return Message(answer.content, reply_to=message)
        except LedgerError:
            log.exception("Nothing leaves: %s", message.metadata.message_type)
            return Message(Error(ERROR_UNRECORDED, _UNRECORDED), reply_to=message)
        except ReleaseError as error:  # written to be safe to send
            log.warning("%s", error)
            code, sentence = ERROR_REFUSED, str(error)
        except Exception as error:
            log.exception("A task failed: %s", message.metadata.message_type)
            kind = "a problem" if isinstance(error, FedCreditError) else "an unexpected problem"
            code = ERROR_FAILED
            sentence = f"The bank met {kind} in this task; its own log has the details."
        return _error(visit, message, code, sentence)

    return guarded


def error_reply(gate: Gate, message: Message, code: int, sentence: str) -> Message:
    """Answer a message with an error, written down like everything that leaves.

    Parameters
    ----------
    gate : Gate
        The bank's.
    message : Message
        What was asked.
    code : int
        Of the error.
    sentence : str
        Safe to send.

    Returns
    -------
    Message
        With a constant sentence instead where the ledger cannot be written.
    """
    return _error(_visit(gate, message), message, code, sentence)


def _error(visit: Visit | None, message: Message, code: int, sentence: str) -> Message:
    """Make an error's reply; without a gate, which takes a readable bank.yaml, it is constant."""
    sentence = one_line(sentence)  # it may quote the request
    try:
        if visit is not None:
            visit.let_error_out(sentence)
    except LedgerError:
        log.exception("Nothing leaves: %s", message.metadata.message_type)
        code, sentence = ERROR_UNRECORDED, _UNRECORDED
    return Message(Error(code, sentence), reply_to=message)


def _visit(gate: Gate, message: Message) -> Visit:
    where = message.metadata
    record = message.content.config_records.get(CONFIG) if message.has_content() else None
    number = 0 if record is None else record.get("number", 0)
    return Visit(
        gate,
        run=str(where.run_id),
        task=one_line(where.message_type.rpartition(".")[2], _LONGEST_NAME),
        round=number if isinstance(number, int) else 0,
    )


def _loans(bank: Bank, *parts: Part) -> dict[Part, int]:
    return {part: len(bank.rows(part)) for part in parts}


def _metrics(n: int, metrics: Mapping[str, Scalar]) -> MetricRecord:
    """Make the record that stock strategies average by ``num-examples``, of numbers only."""
    return MetricRecord({"num-examples": n, **_numbers(metrics)})


def _numbers(metrics: Mapping[str, Scalar]) -> dict[str, int | float]:
    return {
        name: value
        for name, value in metrics.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _stock_letter(weights: Weights, record: MetricRecord) -> Letter:
    figures = _figures_letter(STOCK, record)
    arrays = tuple((f"{ARRAYS}/{k}", array.shape, None) for k, array in enumerate(weights))
    return Letter(STOCK, (*arrays, *figures.layout), (*weights, *figures.payload))


def _figures_letter(kind: str, figures: Mapping[str, Any]) -> Letter:
    """Return figures by name as a letter; what is hashed is their JSON, sorted by name."""
    layout = tuple((f"{METRICS}/{name}", (), None) for name in figures)
    return Letter(kind, layout, (json.dumps(dict(figures), sort_keys=True),))


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
