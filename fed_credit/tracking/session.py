"""A run's tracking: what happens when a tracker fails, and how a run's end reaches it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from fed_credit.config.spec import SimulationSpec, TrackingKind, TrackingSpec
from fed_credit.config.urls import redacted
from fed_credit.errors import ConfigurationError, TrackingError
from fed_credit.tracking.contents import (
    data_tags,
    final_metrics,
    parameters,
    result_tags,
    run_name,
)
from fed_credit.tracking.protocol import RunAbout, RunStatus, SweepJob, Tracker
from fed_credit.training.state import RoundMetrics


class _Terminated(BaseException):
    """Unwinds the run when the process is asked to end, so that its tracker hears of it."""


class RunTracking:
    """What a run tells its tracker.

    A tracker that fails is left alone until the run has finished, after one warning; then it gets
    everything once more. With ``required`` its failure is the run's.

    Parameters
    ----------
    tracker : Tracker or None
        ``None`` to tell nobody.
    spec : TrackingSpec
        Its configuration.
    """

    def __init__(self, tracker: Tracker | None, spec: TrackingSpec) -> None:
        self._tracker = tracker
        self._spec = spec
        self._tags: dict[str, str] = {}
        self._rounds: dict[int, Sequence[RoundMetrics]] = {}
        self._silent = False
        self._warned = False

    def start(self) -> None:
        """Open the run.

        Raises
        ------
        TrackingError
            Here and below: if the tracker fails and the configuration requires it.
        """
        self._tell(lambda tracker: tracker.start())

    def loaded(self, fingerprint: str) -> None:
        """Note which data the run uses."""
        self._tags.update(data_tags(fingerprint))
        self._tell(lambda tracker: tracker.tag(self._tags))

    def measured(self, repeat: int, rounds: Sequence[RoundMetrics]) -> None:
        """Note the rounds of a repeat that have been measured so far."""
        self._rounds[repeat] = tuple(rounds)
        self._tell(lambda tracker: tracker.measure(repeat, rounds))

    def finished(self, results: Mapping[str, Any], files: Sequence[Path]) -> None:
        """Note the results, and keep the files among ``files`` that exist."""
        self._tags.update(result_tags(results))
        missed = self._silent
        self._silent = False  # it may be back

        def everything(tracker: Tracker) -> None:
            if missed:
                tracker.start()
                for repeat, rounds in self._rounds.items():
                    tracker.measure(repeat, rounds)
            tracker.tag(self._tags)
            tracker.finish(final_metrics(results), [path for path in files if path.exists()])

        self._tell(everything)
        if missed and not self._silent:
            print("Tracking works again and has the whole run.", file=sys.stderr)

    def end(self, status: RunStatus, error: BaseException | None = None) -> None:
        """Close the run; of an error only its kind is told, for its sentence may quote data."""

        def close(tracker: Tracker) -> None:
            if error is not None:
                tracker.tag({"fed_credit.error": type(error).__name__})
            tracker.end(status)

        # A failure in telling of a failure must not hide it.
        self._tell(close, required=self._spec.required and status is RunStatus.FINISHED)

    def _tell(self, action: Callable[[Tracker], None], required: bool | None = None) -> None:
        if self._tracker is None or self._silent:
            return
        try:
            action(self._tracker)
        except Exception as error:  # whatever a tracker or its server does wrong
            reason = redacted(_first_line(error))
            where = f"tracking={self._spec.kind}"
            if self._spec.uri is not None:
                where += f" at {self._spec.uri}"
            if self._spec.required if required is None else required:
                raise TrackingError(
                    f"{where} failed ({reason}); mend it, or go on without it by"
                    " tracking.required=false."
                ) from error
            self._silent = True
            if not self._warned:
                print(
                    f"Warning: {where} failed ({reason}); the run goes on without it.",
                    file=sys.stderr,
                )
            self._warned = True


@contextmanager
def tracked_run(
    spec: SimulationSpec, folder: Path, sweep: SweepJob | None = None
) -> Iterator[RunTracking]:
    """Track what happens inside, and tell how it ended.

    Parameters
    ----------
    spec : SimulationSpec
        The run.
    folder : Path
        Its folder.
    sweep : SweepJob or None
        The sweep that it belongs to.

    Yields
    ------
    RunTracking

    Raises
    ------
    ConfigurationError
        If the tracker is not installed.
    TrackingError
        If the tracker fails and the configuration requires it.
    """
    about = RunAbout(
        folder=folder,
        name=sweep.name if sweep is not None else run_name(folder),
        parameters=parameters(spec),
        contenders=("federated", *spec.evaluation.baselines),
        resumed=spec.resume is not None,
        sweep=sweep.folder if sweep is not None else None,
    )
    tracker = _tracker(spec.tracking, about)
    tracking = RunTracking(tracker, spec.tracking)
    if tracker is None:
        yield tracking
        return
    with _terminable():
        try:
            tracking.start()
            yield tracking
        except (KeyboardInterrupt, _Terminated):
            tracking.end(RunStatus.KILLED)
            raise
        except BaseException as error:
            tracking.end(RunStatus.FAILED, error)
            raise
        tracking.end(RunStatus.FINISHED)


def end_sweep(
    folder: Path, status: RunStatus, metrics: Mapping[str, float], files: Sequence[Path]
) -> None:
    """Close the run that stands for a sweep, once all its jobs have ended; a fault is a warning.

    Parameters
    ----------
    folder : Path
        The sweep's; nothing is done where no job of it was tracked.
    status : RunStatus
        How the sweep ended.
    metrics : mapping of str to float
        Figures of the sweep.
    files : sequence of Path
        Tables and reports to keep; those that do not exist are passed over.
    """
    from fed_credit.tracking.mlflow_runs import finish_sweep

    try:
        finish_sweep(folder, status, metrics, files)
    except Exception as error:
        reason = redacted(_first_line(error))
        print(f"Warning: tracking of the sweep failed ({reason}).", file=sys.stderr)


def _tracker(spec: TrackingSpec, about: RunAbout) -> Tracker | None:
    if spec.kind is TrackingKind.NONE:
        return None
    try:
        if spec.kind is TrackingKind.MLFLOW:
            from fed_credit.tracking.mlflow_runs import MlflowTracker

            return MlflowTracker(spec, about)
        from fed_credit.tracking.event_files import TensorBoardTracker

        return TensorBoardTracker(about)
    except ImportError as error:
        raise ConfigurationError(
            f"tracking={spec.kind} needs packages that are not installed ({error.name}); install"
            " them with: pip install 'fed-credit[tracking]'."
        ) from error


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind what is inside, then end the process as it would have ended anyway."""
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return

    def unwind(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    except _Terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    return line if len(line) <= 200 else f"{line[:199]}…"
