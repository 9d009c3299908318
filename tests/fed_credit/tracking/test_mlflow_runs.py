"""MLflow over a real SQLite store, read back with its own client."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from fed_credit.config.spec import SimulationSpec, TrackingKind, TrackingSpec
from fed_credit.errors import DataError
from fed_credit.simulate import simulate
from fed_credit.tracking.mlflow_runs import MlflowTracker, finish_sweep
from fed_credit.tracking.mlflow_store import MlflowStore, confine
from fed_credit.tracking.protocol import RunAbout, RunStatus, SweepJob
from fed_credit.training.state import RoundMetrics

confine(5)
pytest.importorskip("mlflow", reason="the extra 'tracking' is not installed")

Make = Callable[..., SimulationSpec]
PARENT = "tags.`mlflow.parentRunId` = '{}'"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TrackingSpec:
    """One SQLite file, since making its tables takes a second; experiments keep tests apart."""
    folder = tmp_path_factory.mktemp("store")
    return TrackingSpec(
        TrackingKind.MLFLOW, f"sqlite:///{folder}/runs/mlflow.db", "fed-credit", False, 5.0
    )


@pytest.fixture
def spec(store: TrackingSpec, request: pytest.FixtureRequest) -> TrackingSpec:
    return TrackingSpec(store.kind, store.uri, request.node.name, False, 5.0)


def about(folder: Path, **changes: Any) -> RunAbout:
    folder.mkdir(parents=True, exist_ok=True)
    values: dict[str, Any] = {
        "folder": folder,
        "name": folder.name,
        "parameters": {"seed": "7"},
        "contenders": ("federated",),
        "resumed": False,
        "sweep": None,
    }
    return RunAbout(**{**values, **changes})


def client(spec: TrackingSpec) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=spec.uri)


def runs(spec: TrackingSpec, query: str = "") -> list[Any]:
    mlflow = client(spec)
    experiment = mlflow.get_experiment_by_name(spec.experiment)
    return list(mlflow.search_runs([experiment.experiment_id], query))


def rounds(n: int) -> list[RoundMetrics]:
    return [RoundMetrics(k, 0.5 / k, 0.6, 100, 3) for k in range(1, n + 1)]


def history(spec: TrackingSpec, run: Any, key: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in client(spec).get_metric_history(run.info.run_id, key)]


def tracked(spec: TrackingSpec) -> list[str]:
    return [
        "tracking=mlflow",
        f"tracking.uri='{spec.uri}'",
        f"tracking.experiment='{spec.experiment}'",
        f"tracking.timeout_s={spec.timeout_s}",
    ]


def artefacts(spec: TrackingSpec, run: Any) -> set[str]:
    listed = client(spec).list_artifacts(run.info.run_id)
    return {item.path for item in listed}


def test_an_interrupted_run_is_gone_on_with_and_nothing_is_doubled(
    spec: TrackingSpec, tiny_run: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fed_credit import simulate as module

    run_spec = tiny_run("run", tracked(spec))
    write = module.MetricsLog.write

    def interrupted(self: Any, repeat: int, state: Any) -> None:
        write(self, repeat, state)
        if state.round == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(module.MetricsLog, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simulate(run_spec)
    (killed,) = runs(spec)
    assert killed.info.status == "KILLED"
    fingerprint = (Path(run_spec.run_dir) / "data.sha256").read_text().strip()
    assert killed.data.tags["fed_credit.data_fingerprint"] == fingerprint
    monkeypatch.undo()

    run_spec.resume = run_spec.run_dir
    result = simulate(run_spec)
    (run,) = runs(spec)
    assert run.info.run_id == killed.info.run_id
    assert run.info.status == "FINISHED"
    lines = (result.run_dir / "metrics.jsonl").read_text().splitlines()
    for name in ("loss", "auc"):
        wanted = [(m["round"], m[name]) for m in map(json.loads, lines)]
        assert history(spec, run, f"repeat_000/validation_{name}") == wanted
    for contender in ("federated", "pooled", "local"):
        key = f"test/{contender}/auc"
        assert history(spec, run, key) == [(0, result.results["test"][contender]["auc"])]
    assert run.data.params["federation.num_rounds"] == "3"
    assert run.data.tags["fed_credit.model_sha256"] == result.model.sha256
    assert run.data.tags["version.flwr"] == result.results["versions"]["flwr"]
    assert {"config.yaml", "results.json", "report.md", "model"} <= artefacts(spec, run)
    local = client(spec).download_artifacts(run.info.run_id, "model/weights.safetensors")
    kept = result.run_dir / "model" / "weights.safetensors"
    assert Path(local).read_bytes() == kept.read_bytes()

    simulate(run_spec)  # a finished run once more
    (again,) = runs(spec)
    assert len(history(spec, again, "test/federated/auc")) == 1
    assert len(history(spec, again, "timing/wall_s")) == 1
    assert len(history(spec, again, "repeat_000/validation_auc")) == len(lines)


def test_a_failed_run_says_so_and_not_what_the_data_hold(
    spec: TrackingSpec, tiny_run: Make
) -> None:
    with pytest.raises(DataError):
        simulate(tiny_run("run", [*tracked(spec), "data.min_loans=100000"]))
    (run,) = runs(spec)
    assert run.info.status == "FAILED"
    assert run.data.tags["fed_credit.error"] == "DataError"


def test_a_finished_run_can_be_sent_later(spec: TrackingSpec, tiny_run: Make) -> None:
    run_spec = tiny_run("run", ["evaluation.baselines=[]"])
    result = simulate(run_spec)
    run_spec.resume, run_spec.tracking = run_spec.run_dir, spec
    simulate(run_spec)
    (run,) = runs(spec)
    assert run.info.status == "FINISHED"
    assert [step for step, _ in history(spec, run, "repeat_000/validation_auc")] == [1, 2, 3]
    assert run.data.metrics["test/federated/auc"] == result.results["test"]["federated"]["auc"]


def test_mlflows_limits_are_kept(spec: TrackingSpec, tmp_path: Path) -> None:
    parameters = {f"data.k{k}": "v" * 7000 if k == 3 else str(k) for k in range(230)}
    tracker = MlflowTracker(spec, about(tmp_path / "run", parameters=parameters))
    tracker.start()
    tracker.measure(0, rounds(1200))
    tracker.tag({"long": "t" * 9000})
    (run,) = runs(spec)
    assert len(run.data.params) == 230
    assert len(run.data.params["data.k3"]) == 6000
    assert run.data.params["data.k3"].endswith("…")
    assert (
        len(client(spec).get_metric_history(run.info.run_id, "repeat_000/validation_auc")) == 1200
    )


def test_what_is_not_defined_is_left_out(spec: TrackingSpec, tmp_path: Path) -> None:
    tracker = MlflowTracker(spec, about(tmp_path / "run"))
    tracker.start()
    tracker.measure(2, [RoundMetrics(1, float("nan"), 0.6, 0, 3)])
    (run,) = runs(spec)
    assert set(run.data.metrics) == {"repeat_002/validation_auc"}


def test_a_run_deleted_from_the_store_is_begun_anew(spec: TrackingSpec, tmp_path: Path) -> None:
    first = MlflowTracker(spec, about(tmp_path / "run"))
    first.start()
    (run,) = runs(spec)
    client(spec).delete_run(run.info.run_id)
    again = MlflowTracker(spec, about(tmp_path / "run", resumed=True))
    again.start()
    again.measure(0, rounds(2))
    (new,) = runs(spec)
    assert new.info.run_id != run.info.run_id
    assert len(history(spec, new, "repeat_000/validation_auc")) == 2


def test_a_resumed_run_finds_its_store_from_another_folder(
    spec: TrackingSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = TrackingSpec(spec.kind, "sqlite:///runs/near.db", "fed-credit", False, 5.0)
    monkeypatch.chdir(tmp_path)
    MlflowTracker(near, about(tmp_path / "run")).start()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    MlflowTracker(near, about(tmp_path / "run", resumed=True)).start()
    assert not list((tmp_path / "elsewhere").iterdir())
    assert (
        len(MlflowStore(near, f"sqlite:///{tmp_path}/runs/near.db")._client.search_runs(["1"])) == 1
    )


def _job(spec: TrackingSpec, folder: Path, number: int) -> None:
    tracker = MlflowTracker(
        spec, about(folder / str(number), name=f"{number} seed={number}", sweep=folder)
    )
    tracker.start()
    for done in range(1, 4):
        tracker.measure(0, rounds(done))
    if number:  # the first job is killed before it can tell
        tracker.end(RunStatus.FINISHED)


@pytest.mark.slow  # processes that import everything
def test_jobs_in_parallel_are_children_of_one_parent(tmp_path: Path) -> None:
    spec = TrackingSpec(
        TrackingKind.MLFLOW, f"sqlite:///{tmp_path}/new.db", "fed-credit", False, 5.0
    )
    sweep = tmp_path / "2026-01-02" / "03-04-05-sweep"
    sweep.mkdir(parents=True)
    context = multiprocessing.get_context("spawn")
    jobs = [context.Process(target=_job, args=(spec, sweep, k)) for k in range(3)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(60)
    assert [job.exitcode for job in jobs] == [0, 0, 0]
    (parent,) = [run for run in runs(spec) if "mlflow.parentRunId" not in run.data.tags]
    children = runs(spec, PARENT.format(parent.info.run_id))
    assert sorted(run.info.run_name for run in children) == ["0 seed=0", "1 seed=1", "2 seed=2"]
    assert all(len(history(spec, run, "repeat_000/validation_auc")) == 3 for run in children)

    (sweep / "sweep.csv").write_text("job,auc\n")
    finish_sweep(sweep, RunStatus.FAILED, {"jobs/failed": 1.0}, [sweep / "sweep.csv"])
    (parent,) = [run for run in runs(spec) if "mlflow.parentRunId" not in run.data.tags]
    assert parent.info.status == "FAILED"
    assert parent.data.metrics == {"jobs/failed": 1.0}
    assert artefacts(spec, parent) == {"sweep.csv"}
    statuses = {
        run.info.run_name: run.info.status for run in runs(spec, "tags.`mlflow.parentRunId` != ''")
    }
    assert statuses == {"0 seed=0": "KILLED", "1 seed=1": "FINISHED", "2 seed=2": "FINISHED"}

    # The sweep is resumed: the same parent, and the same child for the job that was killed.
    again = MlflowTracker(spec, about(sweep / "0", resumed=True, sweep=sweep))
    again.start()
    again.measure(0, rounds(4))
    again.end(RunStatus.FINISHED)
    new = MlflowTracker(spec, about(sweep / "3", name="3 seed=3", sweep=sweep))
    new.start()
    new.end(RunStatus.FINISHED)
    finish_sweep(sweep, RunStatus.FINISHED, {}, [])
    children = runs(spec, PARENT.format(parent.info.run_id))
    assert len(children) == 4
    assert {run.info.status for run in children} == {"FINISHED"}
    (first,) = [run for run in children if run.info.run_name == "0 seed=0"]
    assert [step for step, _ in history(spec, first, "repeat_000/validation_loss")] == [1, 2, 3, 4]
    assert client(spec).get_run(parent.info.run_id).info.status == "FINISHED"


def test_a_sweep_that_nobody_tracked_ends_in_silence(tmp_path: Path) -> None:
    finish_sweep(tmp_path, RunStatus.FINISHED, {}, [])
    assert list(tmp_path.iterdir()) == []


def test_a_job_of_a_sweep_is_a_child_through_simulate(
    spec: TrackingSpec, tiny_run: Make, tmp_path: Path
) -> None:
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    overrides = [*tracked(spec), "federation.num_rounds=1", "evaluation.baselines=[]"]
    simulate(tiny_run("sweep/0", overrides), SweepJob(sweep, "0 seed=7"))
    (parent,) = [run for run in runs(spec) if "mlflow.parentRunId" not in run.data.tags]
    (child,) = runs(spec, PARENT.format(parent.info.run_id))
    assert (parent.info.run_name, child.info.run_name) == ("sweep", "0 seed=7")


# --- servers ------------------------------------------------------------------------------------


class _Broken(BaseHTTPRequestHandler):
    """A server that answers nothing but that it is broken, and keeps what it was sent."""

    headers_seen: list[str] = []  # noqa: RUF012

    def _answer(self) -> None:
        self.headers_seen.append(str(self.headers.get("Authorization")))
        self.send_response(400)
        self.end_headers()

    do_GET = do_POST = _answer

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def broken_server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Broken) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_server_that_is_broken_costs_a_warning_and_learns_the_password_alone(
    broken_server: str,
    tiny_run: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "nutzer")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "geheim")
    caplog.set_level(logging.DEBUG)
    _Broken.headers_seen.clear()
    overrides = ["tracking=mlflow", f"tracking.uri={broken_server}", "federation.num_rounds=1"]
    told = simulate(tiny_run("told", overrides))
    captured = capsys.readouterr()
    alone = simulate(tiny_run("alone", ["federation.num_rounds=1"]))
    assert told.model.sha256 == alone.model.sha256
    assert captured.err.count("Warning: tracking=mlflow") == 1
    assert any(text.startswith("Basic ") for text in _Broken.headers_seen)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for text in (captured.out, captured.err, caplog.text, written.decode("latin-1")):
        assert "geheim" not in text
        assert "Z2VoZWlt" not in text


def test_a_server_that_never_answers_is_not_waited_for(tmp_path: Path, capsys: Any) -> None:
    from fed_credit.tracking.session import RunTracking

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        spec = TrackingSpec(TrackingKind.MLFLOW, uri, "fed-credit", False, 1.0)
        tracking = RunTracking(MlflowTracker(spec, about(tmp_path / "run")), spec)
        start = time.perf_counter()
        tracking.start()
        for done in range(20):
            tracking.measured(0, rounds(done))
        tracking.end(RunStatus.FINISHED)
        assert time.perf_counter() - start < 8
    assert capsys.readouterr().err.count("Warning") == 1


_OFFLINE = """
import socket, sys
def refuse(*args, **kwargs):
    sys.stderr.write(f"NETWORK {args}\\n")
    raise OSError("no network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from fed_credit.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow  # processes that import everything
def test_no_host_is_called_with_a_local_store(tiny_overrides: list[str], tmp_path: Path) -> None:
    # MLflow keeps still by itself where it sees a test or a build server.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST", "CI", "MLFLOW", "DO_NOT", "GITHUB", "GITLAB", "BUILD"))
    }
    command = [sys.executable, "-c", _OFFLINE, "simulate", *tiny_overrides, "tracking=mlflow"]
    done = subprocess.run(
        [*command, "federation.num_rounds=1", "evaluation.baselines=[]", "run_dir=runs/one"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "NETWORK" not in done.stderr
    assert "Warning" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"runs", ".cache"}, "nothing strewn about"
    assert {"mlflow.db", "mlflow-artefacts", "one"} <= {
        p.name for p in (tmp_path / "runs").iterdir()
    }
