"""The demo: kits, a SuperLink, three banks, a run, and the same run in one process beside it."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from fed_credit.config.bank import BANK_FILE, load_bank
from fed_credit.config.load import compose
from fed_credit.config.operator import OPERATOR_FILE, load_operator
from fed_credit.config.spec import InstitutionSpec, SimulationSpec, SourceKind
from fed_credit.config.yaml_file import read_mapping
from fed_credit.deploy.demo.loans import BANKS, SCHEMA, records, schema_text
from fed_credit.deploy.demo.processes import (
    Processes,
    environment,
    free_ports,
    wait_until_listening,
)
from fed_credit.errors import ConfigurationError, DeploymentError
from fed_credit.files import write_text
from fed_credit.runtime.deployment import deployable
from fed_credit.runtime.places import RESULTS

_START_SECONDS = 90.0
RUN, SUPERLINK = "demo", "superlink"


@dataclass(frozen=True)
class DemoSettings:
    """What the demo does.

    Parameters
    ----------
    folder : Path or None
        Where everything is put, and stays; ``None`` takes a temporary folder, which goes.
    loans : int
        Loans of the three banks.
    rounds : int
        Rounds of training.
    overrides : sequence of str
        Further settings of the run, as on the command line.
    proxy : bool
        Whether banks connect through nginx, where it is installed.
    """

    folder: Path | None
    loans: int
    rounds: int
    overrides: Sequence[str]
    proxy: bool


@dataclass(frozen=True)
class DemoOutcome:
    """What the demo found.

    Parameters
    ----------
    deployed, local : mapping of str to object
        Bodies of both runs' ``results.json``.
    seconds : mapping of str to float
        Wall time of each step.
    """

    deployed: Mapping[str, Any]
    local: Mapping[str, Any]
    seconds: Mapping[str, float]

    @property
    def equal(self) -> bool:
        """Whether both runtimes gave the same weights, bit for bit."""
        return bool(self.deployed["model"]["sha256"] == self.local["model"]["sha256"])


class Demo:
    """A deployment on one machine.

    Parameters
    ----------
    settings : DemoSettings
        What it does.
    folder : Path
        Where everything is put.
    say : callable
        Takes a line for each step.
    """

    def __init__(self, settings: DemoSettings, folder: Path, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._folder = folder
        self._say = say
        self._nginx = settings.proxy and _nginx_is_here()
        self.seconds: dict[str, float] = {}

    @property
    def _schema(self) -> Path:
        return self._folder / f"{SCHEMA}.yaml"

    @property
    def operator(self) -> Path:
        """The operator's home."""
        return self._folder / "kits" / "operator"

    @property
    def homes(self) -> dict[str, Path]:
        """Each bank's home by its name."""
        slugs = {bank.name: bank.slug for bank in load_operator(self.operator).active}
        return {name: self._folder / "kits" / "banks" / slug for name, slug in slugs.items()}

    def provision(self, processes: Processes) -> None:
        """Make the kits, and put each bank's loans and settings into its own."""
        with self._timed("provisioning"):
            public, superlink, *runtime = free_ports(2 + len(BANKS))
            consortium = {
                "name": "Demo consortium",
                "schema": f"{SCHEMA}.yaml",
                "operator": {
                    "hosts": ["127.0.0.1", "localhost"],
                    "listen": "127.0.0.1",
                    "port": public,
                    "superlink_port": superlink,
                },
                "banks": [
                    {"name": bank.name, "runtime_port": port}
                    for bank, port in zip(BANKS, runtime, strict=True)
                ],
            }
            write_text(self._schema, schema_text())
            write_text(self._folder / "consortium.yaml", _yaml(consortium))
            self._call(processes, "provision", "consortium.yaml", "--out", "kits")
            port = public if self._nginx else superlink
            if not self._nginx:
                # The operator's own commands go through the proxy; here it is the SuperLink itself.
                path = self.operator / OPERATOR_FILE
                settings = {**read_mapping(path), "proxy": {"host": "127.0.0.1", "port": port}}
                write_text(path, _yaml(settings))
            loans = records(self._settings.loans, len(BANKS))
            for bank, frame, own_port in zip(BANKS, loans, runtime, strict=True):
                home = self.homes[bank.name]
                bank.write(frame, home)
                node = {"superlink": f"127.0.0.1:{port}", "runtime_port": own_port}
                write_text(home / BANK_FILE, _yaml({"name": bank.name, **bank.data, "node": node}))

    def start(self, processes: Processes) -> None:
        """Start the SuperLink, the proxy where there is one, and the banks."""
        with self._timed("start of the SuperLink"):
            self.start_superlink(processes)
            if self._nginx:
                self._start(processes, "proxy", self.operator, "start-proxy.sh")
                proxy = load_operator(self.operator).proxy
                front = (proxy.host, proxy.port)
                wait_until_listening(front, processes, "The proxy", _START_SECONDS)
            else:
                self._say("nginx is not used: banks connect straight to the SuperLink.")
            self._call(processes, "deploy", "sync", "--home", str(self.operator))
        for name in self.homes:
            self.start_bank(processes, name)

    def start_superlink(self, processes: Processes) -> None:
        """Start the SuperLink and wait until it listens."""
        self._start(processes, SUPERLINK, self.operator, "start-superlink.sh")
        link = load_operator(self.operator).superlink
        address = (link.host, link.port)
        wait_until_listening(address, processes, "The SuperLink", _START_SECONDS)

    def start_bank(self, processes: Processes, name: str) -> None:
        """Start a bank's worker and SuperNode."""
        home = self.homes[name]
        self._start(processes, home.name, home, "start.sh")

    def train(self, processes: Processes, name: str = RUN, *more: str) -> Mapping[str, Any]:
        """Submit a run, follow it to its end and return its results."""
        with self._timed("the run"):
            self._call(
                processes,
                *("deploy", "run", "--home", str(self.operator), "--name", name),
                *self.overrides,
                *more,
            )
            processes.check()
        return _read(self.operator / "runs" / name / RESULTS)

    @property
    def overrides(self) -> list[str]:
        """What both runtimes run."""
        return [
            f"data.schema='{self._schema}'",
            "data.split.kind=random",
            "data.split.stratified=false",
            "data.target.window_months=24",
            "data.target.as_of='2024-12-31'",
            f"federation.num_rounds={self._settings.rounds}",
            *self._settings.overrides,
        ]

    def compare(self, name: str = "local", *more: str) -> Mapping[str, Any]:
        """Run the same in one process on the banks' own sources, and return its results."""
        from fed_credit.simulate import simulate

        with self._timed("the same in one process"):
            result = simulate(self.local_spec(name, *more))
        return result.results

    def local_spec(self, name: str = "local", *more: str) -> SimulationSpec:
        """Return the same run for one process, each bank read from its own source."""
        folder = self._folder / name
        spec = deployable(compose([*self.overrides, *more, f"run_dir='{folder}'"]))
        files = [load_bank(home / BANK_FILE) for home in self.homes.values()]
        banks = [InstitutionSpec(bank.name, bank.source, bank.mapping) for bank in files]
        data = replace(spec.data, source=SourceKind.TABLE, institutions=banks)
        return replace(spec, data=data)

    def _call(self, processes: Processes, *arguments: str) -> None:
        self._say(f"$ fed-credit {' '.join(arguments)}")
        code = processes.call([*_command(), *arguments], self._folder)
        if code:
            raise DeploymentError(f"fed-credit {arguments[0]} ended with exit code {code}.")

    def _start(self, processes: Processes, name: str, home: Path, script: str) -> None:
        self._say(f"$ {(home / script).relative_to(self._folder)} &")
        processes.start(name, ["/bin/sh", str(home / script)], home)

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[step] = time.perf_counter() - start


