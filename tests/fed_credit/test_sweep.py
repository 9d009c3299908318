"""Sweeps through the command line: what fails, what is compared, and how one goes on."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import stats
from sklearn.metrics import roc_auc_score

from fed_credit.cli import main
from fed_credit.config.load import from_yaml
from fed_credit.config.location import conf_dir, groups, schema_dir
from fed_credit.data import cache
from fed_credit.data.book import Part
from fed_credit.data.load import load_dataset
from fed_credit.data.split import assign_parts
from fed_credit.errors import ConfigurationError
from fed_credit.simulate import simulate
from fed_credit.sweep.plan import plan_sweep
from fed_credit.sweep.shared import TestLoans as Loans  # not a test
from fed_credit.sweep.shared import difference, shared_by_all

COMMAND = [sys.executable, "-m", "fed_credit.cli", "simulate"]
SMALL = [
    "progress=false",
    "data.generator.num_loans=2500",
    "data.generator.num_institutions=3",
    "data.min_loans=50",
    "evaluation.baselines=[local]",
    "evaluation.min_bads=5",
    "federation.num_rounds=2",
    "model=logreg",
]
# Six jobs; there are not 99 banks.
SWEEP = ["-m", *SMALL, "federation.num_institutions=2,3,99", "seed=1,2"]
needs_joblib = pytest.mark.skipif(
    find_spec("hydra_plugins") is None or find_spec("hydra_plugins.hydra_joblib_launcher") is None,
    reason="needs the extra 'sweeps'",
)


def optuna_is_there() -> bool:
    return find_spec("optuna") is not None


def call(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, timeout=180, check=False
    )


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def model_of(job: Path) -> str:
    return str(read(job / "results.json")["model"]["sha256"])


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder that holds a sweep ``all-sweep``, and what it printed."""
    folder = tmp_path_factory.mktemp("swept")
    done = call(*SWEEP, "run_dir=all", cwd=folder)
    assert done.stderr == ""
    assert done.returncode == 3
    return folder, done.stdout


