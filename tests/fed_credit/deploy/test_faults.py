"""What goes wrong in a deployment: real processes, one fault each, and what is left of the run."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from fed_credit.artefact import load_artefact
from fed_credit.deploy.demo.processes import Processes, environment
from fed_credit.deploy.demo.run import SUPERLINK, Demo, DemoSettings
from fed_credit.simulate import simulate

pytestmark = pytest.mark.slow

RIVERSIDE, HARBOUR, CITY = "Riverside Bank", "Harbour Savings", "城市商业银行"
BANKS = [HARBOUR, RIVERSIDE, CITY]
PATIENCE = 240.0
SETTINGS = [
    "model=logreg",
    "evaluation.min_bads=1",
    "evaluation.baselines=[]",
    "federation.quorum=0.6",
    "federation.round_timeout_s=15",
    "federation.join_timeout_s=40",
]
# What a bank does that does not play by the rules: code of its own before ours.
TAMPERING = """
import sys
import clients.edge as edge
honest = edge.release
def release(*arguments, **options):
    vector = honest(*arguments, **options)
    return vector[:-1]
edge.release = release
import clients.adapter as adapter
adapter.release = release
"""


@dataclass
class Deployment:
    """Three banks and a SuperLink that are running."""

    demo: Demo
    processes: Processes
    count: int = 0

    def submit(
        self, *overrides: str, rounds: int = 1, name: str | None = None
    ) -> subprocess.Popen[str]:
        """Start ``fed-credit deploy run`` in the background."""
        self.count += 1
        words = [*self.demo.overrides, *overrides]
        words = [word for word in words if not word.startswith("federation.num_rounds")]
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "fed_credit.cli", "deploy", "run"),
                *("--home", str(self.demo.operator), "--name", name or f"run{self.count}"),
                *words,
                f"federation.num_rounds={rounds}",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *overrides: str, rounds: int = 1) -> tuple[int, str, dict[str, Any]]:
        """Run to the end; exit code, what was printed, and the results."""
        running = self.submit(*overrides, rounds=rounds)
        output, _ = running.communicate(timeout=PATIENCE)
        return running.returncode, output, self.results(f"run{self.count}")

    def go_on(self, name: str) -> tuple[int, str]:
        """Go on with a run to its end; exit code and what was printed."""
        done = subprocess.run(
            [
                *(sys.executable, "-m", "fed_credit.cli", "deploy", "run"),
                *("--home", str(self.demo.operator), f"resume={name}"),
            ],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def results(self, name: str) -> dict[str, Any]:
        path = self.demo.operator / "runs" / name / "results.json"
        if not path.exists():
            return {}
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def exchanges(self, name: str) -> list[dict[str, Any]]:
        path = self.demo.operator / "runs" / name / "exchanges.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def wait(self, what: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < end
            time.sleep(0.1)

    def below(self, bank: str, word: str) -> list[psutil.Process]:
        """Return a bank's processes whose command line holds a word."""
        leader = psutil.Process(self.processes[self.demo.homes[bank].name].pid)
        found = []
        for each in leader.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # zombies among them
                if word in " ".join(each.cmdline()):
                    found.append(each)
        return found

    def restart(self, bank: str) -> None:
        name = self.demo.homes[bank].name
        self.processes[name].terminate()
        self.processes.forget(name)
        self.demo.start_bank(self.processes, bank)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    folder = tmp_path_factory.mktemp("f")
    settings = DemoSettings(folder, 1800, 1, tuple(SETTINGS), proxy=False)
    demo = Demo(settings, folder, lambda line: None)
    with Processes(environment(Path(sys.executable).parent), folder / "logs") as processes:
        demo.provision(processes)
        demo.start(processes)
        yield Deployment(demo, processes)


