"""The circle over real processes: trained over the banks, retrained, and judged by each bank."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from fed_credit.deploy.demo.processes import Processes, environment
from fed_credit.deploy.demo.run import Demo, DemoSettings
from fed_credit.model_file.archive import open_model_file
from fed_credit.registry.registry import Registry, Stage
from fed_credit.retraining.record import RECORD
from tests.fed_credit.deployed import answer_for_few_loans

pytestmark = pytest.mark.slow
THEN, NOW = "2021-12-31", "2022-12-31"
# Held out of the first model, and so new to it a year later.
OLD = (
    f"data.target.as_of={THEN}",
    "data.split.kind=out_of_time",
    "data.split.test_from=2019-07-01",
)
RETRAIN = {
    "gate": {"by": "estimate", "margin": 0.0, "min_bads": 3, "bank_min_bads": 3},
    "promote": "champion",
}


@dataclass(frozen=True)
class Done:
    """A deployment that has trained twice and has ended, and what was said."""

    demo: Demo
    retrained: subprocess.CompletedProcess[str]
    stood: dict[str, subprocess.CompletedProcess[str]]


def _cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fed_credit.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("r")
    more = ("model=scorecard", "evaluation.min_bads=1", "evaluation.baselines=[]")
    demo = Demo(DemoSettings(folder, 6000, 1, more, proxy=False), folder, print)
    with Processes(environment(Path(sys.executable).parent), folder / "logs") as processes:
        demo.provision(processes)
        answer_for_few_loans(demo, 4)
        demo.start(processes)
        demo.train(processes, "first", *OLD)
        for home in (demo.operator, *demo.homes.values()):
            (home / "retrain.yaml").write_text(yaml.safe_dump(RETRAIN))
            model = demo.operator / "runs" / "first" / "model.fcm"
            words = ["--stage", "champion", "--reason", "The first."]
            added = _cli("registry", "add", "--home", home, model, *words)
            assert added.returncode == 0, added.stderr
        retrained = _cli(
            *("retrain", "--home", demo.operator, "--deploy", demo.operator, "--as-of", NOW),
            *("--force", "--actor", "Wei", *demo.overrides),
        )
    model = demo.operator / "runs" / f"retrain-{NOW}" / "model.fcm"
    stood = {
        name: _cli("retrain", "--home", home, "--challenger", model, "--as-of", NOW)
        for name, home in demo.homes.items()
    }
    return Done(demo, retrained, stood)


def test_what_was_retrained_over_the_banks_is_a_candidate(done: Done) -> None:
    assert done.retrained.returncode == 0, done.retrained.stderr
    assert "Version 2 is candidate." in done.retrained.stdout
    with Registry.open(done.demo.operator / "registry.db") as registry:
        assert registry.champion().number == 1 and registry.version(2).by == "Wei"
        record = registry.history(2)[0].details[RECORD]
        assert record["as_of"] == NOW and record["gate"] is None and record["champion"] == 1
        provenance = registry.model(2).model.provenance
    assert provenance["as_of"] == NOW and provenance["seen_until"] < "2020-07-01"


def test_each_bank_judges_it_on_its_own_loans(done: Done) -> None:
    model = open_model_file(done.demo.operator / "runs" / f"retrain-{NOW}" / "model.fcm")
    loans = []
    for name, home in done.demo.homes.items():
        said = done.stood[name]
        assert said.returncode == 0, said.stderr
        with Registry.open(home / "registry.db") as registry:
            record = registry.history(2)[0].details[RECORD]
            assert registry.model(2).sha256 == model.sha256
            champion = registry.version(2).stage is Stage.CHAMPION
            assert not registry.verify()
        gate = record["gate"]
        assert [bank["name"] for bank in gate["banks"]] == [name]
        assert record["vintage"] == {"first": "2020-07-01", "end": "2021-01-01"}
        assert gate["passed"] is champion
        loans.append(gate["overall"]["loans"])
    assert min(loans) > 0 and len(set(loans)) == len(loans)
