"""A bank and an operator after some months: real files, real processes, a real browser."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from fed_credit.config.load import compose
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.synthetic import generate
from fed_credit.decision_log.log import Decision, DecisionLog
from fed_credit.model_file.archive import Opened, open_model_file
from fed_credit.registry.registry import Registry, Stage
from fed_credit.scoring.record import RecordScorer
from fed_credit.serving.deciding import reason_body
from fed_credit.serving.keys import KeyRing, Role

# Pictures for the docs are made with more loans; see the screenshots' test.
SIZE = os.environ.get("FED_CREDIT_PAGES_LOANS", "7000")
LAUNCH, TODAY = "2022-12-31", "2023-12-31"
# Applicants change in the year after the model was made.
LOANS = [
    f"data.generator.num_loans={SIZE}",
    "data.generator.num_institutions=3",
    "data.generator.first_month=2018-01",
    "data.generator.break_from=2023-06",
    "data.generator.break_population=1.2",
    "data.target.window_months=12",
]
_RUN = [
    *LOANS,
    "model=scorecard",
    "evaluation.repeats=1",
    "evaluation.baselines=[]",
    "progress=false",
]
_DECISIONS = 160
_DAYS = 24


@dataclass(frozen=True)
class Home:
    """A home and the secrets of its keys by role."""

    path: Path
    secrets: dict[str, str]


@dataclass(frozen=True)
class Service:
    """A service that runs, and its home."""

    url: str
    home: Home


def _spec(run_dir: Path, *overrides: str) -> SimulationSpec:
    return compose([*_RUN, f"run_dir='{run_dir}'", *overrides])


@pytest.fixture(scope="session")
def champion_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a scorecard that knows loans until the end of 2022."""
    from fed_credit.simulate import simulate

    folder = tmp_path_factory.mktemp("champion")
    simulate(_spec(folder, f"data.target.as_of={LAUNCH}"), show=False)
    return folder


@pytest.fixture(scope="session")
def champion(champion_folder: Path) -> Opened:
    """Its model."""
    return open_model_file(champion_folder / "model.fcm")


@pytest.fixture(scope="session")
def loans() -> pd.DataFrame:
    """Raw records of all banks, with what became of them."""
    return generate(compose([*LOANS, "data=synthetic"]).data.generator)


