"""What an exchange costs in a real deployment: ``python -m benchmarks.deployment``.

A SuperLink, three banks and the demo's run on this machine, over TLS, three times: with Flower's
own commands and waits, with shorter waits, and as Fed Credit ships. The table says where the time
of a round goes, by the clock of all processes, on the way of the bank that answers last.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from fed_credit.config.bank import load_bank
from fed_credit.config.operator import load_operator
from fed_credit.deploy import submit as submitting
from fed_credit.deploy.bundle import build_bundle
from fed_credit.deploy.control import Control
from fed_credit.deploy.demo.processes import Processes, environment
from fed_credit.deploy.demo.run import RUN, Demo, DemoSettings
from fed_credit.deploy.records import NodeStatus
from fed_credit.errors import DeploymentError
from fed_credit.node.home import Home
from fed_credit.runtime.diary import EXCHANGES

FLOWER, SHORT, ALL = "Flower's own", "shorter waits", "Fed Credit"
PATIENCE_S = 900.0
STAGES = (
    "until the bank asks",
    "message to the bank, start of its command",
    "start of the process, imports of Flower",
    "input from the SuperNode",
    "bundle, imports, computation, hand-over",
    "until the SuperNode sees it",
    "reply to the SuperLink",
    "until the server has it",
)

# In every Python process: what Flower logs, with the time, as lines of JSON.
_HOOK = """
import atexit, json, logging, os, sys, time

_SIGNS = {{
    "Receiving: ": "received",
    "Start `flwr-clientapp` process": "ready",
    "[flwr-clientapp] Start FAB installation.": "pulled",
    "Sending: ": "seen",
    "Sent successfully": "sent",
}}