def test_a_failed_job_stops_no_other(swept: tuple[Path, str]) -> None:
    folder, shown = swept
    statuses = [read(folder / "all-sweep" / str(k) / "status.json") for k in range(6)]
    assert [status["ok"] for status in statuses] == [True] * 4 + [False] * 2
    assert "only 3 of 3 institutions" in statuses[4]["error"]
    lines = shown.splitlines()
    assert lines[0].startswith("[1/6] job 0 (federation.num_institutions=2 seed=1): ok, ")
    assert "federated AUC 0." in lines[0]
    assert lines[4].startswith("[5/6] job 4 (federation.num_institutions=99 seed=1): failed")
    assert "4 of 6 jobs done, 2 failed." in lines
    assert lines[-1].startswith(f"Table: {Path('all-sweep', 'sweep.csv')}")
    assert "Test AUC by bank" not in shown, "no job has a table of its own"
    with (folder / "all-sweep" / "sweep.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["ok"] * 4 + ["failed"] * 2
    assert [row["federation.num_institutions"] for row in rows] == ["2", "2", "3", "3", "99", "99"]
    assert float(rows[3]["auc"]) == statuses[3]["auc"]


def test_means_spreads_and_paired_differences_by_hand(swept: tuple[Path, str]) -> None:
    sweep = swept[0] / "all-sweep"
    body = read(sweep / "sweep.json")
    assert body["settings"] == ["federation.num_institutions"]
    assert body["count"] == {"jobs": 6, "ok": 4, "failed": 2, "not_done": 0}
    two, three, none = body["groups"]
    assert (two["seeds"], three["seeds"], none["n"]) == ([1, 2], [1, 2], 0)
    assert two["is_reference"]
    assert three["reference"] == {"federation.num_institutions": 2}
    brier = [read(sweep / k / "results.json")["test"]["federated"]["brier"] for k in "23"]
    assert three["mean"]["brier"] == pytest.approx(np.mean(brier))
    assert three["sd"]["brier"] == pytest.approx(np.std(brier, ddof=1))

    differences, counts = [], []
    for few, many in (("0", "2"), ("1", "3")):
        a, b = test_scores(sweep / few), test_scores(sweep / many)
        loans = sorted(a.keys() & b.keys())
        y = [a[loan][0] for loan in loans]
        assert y == [b[loan][0] for loan in loans]
        area = [roc_auc_score(y, [each[loan][1] for loan in loans]) for each in (b, a)]
        differences.append(area[0] - area[1])
        counts.append(len(loans))
    delta = three["delta_vs_reference"]
    mean, half = np.mean(differences), stats.t.ppf(0.975, 1) * stats.sem(differences)
    assert (delta["n"], delta["from"]) == (2, "seeds")
    assert delta["loans"] == np.mean(counts)
    found = [delta[name] for name in ("value", "lo", "hi")]
    assert found == pytest.approx([mean, mean - half, mean + half], abs=1e-12)
    # The two banks' own test loans are what all share.
    assert not body["shared_test"]["same"]
    assert body["shared_test"]["by_seed"]["1"]["loans"] == counts[0]
    assert two["shared"]["mean"]["federated"] == pytest.approx(two["mean"]["auc"], abs=1e-12)
    assert three["shared"]["mean"]["federated"] - two["shared"]["mean"]["federated"] == (
        pytest.approx(mean, abs=1e-12)
    )
    # Loans to validate on differ too, so nothing is chosen.
    assert body["best"] is None


def test_scores(run: Path) -> dict[tuple[str, str], tuple[int, float]]:
    """Outcome and PD of each test loan by institution and identifier, from the loans themselves."""
    spec = from_yaml(run / "config.yaml")
    dataset = load_dataset(
        spec.data,
        num_institutions=spec.federation.num_institutions,
        schema_dir=schema_dir(),
        seed=spec.seed,
    )
    parts = assign_parts(dataset, spec.data.split, spec.data.target.window_months, spec.seed)
    with np.load(run / "repeats" / "000" / "scores.npz") as saved:
        scores = saved["score/federated"]
    banks = np.repeat(np.array(dataset.names), np.diff(dataset.offsets))
    return {
        (str(banks[k]), str(dataset.loan_id[k])): (int(dataset.y[k]), float(scores[k]))
        for k in np.flatnonzero(parts == Part.TEST)
    }


test_scores.__test__ = False  # type: ignore[attr-defined]


def test_data_from_memory_give_the_same_bits(swept: tuple[Path, str], tmp_path: Path) -> None:
    job = swept[0] / "all-sweep" / "3"  # with the loans that job 2 had read
    cache.clear()
    spec = replace(from_yaml(job / "config.yaml"), run_dir=str(tmp_path / "alone"))
    assert simulate(spec).results["model"]["sha256"] == model_of(job)
    again = replace(spec, run_dir=str(tmp_path / "again"))
    assert simulate(again).results["model"]["sha256"] == model_of(job)


def test_resume_runs_what_is_not_done(swept: tuple[Path, str]) -> None:
    folder, _ = swept
    sweep = folder / "all-sweep"
    before = {k: model_of(sweep / k) for k in "0123"}
    table = read(sweep / "sweep.json")["groups"]
    (sweep / "1" / "status.json").unlink()  # was interrupted
    (sweep / "3" / "status.json").unlink()
    for name in ("results.json", "config.yaml", "metrics.jsonl"):  # had not begun
        (sweep / "3" / name).unlink()
    written = {k: (sweep / k / "status.json").stat().st_mtime_ns for k in "02"}
    done = call("resume=all-sweep", cwd=folder)
    assert done.returncode == 3, done.stderr
    assert [line.split()[2] for line in done.stdout.splitlines() if line.startswith("[")] == [
        "1",
        "3",
        "4",
        "5",
    ]
    assert written == {k: (sweep / k / "status.json").stat().st_mtime_ns for k in "02"}
    assert before == {k: model_of(sweep / k) for k in "0123"}
    again = read(sweep / "sweep.json")["groups"]
    assert [g["delta_vs_reference"] for g in again] == [g["delta_vs_reference"] for g in table]


def test_a_folder_holds_one_sweep(swept: tuple[Path, str]) -> None:
    done = call(*SWEEP, "run_dir=all", cwd=swept[0])
    assert done.returncode == 2
    assert "holds a sweep already; go on with it by resume=all-sweep" in done.stderr


@pytest.mark.slow
@needs_joblib
def test_two_at_a_time_are_the_same_bits(swept: tuple[Path, str]) -> None:
    folder, _ = swept
    done = call(
        *SWEEP,
        "run_dir=two",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
        cwd=folder,
    )
    assert done.returncode == 3, done.stderr
    assert "4 of 6 jobs done, 2 failed." in done.stdout
    for k in "0123":
        assert model_of(folder / "two-sweep" / k) == model_of(folder / "all-sweep" / k)


@pytest.mark.slow
@pytest.mark.skipif(not optuna_is_there(), reason="needs the extra 'sweeps'")
def test_a_search_goes_by_validation_loss_and_survives_a_failed_job(tmp_path: Path) -> None:
    done = call(
        "-m",
        *SMALL,
        "experiment=learning_rate_search",
        "hydra.sweeper.n_trials=4",
        "hydra.sweeper.sampler.seed=3",
        "federation.num_institutions=choice(2,99)",
        "run_dir=search",
        cwd=tmp_path,
    )
    assert done.returncode == 3, done.stderr
    statuses = [read(tmp_path / "search-sweep" / str(k) / "status.json") for k in range(4)]
    assert {status["ok"] for status in statuses} == {True, False}, "draws both"
    assert done.returncode == 3, done.stderr
    best = yaml.safe_load((tmp_path / "search-sweep" / "optimization_results.yaml").read_text())
    losses = [status["validation_loss"] for status in statuses if status["ok"]]
    assert best["best_value"] == min(losses)


@pytest.mark.parametrize(
    "launcher", ["basic", pytest.param("joblib", marks=[needs_joblib, pytest.mark.slow])]
)
def test_an_interrupt_shows_what_is_done_and_can_be_resumed(launcher: str, tmp_path: Path) -> None:
    arguments = ["-m", *SMALL, "federation.num_rounds=40", "seed=1,2,3,4", "run_dir=cut"]
    process = subprocess.Popen(
        [*COMMAND, *arguments, f"hydra/launcher={launcher}"]
        + (["hydra.launcher.n_jobs=1"] if launcher == "joblib" else []),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell that starts tests in the background makes its children ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    sweep, deadline = tmp_path / "cut-sweep", time.monotonic() + 90
    while not (sweep / "0" / "status.json").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    shown, complaint = process.communicate(timeout=60)
    assert process.returncode == 130, complaint
    assert complaint == "Interrupted. Go on with: fed-credit simulate resume=cut-sweep\n"
    assert "not done." in shown
    assert read(sweep / "sweep.json")["count"]["ok"] >= 1

    done = call("resume=cut-sweep", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 jobs done." in done.stdout


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["federation.num_rounds=2,-1"], "Job 1 (federation.num_rounds=-1): federation.num_rounds"),
        (["seed=1,2", "strategy=fedavg,fedprox", "strategy.proximal_mu=0.1"], "Job 0 ("),
        (["seed=1,2", "--reference", "model=logreg"], "does not vary in this sweep"),
        (["model=logreg,mlp_small", "--reference", "model=mlp_large"], "No job of this sweep has"),
        (["model=logreg,mlp_small", "--reference", "modle=mlp_large"], "Did you mean 'model'?"),
        (["experiment=sweep_sizes"], "Did you mean"),
    ],
)
def test_what_cannot_work_is_found_before_anything_runs(
    arguments: list[str],
    wanted: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "-m", *arguments]) == 2
    shown = capsys.readouterr()
    assert wanted in shown.err
    assert (shown.err.count("\n"), shown.out) == (1, "")
    assert list(tmp_path.iterdir()) == []


