"""One whole deployment with real processes: what it trains, what it leaves, whom it calls."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from fed_credit.config.operator import load_operator

ROUNDS = 2


@dataclass(frozen=True)
class Done:
    """A demo that has ended."""

    folder: Path
    output: str
    results: dict[str, Any]
    local: dict[str, Any]

    @property
    def homes(self) -> dict[str, Path]:
        operator = load_operator(self.folder / "kits" / "operator")
        return {bank.name: self.folder / "kits" / "banks" / bank.slug for bank in operator.active}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    folder = tmp_path_factory.mktemp("d")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "fed_credit.cli", "deploy", "demo", "--folder", str(folder)),
            *("--loans", "1800", "--rounds", str(ROUNDS), "--no-proxy"),
            *("model=logreg", "evaluation.min_bads=1"),
        ],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    logs = "".join(path.read_text() for path in sorted((folder / "logs").glob("*.log")))
    assert done.returncode == 0, done.stdout + done.stderr + logs[-4000:]
    yield Done(
        folder,
        done.stdout,
        _json(folder / "kits" / "operator" / "runs" / "demo" / "results.json"),
        _json(folder / "local" / "results.json"),
    )


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_deployment_and_local_give_the_same_bits(demo: Done) -> None:
    for key in ("sha256", "preprocessor_sha256"):
        assert demo.results["model"][key] == demo.local["model"][key]
    assert demo.results["test"]["from_sums"] == {
        key: value for key, value in demo.local["from_sums"].items() if key != "bins"
    }
    assert "the same bits" in demo.output and "NOT" not in demo.output


def test_every_bank_answered_every_exchange_once(demo: Done) -> None:
    exchanges = demo.results["exchanges"]
    assert [exchange["task"] for exchange in exchanges] == [
        *("counts", "moments"),
        *["round"] * ROUNDS,
        *["evaluation"] * 2,
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
        assert [line["task"] for line in releases] == [
            exchange["task"] for exchange in demo.results["exchanges"]
        ]
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
