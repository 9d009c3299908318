"""A bank's own report: the common model against its own, from the bank's own loans."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flwr.app.user_config import UserConfig

from clients.adapter import make_client_app
from fed_credit.artefact import load_artefact
from fed_credit.bank.loans import load_own
from fed_credit.cli import main
from fed_credit.client_app import BANK_KEY, NodeBanks
from fed_credit.config.spec import EvaluationSpec, ProfitSpec
from fed_credit.data.book import Part
from fed_credit.errors import ConfigurationError, FedCreditError, ReleaseError
from fed_credit.evaluation.metrics import auc
from fed_credit.evaluation.paired import differences
from fed_credit.job import FederatedJob, FederatedOutcome, run_job
from fed_credit.model_file.archive import open_model_file
from fed_credit.node import report as module
from fed_credit.node.children import Children
from fed_credit.node.home import Home
from fed_credit.node.report import latest_run, make_in_background, make_report, wanted_report
from fed_credit.runtime.local import InProcessGrid
from fed_credit.simulate import simulate
from fed_credit.training.checkpoint import weights_sha256

GIVEN = [
    "federation.num_rounds=4",
    "model.batch_size=32",
    "model.learning_rate=0.01",
    "evaluation.min_bads=10",
    "progress=false",
]


@dataclass
class Ended:
    """A run that came to its end at three banks."""

    homes: Any
    outcome: FederatedOutcome

    def home(self, k: int) -> Home:
        return Home(self.homes.path(k))

    def results(self, k: int) -> dict[str, Any]:
        folder = self.homes.path(k) / "state" / "runs" / "1"
        found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        return found


@pytest.fixture
def ended(homes: Any) -> Ended:
    spec, run = homes.central(GIVEN), homes.run_spec(GIVEN)
    names = {k + 10: homes.spec(k).name for k in range(3)}
    nodes: dict[int, UserConfig] = {k + 10: {BANK_KEY: str(homes.path(k))} for k in range(3)}
    job = FederatedJob(
        run, spec.strategy, spec.federation, 3, names, None, after_round=lambda state: None
    )
    outcome = run_job(InProcessGrid(make_client_app(NodeBanks()), nodes), job)
    return Ended(homes, outcome)


def test_the_model_of_the_test_evaluation_stays_at_the_bank(ended: Ended) -> None:
    for k in range(3):
        kept = load_artefact(ended.homes.path(k) / "state" / "runs" / "1" / "model")
        assert kept.sha256 == weights_sha256(ended.outcome.state.best_weights)
        assert kept.model.preprocessor == ended.outcome.state.preprocessor
        assert kept.about["schema"] == "small business"


def test_a_bank_finds_what_one_place_with_all_banks_finds_for_it(ended: Ended) -> None:
    spec = ended.homes.central([*GIVEN, "evaluation.baselines=[local]"])
    central = {bank["name"]: bank for bank in simulate(spec).results["institutions"]}
    for k in range(3):
        report = make_report(ended.home(k), 1)
        results, theirs = ended.results(k), central[ended.homes.spec(k).name]
        assert results["bank"] == theirs["name"] and results["run"] == "1"
        assert results["loans"]["test"] == theirs["n_test"]
        assert results["loans"]["test_bads"] == theirs["n_bad"]
        assert results["loans"]["train"] == theirs["n_train"]
        for name in ("local", "federated"):
            assert results["test"][name]["auc"] == pytest.approx(theirs["auc"][name]["value"])
        found = next(item for item in results["differences"] if item["measure"] == "auc")
        for key in ("value", "lo", "hi"):
            assert found[key] == pytest.approx(theirs["delta"]["federated_minus_local"][key])
        text = report.read_text(encoding="utf-8")
        assert text.startswith(f"# {theirs['name']}: the common model against your own, run 1")
        assert f"{results['test']['federated']['ks']:.4f}" in text
        assert f"{results['loans']['test']} test loans" in text
        page = (report.parent / "report.html").read_text(encoding="utf-8")
        assert "共同模型" in page and page.count("<figure") == 3
        assert f"{results['test']['local']['brier']:.4f}" in page
        for path in (report, report.parent / "report.html", report.parent / "results.json"):
            assert path.stat().st_mode & 0o777 == 0o600


def test_a_bank_gets_a_file_of_its_own_to_register(ended: Ended) -> None:
    for k in range(3):
        folder = make_report(ended.home(k), 1).parent
        results, path = ended.results(k), folder / "model.fcm"
        assert path.stat().st_mode & 0o777 == 0o600
        model = open_model_file(path).model
        found, loans = model.evaluation, results["loans"]
        assert model.artefact.sha256 == results["model"]["sha256"]
        assert model.schema.name == "small business"
        assert (found["test"]["loans"], found["test"]["bads"]) == (
            loans["test"],
            loans["test_bads"],
        )
        assert found["validation"]["loans"] == loans["validation"]
        # Of the bank's own validation loans, and so other than its neighbours'.
        assert model.calibration.loans == loans["validation"]
        assert found["validation"]["pd"]["mean"] == pytest.approx(
            found["validation"]["default_rate"], abs=1e-3
        )
        area = results["test"]["federated"]["auc"]
        assert found["test"]["model_pd"]["auc"]["value"] == pytest.approx(area)
        (row,) = found["comparison"]["institutions"]
        delta = next(item for item in results["differences"] if item["measure"] == "auc")
        if row["assessable"]:
            assert row["delta"]["federated_minus_local"]["value"] == pytest.approx(delta["value"])
        assert model.reference is not None
        origin = model.provenance
        assert origin["run"]["kind"] == "bank" and list(origin["institutions"]["loans"]) == [
            results["bank"]
        ]


def test_a_report_is_wanted_once(ended: Ended) -> None:
    home = ended.home(1)
    assert wanted_report(home, 1)
    assert not wanted_report(home, 2)
    make_in_background_in_a_child(home)
    assert (home.root / "state" / "runs" / "1" / "report.md").exists()
    assert not wanted_report(home, 1)
    results = home.root / "state" / "runs" / "1" / "results.json"
    results.write_text("{", encoding="utf-8")
    assert wanted_report(home, 1)
    ended.homes.change(1, report=False)
    assert not wanted_report(home, 1)
    home.bank_file.write_text("nonsense: [", encoding="utf-8")
    assert not wanted_report(home, 1)


def make_in_background_in_a_child(home: Home) -> None:
    """Niceness is for good, so it is taken on by a child, as in the worker."""
    if (pid := os.fork()) == 0:
        try:
            make_in_background(home, 1)
            os._exit(0 if os.nice(0) == 19 else 3)
        finally:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_the_worker_makes_a_report_after_the_answer(
    ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task's child tells of the run's end; another one makes the report once it is gone."""

    def answered(home: Home, call: object, tell: Any, started: float) -> int:
        tell({"done": True})
        if wanted_report(home, 1):
            tell({"report": 1})
        return 0

    monkeypatch.setattr("fed_credit.node.task.run_task", answered)
    monkeypatch.setattr("fed_credit.node.call.parse_call", lambda words: words)
    home, codes, stamps = ended.home(2), [], []
    with selectors.DefaultSelector() as selector:
        children = Children(home, selector)
        for _ in range(2):  # the second time there is one
            children.start(["a task"], time.monotonic(), codes.append)
            end = time.monotonic() + 120
            while len(children) and time.monotonic() < end:
                for key, _ in selector.select(0.05):
                    children.read(key.data)
                children.tend()
            page = home.root / "state" / "runs" / "1" / "report.html"
            stamps.append(page.stat().st_mtime_ns)
    assert codes == [0, 0]
    assert stamps[0] == stamps[1]