def test_a_reference_belongs_to_a_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--reference", "model=logreg"]) == 2
    assert "add -m" in capsys.readouterr().err


@pytest.mark.parametrize("name", groups()["experiment"])
def test_each_experiment_composes(name: str) -> None:
    file = yaml.safe_load((conf_dir() / "experiment" / f"{name}.yaml").read_text(encoding="utf-8"))
    searches = "override /hydra/sweeper" in str(file.get("defaults"))
    if searches and not optuna_is_there():
        pytest.skip("needs the extra 'sweeps'")
    given = ["data.path=loans.csv"] if name.startswith(("sba", "uci")) else []
    plan = plan_sweep([f"experiment={name}", *given], None)
    params = file.get("hydra", {}).get("sweeper", {}).get("params", {})
    if searches:
        assert plan.total == file["hydra"]["sweeper"]["n_trials"]
    else:
        assert plan.total == np.prod([len(str(text).split(",")) for text in params.values()])


def test_an_experiment_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\n"
        "hydra: {sweeper: {params: {seed: '1,2', model: 'logreg,mlp_small'}}}\n"
    )
    plan = plan_sweep(["experiment=mine", "seed=5"], tmp_path)
    assert plan.jobs == [
        ["seed=5", f"model={model}", "experiment=mine"] for model in ("logreg", "mlp_small")
    ]
    with pytest.raises(ConfigurationError, match="choose one of"):
        plan_sweep(["experiment=mine"], None)


def loans(keys: list[int], y: list[int], p: list[float]) -> Loans:
    return Loans(
        np.array(keys, dtype=np.uint64),
        np.array(y, dtype=np.int8),
        {"federated": np.array(p)},
    )


def test_only_loans_with_the_same_outcome_are_shared() -> None:
    a = loans([1, 2, 3, 4, 5], [0, 1, 0, 1, 1], [0.1, 0.9, 0.2, 0.3, 0.1])
    b = loans([2, 3, 4, 5, 6], [1, 0, 1, 0, 0], [0.1, 0.2, 0.3, 0.9, 0.5])
    shared = shared_by_all({7: [a], 8: [b]})
    assert shared is not None
    assert (shared["loans"], shared["bads"], shared["same"]) == (3, 2, False)
    assert shared["auc"] == {7: {"federated": 1.0}, 8: {"federated": 0.5}}
    found = difference([b], [a], 0.95)
    assert found is not None
    assert found.values["auc"] == -0.5
    assert found.values["brier"] == pytest.approx((0.81 - 0.01) / 3)
    assert found.loans == 3


def test_jobs_without_a_common_loan_are_not_compared() -> None:
    a, b = loans([1, 2], [0, 1], [0.1, 0.9]), loans([3, 4], [0, 1], [0.1, 0.9])
    assert difference([a], [b], 0.95) is None
    assert shared_by_all({0: [a], 1: [b]}) is None
