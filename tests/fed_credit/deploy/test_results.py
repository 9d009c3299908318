"""Results come whole and unchanged to an operator, and to nobody else."""

from __future__ import annotations

import json
import shutil
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from fed_credit.artefact import Artefact, load_artefact, save_artefact
from fed_credit.config.operator import EndpointSpec
from fed_credit.data.book import Dataset
from fed_credit.deploy.results import ORIGIN, bring_results
from fed_credit.errors import DeploymentError
from fed_credit.families.network import NetworkModel
from fed_credit.features.preprocessor import fit_pooled
from fed_credit.models import family
from fed_credit.training.run_spec import RunSpec

RUN_ID = 2**63 + 5


@pytest.fixture
def finished(superlink: Any, make_run_spec: Callable[..., RunSpec], dataset: Dataset) -> Any:
    """The folder of a completed run, where the SuperLink keeps it."""
    spec = make_run_spec("model.hidden=[4]")
    preprocessor = fit_pooled(spec.features, dataset.features, dataset.y, spec.preprocessing)
    weights = family("loan_risk").initial_weights(len(preprocessor.columns), spec.model, 1)
    folder = superlink.home / "runs" / "finished-1"
    model = NetworkModel(spec.model, weights, preprocessor, 0.5)
    save_artefact(folder / "model", Artefact(spec.model, model, {}))
    (folder / "results.json").write_text('{"test": "坏账"}', encoding="utf-8")
    (folder / "config.yaml").write_text("seed: 1\n", encoding="utf-8")
    (folder / "checkpoint.safetensors").write_bytes(bytes(1000))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def remote(superlink: Any, proxy: Any, tmp_path: Path) -> Any:
    """An operator on another machine: no SuperLink, no runs, only certificates and the proxy."""
    return replace(
        superlink.operator,
        proxy=EndpointSpec("127.0.0.1", proxy.port),
        superlink=EndpointSpec("127.0.0.1", 1),
        runs=tmp_path / "no-runs-here",
    )


def test_on_the_superlink_s_machine_they_stay_where_they_are(
    superlink: Any, finished: Path, tmp_path: Path
) -> None:
    assert bring_results(superlink.operator, "finished-1", RUN_ID, tmp_path) == finished
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_elsewhere_they_come_through_the_proxy(finished: Path, remote: Any, tmp_path: Path) -> None:
    folder = bring_results(remote, "finished-1", RUN_ID, tmp_path / "out")
    assert folder == tmp_path / "out" / "finished-1"
    brought = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    there = {p.relative_to(finished).as_posix(): p for p in finished.rglob("*") if p.is_file()}
    # A checkpoint is of use to the SuperLink alone.
    assert set(brought) == set(there) - {"checkpoint.safetensors"} | {ORIGIN}
    for name in set(brought) - {ORIGIN}:
        assert brought[name].read_bytes() == there[name].read_bytes()
    assert load_artefact(folder / "model").sha256 == load_artefact(finished / "model").sha256
    assert json.loads(brought[ORIGIN].read_text(encoding="utf-8"))["run"] == str(RUN_ID)

    # Again, the newer replaces the older one; another run's folder is left alone.
    (finished / "results.json").write_text("{}", encoding="utf-8")
    bring_results(remote, "finished-1", RUN_ID, tmp_path / "out")
    assert (folder / "results.json").read_text(encoding="utf-8") == "{}"
    with pytest.raises(DeploymentError, match=r"holds something else; .*--out"):
        bring_results(remote, "finished-1", RUN_ID + 1, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == [folder]


@pytest.mark.slow
def test_what_was_changed_on_the_way_does_not_arrive(
    finished: Path, remote: Any, tmp_path: Path
) -> None:
    weights = bytearray((finished / "model" / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (finished / "model" / "weights.safetensors").write_bytes(weights)
    with pytest.raises(DeploymentError, match="not what its manifest says; fetch it again"):
        bring_results(remote, "finished-1", RUN_ID, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(DeploymentError, match="has left no results at"):
        bring_results(remote, "never-run", RUN_ID, tmp_path / "out")


@pytest.mark.slow
def test_runs_are_for_operators_and_nothing_else_is_served(
    superlink: Any, proxy: Any, finished: Path, tmp_path: Path
) -> None:
    bank = ssl.create_default_context(cafile=str(superlink.ca))
    operator = ssl.create_default_context(cafile=str(superlink.ca))
    operator.load_cert_chain(superlink.home / "operator.crt", superlink.home / "operator.key")
    (finished / "secret").symlink_to(superlink.home / "server.key")
    (finished / "elsewhere").symlink_to(superlink.home)
    (finished / ".hidden").write_text("x", encoding="utf-8")
    base = f"https://{proxy.address}/runs"
    with httpx.Client(verify=bank) as stranger, httpx.Client(verify=operator) as client:
        for path in ("/", "/finished-1/", "/finished-1/results.json"):
            assert stranger.get(base + path).status_code == 403
            assert client.get(base + path).status_code == 200
        for path in (
            "/finished-1/secret",
            "/finished-1/elsewhere/",
            "/finished-1/elsewhere/server.key",
            "/finished-1/.hidden",
            "/../server.key",
            "/%2e%2e/server.key",
            "/finished-1/..%2f..%2fserver.key",
            "x",
            "",
        ):
            assert client.get(base + path).status_code in (400, 403, 404), path
        for method in ("PUT", "DELETE", "POST"):
            answer = client.request(method, base + "/finished-1/results.json")
            assert answer.status_code in (403, 405)
    assert (finished / "results.json").exists()
