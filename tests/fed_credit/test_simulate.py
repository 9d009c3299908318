"""The main job end to end: what a run leaves behind, and that it can be interrupted."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from fed_credit.artefact import load_artefact
from fed_credit.config.load import compose, from_yaml
from fed_credit.config.location import schema_dir
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.load import load_dataset
from fed_credit.errors import ConfigurationError, DataError, FedCreditError
from fed_credit.simulate import SimulationResult, simulate

Make = Callable[..., SimulationSpec]
METRICS = ("auc", "ks", "gini", "brier", "log_loss", "ece", "auc_mean_banks")


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def _bits(result: SimulationResult) -> tuple[str, str]:
    model = result.results["model"]
    return model["sha256"], model["preprocessor_sha256"]


@pytest.fixture(scope="module")
def finished(
    tiny_overrides: list[str], tmp_path_factory: pytest.TempPathFactory
) -> SimulationResult:
    folder = tmp_path_factory.mktemp("finished") / "run"
    return simulate(compose([*tiny_overrides, f"run_dir='{folder}'"]))


def test_the_run_folder_holds_everything(finished: SimulationResult) -> None:
    found = {str(path.relative_to(finished.run_dir)) for path in finished.run_dir.rglob("*.*")}
    assert found == {
        "config.yaml",
        "data.sha256",
        "metrics.jsonl",
        "results.json",
        "report.md",
        "report.html",
        "report_data.json",
        "loans.npz",
        "rejected_rows.csv",
        "model.fcm",
        "model/manifest.json",
        "model/model.json",
        "model/preprocessor.json",
        "model/weights.safetensors",
        "repeats/000/checkpoint.safetensors",
        "repeats/000/scores.npz",
    }


def test_results_have_the_keys_of_the_contract(finished: SimulationResult) -> None:
    text = (finished.run_dir / "results.json").read_text(encoding="utf-8")
    body = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert body == finished.results
    for name in ("local", "federated", "pooled"):
        assert all(isinstance(body["test"][name][metric], float) for metric in METRICS)
    assert len(body["institutions"]) == 3
    for bank in body["institutions"]:
        assert {"name", "n_train", "n_test", "bad_rate", "auc", "delta", "assessable"} <= set(bank)
        for name in ("local", "federated", "pooled"):
            assert set(bank["auc"][name]) == {"value", "lo", "hi"}
        assert set(bank["delta"]["federated_minus_local"]) == {"value", "lo", "hi"}
    assert body["timing"]["wall_s"] > 0
    assert len(body["timing"]["rounds_s"]) == 3
    assert sum(body["timing"]["rounds_s"]) < body["timing"]["wall_s"]
    data = body["data"]
    assert data["decision_point"] == "application"
    assert data["rows"] == 1500
    assert data["rows"] == sum(
        data[key]
        for key in ("rejected", "unlabelled", "immature", "out_of_scope", "left_out", "used")
    )
    assert data["used"] == sum(data[key] for key in ("train", "validation", "test", "set_aside"))
    assert len(data["features"]) > 5 and "true_pd" not in data["features"]
    assert isinstance(body["warnings"], list)
    assert data["fingerprint"] == (finished.run_dir / "data.sha256").read_text().strip()


def test_metrics_have_one_line_a_round(finished: SimulationResult) -> None:
    lines = _lines(finished.run_dir)
    assert [(line["repeat"], line["round"]) for line in lines] == [(0, 1), (0, 2), (0, 3)]
    assert all(line["banks"] == 3 and line["loans"] > 0 for line in lines)
    assert [line["loss"] for line in lines] == [item["loss"] for item in finished.results["rounds"]]


def test_the_saved_configuration_is_the_runs(finished: SimulationResult) -> None:
    spec = from_yaml(finished.run_dir / "config.yaml")
    assert spec.model.hidden == [8]
    assert Path(spec.run_dir) == finished.run_dir


def test_the_saved_model_scores_as_the_run_did(
    finished: SimulationResult, tiny_overrides: list[str]
) -> None:
    model = load_artefact(finished.run_dir / "model")
    assert model.sha256 == finished.results["model"]["sha256"] == finished.model.sha256
    spec = compose([*tiny_overrides, "run_dir=unused"])
    dataset = load_dataset(
        spec.data, num_institutions=None, schema_dir=schema_dir(), seed=spec.seed
    )
    with np.load(finished.run_dir / "repeats" / "000" / "scores.npz") as arrays:
        scores = arrays["score/federated"]
    held_out = np.isfinite(scores)
    np.testing.assert_allclose(model.score(dataset.features[held_out]), scores[held_out], atol=1e-6)


def test_the_exact_auc_lies_within_the_bound_of_the_sums(finished: SimulationResult) -> None:
    results = finished.results
    for metric, exact in results["test"]["federated"].items():
        if metric in results["from_sums"]:
            found = results["from_sums"][metric]
            assert abs(exact - found["value"]) <= found["bound"], metric
    assert results["from_sums"]["auc"]["bound"] < 0.05


def test_figures_of_a_small_run_do_not_drift(tmp_path: Path, tiny_overrides: list[str]) -> None:
    """Golden figures of one small synthetic run; a change beyond noise needs a reason."""
    folder = tmp_path / "golden"
    spec = compose(
        [
            *tiny_overrides,
            "data.generator.num_loans=6000",
            "federation.num_rounds=8",
            f"run_dir='{folder}'",
        ]
    )
    test = simulate(spec).results["test"]
    for metric, golden in GOLDEN.items():
        got = {name: test[name][metric] for name in golden}
        assert got == pytest.approx(golden, abs=0.01), metric
    # The banks gain by the federation, and nobody beats the true PD.
    means = {name: test[name]["auc_mean_banks"] for name in test}
    assert means["local"] < means["federated"] < means["best_reachable"]


GOLDEN = {
    "auc": {"local": 0.753, "federated": 0.753, "pooled": 0.755, "best_reachable": 0.803},
    "auc_mean_banks": {"local": 0.730, "federated": 0.755, "pooled": 0.753},
}


def test_the_same_run_gives_the_same_bits(finished: SimulationResult, tiny_run: Make) -> None:
    again = simulate(tiny_run("again"))
    assert _bits(again) == _bits(finished)
    different = {"timing"}
    for key in set(finished.results) - different:
        assert again.results[key] == finished.results[key], key
    other = simulate(tiny_run("other", ["seed=8"]))
    assert _bits(other)[0] != _bits(finished)[0]


@pytest.mark.parametrize("stop", [0, 1, 2, 3])
def test_an_interrupted_run_resumes_to_the_same_bits(
    finished: SimulationResult, tiny_run: Make, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    from fed_credit.reporting.progress import RunProgress

    spec = tiny_run()
    calls = iter(range(99))

    def interrupt(*_: Any) -> None:
        if next(calls) == stop:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunProgress, "done", interrupt)
        with pytest.raises(KeyboardInterrupt):
            simulate(spec)
    assert not (Path(spec.run_dir) / "results.json").exists()
    resumed = simulate(tiny_run(resume=spec.run_dir))
    assert _bits(resumed) == _bits(finished)
    assert resumed.results["test"] == finished.results["test"]
    assert resumed.results["decision"] == finished.results["decision"]
    assert _lines(resumed.run_dir) == _lines(finished.run_dir)


def test_a_finished_run_can_be_resumed_without_harm(tiny_run: Make) -> None:
    first = simulate(tiny_run())
    lines = _lines(first.run_dir)
    # Half a line from a write that was cut short is dropped.
    with (first.run_dir / "metrics.jsonl").open("a") as file:
        file.write('{"repeat": 0, "rou')
    again = simulate(tiny_run(resume=str(first.run_dir)))
    assert _bits(again) == _bits(first)
    assert again.results["test"] == first.results["test"]
    assert _lines(first.run_dir) == lines


def _start(folder: Path, overrides: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fed_credit.cli", "simulate", *overrides, f"run_dir={folder}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _wait_for_rounds(process: subprocess.Popen[str], folder: Path, rounds: int) -> None:
    path, end = folder / "metrics.jsonl", time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        if path.exists() and path.read_text().count("\n") >= rounds:
            return
        time.sleep(0.005)
    pytest.fail(f"the run did not come to round {rounds}: {process.communicate()}")


@pytest.fixture(scope="module")
def long_overrides(tiny_overrides: list[str]) -> list[str]:
    """A run of so many rounds that a signal arrives in the middle of it."""
    return [*tiny_overrides, f"federation.num_rounds={LONG}", "evaluation.baselines=[]"]


@pytest.fixture(scope="module")
def uninterrupted(
    long_overrides: list[str], tmp_path_factory: pytest.TempPathFactory
) -> SimulationResult:
    return simulate(
        compose([*long_overrides, f"run_dir='{tmp_path_factory.mktemp('long') / 'run'}'"])
    )


LONG = 240


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_resumes_to_the_same_bits(
    long_overrides: list[str],
    uninterrupted: SimulationResult,
    tmp_path: Path,
    how: signal.Signals,
) -> None:
    killed = tmp_path / "killed"
    process = _start(killed, long_overrides)
    _wait_for_rounds(process, killed, 5)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    assert 5 <= len(_lines(killed)) < LONG
    assert not (killed / "results.json").exists()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert errors == f"Interrupted. Go on with: fed-credit simulate resume={killed}\n"
    spec = compose([*long_overrides, f"run_dir='{killed}'"])
    spec.resume = spec.run_dir
    assert _bits(simulate(spec)) == _bits(uninterrupted)
    assert _lines(killed) == _lines(uninterrupted.run_dir)
    assert not list(killed.rglob("*.part"))


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Flower's engine needs the extra 'simulation' (ray)",
)
def test_ctrl_c_ends_a_run_on_the_engine(long_overrides: list[str], tmp_path: Path) -> None:
    """Flower's own wait for replies would keep the process alive until the round's time-out."""
    folder = tmp_path / "run"
    process = _start(folder, [*long_overrides, "runtime=simulation"])
    _wait_for_rounds(process, folder, 2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"Go on with: fed-credit simulate resume={folder}" in errors
    assert not list(folder.rglob("*.parquet"))


def test_repeats_give_intervals_over_splits(tiny_run: Make) -> None:
    result = simulate(tiny_run(overrides=["evaluation.repeats=2", "data.split.kind=random"]))
    body = result.results
    assert body["evaluation"]["repeats"] == 2
    assert len(body["timing"]["rounds_s"]) == 6
    places = [(line["repeat"], line["round"]) for line in _lines(result.run_dir)]
    assert places == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    for name in ("local", "federated", "pooled"):
        interval = body["test"][name]["auc_interval"]
        assert interval["lo"] < body["test"][name]["auc"] < interval["hi"]
    # The sums are those of the first split, and so is the model.
    spec = from_yaml(result.run_dir / "config.yaml")
    dataset = load_dataset(
        spec.data, num_institutions=None, schema_dir=schema_dir(), seed=spec.seed
    )
    from fed_credit.data.book import Part
    from fed_credit.data.split import assign_parts
    from fed_credit.evaluation.metrics import auc

    parts = assign_parts(dataset, spec.data.split, spec.data.target.window_months, spec.seed)
    with np.load(result.run_dir / "repeats" / "000" / "scores.npz") as arrays:
        p = arrays["score/federated"]
    exact = auc(dataset.y[parts == Part.TEST], p[parts == Part.TEST])
    found = body["from_sums"]["auc"]
    assert abs(exact - found["value"]) <= found["bound"]
    assert "on the first split" in (result.run_dir / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("baselines", ["[local]", "[]"])
def test_baselines_can_be_left_out(
    tiny_run: Make, baselines: str, finished: SimulationResult, capsys: pytest.CaptureFixture[str]
) -> None:
    result = simulate(tiny_run(overrides=[f"evaluation.baselines={baselines}"]))
    expected = {"federated", "best_reachable"} | ({"local"} if "local" in baselines else set())
    assert set(result.results["test"]) == expected
    assert result.results["model"]["sha256"] == finished.results["model"]["sha256"]
    report = (result.run_dir / "report.md").read_text(encoding="utf-8")
    shown = capsys.readouterr().out
    assert (
        ("federated - alone" in report) == ("federated - alone" in shown) == ("local" in baselines)
    )
    assert "pooled data" not in report and "pooled data" not in shown


def test_a_folder_with_a_run_is_not_overwritten(tiny_run: Make, finished: SimulationResult) -> None:
    spec = tiny_run()
    spec.run_dir = str(finished.run_dir)
    before = (finished.run_dir / "results.json").read_bytes()
    with pytest.raises(ConfigurationError) as caught:
        simulate(spec)
    assert str(caught.value).startswith(f"{finished.run_dir} holds a run already; go on with it by")
    assert "\n" not in str(caught.value)
    assert (finished.run_dir / "results.json").read_bytes() == before


def test_a_run_is_not_gone_on_with_under_another_configuration(
    tiny_run: Make, finished: SimulationResult
) -> None:
    spec = tiny_run(overrides=["federation.num_rounds=4"], resume=str(finished.run_dir))
    spec.run_dir = str(finished.run_dir)
    with pytest.raises(ConfigurationError, match="holds a run of another configuration"):
        simulate(spec)


def test_there_must_be_a_run_to_resume(tiny_run: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"config.yaml cannot be read"):
        simulate(tiny_run("nowhere", resume=str(tmp_path / "nowhere")))


def _table(tmp_path: Path, bad_rows: int = 0) -> list[str]:
    """A table of the user's own, with rows whose age is impossible."""
    rng = np.random.default_rng(3)
    n = 400
    age = rng.gamma(2.0, 4.0, n).round(1)
    loss = rng.random(n) < 1 / (1 + np.exp(0.3 * (age - 4)))
    frame = pd.DataFrame(
        {
            "lender": rng.choice(["Bank [red]One", "Bank | Two", "Bank <3>"], n, p=[0.5, 0.3, 0.2]),
            "age": age,
            "trade": rng.choice(["food", "metal"], n),
            "status": np.where(loss, "lost", "paid"),
        }
    )
    frame.loc[: bad_rows - 1, "age"] = -77.0
    frame.to_csv(tmp_path / "loans.csv", index=False)
    fields = {
        "lender": {"kind": "institution"},
        "age": {"kind": "numeric", "min": 0, "max": 200},
        "trade": {"kind": "categorical", "values": ["food", "metal"]},
        "status": {"kind": "target", "known_at": "outcome", "good": ["paid"], "bad": ["lost"]},
    }
    roles = {"institution": "lender", "target": "status"}
    (tmp_path / "schema.yaml").write_text(
        yaml.safe_dump({"name": "mine", "roles": roles, "fields": fields})
    )
    return [
        "data=table",
        f"data.path='{tmp_path / 'loans.csv'}'",
        f"data.schema='{tmp_path / 'schema.yaml'}'",
        "data.min_loans=20",
        "federation.num_rounds=2",
        "evaluation.min_bads=3",
        "model.hidden=[4]",
        "progress=false",
    ]