@pytest.fixture(scope="session")
def bank_home(
    champion: Opened, loans: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Home:
    """A bank with a model in service, decisions of some weeks, a report and a retraining."""
    home = tmp_path_factory.mktemp("bank")
    with Registry.open(home / "registry.db", create=True) as registry:
        registry.register(champion.body, actor="Model Risk", reason="First model of the consortium")
        registry.move(
            1, Stage.CHAMPION, actor="Credit Committee", reason="Beats the old scorecard on 2021"
        )
    own = loans[loans["institution"] == "Bank A"]
    _write_report(home, champion, own, "Bank A")
    _retrain(home)
    _decide(home, champion, own)
    return Home(home, _keys(home))


def _write_report(home: Path, model: Opened, raw: pd.DataFrame, bank: str | None) -> None:
    from fed_credit.config.monitor import ReferenceKind, load_monitor
    from fed_credit.files import write_json
    from fed_credit.monitoring.job import loans_of, monitor
    from fed_credit.monitoring.report import Watched, report_path
    from fed_credit.scoring.scorer import Scorer

    scorer, settings = Scorer(model.model), load_monitor(home)
    if bank is None:
        settings = replace(settings, reference=ReferenceKind.MODEL)
    found = monitor(
        scorer,
        loans_of(scorer, raw, institution=bank or "", as_of=TODAY),
        TODAY,
        settings,
        bank=bank,
        model=Watched(1, model.sha256),
    )
    if bank is None:
        found = replace(found, pooled=True, banks=("Bank A", "Bank B", "Bank C"))
    report_path(home).parent.mkdir(exist_ok=True)
    write_json(report_path(home), found.to_dict())


def _retrain(home: Path) -> None:
    """Retrain as of the day of the report; the registry keeps what the gate found."""
    from fed_credit.config.retrain import load_retrain
    from fed_credit.retraining.retrain import Request, retrain

    with Registry.open(home / "registry.db") as registry:
        request = Request(
            np.datetime64(TODAY), _spec(home / "unused"), "retraining job", force=True
        )
        retrain(home, registry, load_retrain(home), request)


def _decide(home: Path, model: Opened, raw: pd.DataFrame) -> None:
    """Log decisions on applications of the last weeks, as the service does."""
    scorer = RecordScorer(model.model)
    log = DecisionLog.open(home / "decisions.db", create=True, durable=False)
    rng = np.random.default_rng(5)
    now = datetime.now(UTC)
    rows = raw[raw["application_date"] >= "2023-01-01"].head(_DECISIONS)
    frame = rows[list(scorer.inputs)].round(4)
    records = frame.astype(object).where(frame.notna(), None)
    found = []
    for place, record in enumerate(records.to_dict("records")):
        score = scorer.score(record)
        back = timedelta(days=_DAYS * (1 - place / len(records)), minutes=int(rng.integers(0, 600)))
        found.append(
            Decision(
                id=f"{place:032x}",
                time=f"{(now - back).replace(tzinfo=None).isoformat(timespec='microseconds')}Z",
                application=f"A-{1001 + place}",
                model=1,
                model_sha256=model.sha256,
                inputs=record,
                model_pd=score.model_pd,
                pd=score.pd,
                score=score.score,
                grade=score.grade,
                verdict=str(score.verdict),
                reasons=tuple(reason_body(reason) for reason in score.reasons),
                key="00000000",
                shadow=None,
            )
        )
    with log:
        log.append(sorted(found, key=lambda one: one.time))
        declined = next(one for one in found if one.verdict == "decline")
        log.override(declined.id, "approve", reason="New collateral", actor="Underwriter")


def _keys(home: Path) -> dict[str, str]:
    ring = KeyRing.load(home / "api_keys.json")
    return {str(role): ring.add(f"Tests, {role}", role)[1] for role in Role}


@pytest.fixture(scope="session")
def operator_home(
    champion: Opened, loans: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Home:
    """An operator with finished runs, one of which went on without a bank, and one that failed."""
    home = tmp_path_factory.mktemp("operator")
    _deployed_runs(home, tmp_path_factory.mktemp("banks"))
    _write_report(home, champion, loans, None)
    return Home(home, _keys(home))


def _deployed_runs(home: Path, banks_folder: Path) -> None:
    """Run the server's app over the banks' own app, in this process."""
    from types import SimpleNamespace

    import yaml
    from flwr.app import Context, RecordDict
    from flwr.supercore.run import Run

    from fed_credit.client_app import app as client_app
    from fed_credit.deploy.demo.loans import BANKS, SCHEMA, records, schema_text
    from fed_credit.errors import QuorumError
    from fed_credit.runtime.deployment import run_deployed
    from fed_credit.runtime.local import InProcessGrid
    from fed_credit.runtime.places import RUNS_VARIABLE
    from fed_credit.runtime.registered import key_digest

    nodes = {node: bank.name for node, bank in enumerate(BANKS, start=11)}

    class Nodes(InProcessGrid):
        def get_nodes(self) -> list[Any]:
            return [
                SimpleNamespace(node_id=node, name=name, public_key=name.encode())
                for node, name in nodes.items()
            ]

    files: dict[int, Path] = {}
    for node, bank, frame in zip(nodes, BANKS, records(1800, len(BANKS)), strict=True):
        folder = banks_folder / str(node)
        folder.mkdir()
        bank.write(frame, folder)
        (folder / "schema.yaml").write_text(schema_text(), encoding="utf-8")
        files[node] = folder / "bank.yaml"
        lets_out = node == next(iter(nodes))
        body = {"name": bank.name, **bank.data, "policy": {"own_metrics": lets_out}}
        files[node].write_text(yaml.safe_dump(body, allow_unicode=True), encoding="utf-8")
    schema = banks_folder / f"{SCHEMA}.yaml"
    schema.write_text(schema_text(), encoding="utf-8")
    keys = {name: key_digest(name.encode()) for name in nodes.values()}

    def run(name: str, *overrides: str, broken: bool = False) -> None:
        configs: dict[int, Any] = {node: {"bank": str(path)} for node, path in files.items()}
        if broken:  # its loans are not where its file says
            last = list(files)[-1]
            moved = banks_folder / "moved.yaml"
            text = files[last].read_text(encoding="utf-8")
            moved.write_text(text.replace("path: ", "path: nowhere/"), encoding="utf-8")
            configs[last] = {"bank": str(moved)}
        grid = Nodes(client_app, configs)
        grid.set_run(Run.create_empty(7))
        words = [
            f"data.schema='{schema}'",
            "data.split.kind=random",
            "federation.join_timeout_s=0.1",
            *overrides,
        ]
        config: dict[str, Any] = {
            "overrides": " ".join(f'"{word}"' for word in words),
            "name": name,
            "banks": json.dumps(keys),
        }
        run_deployed(grid, Context(7, 1, {}, RecordDict(), config))

    os.environ[RUNS_VARIABLE] = str(home / "runs")
    try:
        run("2024-spring", "model=logreg", "federation.num_rounds=6")
        run(
            "2024-summer",
            "model=logreg",
            "federation.num_rounds=4",
            "federation.quorum=0.6",
            broken=True,
        )
        with pytest.raises(QuorumError):
            run("2024-autumn", "model=logreg", "federation.num_rounds=4", broken=True)
    finally:
        del os.environ[RUNS_VARIABLE]
    hour_ago = time.time() - 3600
    for path in (home / "runs" / "2024-autumn").iterdir():
        os.utime(path, (hour_ago, hour_ago))
    _half_way(home / "runs" / "2024-spring", home / "runs" / "2024-winter")


def _half_way(whole: Path, part: Path) -> None:
    """Leave a run's folder as it is in the middle of the run, half a line at the end of a file."""
    part.mkdir()
    shutil.copy(whole / "config.yaml", part)
    for name, lines in (("metrics.jsonl", 3), ("exchanges.jsonl", 5)):
        kept = (whole / name).read_text(encoding="utf-8").splitlines(keepends=True)[: lines + 1]
        kept[-1] = kept[-1][: len(kept[-1]) // 2]
        (part / name).write_text("".join(kept), encoding="utf-8")


@contextmanager
def _running(role: str, home: Home) -> Iterator[Service]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "fed_credit.cli", "serve", "--role", role, "--home", str(home.path)]
    log = (home.path / "service.log").open("w")
    process = subprocess.Popen(
        [sys.executable, *command, "--port", str(port)], stdout=log, stderr=subprocess.STDOUT
    )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 30
        while not _answers(url):
            told = (home.path / "service.log").read_text()
            assert process.poll() is None and time.monotonic() < until, told
            time.sleep(0.1)
        yield Service(url, home)
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="session")
def bank(bank_home: Home) -> Iterator[Service]:
    """``fed-credit serve --role bank`` over :func:`bank_home`."""
    with _running("bank", bank_home) as service:
        yield service


@pytest.fixture(scope="session")
def operator(operator_home: Home) -> Iterator[Service]:
    """``fed-credit serve --role operator`` over :func:`operator_home`."""
    with _running("operator", operator_home) as service:
        yield service


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The operator's pages beside a SuperLink with three banks, after a run over them."""
    from fed_credit.deploy.demo.processes import Processes, environment
    from fed_credit.deploy.demo.run import Demo, DemoSettings

    folder = tmp_path_factory.mktemp("d")
    words = ("model=logreg", "evaluation.min_bads=1", "evaluation.baselines=[]")
    demo = Demo(DemoSettings(folder, 1800, 3, words, proxy=False), folder, lambda line: None)
    with Processes(environment(Path(sys.executable).parent), folder / "logs") as processes:
        demo.provision(processes)
        demo.start(processes)
        demo.train(processes, "first")
        with _running("operator", Home(demo.operator, _keys(demo.operator))) as service:
            yield service


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser; without one the tests say so and skip.

    Of a file alone: while it is there an event loop runs in this thread, and others' tests start
    their own.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=options)
        yield browser
        browser.close()


