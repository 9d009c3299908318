"""TensorBoard over real event files, read back with its own reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fed_credit.config.spec import SimulationSpec
from fed_credit.simulate import simulate
from fed_credit.tracking.event_files import TensorBoardTracker
from fed_credit.tracking.protocol import RunAbout, RunStatus
from fed_credit.training.state import RoundMetrics

pytest.importorskip("tensorboard", reason="the extra 'tracking' is not installed")

Make = Callable[..., SimulationSpec]
LOSS = "repeat_000/validation_loss"


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return events


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(name)]


def hparams(folder: Path, tag: str) -> Any:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    content = read(folder).PluginTagToContent("hparams")[f"_hparams_/{tag}"]
    return HParamsPluginData.FromString(content)


def status(folder: Path) -> str:
    from tensorboard.plugins.hparams.api_pb2 import Status

    return str(Status.Name(hparams(folder, "session_end_info").session_end_info.status))


def about(folder: Path, **parameters: str) -> RunAbout:
    return RunAbout(folder, "run", parameters, ("federated", "local"), False, None)


def rounds(n: int) -> list[RoundMetrics]:
    return [RoundMetrics(k, 0.5 / k, 0.6, 100, 3) for k in range(1, n + 1)]


def test_a_run_leaves_its_rounds_figures_and_parameters(tiny_run: Make) -> None:
    spec = tiny_run("run", ["tracking=tensorboard", "evaluation.repeats=2"])
    result = simulate(spec)
    lines = [json.loads(x) for x in (result.run_dir / "metrics.jsonl").read_text().splitlines()]
    for repeat in (0, 1):
        for name in ("loss", "auc"):
            wanted = [(m["round"], m[name]) for m in lines if m["repeat"] == repeat]
            found = scalars(result.run_dir, f"repeat_{repeat:03d}/validation_{name}")
            assert [step for step, _ in found] == [step for step, _ in wanted] == [1, 2, 3]
            values = [value for _, value in wanted]
            assert [value for _, value in found] == pytest.approx(values, rel=1e-6)
    ((step, auc),) = scalars(result.run_dir, "test/federated/auc")
    assert (step, auc) == (0, pytest.approx(result.results["test"]["federated"]["auc"], rel=1e-6))
    assert status(result.run_dir) == "STATUS_SUCCESS"

    spec.resume = spec.run_dir
    simulate(spec)  # a finished run once more
    assert len(scalars(result.run_dir, LOSS)) == 3
    assert len(scalars(result.run_dir, "timing/wall_s")) == 1
    assert status(result.run_dir) == "STATUS_SUCCESS"


def test_parameters_are_columns_and_numbers_are_numbers(tmp_path: Path) -> None:
    values = {"seed": "7", "strategy.name": "fedavg", "data.path": "null", "model.dropout": "0.25"}
    tracker = TensorBoardTracker(about(tmp_path, **values))
    tracker.start()
    tracker.end(RunStatus.FINISHED)
    found = hparams(tmp_path, "session_start_info").session_start_info.hparams
    assert {name: getattr(v, v.WhichOneof("kind")) for name, v in found.items()} == {
        "seed": 7.0,
        "strategy.name": "fedavg",
        "data.path": "null",
        "model.dropout": 0.25,
    }
    metrics = hparams(tmp_path, "experiment").experiment.metric_infos
    assert {m.name.tag for m in metrics} == {"test/federated/auc", "test/local/auc"}


def test_a_run_gone_on_with_takes_its_newest_end_and_doubles_nothing(tmp_path: Path) -> None:
    first = TensorBoardTracker(about(tmp_path, seed="7"))
    first.start()
    first.measure(0, rounds(2))
    first.end(RunStatus.KILLED)
    assert status(tmp_path) == "STATUS_FAILURE"
    again = TensorBoardTracker(about(tmp_path, seed="7"))
    again.start()
    again.measure(0, rounds(4))
    again.finish({"test/federated/auc": 0.7}, [])
    again.end(RunStatus.FINISHED)
    assert scalars(tmp_path, LOSS) == [(k, pytest.approx(0.5 / k)) for k in (1, 2, 3, 4)]
    assert status(tmp_path) == "STATUS_SUCCESS"


def test_what_a_killed_process_left_half_written_does_no_harm(tmp_path: Path) -> None:
    first = TensorBoardTracker(about(tmp_path))
    first.start()
    first.measure(0, rounds(3))  # flushed; the process is killed before the end
    (file,) = (tmp_path / "tensorboard").iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    again = TensorBoardTracker(about(tmp_path))
    again.start()
    again.measure(0, rounds(3))
    again.end(RunStatus.FINISHED)
    assert [step for step, _ in scalars(tmp_path, LOSS)] == [1, 2, 3]
    assert [step for step, _ in scalars(tmp_path, "repeat_000/validation_auc")] == [1, 2, 3]


def test_what_is_not_defined_is_left_out(tmp_path: Path) -> None:
    tracker = TensorBoardTracker(about(tmp_path))
    tracker.start()
    tracker.measure(0, [RoundMetrics(1, float("nan"), 0.6, 0, 3)])
    tracker.end(RunStatus.FINISHED)
    assert read(tmp_path).Tags()["scalars"] == ["repeat_000/validation_auc"]
