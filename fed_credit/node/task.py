"""One task from the SuperNode's hands to its reply, by the app that the bank installed.

It runs in a process of its own that the worker forks; see :mod:`fed_credit.node.worker`. Whatever
goes wrong becomes an error reply of a code and a sentence without values, and the details stay in
the bank's log.
"""

from __future__ import annotations

import json
import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from flwr.app import Context, Error, Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.constant import SubStatus
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.runtime_pb2 import PullAppMessagesRequest
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor, RuntimeVersionHttpInterceptor
from flwr.supercore.retry import make_simple_http_retry_invoker
from flwr.supercore.run import RunNotRunningException
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message, push_task_output

from clients.adapter import ERROR_FAILED, ERROR_REFUSED, error_reply
from clients.gate import Gate
from fed_credit.config.bank import load_bank
from fed_credit.errors import FedCreditError, ReleaseError, one_line
from fed_credit.node.bundle import check_bundle
from fed_credit.node.call import CLIENT_COMMAND, Call
from fed_credit.node.home import Home
from fed_credit.node.report import wanted_report
from fed_credit.runtime.pulls import pull_promptly

# Time to hand over what was computed, and to be killed when a limit was not heard.
HANDOVER_SECONDS = 120.0
GRACE_SECONDS = 20.0
_CALL_SECONDS = 60.0
_LONGEST_NAME = 80

log = logging.getLogger("fed_credit.bank")

Tell = Callable[[dict[str, Any]], None]


class _OutOfTimeError(BaseException):
    """The task's time is up. Not an ``Exception``: nothing on the way may take it for its own."""


class _GoneError(BaseException):
    """The SuperNode no longer knows the task: the run was stopped."""


def run_task(home: Home, call: Call, tell: Tell, started: float) -> int:
    """Run one task and hand its reply over.

    Parameters
    ----------
    home : Home
        The bank's; its ``bank.yaml`` says whose loans and which limits.
    call : Call
        Where the task is to be had.
    tell : callable
        Tells the process that watches this one: ``message`` (whom an answer goes to, as hex),
        ``deadline`` (seconds from now after which to kill), ``limit`` (of the computation, while
        it lasts), ``done``, and ``report`` (a run whose own report is to be made).
    started : float
        ``time.monotonic()`` of the command's start, for the log.

    Returns
    -------
    int
        Exit code: 0 if the SuperNode has a reply, or nobody waits for one.
    """
    steps = _Steps(started)
    signal.signal(signal.SIGINT, _gone)  # Flower's own sign for a task that was taken away
    signal.signal(signal.SIGALRM, _out_of_time)
    pull_promptly()
    client = _connect(call)
    heartbeat = HeartbeatSender(make_task_heartbeat_fn_http(client))
    heartbeat.start()
    try:
        message, context, _, fab = pull_task_input(client)
        steps.note("pull")
        header = message_to_proto(remove_content_from_message(message)).SerializeToString()
        tell({"message": header.hex()})
        reply, outcome = _answer(home, call, message, context, fab.content, tell, steps)
        tell({"deadline": HANDOVER_SECONDS, "limit": None})
        push_message(client, reply, context)
        push_task_output(client, context, SubStatus.COMPLETED, "")
        steps.note("push")
        tell({"done": True})
        _write(home, message, outcome, steps)
        run_id = message.metadata.run_id
        if outcome == "answered" and wanted_report(home, run_id):
            tell({"report": run_id})
        return 0
    except (_GoneError, RunNotRunningException):
        log.warning("A task was taken away: its run was stopped.")
        tell({"done": True})
        return 0
    except Exception:
        log.exception("A task could not be taken or handed over")
        return 1


def give_up(home: Home, call: Call, header: bytes | None, sentence: str) -> int:
    """Answer with an error in the place of a process that died.

    Without an answer the SuperNode waits until the task's heartbeat is missed for a minute, and
    for ever where the message was not handed out yet.

    Parameters
    ----------
    home : Home
        The bank's.
    call : Call
        Where the task is to be had.
    header : bytes or None
        What the dead process told of its message; ``None`` if it never had one.
    sentence : str
        What to say; safe to send.

    Returns
    -------
    int
        Exit code: 0 if the SuperNode has the answer.
    """
    steps = _Steps(time.monotonic())
    client = _connect(call)
    try:
        if header is None:
            waiting = client.PullMessages(PullAppMessagesRequest()).messages_list
            if not waiting:
                log.error("Nobody can be told; the SuperNode will miss the task's heartbeat.")
                return 1
            proto = waiting[0]
        else:
            proto = ProtoMessage.FromString(header)
        message = message_from_proto(proto)
        where = message.metadata
        context = Context(where.run_id, where.dst_node_id, {}, RecordDict(), {})
        reply = _error(_gate(home), message, ERROR_FAILED, sentence)
        push_message(client, reply, context)
        push_task_output(client, None, SubStatus.FAILED, sentence)
    except Exception:
        log.exception("A task that died could not be answered")
        return 1
    _write(home, message, "died", steps)
    return 0


