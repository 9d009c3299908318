"""A bank's home with two models that disagree, its service in this process, and in its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml

from fed_credit.config.serve import ServeSpec, load_serve
from fed_credit.decision.policy import Verdict
from fed_credit.model_file.archive import Opened, opened, packed, parts_of
from fed_credit.model_file.contents import ModelFile
from fed_credit.registry.registry import Registry, Stage
from fed_credit.scoring.record import RecordScorer
from fed_credit.serving.app import bank_app
from fed_credit.serving.form import example_loan
from fed_credit.serving.keys import KeyRing, Role
from fed_credit.serving.state import BankState

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have another client beneath it
    from starlette.testclient import TestClient

_COMMAND = (sys.executable, "-m", "fed_credit.cli", "serve", "--role", "bank")


@dataclass(frozen=True)
class Place:
    """A home, the secrets of its keys by role, and its models by version."""

    home: Path
    secrets: dict[str, str]
    models: dict[int, Opened]

    def settings(self, **changes: Any) -> ServeSpec:
        """Write ``serve.yaml`` and read it back."""
        body = {"pages": False, "poll_s": 0.05, "access_log": False, **changes}
        (self.home / "serve.yaml").write_text(yaml.safe_dump(body), encoding="utf-8")
        return load_serve(self.home)

    def registry(self) -> Registry:
        return Registry.open(self.home / "registry.db")

    def loan(self, version: int = 1, **changes: Any) -> dict[str, Any]:
        """Return an application that a model takes."""
        model = self.models[version].model
        return {**example_loan(model.schema, RecordScorer(model).inputs), **changes}

    def declined(self) -> dict[str, Any]:
        """Return an application that the first model just declines."""
        scorer = RecordScorer(self.models[1].model)
        fields = scorer.model.schema.fields
        rng = np.random.default_rng(1)
        found = []
        for _ in range(300):
            changes = {
                name: float(field.min + (field.max - field.min) * rng.random())
                for name, field in fields.items()
                if name in scorer.inputs and field.min is not None and field.max is not None
            }
            loan = self.loan(**changes, collateral_type="unsecured")
            score = scorer.score(loan)
            if score.verdict is Verdict.DECLINE:
                found.append((score.pd, loan))
        return min(found, key=lambda one: one[0])[1]


@dataclass
class Bank:
    """A service in this process."""

    place: Place
    state: BankState
    client: TestClient

    def send(self, path: str, body: Any, role: str = "score", **more: Any) -> httpx.Response:
        return self.client.post(path, json=body, headers=self.headers(role), **more)

    def get(self, path: str, role: str = "read", **more: Any) -> httpx.Response:
        return self.client.get(path, headers=self.headers(role), **more)

    def score(self, loan: dict[str, Any], **more: Any) -> httpx.Response:
        return self.send("/v1/score", {"loan": loan}, **more)

    def headers(self, role: str = "score") -> dict[str, str]:
        return {"authorization": f"Bearer {self.place.secrets[role]}"}


@dataclass
class Running:
    """A service in processes of its own."""

    place: Place
    url: str
    process: subprocess.Popen[bytes]
    log: Path
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def headers(self, role: str = "score") -> dict[str, str]:
        return {"authorization": f"Bearer {self.place.secrets[role]}"}


@pytest.fixture(scope="session")
def template(
    model_bodies: tuple[bytes, ...],
    model_of: Callable[[str, str], ModelFile],
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:
    """A scorecard as champion, trees as challenger, and a key for each role."""
    home = tmp_path_factory.mktemp("serving") / "home"
    home.mkdir()
    trees = packed(parts_of(model_of("gbdt", "synthetic")))
    with Registry.open(home / "registry.db", create=True) as registry:
        for body, stage in ((model_bodies[0], Stage.CHAMPION), (trees, Stage.CHALLENGER)):
            version = registry.register(body, actor="tests", reason="to be served")
            registry.move(version.number, stage, actor="tests", reason="to be served")
    ring = KeyRing.load(home / "api_keys.json")
    secrets = {str(role): ring.add(f"Tests, {role}", role)[1] for role in Role}
    models = {1: opened(model_bodies[0], "card"), 2: opened(trees, "trees")}
    return Place(home, secrets, models)


@pytest.fixture
def place(template: Place, tmp_path: Path) -> Place:
    """A home of a test's own."""
    shutil.copytree(template.home, tmp_path / "home")
    return replace(template, home=tmp_path / "home")


@pytest.fixture(scope="session")
def bank(template: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """A service that tests share: they leave decisions behind, and nothing else."""
    folder = tmp_path_factory.mktemp("shared")
    shutil.copytree(template.home, folder / "home")
    with served(replace(template, home=folder / "home")) as made:
        yield made


@contextmanager
def served(place: Place, **changes: Any) -> Iterator[Bank]:
    """Serve a home in this process."""
    state = BankState.open(place.home, place.settings(**changes), place.home / "run")
    with TestClient(
        bank_app(state), base_url="http://testserver", raise_server_exceptions=False
    ) as client:
        yield Bank(place, state, client)


@pytest.fixture(scope="session")
def serve() -> Callable[..., Any]:
    return served


@pytest.fixture(scope="session")
def run() -> Callable[..., Any]:
    return running


@contextmanager
def running(
    place: Place, *arguments: str, scheme: str = "http", **changes: Any
) -> Iterator[Running]:
    """Serve a home in processes of its own."""
    place.settings(**changes)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = place.home / "service.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*_COMMAND, "--home", str(place.home), "--port", str(port), *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all of it can be killed at once
        )
    url = f"{scheme}://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while not _answers(url):
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield Running(place, url, process, log)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5, verify=False).status_code == 200
    except httpx.HTTPError:
        return False