def test_reports_are_made_one_at_a_time_however_often_runs_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator that ends run after run must not have a bank train them all at once."""
    busy, made = tmp_path / "busy", tmp_path / "made"
    made.mkdir()

    def answered(home: Home, call: int, tell: Any, started: float) -> int:
        tell({"done": True})
        tell({"report": call})
        return 0

    def report(home: Home, run_id: int) -> None:
        busy.mkdir()  # fails if another one is at work
        time.sleep(0.3)
        (made / str(run_id)).touch()
        busy.rmdir()

    monkeypatch.setattr("fed_credit.node.task.run_task", answered)
    monkeypatch.setattr("fed_credit.node.call.parse_call", lambda words: int(words[0]))
    monkeypatch.setattr("fed_credit.node.report.wanted_report", lambda home, run_id: True)
    monkeypatch.setattr("fed_credit.node.report.make_in_background", report)
    codes: list[int] = []
    with selectors.DefaultSelector() as selector:
        children = Children(Home(tmp_path), selector)
        for run_id in (1, 2, 2, 3):
            children.start([str(run_id)], time.monotonic(), codes.append)
        end = time.monotonic() + 60
        while len(children) and time.monotonic() < end:
            for key, _ in selector.select(0.05):
                children.read(key.data)
            children.tend()
    assert codes == [0, 0, 0, 0]
    assert sorted(path.name for path in made.iterdir()) == ["1", "2", "3"]


def test_what_goes_wrong_in_the_background_is_logged(
    ended: Ended, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module.os, "nice", lambda number: number)
    shutil.rmtree(ended.homes.path(0) / "state" / "runs" / "1" / "model")
    make_in_background(ended.home(0), 1)
    assert "The report of run 1 is not made" in caplog.text


def test_the_command_prints_and_names_the_report(
    ended: Ended, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = ended.homes.path(2)
    assert main(["bank", "report", "--home", str(home)]) == 0
    shown = capsys.readouterr().out
    assert "# Lake Bank: the common model against your own, run 1" in shown
    page = home / "state" / "runs" / "1" / "report.html"
    assert f"Report: {page}" in shown
    assert "Lake Bank: the common model against your own" in page.read_text(encoding="utf-8")
    monkeypatch.chdir(home)
    assert main(["bank", "report", "--run", "1"]) == 0
    capsys.readouterr()
    assert main(["bank", "report", "--run", "77"]) == 2
    assert "run 77 has not come to its test evaluation" in capsys.readouterr().err


def test_without_a_run_there_is_no_report(homes: Any) -> None:
    with pytest.raises(ConfigurationError, match="no run that came to its test evaluation"):
        latest_run(Home(homes.path(0)))


def test_other_loans_than_those_of_the_run_are_not_reported_on(ended: Ended) -> None:
    home = ended.homes.path(1)
    shutil.rmtree(home / "state" / "cache")
    path = home / "loans.parquet"
    pd.read_parquet(path).iloc[9:].to_parquet(path)
    with pytest.raises(ReleaseError, match="no longer those that this run began with"):
        make_report(ended.home(1), 1)
    assert not (home / "state" / "runs" / "1" / "report.md").exists()


def test_a_damaged_model_is_one_sentence(ended: Ended) -> None:
    model = ended.homes.path(0) / "state" / "runs" / "1" / "model" / "weights.safetensors"
    model.write_bytes(model.read_bytes()[:-4] + b"\0\1\2\3")
    with pytest.raises(FedCreditError, match="restore it"):
        make_report(ended.home(0), 1)


@pytest.mark.parametrize("rows", [slice(0, 40), slice(0, 0)], ids=["few", "none"])
def test_a_bank_that_cannot_be_judged_is_told_so(
    ended: Ended, monkeypatch: pytest.MonkeyPatch, rows: slice
) -> None:
    """Few test loans, or none; and no training loan to learn from."""

    def few(*arguments: Any) -> Any:
        from fed_credit.bank.cache import Prepared

        loans = load_own(*arguments[:2])
        parts = np.full(len(loans.parts), Part.SET_ASIDE, dtype=np.int8)
        parts[rows] = Part.TEST
        return Prepared.in_memory(
            type(loans)(loans.book, parts, loans.report, loans.rejected, loans.warnings)
        )

    monkeypatch.setattr("fed_credit.node.report.prepare", few)
    text = make_report(ended.home(0), 1).read_text(encoding="utf-8")
    assert "Not assessable: " in text and "too few loans to train an own model on" in text
    assert ended.results(0)["model"]["alone"] is None


def _spec(min_bads: int = 5) -> EvaluationSpec:
    return EvaluationSpec(1, 0.95, min_bads, 64, 5, ["local"], ProfitSpec(1.0, 5.0))


@pytest.fixture
def scored() -> Callable[[float], tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(5)
    y = (rng.random(400) < 0.3).astype(np.int8)

    def score(noise: float) -> tuple[np.ndarray, np.ndarray]:
        log_odds = 2.0 * (y - 0.5) + noise * rng.normal(size=400)
        return y, 1 / (1 + np.exp(-log_odds))

    return score


def test_worse_is_shown_first_and_only_where_the_interval_says_so(
    scored: Callable[[float], tuple[np.ndarray, np.ndarray]],
) -> None:
    y, good = scored(0.5)
    _, poor = scored(3.0)
    worse = differences(y, good, poor, _spec())
    assert [item.verdict for item in worse] == ["worse"] * 3 + ["no interval"] * 2
    better = {item.measure: item for item in differences(y, poor, good, _spec())}
    assert better["auc"].verdict == better["brier"].verdict == "better"
    assert better["auc"].interval.value == pytest.approx(auc(y, good) - auc(y, poor))
    same = differences(y, good, good, _spec())
    assert {item.verdict for item in same} == {"undecided", "no interval"}
    # By hand: the mean of the loans' differences, and 1.96 standard errors.
    loss = np.square(good - y) - np.square(poor - y)
    half = 1.959963984540054 * loss.std(ddof=1) / np.sqrt(len(loss))
    interval = better["brier"].interval
    assert (interval.lo, interval.hi) == pytest.approx((loss.mean() - half, loss.mean() + half))
    few = differences(y, good, poor, _spec(min_bads=399))
    assert {item.verdict for item in few} == {"not assessable"}