def late(seconds: float) -> str:
    """Say that a task took too long."""
    return (
        f"The bank stopped this task after {seconds:g} s, its limit (policy.max_seconds in its"
        " bank.yaml)."
    )


def _answer(
    home: Home,
    call: Call,
    message: Message,
    context: Context,
    fab: bytes,
    tell: Tell,
    steps: _Steps,
) -> tuple[Message, str]:
    """Return the reply, and how it came about."""
    gate, limit = None, 0.0
    try:
        policy = load_bank(home.bank_file).policy
        gate, limit = Gate.at(home.root, policy), policy.max_seconds
        if call.command != CLIENT_COMMAND:
            raise ReleaseError(f"The bank runs no '{call.command}'; it answers client tasks only.")
        check_bundle(fab)
        steps.note("check")
        # The bank's own file, whatever the SuperNode was started with.
        context.node_config = {"bank": str(home.bank_file)}
        tell({"deadline": limit + GRACE_SECONDS, "limit": limit})
        with _limited(limit):
            from fed_credit.client_app import app

            reply = app(message=message, context=context)
        steps.note("compute")
        return reply, _outcome(reply)
    except ReleaseError as error:  # written to be safe to send
        log.warning("%s", error)
        return _error(gate, message, ERROR_REFUSED, str(error)), "refused"
    except _OutOfTimeError:
        log.warning("%s", late(limit))
        return _error(gate, message, ERROR_FAILED, late(limit)), "late"
    except Exception as error:
        log.exception("A task failed: %s", message.metadata.message_type)
        kind = "a problem" if isinstance(error, FedCreditError) else "an unexpected problem"
        sentence = f"The bank met {kind} in this task; its own log has the details."
        return _error(gate, message, ERROR_FAILED, sentence), "failed"


def _outcome(reply: Message) -> str:
    if not reply.has_error():
        return "answered"
    return "refused" if reply.error.code == ERROR_REFUSED else "failed"


def _gate(home: Home) -> Gate | None:
    try:
        return Gate.at(home.root, load_bank(home.bank_file).policy)
    except FedCreditError:
        return None


def _error(gate: Gate | None, message: Message, code: int, sentence: str) -> Message:
    """Answer with an error by the bank's gate; without one, which takes a readable bank.yaml."""
    if gate is None:
        return Message(Error(code, sentence), reply_to=message)
    return error_reply(gate, message, code, sentence)


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _gone(number: int, frame: FrameType | None) -> NoReturn:
    raise _GoneError


def _out_of_time(number: int, frame: FrameType | None) -> NoReturn:
    raise _OutOfTimeError


def _connect(call: Call) -> RuntimeHttpClient:
    retries = make_simple_http_retry_invoker()
    retries.max_time = _CALL_SECONDS  # a SuperNode that went does not come back under this token
    return RuntimeHttpClient.from_server_address(
        server_address=call.address,
        insecure=call.insecure,
        root_certificates=call.certificates,
        interceptors=[
            RuntimeVersionHttpInterceptor(component_name=CLIENT_COMMAND),
            RuntimeTokenHttpInterceptor(call.token),
        ],
        retry_invoker=retries,
    )


class _Steps:
    """How long each step took."""

    def __init__(self, started: float) -> None:
        self.seconds = {"start": time.monotonic() - started}
        self._last = time.monotonic()

    def note(self, step: str) -> None:
        now = time.monotonic()
        self.seconds[step] = now - self._last
        self._last = now


def _write(home: Home, message: Message, outcome: str, steps: _Steps) -> None:
    where = message.metadata
    line = {
        "at": time.time(),
        "run": where.run_id,
        # The operator's words, which the supervisor prints.
        "task": one_line(where.message_type, _LONGEST_NAME),
        "round": one_line(where.group_id, _LONGEST_NAME),
        "outcome": outcome,
        "seconds": {step: round(seconds, 4) for step, seconds in steps.seconds.items()},
    }
    # The answer has left; a full disk is no reason to say otherwise.
    with suppress(OSError), home.tasks.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
