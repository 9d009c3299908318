"""A tracker is never in the way of training, unless it is required; and it hears how a run ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from fed_credit.config.spec import SimulationSpec, TrackingKind, TrackingSpec
from fed_credit.errors import ConfigurationError, DataError, TrackingError
from fed_credit.tracking import session
from fed_credit.tracking.protocol import RunStatus
from fed_credit.tracking.session import RunTracking, tracked_run
from fed_credit.training.state import RoundMetrics

RESULTS = {
    "test": {"federated": {"auc": 0.7}},
    "data": {"fingerprint": "f" * 64},
    "model": {"sha256": "a" * 64, "preprocessor_sha256": "b" * 64},
    "versions": {"torch": "2.13"},
}
SPEC = TrackingSpec(TrackingKind.MLFLOW, "https://host", "fed-credit", False, 1.0)


class Recorder:
    """A tracker that keeps what it is told, and fails while it is told to."""

    def __init__(self) -> None:
        self.failing = False
        self.calls: list[str] = []
        self.tags: dict[str, str] = {}
        self.rounds: dict[int, list[int]] = {}
        self.metrics: dict[str, float] = {}
        self.files: list[str] = []
        self.status: RunStatus | None = None

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.failing:
            raise OSError("https://user:geheim@host is down\nand more")

    def start(self) -> None:
        self._called("start")

    def tag(self, tags: Mapping[str, str]) -> None:
        self._called("tag")
        self.tags.update(tags)

    def measure(self, repeat: int, rounds: Sequence[RoundMetrics]) -> None:
        self._called("measure")
        self.rounds[repeat] = [m.number for m in rounds]

    def finish(self, metrics: Mapping[str, float], files: Sequence[Path]) -> None:
        self._called("finish")
        self.metrics.update(metrics)
        self.files = [path.name for path in files]

    def end(self, status: RunStatus) -> None:
        self._called("end")
        self.status = status


def rounds(n: int) -> list[RoundMetrics]:
    return [RoundMetrics(k, 0.5 / k, 0.6, 100, 3) for k in range(1, n + 1)]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr(session, "_tracker", lambda spec, about: made)
    return made


def test_a_tracker_that_fails_is_one_warning_and_gets_all_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = Recorder()
    tracking = RunTracking(tracker, SPEC)
    tracking.start()
    tracker.failing = True
    tracking.loaded("f" * 64)
    tracking.measured(0, rounds(1))
    tracking.measured(0, rounds(2))
    assert tracker.calls == ["start", "tag"], "it is left alone after the first failure"
    warning = capsys.readouterr().err
    assert warning.count("Warning") == 1
    assert "https://host" in warning
    assert "geheim" not in warning
    tracker.failing = False
    (tmp_path / "report.md").write_text("x")
    tracking.finished(RESULTS, [tmp_path / "report.md", tmp_path / "report.html"])
    tracking.end(RunStatus.FINISHED)
    assert tracker.rounds == {0: [1, 2]}
    assert tracker.metrics == {"test/federated/auc": 0.7}
    assert tracker.files == ["report.md"]
    assert tracker.tags["fed_credit.data_fingerprint"] == "f" * 64
    assert tracker.tags["version.torch"] == "2.13"
    assert tracker.status is RunStatus.FINISHED
    assert "works again" in capsys.readouterr().err


def test_one_that_stays_down_warns_once(capsys: pytest.CaptureFixture[str]) -> None:
    tracker = Recorder()
    tracker.failing = True
    tracking = RunTracking(tracker, SPEC)
    tracking.start()
    tracking.measured(0, rounds(1))
    tracking.finished(RESULTS, [])
    tracking.end(RunStatus.FINISHED)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_required_tracker_stops_the_run(
    recorder: Recorder, make_spec: Callable[..., SimulationSpec], tmp_path: Path
) -> None:
    recorder.failing = True
    spec = make_spec("tracking=mlflow", "tracking.required=true")
    with pytest.raises(TrackingError, match="required=false"), tracked_run(spec, tmp_path):
        pytest.fail("the run began")


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (DataError("row 3 says 13 employees"), RunStatus.FAILED, "DataError"),
        (KeyboardInterrupt(), RunStatus.KILLED, None),
    ],
)
def test_the_tracker_hears_how_a_run_ends(
    recorder: Recorder,
    make_spec: Callable[..., SimulationSpec],
    tmp_path: Path,
    error: BaseException,
    status: RunStatus,
    kind: str | None,
) -> None:
    with pytest.raises(type(error)), tracked_run(make_spec("tracking=mlflow"), tmp_path):
        raise error
    assert recorder.status is status
    assert recorder.tags.get("fed_credit.error") == kind
    assert "employees" not in str(recorder.tags), "a sentence may quote a loan"


def test_a_failing_tracker_does_not_hide_the_error(
    recorder: Recorder, make_spec: Callable[..., SimulationSpec], tmp_path: Path
) -> None:
    spec = make_spec("tracking=mlflow", "tracking.required=true")
    with pytest.raises(DataError), tracked_run(spec, tmp_path):
        recorder.failing = True
        raise DataError("no loans")


def test_a_terminated_process_tells_before_it_goes(
    recorder: Recorder,
    make_spec: Callable[..., SimulationSpec],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[int] = []
    kill = os.kill
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(BaseException) as raised:  # noqa: SIM117 - private on purpose
            with tracked_run(make_spec("tracking=mlflow"), tmp_path):
                monkeypatch.setattr(os, "kill", lambda pid, number: sent.append(number))
                kill(os.getpid(), signal.SIGTERM)
                pytest.fail("the run went on")
        assert not isinstance(raised.value, Exception)
        assert recorder.status is RunStatus.KILLED
        assert sent == [signal.SIGTERM], "the process ends as it would have ended without us"
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("kind", "package"), [("mlflow", "mlflow"), ("tensorboard", "tensorboard")]
)
def test_a_missing_package_is_one_sentence_before_any_work(
    kind: str,
    package: str,
    make_spec: Callable[..., SimulationSpec],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with (
        pytest.raises(ConfigurationError, match=r"pip install 'fed-credit\[tracking\]'"),
        tracked_run(make_spec(f"tracking={kind}"), tmp_path),
    ):
        pytest.fail("the run began")


def test_nobody_is_told_and_nothing_is_imported(
    make_spec: Callable[..., SimulationSpec], tmp_path: Path
) -> None:
    before = set(sys.modules)
    with tracked_run(make_spec(), tmp_path) as tracking:
        tracking.loaded("f" * 64)
        tracking.measured(0, rounds(2))
        tracking.finished(RESULTS, [])
    assert not {
        name for name in set(sys.modules) - before if name.startswith(("mlflow", "tensorb"))
    }
    assert list(tmp_path.iterdir()) == []
