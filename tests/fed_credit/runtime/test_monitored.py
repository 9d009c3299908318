"""A monitor over the banks' own app: sums of a deployment are those of the pooled loans."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from flwr.app import Context, RecordDict
from flwr.app.user_config import UserConfig
from flwr.supercore.run import Run

from fed_credit.bank.watched import load_watched
from fed_credit.client_app import app as client_app
from fed_credit.config.bank import load_bank
from fed_credit.config.load import from_yaml
from fed_credit.config.monitor import monitor_spec
from fed_credit.data.schema import load_schema
from fed_credit.deploy.demo.loans import BANKS, records, schema_text
from fed_credit.drift.profile import Profile
from fed_credit.drift.question import PeriodsQuestion
from fed_credit.errors import ConfigurationError, FedCreditError, QuorumError
from fed_credit.model_file.archive import Opened, open_model_file
from fed_credit.monitoring.job import profile_of
from fed_credit.monitoring.pooled import judge_sums, request_of, run_of
from fed_credit.monitoring.report import Watched
from fed_credit.runtime.deployment import run_deployed
from fed_credit.runtime.local import InProcessGrid
from fed_credit.runtime.monitored import MonitorRequest, MonitorSums
from fed_credit.runtime.places import RUNS_VARIABLE, SUMS
from fed_credit.runtime.registered import key_digest
from fed_credit.scoring.scorer import Scorer
from fed_credit.training.run_spec import RunSpec

NODES = {node: bank.name for node, bank in enumerate(BANKS, start=11)}
KEYS = {name: key_digest(name.encode()) for name in NODES.values()}
AS_OF = "2023-12-31"
SETTINGS = monitor_spec({"months": 6, "vintages": 2, "drift": {"min_loans": 20}})


class Nodes(InProcessGrid):
    """Nodes in process that the operator has registered under names."""

    def get_nodes(self) -> list[Any]:
        return [
            SimpleNamespace(node_id=node, name=name, public_key=name.encode())
            for node, name in NODES.items()
        ]


class Consortium:
    """Three banks with homes, and the operator's runs."""

    def __init__(self, folder: Path, model: str) -> None:
        self.folder, self.runs = folder, folder / "runs"
        self.files: dict[int, Path] = {}
        schema = folder / "small-business.yaml"
        schema.write_text(schema_text(), encoding="utf-8")
        for node, bank, frame in zip(NODES, BANKS, records(2400, len(BANKS)), strict=True):
            home = folder / str(node)
            home.mkdir()
            bank.write(frame, home)
            (home / "schema.yaml").write_text(schema_text(), encoding="utf-8")
            body = {"name": bank.name, **bank.data, "policy": {"min_loans": 4}}
            (home / "bank.yaml").write_text(yaml.safe_dump(body, allow_unicode=True))
            self.files[node] = home / "bank.yaml"
        self.start(
            f"data.schema='{schema}'",
            "data.split.kind=random",
            "federation.num_rounds=2",
            "federation.join_timeout_s=0.1",
            f"model={model}",
        )

    def start(self, *words: str, name: str = "trained") -> Path:
        nodes: dict[int, UserConfig] = {n: {"bank": str(path)} for n, path in self.files.items()}
        grid = Nodes(client_app, nodes)
        grid.set_run(Run.create_empty(7))
        config: UserConfig = {
            "overrides": shlex.join(words),
            "name": name,
            "banks": json.dumps(KEYS),
        }
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(RUNS_VARIABLE, str(self.runs))
            run_deployed(grid, Context(7, 1, {}, RecordDict(), config))
        return self.runs / name

    def policy(self, node: int, **limits: Any) -> None:
        body = yaml.safe_load(self.files[node].read_text(encoding="utf-8"))
        body["policy"] = {**body["policy"], **limits}
        self.files[node].write_text(yaml.safe_dump(body, allow_unicode=True))

    @property
    def opened(self) -> Opened:
        return open_model_file(self.runs / "trained" / "model.fcm")

    @property
    def scorer(self) -> Scorer:
        return Scorer(self.opened.model)

    def request(self, as_of: str = AS_OF) -> MonitorRequest:
        return request_of(self.scorer, "trained", as_of, SETTINGS, since=None)

    def monitor(self, request: MonitorRequest, name: str) -> MonitorSums:
        folder = self.start(request.word(), name=name)
        return MonitorSums.from_dict(json.loads((folder / SUMS).read_text(encoding="utf-8")))

    def run(self) -> RunSpec:
        folder = self.runs / "trained"
        spec = from_yaml(folder / "config.yaml")
        return RunSpec.of_schema(spec, load_schema(folder / "schema.yaml"))


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    return Consortium(tmp_path_factory.mktemp("consortium"), "logreg")