@pytest.fixture(scope="module")
def weights_of(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """Train over some of the banks in one process, and give the hash of the weights."""

    def train(*banks: str, rounds: int = 1) -> str:
        spec = deployment.demo.local_spec()
        chosen = [bank for bank in spec.data.institutions if bank.name in banks]
        spec = replace(
            spec,
            run_dir=str(tmp_path_factory.mktemp("local") / "run"),
            progress=False,
            data=replace(spec.data, institutions=chosen),
            federation=replace(spec.federation, num_rounds=rounds),
        )
        return str(simulate(spec).results["model"]["sha256"])

    return train


def test_a_bank_that_raises_is_named_and_left_out_of_the_sum(
    deployment: Deployment, weights_of: Callable[..., str]
) -> None:
    table = deployment.demo.homes[RIVERSIDE] / "kredite.csv"
    kept = table.read_bytes()
    table.write_text("Zhang's Bakery;1234567\n")
    try:
        code, output, results = deployment.run()
    finally:
        table.write_bytes(kept)
    assert code == 0, output
    for exchange in results["exchanges"]:
        assert exchange["answered"] == sorted([HARBOUR, CITY])
        assert "its own log has the details" in exchange["missing"][RIVERSIDE]
    assert "Zhang" not in output + json.dumps(results)
    assert results["model"]["sha256"] == weights_of(HARBOUR, CITY)


def test_fewer_banks_than_the_quorum_end_the_run(deployment: Deployment) -> None:
    code, output, results = deployment.run("federation.quorum=1.0", "model.batch_size=0")
    assert (code, results) == (2, {}), output  # refused before any bank hears of it
    for bank in (RIVERSIDE, HARBOUR):
        deployment.processes[deployment.demo.homes[bank].name].terminate()
        deployment.processes.forget(deployment.demo.homes[bank].name)
    try:
        code, output, results = deployment.run("federation.join_timeout_s=5")
    finally:
        for bank in (RIVERSIDE, HARBOUR):
            deployment.demo.start_bank(deployment.processes, bank)
    assert (code, results) == (3, {}), output
    assert f"not connected: {HARBOUR}, {RIVERSIDE}" in output


def test_a_bank_that_dies_in_mid_round_comes_back(deployment: Deployment) -> None:
    running = deployment.submit(rounds=60, name="dies")
    deployment.wait(lambda: len(deployment.exchanges("dies")) >= 3)
    (node,) = deployment.below(HARBOUR, "supernode")[:1]
    for process in [*node.children(recursive=True), node]:
        process.kill()
    output, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, output
    # For a minute Flower takes the bank for connected; then it says so, and lets it come back.
    reasons = {each["missing"].get(HARBOUR) for each in deployment.exchanges("dies")}
    assert {"no answer in time", "it is not connected"} <= reasons, reasons
    found = [HARBOUR in exchange["missing"] for exchange in deployment.exchanges("dies")]
    assert any(found) and not found[-1], deployment.exchanges("dies")
    assert all(set(exchange["missing"]) <= {HARBOUR} for exchange in deployment.exchanges("dies"))


def test_a_bank_that_hangs_is_waited_for_no_longer_than_a_round(deployment: Deployment) -> None:
    running = deployment.submit(rounds=6, name="hangs")
    deployment.wait(lambda: len(deployment.exchanges("hangs")) >= 2)
    stopped = deployment.below(CITY, "")
    for process in stopped:
        process.suspend()
    deployment.wait(lambda: any(CITY in each["missing"] for each in deployment.exchanges("hangs")))
    # What it still answers then belongs to a round that is over, and nobody waits for it.
    for process in stopped:
        process.resume()
    output, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, output
    exchanges = deployment.exchanges("hangs")
    assert max(exchange["seconds"] for exchange in exchanges) < 40
    assert {bank for exchange in exchanges for bank in exchange["missing"]} == {CITY}
    assert CITY in exchanges[-1]["answered"], exchanges


def test_wrong_shapes_are_named_and_stay_out_of_the_sum(
    deployment: Deployment, weights_of: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "usercustomize.py").write_text("")
    site = tmp_path / "sitecustomize.py"
    site.write_text(TAMPERING)
    name = deployment.demo.homes[CITY].name
    deployment.processes[name].terminate()
    deployment.processes.forget(name)
    home = deployment.demo.homes[CITY]
    environment_of = {**os.environ, "PYTHONPATH": str(tmp_path)}
    environment_of["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    rogue = subprocess.Popen(
        ["/bin/sh", str(home / "start.sh")],
        cwd=home,
        env=environment_of,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        code, output, results = deployment.run()
    finally:
        rogue.terminate()
        rogue.wait()
        deployment.demo.start_bank(deployment.processes, CITY)
    assert code == 0, output
    for exchange in results["exchanges"]:
        assert "does not fit the layout" in exchange["missing"][CITY]
    assert results["model"]["sha256"] == weights_of(HARBOUR, RIVERSIDE)


def test_a_full_disk_at_a_bank_lets_nothing_out(
    deployment: Deployment, weights_of: Callable[..., str]
) -> None:
    home = deployment.demo.homes[HARBOUR]
    ledger = home / "state" / "ledger.jsonl"
    size = ledger.stat().st_size
    for process in deployment.below(HARBOUR, "worker"):
        process.rlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        code, output, results = deployment.run()
    finally:
        deployment.restart(HARBOUR)
    assert code == 0, output
    assert ledger.stat().st_size >= size
    for exchange in results["exchanges"]:
        assert HARBOUR in exchange["missing"]
    assert results["model"]["sha256"] == weights_of(RIVERSIDE, CITY)


def test_a_killed_superlink_is_gone_on_with(
    deployment: Deployment, weights_of: Callable[..., str]
) -> None:
    running = deployment.submit("federation.quorum=1.0", rounds=6, name="cut")
    deployment.wait(lambda: len(deployment.exchanges("cut")) >= 4)
    os.killpg(deployment.processes[SUPERLINK].pid, signal.SIGKILL)
    deployment.processes.forget(SUPERLINK)
    output, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode != 0, output
    assert "Traceback" not in output
    deployment.demo.start_superlink(deployment.processes)
    code, output = deployment.go_on("cut")
    assert code == 0, output
    assert deployment.results("cut")["model"]["sha256"] == weights_of(*BANKS, rounds=6)
    artefact = load_artefact(deployment.demo.operator / "runs" / "cut" / "model")
    assert artefact.sha256 == deployment.results("cut")["model"]["sha256"]


def test_flowers_own_command_runs_from_the_repository(
    deployment: Deployment, weights_of: Callable[..., str]
) -> None:
    """``flwr run .`` submits what ``fed-credit deploy run`` does, and its end is followed."""
    repository = Path(__file__).parents[3]
    words = deployment.demo.overrides
    environment_of = {
        **os.environ,
        "FLWR_HOME": str(deployment.demo.operator / "flwr"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
    }
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "flwr"), "run", str(repository), "consortium"),
            *("--run-config", f'overrides="{" ".join(words)}" name="plain"', "--format", "json"),
        ],
        capture_output=True,
        text=True,
        env=environment_of,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run_id = json.loads(done.stdout)["run-id"]
    followed = subprocess.run(
        [
            *(sys.executable, "-m", "fed_credit.cli", "deploy", "run"),
            *("--home", str(deployment.demo.operator), "--follow", run_id),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert followed.returncode == 0, followed.stdout + followed.stderr
    assert deployment.results("plain")["model"]["sha256"] == weights_of(*BANKS)
