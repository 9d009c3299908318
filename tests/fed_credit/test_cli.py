"""The command line: what a user sees, and with which exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from fed_credit import __version__
from fed_credit.cli import main
from fed_credit.config.load import compose, from_yaml, resolved_yaml
from fed_credit.config.spec import SimulationSpec
from fed_credit.errors import QuorumError

COMMAND = [sys.executable, "-m", "fed_credit.cli"]
# Enough to be interrupted among them, at some ten milliseconds each.
ROUNDS = 60
# Small enough for a second or two of work.
# As little of a run's results as a sweep's table needs.
RESULTS = json.dumps(
    {
        "seed": 1,
        "confidence": 0.95,
        "test": {"federated": {"auc": 0.7}},
        "overall": {},
        "data": {"fingerprint": "", "train": 60, "validation": 20, "test": 20},
        "evaluation": {"split": "random"},
    }
)
SMALL = [
    "progress=false",
    "data.generator.num_loans=2500",
    "data.generator.num_institutions=2",
    "data.min_loans=50",
    "evaluation.baselines=[local]",
    "evaluation.min_bads=5",
]


def call(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def specs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[SimulationSpec]]:
    """Stand in for the run itself: collect the specifications, save them, raise if told to."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.chdir(tmp_path)

    def install(*outcomes: BaseException | None) -> list[SimulationSpec]:
        seen: list[SimulationSpec] = []

        def simulate(spec: SimulationSpec, sweep: object = None) -> None:
            seen.append(spec)
            Path(spec.run_dir).mkdir(parents=True, exist_ok=True)
            (Path(spec.run_dir) / "config.yaml").write_text(resolved_yaml(spec))
            outcome = outcomes[len(seen) - 1] if len(seen) <= len(outcomes) else None
            if outcome is not None:
                raise outcome
            (Path(spec.run_dir) / "metrics.jsonl").write_text("")
            (Path(spec.run_dir) / "results.json").write_text(RESULTS)

        module = types.ModuleType("fed_credit.simulate")
        module.simulate = simulate  # type: ignore[attr-defined]
        module.METRICS, module.RESULTS = "metrics.jsonl", "results.json"  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "fed_credit.simulate", module)
        return seen

    return install


def test_version(tmp_path: Path) -> None:
    done = call("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"fed-credit {__version__}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["simulate", "--help"]])
def test_help_comes_at_once(arguments: list[str], tmp_path: Path) -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        assert call(*arguments, cwd=tmp_path).returncode == 0
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.0