@pytest.fixture
def limits(consortium: Consortium) -> Any:
    """Change a bank's limits, and put them back."""
    before = {node: path.read_text(encoding="utf-8") for node, path in consortium.files.items()}
    yield consortium.policy
    for node, text in before.items():
        consortium.files[node].write_text(text, encoding="utf-8")


def _pooled(consortium: Consortium, question: PeriodsQuestion, min_loans: int) -> dict[str, Any]:
    """Count each bank's loans at hand, and add."""
    run, model = consortium.run(), consortium.scorer.model.artefact
    total: dict[str, Any] = {}
    for path in consortium.files.values():
        loans = load_watched(load_bank(path), run, question.as_of)
        pds = model.score(loans.features)
        sums = question.count(loans.features, loans.decided, loans.y, pds, min_loans=min_loans)
        for name, array in sums.arrays().items():
            total[name] = total.get(name, 0) + array
    return total


def test_a_run_ends_with_the_population_that_its_model_was_made_on(consortium: Consortium) -> None:
    profile = profile_of(consortium.scorer)
    opened = consortium.opened
    assert profile.scored == opened.model.calibration.loans > 0
    assert opened.model.policy.approve_below < 1.0
    assert profile.window_months == 24
    results = json.loads((consortium.runs / "trained" / "results.json").read_text())
    assert [each["task"] for each in results["exchanges"]][-2:] == ["evaluation", "monitor"]


def test_sums_of_a_deployment_are_those_of_the_pooled_loans(consortium: Consortium) -> None:
    found = consortium.monitor(consortium.request(), "first")
    assert found.banks == tuple(sorted(NODES.values())) and found.missing == {}
    expected = _pooled(consortium, found.question, 4)
    for name, array in found.sums.arrays().items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    report = judge_sums(consortium.scorer, found, SETTINGS, Watched(None, consortium.opened.sha256))
    assert report.pooled and report.bank is None and report.banks == found.banks
    assert any(month.loans for month in report.months)
    assert any(vintage.loans for vintage in report.vintages)
    assert run_of(consortium.scorer) == "trained"
    lines = (consortium.runs / "first" / "exchanges.jsonl").read_text().splitlines()
    assert [json.loads(line)["task"] for line in lines] == ["monitor"]


def test_periods_with_few_loans_are_left_out_bank_by_bank(
    consortium: Consortium, limits: Callable[..., None]
) -> None:
    everything = consortium.monitor(consortium.request(), "everything")
    limits(11, min_loans=20)  # no month of that bank has so many, and a quarter has
    found = consortium.monitor(consortium.request(), "most")
    for name, month in found.sums.months.items():
        before = everything.sums.months[name]
        assert month.left_out == before.left_out + 1 and month.loans < before.loans
        assert month.score.sum() == month.loans
    for node in NODES:
        limits(node, min_loans=10_000)
    with pytest.raises(QuorumError, match=r"policy\.min_loans .* asks for more loans"):
        consortium.monitor(consortium.request(), "nobody")


