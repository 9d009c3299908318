"""Following a run to its true end: the SuperLink's word decides, its log says why."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from fed_credit import errors
from fed_credit.deploy.control import Control
from fed_credit.deploy.records import Run, RunStatus
from fed_credit.errors import DeploymentError, FedCreditError, RunFailedError

_POLL_S = 1.0
# A SuperLink that is started anew is back by then.
_PATIENCE_S = 120.0
_TAIL_S = 10.0
_BUG, _STOPPED = 1, 4

# What the server app prints for the operator, and not what Flower logs.
_TOLD = re.compile(r"(?:round \d+/\d+|\w+ \d+: \d+ banks |Run '[^']+' ).*")
_ROUND = re.compile(r"round \d+/\d+")
# The last line of a traceback.
_RAISED = re.compile(r"^fed_credit\.errors\.(\w+): (.+)$", re.MULTILINE)
_FLOWERS_WORDS = "ServerApp failed with exception: "
_LOST = "No heartbeat"


def follow(control: Control, run_id: int, tell: Callable[[str], None]) -> tuple[Run, str]:
    """Wait until a run has finished.

    Parameters
    ----------
    control : Control
        The SuperLink; it may be away for up to two minutes.
    run_id : int
        The run.
    tell : callable
        Takes each line that the run prints for the operator.

    Returns
    -------
    tuple of Run and str
        The finished run, and its log.

    Raises
    ------
    DeploymentError
        If the SuperLink stays away; the run may go on.
    """
    reader = _LogReader(control, run_id, tell)
    reader.start()
    try:
        run = _finished(control, run_id)
        # The SuperLink ends the stream when all is sent.
        reader.join(_TAIL_S)
    finally:
        reader.leave()
    return run, reader.text


def check_completed(run: Run, log: str) -> None:
    """Raise what a run failed with.

    Parameters
    ----------
    run : Run
        Finished.
    log : str
        Its log.

    Raises
    ------
    RunFailedError
        If it failed or was stopped; with the sentence and the exit code of the server app's error.
    """
    if run.status is RunStatus.COMPLETED:
        return
    begun = _ROUND.search(log) is not None or run.details.startswith(_LOST)
    on = f" Go on with: fed-credit deploy run resume={run.name}" if begun else ""
    if run.status is RunStatus.STOPPED:
        raise RunFailedError(f"Run '{run.name}' ({run.run_id}) was stopped.{on}", _STOPPED)
    text, code = failure(run, log)
    raise RunFailedError(f"Run '{run.name}' ({run.run_id}) failed: {text}{on}", code)


def failure(run: Run, log: str) -> tuple[str, int]:
    """Return why a run failed, as one sentence, and the exit code that goes with it.

    Parameters
    ----------
    run : Run
        Failed.
    log : str
        Its log; empty if it is not at hand.

    Returns
    -------
    tuple of str and int
    """
    raised = _RAISED.findall(log)
    if raised:
        name, text = raised[-1]
        kind = getattr(errors, name, FedCreditError)
        # Of errors that carry their own code, the class has its parent's.
        return text, kind.exit_code
    if run.details.startswith(_LOST):
        return "it stopped answering, as after an end of the SuperLink or of its machine.", _BUG
    text = " ".join(run.details.removeprefix(_FLOWERS_WORDS).split())
    if not text:
        text = "the SuperLink does not know why; see its log"
    return f"{text.rstrip('.')}.", _BUG


class _LogReader(threading.Thread):
    """Reads a run's log as it comes; a connection that breaks is made anew."""

    def __init__(self, control: Control, run_id: int, tell: Callable[[str], None]) -> None:
        super().__init__(daemon=True)
        self.text = ""
        self._control = control
        self._run_id = run_id
        self._tell = tell
        self._told = 0
        self._left = threading.Event()

    def run(self) -> None:
        after = 0.0
        while not self._left.is_set():
            try:
                for piece, end in self._control.logs(self._run_id, after):
                    self._take(piece)
                    after = end
                return
            except DeploymentError:
                self._left.wait(_POLL_S)

    def leave(self) -> None:
        self._left.set()

    def _take(self, piece: str) -> None:
        self.text += piece
        whole = self.text.rfind("\n") + 1
        for line in self.text[self._told : whole].splitlines():
            if _TOLD.fullmatch(line) and not self._left.is_set():
                self._tell(line)
        self._told = max(whole, self._told)


def _finished(control: Control, run_id: int) -> Run:
    away_since: float | None = None
    while True:
        try:
            run = control.run(run_id)
            if run.status.finished:
                return run
            away_since = None
        except DeploymentError as error:
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > _PATIENCE_S:
                raise DeploymentError(
                    f"{error} The run may go on; follow it with: fed-credit deploy run --follow"
                    f" {run_id}"
                ) from None
        time.sleep(_POLL_S)