def test_help_needs_no_heavy_import(tmp_path: Path) -> None:
    code = (
        "import sys; from fed_credit.cli import main; main(['simulate', '--help']);"
        "print(*{'torch', 'flwr', 'hydra', 'pandas', 'numpy'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == ""


def test_help_lists_groups_options_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--help"]) == 0
    page = capsys.readouterr().out
    assert "gbdt | gbdt_forest | logreg | logreg_exact | mlp_large | mlp_medium" in page
    assert "sba | synthetic* | synthetic_alike | synthetic_apart | table" in page
    assert f"federation.num_rounds={compose([]).federation.num_rounds} " in page
    assert "experiment=quick" in page


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["simulat"], "Did you mean 'simulate'?"),
        (["--verbose"], "Unrecognized arguments: --verbose; see fed-credit --help."),
        (["simulate", "--verbose"], "see fed-credit simulate --help."),
        (["simulate", "--cfg"], "expected one argument"),
        (["simulate", "--cfg", "jobs"], "invalid choice"),
        (["simulate", "--cfg", "job", "-m"], "leave out -m"),
        (["simulate", "--resolve"], "add --cfg job"),
        (["simulate", "--config-dir", "nowhere"], "is not a folder"),
        (["simulate", "fedration.num_rounds=3"], "Did you mean 'federation.num_rounds'?"),
        (["simulate", "model=mlp_smal"], "Did you mean 'mlp_small'?"),
        (["simulate", "model=logreg,mlp_small"], "add -m"),
        (["simulate", "-m", "modle=logreg,mlp_small"], "Did you mean 'model'?"),
        (["simulate", "-m", "model=logreg,mlp_smal"], "Did you mean 'mlp_small'?"),
        (["simulate", "--cfg", "job", "modle=logreg"], "Did you mean 'model'?"),
        (["simulate", "federation.num_rounds=-1"], "it must be at least 1"),
        (["simulate", "run_dir=${nowhere}"], "refers to what does not exist"),
        (["simulate", "resume=nowhere"], "no folder of a run"),
        (["simulate", "resume="], "no folder of a run"),
        (["simulate", "++resume=nowhere"], "resume cannot be set in a file"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing_behind(
    arguments: list[str],
    wanted: str,
    specs: Callable[..., list[SimulationSpec]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran = specs()
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Error: ")
    assert shown.err.count("\n") == 1
    assert wanted in shown.err
    assert ran == []
    assert list(Path.cwd().iterdir()) == []


def test_a_mistake_in_a_real_process(tmp_path: Path) -> None:
    for arguments in (["fedration.num_rounds=3"], ["data=sba"], ["-m", "seed=1,2", "x=3"]):
        done = call("simulate", *arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""


def test_a_folder_that_cannot_be_made(
    specs: Callable[..., list[SimulationSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    specs()
    Path("file").write_text("")
    assert main(["simulate", "run_dir=file/run"]) == 2
    assert "The run's folder" in capsys.readouterr().err


def test_cfg_shows_the_configuration_and_runs_nothing(
    specs: Callable[..., list[SimulationSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    ran = specs()
    assert main(["simulate", "--cfg", "job", "--resolve", "seed=3", "run_dir=here"]) == 0
    Path("shown.yaml").write_text(capsys.readouterr().out)
    assert from_yaml(Path("shown.yaml")) == compose(["seed=3", "run_dir=here"])
    assert ran == []


def test_a_run_knows_its_folder(specs: Callable[..., list[SimulationSpec]]) -> None:
    ran = specs()
    assert main(["simulate", "seed=3"]) == 0
    assert main(["simulate", "run_dir=here"]) == 0
    elsewhere = Path.cwd().parent / f"{Path.cwd().name}-elsewhere"
    assert main(["simulate", f"run_dir={elsewhere}"]) == 0
    assert ran[0].seed == 3
    assert Path(ran[0].run_dir).parts[0] == "runs"
    assert Path(ran[0].run_dir).is_dir()
    assert ran[1].run_dir == "here"
    assert ran[2].run_dir == str(elsewhere)


def test_a_sweep_runs_each_combination_in_its_own_folder(
    specs: Callable[..., list[SimulationSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    ran = specs()
    assert main(["simulate", "model=logreg,mlp_small", "-m", "seed=1,2", "run_dir=all"]) == 0
    wanted = [
        (compose([f"model={model}"]).model, seed)
        for model in ("logreg", "mlp_small")
        for seed in (1, 2)
    ]
    assert [(spec.model, spec.seed) for spec in ran] == wanted
    assert [spec.run_dir for spec in ran] == [f"all-sweep/{number}" for number in range(4)]
    assert all((Path(spec.run_dir) / "config.yaml").is_file() for spec in ran)
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].startswith("[4/4] job 3 (model=mlp_small seed=2): ok, ")
    assert "4 of 4 jobs done." in lines


def test_a_sweep_goes_on_after_a_failed_job_and_names_it(
    specs: Callable[..., list[SimulationSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    ran = specs(None, QuorumError("Bank B did not answer."))
    assert main(["simulate", "-m", "seed=1,2,3"]) == 3
    assert [spec.seed for spec in ran] == [1, 2, 3]
    shown = capsys.readouterr().out
    assert "[2/3] job 1 (seed=2): failed" in shown
    assert "Failed: job 1 (seed=2): Bank B did not answer.\n" in shown
    assert "2 of 3 jobs done, 1 failed.\n" in shown


def test_a_further_folder(specs: Callable[..., list[SimulationSpec]], tmp_path: Path) -> None:
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "tiny.yaml").write_text(
        "# @package _global_\nfederation: {num_rounds: 2}\n"
    )
    ran = specs()
    assert main(["simulate", "--config-dir", "mine", "experiment=tiny"]) == 0
    assert ran[0].federation.num_rounds == 2


def test_an_error_of_the_run_keeps_its_exit_code(
    specs: Callable[..., list[SimulationSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    specs(QuorumError("Bank B did not answer."))
    assert main(["simulate"]) == 3
    assert capsys.readouterr().err == "Error: Bank B did not answer.\n"


def test_debug_shows_where_an_error_came_from(
    specs: Callable[..., list[SimulationSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    specs(QuorumError("Bank B did not answer."))
    assert main(["simulate", "--debug"]) == 3
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert shown.endswith("Error: Bank B did not answer.\n")


@pytest.mark.parametrize("multirun", [[], ["-m"]])
def test_a_bug_shows_its_traceback_even_if_it_looks_like_a_mistake(
    multirun: list[str],
    specs: Callable[..., list[SimulationSpec]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    from omegaconf.errors import ConfigKeyError

    for bug in (ZeroDivisionError("n"), ConfigKeyError("n"), FileNotFoundError(2, "n", "f")):
        specs(bug)
        code = 3 if multirun else 1  # a sweep goes on with its other jobs
        assert main(["simulate", *multirun, f"run_dir={type(bug).__name__}"]) == code
        shown = capsys.readouterr().err
        assert "Traceback" in shown
        assert type(bug).__name__ in shown
        assert "in simulate" in shown


def test_an_interrupt_says_how_to_go_on(
    specs: Callable[..., list[SimulationSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    specs(KeyboardInterrupt(), KeyboardInterrupt())
    for arguments, folder in ((["run_dir=a"], "a"), (["-m", "run_dir=b"], "b-sweep")):
        assert main(["simulate", *arguments]) == 130
        assert capsys.readouterr().err.endswith(
            f"Interrupted. Go on with: fed-credit simulate resume={folder}\n"
        )


def test_resume_takes_the_saved_configuration(
    specs: Callable[..., list[SimulationSpec]], capsys: pytest.CaptureFixture[str]
) -> None:
    ran = specs()
    assert main(["simulate", "run_dir=first", "seed=9", "model=logreg"]) == 0
    Path("first").rename("moved")
    assert main(["simulate", "resume=moved", "progress=false"]) == 0
    assert (ran[1].resume, ran[1].run_dir, ran[1].progress) == ("moved", "moved", False)
    assert (ran[1].seed, ran[1].model) == (9, ran[0].model)
    capsys.readouterr()
    for extra in (["seed=3"], ["-m"], ["--config-dir", "moved"], ["+a=1"]):
        assert main(["simulate", "resume=moved", *extra]) == 2
        shown = capsys.readouterr().err
        assert extra[0] in shown
        assert "saved configuration" in shown
    assert main(["simulate", "resume=moved", "progress=perhaps"]) == 2
    assert len(ran) == 2


def test_nothing_is_reported_to_anybody(
    specs: Callable[..., list[SimulationSpec]], monkeypatch: pytest.MonkeyPatch
) -> None:
    specs()
    monkeypatch.delenv("FLWR_TELEMETRY_ENABLED", raising=False)
    monkeypatch.setenv("FLWR_DISABLE_UPDATE_CHECK", "0")
    assert main(["simulate"]) == 0
    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"
    assert os.environ["FLWR_DISABLE_UPDATE_CHECK"] == "0", "the user's own word counts"


def test_an_interrupted_run_goes_on_in_real_processes(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "simulate", *SMALL, "run_dir=run", f"federation.num_rounds={ROUNDS}"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts tests in the background makes its children ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.read_text().count("\n") >= 2):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 130
    assert shown == "Interrupted. Go on with: fed-credit simulate resume=run\n"

    done = call("simulate", "resume=run", "progress=false", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rounds = [json.loads(line)["round"] for line in metrics.read_text().splitlines()]
    assert rounds == sorted(set(rounds))
    assert max(rounds) == ROUNDS
    assert (tmp_path / "run" / "results.json").is_file()


def test_a_reader_that_has_enough_is_no_bug() -> None:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "fed_credit.cli", "simulate", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 141
