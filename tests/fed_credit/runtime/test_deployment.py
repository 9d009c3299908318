"""The server app of a deployment over the banks' own app, in one process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from flwr.app import Context, RecordDict
from flwr.app.user_config import UserConfig
from flwr.supercore.run import Run

from fed_credit.artefact import load_artefact
from fed_credit.client_app import app as client_app
from fed_credit.config.load import compose
from fed_credit.deploy.demo.loans import BANKS, SCHEMA, records, schema_text
from fed_credit.errors import ArtefactError, ConfigurationError, QuorumError
from fed_credit.model_file.archive import open_model_file
from fed_credit.model_file.card import cards
from fed_credit.runtime.deployment import deployable, run_deployed
from fed_credit.runtime.local import InProcessGrid
from fed_credit.runtime.places import RUNS_VARIABLE
from fed_credit.runtime.registered import Registered, key_digest

NODES = {node: bank.name for node, bank in enumerate(BANKS, start=11)}
KEYS = {name: key_digest(name.encode()) for name in NODES.values()}
Start = Callable[..., Path]


class Nodes(InProcessGrid):
    """A grid that names its nodes as the SuperLink's does."""

    connected: Mapping[int, str] = NODES

    def get_nodes(self) -> list[Any]:
        return [
            SimpleNamespace(node_id=node, name=name, public_key=name.encode())
            for node, name in self.connected.items()
        ]


@pytest.fixture(scope="module")
def bank_files(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """``bank.yaml`` of each node's bank."""
    folder, found = tmp_path_factory.mktemp("banks"), {}
    for node, bank, frame in zip(NODES, BANKS, records(1800, len(BANKS)), strict=True):
        home = folder / str(node)
        home.mkdir()
        bank.write(frame, home)
        (home / "schema.yaml").write_text(schema_text(), encoding="utf-8")
        found[node] = home / "bank.yaml"
        text = yaml.safe_dump({"name": bank.name, **bank.data}, allow_unicode=True)
        found[node].write_text(text, encoding="utf-8")
    return found


@pytest.fixture
def overrides(tmp_path: Path) -> list[str]:
    path = tmp_path / f"{SCHEMA}.yaml"
    path.write_text(schema_text(), encoding="utf-8")
    return [
        f"data.schema='{path}'",
        "data.split.kind=random",
        "federation.num_rounds=3",
        "federation.join_timeout_s=0.1",
        "model=logreg",
    ]


@pytest.fixture
def start(
    bank_files: dict[int, Path],
    overrides: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Start:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))

    def run(
        *more: str,
        name: str = "first",
        connected: Mapping[int, str] = NODES,
        banks: Mapping[str, str] | str = KEYS,
        files: dict[int, Path] = bank_files,
        resume: str | None = None,
    ) -> Path:
        nodes: dict[int, UserConfig] = {node: {"bank": str(path)} for node, path in files.items()}
        grid = Nodes(client_app, nodes)
        grid.connected = connected
        grid.set_run(Run.create_empty(7))
        words = [f"resume={resume}"] if resume else [*overrides, *more]
        config: UserConfig = {
            "overrides": " ".join(f'"{word}"' for word in words),
            "name": name,
            "banks": banks if isinstance(banks, str) else json.dumps(dict(banks)),
        }
        run_deployed(grid, Context(7, 1, {}, RecordDict(), config))
        return tmp_path / "runs" / (resume or name)

    return run


def _results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return found