def test_a_bank_answers_what_its_policy_says(
    consortium: Consortium, limits: Callable[..., None]
) -> None:
    limits(12, tasks=["counts", "moments", "round", "evaluation"])
    with pytest.raises(QuorumError, match=r"policy\.tasks .* does not name 'monitor'"):
        consortium.monitor(consortium.request(), "refused")
    limits(12, tasks=["monitor"], max_numbers=100)
    with pytest.raises(QuorumError, match=r"policy\.max_numbers .* allows 100 numbers"):
        consortium.monitor(consortium.request(), "too many")


def test_what_left_a_bank_is_in_its_ledger(consortium: Consortium) -> None:
    before = _ledger(consortium)
    found = consortium.monitor(consortium.request(), "ledger")
    (line,) = _ledger(consortium)[len(before) :]
    assert line["task"] == "monitor" and line["kind"] == "release"
    names = {entry[0] for entry in line["layout"]} if "layout" in line else set()
    assert not names or names == set(found.sums.arrays())


def _ledger(consortium: Consortium) -> list[Mapping[str, Any]]:
    path = consortium.folder / "11" / "state" / "ledger.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"as_of": "2999-01-01"}, "has not come at the bank"),
        ({"as_of": "2023-11-30"}, "2023-12 is not over as of 2023-11-30"),
        ({"vintages": ("2022-Q1",)}, "2022-Q1 has not matured"),
        ({"months": ("2023-01", "2023-01")}, "twice"),
        ({"months": ("January",)}, "is no month"),
        ({"months": (), "vintages": ()}, "no period"),
        ({"as_of": "soon"}, "a day that is none"),
    ],
)
def test_periods_that_are_not_over_are_refused(
    consortium: Consortium, change: dict[str, Any], why: str
) -> None:
    request = replace(consortium.request(), **change)
    with pytest.raises(FedCreditError, match=why):
        consortium.monitor(request, f"forged-{abs(hash(str(change)))}")


def test_what_is_no_monitor_is_refused(consortium: Consortium) -> None:
    with pytest.raises(ConfigurationError, match="has left no model"):
        consortium.monitor(replace(consortium.request(), run="nowhere"), "a")
    with pytest.raises(ConfigurationError, match="exists already"):
        consortium.monitor(consortium.request(), "trained")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        consortium.start("monitor={}", name="b")
    with pytest.raises(ConfigurationError, match="settings of the run"):
        consortium.start(consortium.request().word(), "seed=3", name="c")
    found = consortium.monitor(consortium.request(), "of another")
    other = replace(consortium.opened.model, reference=None)
    with pytest.raises(ConfigurationError, match="no reference population"):
        judge_sums(Scorer(other), found, SETTINGS, Watched(None, "x"))
    with pytest.raises(ConfigurationError, match="another model"):
        judge_sums(consortium.scorer, replace(found, model="0" * 64), SETTINGS, Watched(None, "x"))


def test_a_run_whose_banks_refuse_the_monitor_is_complete_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Refusing(Consortium):
        def start(self, *words: str, name: str = "trained") -> Path:
            for node in self.files:
                self.policy(node, tasks=["cells", "products", "likelihood", "evaluation"])
            return super().start(*words, name=name)

    consortium = Refusing(tmp_path, "scorecard")
    model = consortium.opened.model
    assert model.reference is None and model.calibration.method == "none"
    assert "No reference population" in capsys.readouterr().out
    results = json.loads((consortium.runs / "trained" / "results.json").read_text())
    assert results["test"]["loans"] > 0 and results["exchanges"][-1]["answered"] == []


@pytest.mark.slow
@pytest.mark.parametrize("model", ["scorecard", "gbdt", "logreg_exact", "mlp_small"])
def test_every_family_is_watched(tmp_path: Path, model: str) -> None:
    consortium = Consortium(tmp_path, model)
    found = consortium.monitor(consortium.request(), "first")
    expected = _pooled(consortium, found.question, 4)
    for name, array in found.sums.arrays().items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    assert Profile.from_dict(consortium.opened.model.reference or {}).scored > 0