def _note(what):
    line = json.dumps([time.time(), os.path.basename(os.getcwd()), what]) + "\\n"
    file = os.open({log!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode())
    os.close(file)


_make = logging.getLogRecordFactory()


def _made(*args, **kwargs):
    record = _make(*args, **kwargs)
    for sign, what in _SIGNS.items():
        if isinstance(record.msg, str) and record.msg.startswith(sign):
            _note(what)
    return record


logging.setLogRecordFactory(_made)
if any(word.endswith("/flwr-clientapp") for word in sys.orig_argv):
    _note("started")
    atexit.register(_note, "done")
"""


@dataclass(frozen=True)
class Measured:
    """One way of running.

    Parameters
    ----------
    name : str
        Which.
    seconds : list of float
        Of each exchange.
    stages : list of list of float
        Of each round: seconds of each stage.
    """

    name: str
    seconds: list[float]
    stages: list[list[float]]


class BenchmarkDemo(Demo):
    """The demo with banks that run in one way or another.

    Parameters
    ----------
    settings : DemoSettings
        What it does.
    folder : Path
        Where everything is put.
    way : str
        How banks and server run.
    """

    def __init__(self, settings: DemoSettings, folder: Path, way: str) -> None:
        super().__init__(settings, folder, lambda _: None)
        self._way = way

    def start_bank(self, processes: Processes, name: str) -> None:
        """Start a bank."""
        if self._way == ALL:
            super().start_bank(processes, name)
            return
        home = Home(self.homes[name])
        node = load_bank(home.bank_file).node
        words = [
            *("--superlink", str(node.superlink), "--port", str(node.runtime_port)),
            *("--root-certificates", str(home.ca), "--auth-supernode-private-key", str(home.key)),
            *("--node-config", f'bank="{home.bank_file}"'),
        ]
        if self._way == FLOWER:
            command = [str(Path(sys.executable).parent / "flower-supernode"), *words]
        else:
            own = [sys.executable, "-P", "-m", "fed_credit.node.supernode"]
            command = [
                *own,
                "--poll",
                str(node.poll_s),
                "--patience",
                str(PATIENCE_S),
                "--",
                *words,
            ]
        # A node whose standard input ends takes it that whoever started it is gone.
        script = home.root / "bench.sh"
        text = '#!/bin/sh\nmkfifo "$0.in"\nexec 3<>"$0.in"\nexec "$@" <&3\n'
        script.write_text(text, encoding="utf-8")
        processes.start(home.root.name, ["/bin/sh", str(script), *command], home.root)

    def run(self, processes: Processes) -> None:
        """Submit the run and wait for its end."""
        if self._way == FLOWER:
            submitting.build_bundle = _stock_bundle
        with Control(load_operator(self.operator)) as control:
            _wait(lambda: _all_online(control), processes, "the banks")
            banks = submitting.expected_banks(load_operator(self.operator), control.nodes())
            run_id = submitting.submit(control, banks, self.overrides, RUN)
            submitting.build_bundle = build_bundle
            _wait(lambda: control.run(run_id).status.finished, processes, "the run")
            run = control.run(run_id)
        if run.status.value != "completed":
            raise DeploymentError(f"The run ended as {run.status.value}: {run.details}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--loans", type=int, default=6_000)
    parser.add_argument("--only", choices=(FLOWER, SHORT, ALL), action="append")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that it ends what it started
    measured = []
    for way in options.only or (FLOWER, SHORT, ALL):
        start = time.perf_counter()
        measured.append(_measure(way, options.loans, options.rounds))
        print(f"{way}: measured in {time.perf_counter() - start:.0f} s", flush=True)
    print(f"\nThree banks, {options.loans:,} loans, {options.rounds} rounds; seconds")
    print("\n".join(table(measured)))


def table(measured: Sequence[Measured]) -> list[str]:
    """Return the lines of the table."""
    width = max(len(stage) for stage in STAGES)
    heads = "".join(f"{one.name:>16}" for one in measured)
    lines = [f"{'a round, mean':<{width}}{heads}"]
    for k, stage in enumerate(STAGES):
        means = [statistics.fmean(stages[k] for stages in one.stages) for one in measured]
        lines.append(f"  {stage:<{width - 2}}" + "".join(f"{mean:>16.2f}" for mean in means))
    totals = [statistics.fmean(sum(stages) for stages in one.stages) for one in measured]
    lines.append(f"{'  together':<{width}}" + "".join(f"{total:>16.2f}" for total in totals))
    for name, of in (("median", statistics.median), ("longest", max), ("shortest", min)):
        found = "".join(f"{of(one.seconds):>16.2f}" for one in measured)
        lines.append(f"{f'an exchange, {name}':<{width}}{found}")
    return lines


def _measure(way: str, loans: int, rounds: int) -> Measured:
    settings = DemoSettings(folder=None, loans=loans, rounds=rounds, overrides=(), proxy=False)
    with tempfile.TemporaryDirectory(prefix="fc-") as name:
        folder = Path(name)
        hook = folder / "hook"
        hook.mkdir()
        log = hook / "log.jsonl"
        (hook / "sitecustomize.py").write_text(_HOOK.format(log=str(log)), encoding="utf-8")
        extra = {"PYTHONPATH": f"{hook}:{Path(__file__).parents[1]}"}
        if way == FLOWER:
            extra |= {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
        variables = environment(Path(sys.executable).parent, extra.items())
        demo = BenchmarkDemo(settings, folder, way)
        with Processes(variables, folder / "logs") as processes:
            demo.provision(processes)
            demo.start(processes)
            demo.run(processes)
        events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        for home in demo.homes.values():
            events += _worker_events(Home(home))
        lines = (demo.operator / "runs" / RUN / EXCHANGES).read_text(encoding="utf-8").splitlines()
    exchanges = [json.loads(line) for line in lines]
    return Measured(
        way,
        [exchange["seconds"] for exchange in exchanges],
        [_stages(exchange, events) for exchange in exchanges if exchange["task"] == "round"],
    )


def _worker_events(home: Home) -> list[list[Any]]:
    """Return when each step of each task of a worker ended, in the hook's form."""
    if not home.tasks.exists():
        return []
    found: list[list[Any]] = []
    for line in home.tasks.read_text(encoding="utf-8").splitlines():
        task = json.loads(line)
        steps = task["seconds"]
        started = task["at"] - sum(steps.values())
        ready = started + steps["start"]
        for when, what in (
            (started, "started"),
            (ready, "ready"),
            (ready + steps["pull"], "pulled"),
            (task["at"], "done"),
        ):
            found.append([when, home.root.name, what])
    return found


def _stages(exchange: Mapping[str, Any], events: Sequence[Sequence[Any]]) -> list[float]:
    """Return the seconds of each stage on the way of the bank that answered last."""
    end = float(exchange["ended"])
    start = end - exchange["seconds"]
    inside = [event for event in sorted(events) if start <= event[0] <= end]
    last = next(bank for _, bank, what in reversed(inside) if what == "sent")
    when = {what: at for at, bank, what in inside if bank == last}
    order = ["received", "started", "ready", "pulled", "done", "seen", "sent"]
    times = [start, *(when[what] for what in order), end]
    # Two may overlap, as Flower's process ends after its reply was seen; none is below zero.
    for k in range(1, len(times)):
        times[k] = max(times[k], times[k - 1])
    return [after - before for before, after in pairwise(times)]


def _stock_bundle(schema: Path | None = None) -> bytes:
    """Return the bundle of a run whose server app waits as Flower does."""
    import io
    import zipfile

    from flwr.cli.build import build_fab_from_files

    with zipfile.ZipFile(io.BytesIO(build_bundle(schema))) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if name[0] != "."}
    project = files["pyproject.toml"].decode()
    stock = project.replace("fed_credit.server_app:app", "benchmarks.stock_server:app")
    return build_fab_from_files({**files, "pyproject.toml": stock.encode()})[0]


def _all_online(control: Control) -> bool:
    return all(node.status is NodeStatus.ONLINE for node in control.nodes())


def _wait(ready: Any, processes: Processes, what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not ready():
        processes.check()
        if time.monotonic() > end:
            raise DeploymentError(f"{what}: not within {PATIENCE_S:.0f} s")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