def test_a_run_leaves_results_model_and_diary(start: Start) -> None:
    folder = start()
    results = _results(folder)
    assert results["run"]["institutions"] == sorted(NODES.values())
    assert load_artefact(folder / "model").sha256 == results["model"]["sha256"]
    lines = (folder / "exchanges.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["task"] for line in lines] == [
        *("counts", "moments", "round", "round", "round", "evaluation", "evaluation", "monitor")
    ]
    assert len((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 3


def test_a_run_leaves_a_model_s_file_of_what_sums_say(start: Start) -> None:
    folder = start()
    results, model = _results(folder), open_model_file(folder / "model.fcm").model
    found, sums = model.evaluation, results["test"]["from_sums"]
    assert model.artefact.sha256 == results["model"]["sha256"]
    assert found["test"]["loans"] == results["test"]["loans"]
    assert found["test"]["model_pd"]["known_from"] == "sums"
    assert found["test"]["model_pd"]["auc"]["value"] == pytest.approx(sums["auc"]["value"])
    brier = found["test"]["model_pd"]["brier"]
    assert brier == pytest.approx(sums["brier"]["value"], abs=1e-3)
    # Chosen on the validation loans' sums, of which no loan was seen.
    validation = found["validation"]
    assert model.calibration.loans == validation["loans"] > 100
    assert validation["pd"]["mean"] == pytest.approx(validation["default_rate"], rel=1e-3)
    assert found["settings"]["cut_off"] == "validation"
    assert found["segments"] == [] and found["long_run"]["years"] is None
    assert model.reference is not None
    origin = model.provenance
    assert origin["run"]["kind"] == "deployment" and origin["run"]["name"] == folder.name
    assert origin["institutions"]["loans"] == dict.fromkeys(sorted(NODES.values()))
    assert "Not measured: sums over banks" in cards(model)["en"]


def test_banks_that_answer_no_monitor_leave_the_pds_as_they_are(
    start: Start, bank_files: dict[int, Path], tmp_path: Path
) -> None:
    files = {}
    for node, path in bank_files.items():
        home = tmp_path / "shy" / str(node)
        shutil.copytree(path.parent, home)
        files[node] = home / "bank.yaml"
        own = yaml.safe_load(files[node].read_text(encoding="utf-8"))
        own["policy"] = {"tasks": ["counts", "moments", "round", "evaluation"]}
        files[node].write_text(yaml.safe_dump(own, allow_unicode=True), encoding="utf-8")
    folder = start(files=files)
    model = open_model_file(folder / "model.fcm").model
    assert model.calibration.method == "none" and model.reference is None
    assert model.evaluation["validation"] is None
    assert model.evaluation["settings"]["cut_off"] == "break_even"
    assert model.policy.approve_below == pytest.approx(1 / 6)
    assert model.evaluation["test"]["loans"] == _results(folder)["test"]["loans"]


class _Killed(BaseException):
    pass


def test_a_killed_run_is_gone_on_with_to_the_same_bits(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _results(start(name="whole"))
    from fed_credit.runtime import deployment

    def killed(path: Path, state: Any, spec: Any) -> None:
        save(path, state, spec)
        if state.round == 2:
            raise _Killed

    save = deployment.save_checkpoint
    monkeypatch.setattr(deployment, "save_checkpoint", killed)
    with pytest.raises(_Killed):
        start(name="broken")
    monkeypatch.setattr(deployment, "save_checkpoint", save)
    resumed = _results(start(resume="broken"))
    assert resumed["model"]["sha256"] == whole["model"]["sha256"]
    assert resumed["test"] == whole["test"]


def test_without_expected_banks_those_that_are_connected_take_part(start: Start) -> None:
    two = {node: name for node, name in NODES.items() if node != 12}
    assert _results(start(connected=two, banks=""))["run"]["institutions"] == sorted(two.values())


def test_banks_that_are_not_connected_are_named(start: Start) -> None:
    with pytest.raises(QuorumError) as caught:
        start(connected={11: NODES[11]})
    assert str(caught.value) == (
        "Only 1 of 3 banks are connected after 0.1 s (federation.join_timeout_s), 3 are needed"
        f" (federation.quorum); not connected: {NODES[12]}, {NODES[13]}."
    )


def test_a_bank_registered_under_anothers_name_is_refused(
    start: Start, bank_files: dict[int, Path]
) -> None:
    swapped = {**bank_files, 11: bank_files[12], 12: bank_files[11]}
    with pytest.raises(QuorumError, match=f"{NODES[11]}: its reply calls itself '{NODES[12]}'"):
        start(files=swapped)


def test_a_run_of_the_same_name_is_not_written_over(start: Start) -> None:
    start()
    with pytest.raises(ConfigurationError, match="Run 'first' exists already; go on with it by"):
        start()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["data.split.stratified=true"], "data.split.stratified must be false"),
        (["data.split.kind=out_of_time"], "data.split.test_from=YYYY-MM-DD has to be given"),
        (["data.target.as_of=null"], "data.target.as_of=YYYY-MM-DD has to be given"),
        (["data.partition.kind=iid"], "data.partition.kind=iid has no meaning in a deployment"),
    ],
)
def test_what_no_bank_can_know_is_refused(more: list[str], said: str) -> None:
    base = ["data.split.kind=random"]
    with pytest.raises(ConfigurationError, match=said):
        deployable(compose([*base, *more]))


def test_a_run_to_go_on_with_has_to_be_there(start: Start) -> None:
    with pytest.raises(ConfigurationError, match="There is no run 'nowhere' to go on with"):
        start(resume="nowhere")


def test_a_name_cannot_lead_out_of_the_folder_of_runs(start: Start, tmp_path: Path) -> None:
    start(name="../../elsewhere")
    assert (tmp_path / "runs" / "elsewhere" / "results.json").exists()


def test_nodes_without_a_name_are_refused(start: Start) -> None:
    with pytest.raises(ConfigurationError, match="Node 12 is registered without a name"):
        start(connected={**NODES, 12: ""}, banks="")
    with pytest.raises(ConfigurationError, match="Two nodes are registered under one name"):
        start(connected={**NODES, 12: NODES[11]}, banks="")


def test_a_checkpoint_of_another_run_is_refused(start: Start, tmp_path: Path) -> None:
    start()
    config = tmp_path / "runs" / "first" / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("seed: 7", "seed: 8", 1))
    with pytest.raises(ArtefactError, match="belongs to another configuration"):
        start(resume="first")


def test_the_settings_of_a_split_are_resolved_for_banks() -> None:
    spec = compose(["data.split.kind=random"])
    assert deployable(spec).data == replace(
        spec.data, split=replace(spec.data.split, stratified=False)
    )


def test_unreadable_expectations_are_a_sentence(start: Start) -> None:
    with pytest.raises(ConfigurationError, match="'banks' must be JSON"):
        start(banks="[1")


def test_a_key_that_is_not_the_bank_s_present_one_does_not_count(start: Start) -> None:
    former = {**KEYS, NODES[12]: key_digest(b"a newer key")}
    with pytest.raises(QuorumError, match=f"not connected: {NODES[12]}"):
        start(banks=former)


def test_a_bank_that_comes_late_is_asked_from_then_on() -> None:
    grid = Nodes(client_app, {})
    grid.connected = {node: NODES[node] for node in (11, 13)}
    banks = Registered(grid, KEYS)
    federation = compose(["federation.quorum=0.6", "federation.join_timeout_s=0.1"]).federation
    banks.gather(federation)
    assert sorted(banks.names.values()) == sorted(NODES.values())
    (absent,) = [node for node, name in banks.names.items() if name == NODES[12]]
    assert absent not in NODES
    banks.look_again()
    assert absent in banks.names
    grid.connected = NODES
    banks.look_again()
    assert banks.names == NODES