class Visit:
    """A signed-in tab that notes what a page must not do."""

    def __init__(self, page: Any, service: Service) -> None:
        self.page, self.service = page, service
        self.trouble: list[str] = []
        page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        page.on("console", self._said)
        page.on("request", self._asked)

    def _said(self, message: Any) -> None:
        # The browser itself reports refusals as errors; the page says what they are about.
        refused = "/v1/" in message.location["url"] and (
            "status of 422" in message.text or "status of 404" in message.text
        )
        if message.type == "error" and not refused:
            self.trouble.append(f"console: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(self.service.url + "/"):
            self.trouble.append(f"request to {request.url}")

    def sign_in(self, role: str = "admin") -> None:
        self.page.goto(f"{self.service.url}/login")
        self.page.fill("#key", self.service.home.secrets[role])
        self.page.click("form#login button")
        self.page.wait_for_url(f"{self.service.url}/")

    def go(self, path: str) -> Any:
        answer = self.page.goto(self.service.url + path)
        assert answer is not None and answer.ok, (path, answer and answer.status)
        return self.page

    def width(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return int(
            self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Visit]]:
    """Open a tab of a service, signed in; at the end no page may have broken a rule."""
    opened: list[tuple[Any, Visit]] = []

    def make(
        service: Service, role: str = "admin", *, size: Sequence[int] = (1280, 900), **options: Any
    ) -> Visit:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, locale="en-GB", **options
        )
        context.set_default_timeout(15_000)
        found = Visit(context.new_page(), service)
        opened.append((context, found))
        found.sign_in(role)
        return found

    yield make
    for context, found in opened:
        context.close()
        assert found.trouble == []
