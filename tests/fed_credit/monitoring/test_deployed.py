"""``fed-credit monitor --federated`` over real processes: a SuperLink, and a SuperNode per bank."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fed_credit.bank.watched import load_watched
from fed_credit.config.bank import load_bank
from fed_credit.config.load import from_yaml
from fed_credit.data.schema import load_schema
from fed_credit.deploy.demo.processes import Processes, environment
from fed_credit.deploy.demo.run import Demo, DemoSettings
from fed_credit.model_file.archive import open_model_file
from fed_credit.runtime.monitored import MonitorSums
from fed_credit.training.run_spec import RunSpec
from tests.fed_credit.deployed import answer_for_few_loans

pytestmark = pytest.mark.slow
AS_OF = "2023-12-31"


@dataclass(frozen=True)
class Done:
    """A deployment that has trained and was watched, and has ended."""

    demo: Demo
    said: subprocess.CompletedProcess[str]
    report: dict[str, Any]
    failed: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("m")
    more = ("model=scorecard", "evaluation.min_bads=1", "evaluation.baselines=[]")
    demo = Demo(DemoSettings(folder, 1800, 1, more, proxy=False), folder, print)

    def watch(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "fed_credit.cli", "monitor", "--federated"),
                *("--home", str(demo.operator), "--as-of", AS_OF),
                *("--model", str(demo.operator / "runs" / "demo" / "model.fcm"), *arguments),
            ],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    with Processes(environment(Path(sys.executable).parent), folder / "logs") as processes:
        demo.provision(processes)
        answer_for_few_loans(demo, 4)
        demo.start(processes)
        demo.train(processes)
        said = watch("--name", "watched", "--json")
        failed = watch("--name", "watched")
    return Done(demo, said, json.loads(said.stdout), failed)


def test_the_operator_gets_a_pooled_report(done: Done) -> None:
    assert done.said.returncode == 0, done.said.stderr
    report = done.report
    assert report["pooled"] and report["banks"] == sorted(done.demo.homes)
    assert len(report["months"]) == 12 and sum(month["loans"] for month in report["months"]) > 0
    kept = done.demo.operator / "monitoring" / "latest.json"
    assert json.loads(kept.read_text(encoding="utf-8")) == report
    assert not list(done.demo.operator.rglob("*.parquet"))


def test_its_sums_are_those_of_the_banks_loans(done: Done) -> None:
    runs = done.demo.operator / "runs"
    found = MonitorSums.from_dict(json.loads((runs / "watched" / "sums.json").read_text()))
    spec = from_yaml(runs / "demo" / "config.yaml")
    run = RunSpec.of_schema(spec, load_schema(runs / "demo" / "schema.yaml"))
    model = open_model_file(runs / "demo" / "model.fcm").model.artefact
    total: dict[str, Any] = {}
    for home in done.demo.homes.values():
        loans = load_watched(load_bank(home), run, AS_OF)
        pds = model.score(loans.features)
        sums = found.question.count(loans.features, loans.decided, loans.y, pds, min_loans=4)
        for name, array in sums.arrays().items():
            total[name] = total.get(name, 0) + array
    for name, array in found.sums.arrays().items():
        np.testing.assert_array_equal(array, total[name], err_msg=name)


def test_each_bank_has_it_in_its_ledger(done: Done) -> None:
    for home in done.demo.homes.values():
        text = (home / "state" / "ledger.jsonl").read_text(encoding="utf-8")
        tasks = [json.loads(line)["task"] for line in text.splitlines()]
        # At the end of the training run, and for the report.
        assert tasks.count("monitor") == 2 and tasks[-1] == "monitor"


def test_a_name_that_is_taken_ends_in_a_sentence(done: Done) -> None:
    assert done.failed.returncode != 0
    assert "exists already" in done.failed.stderr
    assert "Traceback" not in done.failed.stderr
