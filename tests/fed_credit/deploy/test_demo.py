"""One whole deployment with real processes: what it trains, what it leaves, whom it calls."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from fed_credit.deploy.demo.processes import Processes, environment
from fed_credit.deploy.demo.run import Demo, DemoSettings

ROUNDS = 2
TREES = ("model=gbdt", "federation.num_rounds=3", "model.trees.max_depth=3")


@dataclass(frozen=True)
class Done:
    """A demo that has ended: two runs over the same banks, and each in one process."""

    folder: Path
    demo: Demo
    results: dict[str, Any]
    local: dict[str, Any]
    trees: dict[str, Any]
    local_trees: dict[str, Any]

    @property
    def homes(self) -> dict[str, Path]:
        return self.demo.homes


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("d")
    more = ("model=logreg", "evaluation.min_bads=1", "evaluation.baselines=[]")
    demo = Demo(DemoSettings(folder, 1800, ROUNDS, more, proxy=False), folder, print)
    with Processes(environment(Path(sys.executable).parent), folder / "logs") as processes:
        demo.provision(processes)
        demo.start(processes)
        results = demo.train(processes)
        trees = demo.train(processes, "trees", *TREES)
    return Done(
        folder,
        demo,
        dict(results),
        dict(demo.compare("local", "progress=false")),
        dict(trees),
        dict(demo.compare("local-trees", "progress=false", *TREES)),
    )


def test_deployment_and_local_give_the_same_bits(demo: Done) -> None:
    for key in ("sha256", "preprocessor_sha256"):
        assert demo.results["model"][key] == demo.local["model"][key]
    assert demo.results["test"]["from_sums"] == {
        key: value for key, value in demo.local["from_sums"].items() if key != "bins"
    }


def test_trees_are_the_same_in_deployment_and_local(demo: Done) -> None:
    assert demo.trees["model"]["sha256"] == demo.local_trees["model"]["sha256"]
    asked = [exchange["task"] for exchange in demo.trees["exchanges"]]
    assert asked.count("trees") >= 9


def test_every_bank_answered_every_exchange_once(demo: Done) -> None:
    exchanges = demo.results["exchanges"]
    assert [exchange["task"] for exchange in exchanges] == [
        *("counts", "moments"),
        *["round"] * ROUNDS,
        *["evaluation"] * 2,
        "monitor",
    ]
    for exchange in exchanges:
        assert exchange["answered"] == sorted(demo.homes)
        assert exchange["missing"] == {}


def test_the_operator_has_results_and_artefact(demo: Done) -> None:
    from fed_credit.artefact import load_artefact

    artefact = load_artefact(demo.folder / "kits" / "operator" / "runs" / "demo" / "model")
    assert artefact.sha256 == demo.results["model"]["sha256"]
    assert not list((demo.folder / "kits" / "operator").rglob("*.parquet"))


def test_each_bank_has_a_ledger_of_what_left(demo: Done) -> None:
    for home in demo.homes.values():
        lines = [
            json.loads(line)
            for line in (home / "state" / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        releases = [line for line in lines if line["kind"] == "release"]
        exchanges = [*demo.results["exchanges"], *demo.trees["exchanges"]]
        assert [line["task"] for line in releases] == [each["task"] for each in exchanges]
        verified = subprocess.run(
            [sys.executable, "-m", "fed_credit.cli", "ledger", "verify", "--home", str(home)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert verified.returncode == 0, verified.stdout + verified.stderr


def test_no_process_is_left(demo: Done) -> None:
    left = []
    for process in psutil.process_iter():
        try:
            if str(demo.folder) in " ".join(process.cmdline()):
                left.append(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    assert left == []