def test_too_many_rejected_rows_are_listed_and_the_folder_stays_free(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    overrides = [*_table(tmp_path, bad_rows=60), f"run_dir='{folder}'"]
    with pytest.raises(FedCreditError) as caught:
        simulate(compose(overrides))
    sentence = str(caught.value)
    assert "60 of 400 rows (15.0%) were rejected" in sentence
    assert sentence.endswith(f"They are listed in {folder / 'rejected_rows.csv'}.")
    assert "\n" not in sentence
    rejected = pd.read_csv(folder / "rejected_rows.csv")
    assert len(rejected) == 60
    assert set(rejected["field"]) == {"age"}
    # The same command, mended, is not told that there is a run already.
    result = simulate(compose([*overrides, "data.max_rejected_share=0.2"]))
    assert result.results["data"]["rejected"] == 60
    assert len(pd.read_csv(folder / "rejected_rows.csv")) == 60


def test_names_of_banks_are_shown_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = simulate(compose([*_table(tmp_path), f"run_dir='{tmp_path / 'run'}'"]))
    shown = capsys.readouterr().out
    report = (result.run_dir / "report.md").read_text(encoding="utf-8")
    for name in ("Bank [red]One", "Bank | Two", "Bank <3>"):
        assert name in shown
        assert name.replace("|", "\\|") in report
    assert "best reachable" not in shown  # nobody knows the true PD of real loans


def test_a_run_is_not_gone_on_with_over_other_loans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = compose([*_table(tmp_path), f"run_dir='{tmp_path / 'run'}'"])
    simulate(spec)
    loans = pd.read_csv(tmp_path / "loans.csv")
    loans.loc[0, "age"] += 1
    loans.to_csv(tmp_path / "loans.csv", index=False)
    spec.resume = spec.run_dir
    with pytest.raises(DataError, match="The loans differ from those that the run in"):
        simulate(spec)


def test_banks_that_did_not_answer_are_told_of(
    tiny_run: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from clients.tasks import TrainingClient
    from fed_credit.errors import QuorumError

    fit = TrainingClient.fit

    def fail(self: TrainingClient, parameters: Any, config: Any) -> Any:
        if self.bank.name == "Bank C":
            raise RuntimeError("turnover 1234567 of Zhang's Bakery")
        return fit(self, parameters, config)

    monkeypatch.setattr(TrainingClient, "fit", fail)
    with pytest.raises(QuorumError, match="Bank C: The bank met an unexpected problem") as caught:
        simulate(tiny_run("all"))
    assert "Zhang" not in str(caught.value)
    result = simulate(tiny_run("some", ["federation.quorum=0.5"]))
    (told,) = [text for text in result.results["warnings"] if "answered" in text]
    assert told.startswith("In 2 of 3 rounds not all 3 institutions answered, at worst 2")
    consortium = [r.message for r in caplog.records if r.name == "fed_credit.consortium"]
    assert len(consortium) == 3 and all("Bank C" in text for text in consortium)
    assert not any("Zhang" in text for text in consortium)
    assert [line["banks"] for line in _lines(result.run_dir)] == [2, 2, 3]