@contextmanager
def demo_folder(settings: DemoSettings) -> Iterator[Path]:
    """Give the folder of the demo; a temporary one goes with the context.

    Raises
    ------
    ConfigurationError
        If the folder that was asked for is not empty.
    """
    if settings.folder is None:
        # Short, since a socket's path may take some hundred characters at most.
        folder = Path(tempfile.mkdtemp(prefix="fc-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    folder = settings.folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty; choose another --folder.")
    folder.mkdir(parents=True, exist_ok=True)
    yield folder


def run_demo(settings: DemoSettings, say: Callable[[str], None]) -> DemoOutcome:
    """Run the whole demo and end every process that it started.

    Parameters
    ----------
    settings : DemoSettings
        What it does.
    say : callable
        Takes a line for each step.

    Returns
    -------
    DemoOutcome

    Raises
    ------
    FedCreditError
        If a step fails.
    """
    start = time.perf_counter()
    bin_folder = Path(sys.executable).parent
    with demo_folder(settings) as folder:
        demo = Demo(settings, folder, say)
        with Processes(environment(bin_folder), folder / "logs") as processes:
            demo.provision(processes)
            demo.start(processes)
            deployed = demo.train(processes)
        local = demo.compare()
        demo.seconds["everything"] = time.perf_counter() - start
    return DemoOutcome(deployed, local, demo.seconds)


# What a model is trained by, of each family.
_TRAINING = ("round", "trees", "likelihood")


def exchange_seconds(results: Mapping[str, Any]) -> list[float]:
    """Return the seconds of each exchange of a deployed run."""
    return [float(exchange["seconds"]) for exchange in results["exchanges"]]


def summary(outcome: DemoOutcome) -> list[str]:
    """Return what the demo found, a line each."""
    seconds = exchange_seconds(outcome.deployed)
    training = [
        float(exchange["seconds"])
        for exchange in outcome.deployed["exchanges"]
        if exchange["task"] in _TRAINING
    ]
    same = "the same bits" if outcome.equal else "NOT the same bits"
    return [
        *(f"{step}: {value:.1f} s" for step, value in outcome.seconds.items()),
        f"{len(seconds)} exchanges: {statistics.median(seconds):.2f} s each (median),"
        f" {max(seconds):.2f} s at most; of training: {statistics.median(training):.2f} s",
        f"model, deployment: {outcome.deployed['model']['sha256']}",
        f"model, local:      {outcome.local['model']['sha256']} ({same})",
    ]


def _nginx_is_here() -> bool:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    return shutil.which("nginx", path=path) is not None


def _command() -> list[str]:
    return [sys.executable, "-m", "fed_credit.cli"]


def _yaml(body: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(body), sort_keys=False, allow_unicode=True)


def _read(path: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
