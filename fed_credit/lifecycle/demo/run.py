"""The demo: train, register, serve, score, drift, alert, retrain, promote, swap, reproduce.

Every step is a real command in a process of its own, or a request to the running service; what a
step prints is what it found.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from fed_credit.deploy.demo.processes import Processes, environment
from fed_credit.errors import ServingError
from fed_credit.files import write_text
from fed_credit.lifecycle.demo.data import FIRST_DAY, SECOND_DAY, WINDOW, DemoData
from fed_credit.lifecycle.demo.outcome import DemoOutcome, DemoSettings, Step
from fed_credit.lifecycle.demo.service import Asking, Client, records
from fed_credit.lifecycle.demo.stage import Stage, demo_folder
from fed_credit.model_file.archive import open_model_file
from fed_credit.scoring.scorer import Scorer

_SWAP_S = 20.0
_RETRAIN: dict[str, Any] = {
    "promote": "champion",
    "vintage": {"months": 6},
}


class Demo:
    """One demo in a folder.

    Parameters
    ----------
    settings : DemoSettings
        What it does.
    folder : Path
        Where.
    processes : Processes
        That end with it.
    tell : callable
        Takes a line for each step.
    """

    def __init__(
        self,
        settings: DemoSettings,
        folder: Path,
        processes: Processes,
        tell: Callable[[str], None],
    ) -> None:
        self._settings, self._folder, self._tell = settings, folder, tell
        self._stage = Stage(folder, processes)
        self._steps: list[Step] = []
        self.home, self.operator = folder / "bank", folder / "operator"
        self.secret = ""
        self.urls: tuple[str, str] = ("", "")

    def play(self) -> DemoOutcome:
        """Go through all steps; services run on afterwards.

        Raises
        ------
        FedCreditError
            If a step fails; says which.
        """
        data = self._step("data", self._data)
        model = self._step("train", lambda: self._train(data))
        self._step("register", lambda: self._register(model))
        client = self._step("serve", lambda: self._serve())
        inputs = list(Scorer(open_model_file(model).model).inputs)
        calm = data.applications(FIRST_DAY, 1)
        ids = self._step("score", lambda: self._score(client, calm, inputs))
        self._step("batch", lambda: self._batch(calm))
        self._step("calm", lambda: self._monitor(FIRST_DAY))
        late = data.applications(SECOND_DAY, 1)
        self._step("drift", lambda: self._drift(data, client, late, inputs))
        alerts = self._step("alert", lambda: self._monitor(SECOND_DAY))
        loans = records(late, inputs)
        before, after, asking = self._step("retrain", lambda: self._retrain(client, loans))
        reproduced = self._step("reproduce", lambda: self._reproduce(ids))
        self._step("pages", lambda: self._pages(client))
        client.close()
        return DemoOutcome(
            tuple(self._steps),
            (before, after),
            alerts,
            len(asking.answers),
            len(asking.failures),
            reproduced,
        )

    def _step(self, name: str, do: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        found, result = do()
        seconds = time.perf_counter() - begin
        self._steps.append(Step(name, found, seconds))
        self._tell(f"{name:<10}{seconds:6.1f} s  {found}")
        return result

    def _data(self) -> tuple[str, DemoData]:
        data = DemoData.make(self._folder / "data", self._settings.loans, self._settings.seed)
        known = data.write(FIRST_DAY)
        for home in (self.home, self.operator):
            home.mkdir()
        run = [
            "data=table",
            f"data.path={data.loans}",
            f"data.schema={data.schema}",
            f"data.target.window_months={WINDOW}",
            f"model={self._settings.model}",
            "evaluation.baselines=[]",
            "progress=false",
        ]
        write_text(self.home / "retrain.yaml", yaml.safe_dump({"overrides": run, **_RETRAIN}))
        watched = {"source": {"path": str(data.loans)}, "months": 12}
        write_text(self.home / "monitor.yaml", yaml.safe_dump(watched))
        write_text(self.home / "serve.yaml", yaml.safe_dump({"poll_s": 0.5}))
        self._run = run
        return f"{known:,} loans of three banks known on {FIRST_DAY}", data

    def _train(self, data: DemoData) -> tuple[str, Path]:
        folder = self.operator / "runs" / "first"
        self._stage.command(
            "simulate",
            *self._run,
            "data.split.kind=out_of_time",
            "data.split.test_share=0.15",
            "data.split.embargo=false",
            f"data.target.as_of={FIRST_DAY}",
            f"run_dir={folder}",
        )
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        auc = results["test"]["federated"]["auc"]
        return f"a federation of three banks, AUC {auc:.3f} out of time", folder / "model.fcm"

    def _register(self, model: Path) -> tuple[str, None]:
        self._stage.command(
            *("registry", "add", str(model), "--home", str(self.home)),
            *("--stage", "champion", "--reason", "The first model.", "--actor", "demo"),
        )
        self.secret = self._stage.add_key(self.home, "lending desk", "admin")
        return "version 1 is champion; an API key for the lending desk", None

    def _serve(self) -> tuple[str, Client]:
        client = self._stage.serve("bank", self.home, self.secret)
        self.urls = (client.url, "")
        return f"{client.url} is ready", client

    def _score(
        self, client: Client, month: pd.DataFrame, inputs: list[str]
    ) -> tuple[str, list[str]]:
        loans = records(month.head(self._settings.singles), inputs)
        answers = [client.score(loan, f"A-{k}") for k, loan in enumerate(loans)]
        declined = [answer for answer in answers if answer["verdict"] == "decline"]
        why = f"; one because: {declined[0]['reasons'][0]['en']}" if _told(declined) else ""
        found = f"{len(answers)} applications one by one, {len(declined)} declined{why}"
        return found, [str(answer["id"]) for answer in answers]

    def _batch(self, month: pd.DataFrame) -> tuple[str, None]:
        table, out = self._folder / "data" / "month.parquet", self._folder / "data" / "scored.csv"
        month.to_parquet(table, index=False)
        self._stage.command("score", str(table), "--home", str(self.home), "--out", str(out))
        return f"{len(pd.read_csv(out)):,} applications of a month as a file: {out.name}", None

    def _monitor(self, day: object) -> tuple[str, int]:
        self._stage.command("monitor", "--home", str(self.home), "--as-of", str(day))
        report = json.loads((self.home / "monitoring" / "latest.json").read_text(encoding="utf-8"))
        alerts = [alert for alert in report["alerts"] if alert["level"] == "alert"]
        watches = len(report["alerts"]) - len(alerts)
        newest = f"; the newest: {alerts[0]['en']}" if alerts else ""
        return f"as of {day}: {len(alerts)} alerts, {watches} watches{newest}", len(alerts)

    def _drift(
        self, data: DemoData, client: Client, month: pd.DataFrame, inputs: list[str]
    ) -> tuple[str, None]:
        known = data.write(SECOND_DAY)
        loans = records(month.head(self._settings.singles), inputs)
        answers = [client.score(loan, f"B-{k}") for k, loan in enumerate(loans)]
        mean = sum(float(answer["pd"]) for answer in answers) / len(answers)
        return (
            f"four years later: {known:,} loans; other applicants for two years, of the last"
            f" {len(answers)} the mean PD is {mean:.3f}",
            None,
        )

    def _retrain(
        self, client: Client, loans: list[dict[str, Any]]
    ) -> tuple[str, tuple[int, int, Asking]]:
        with Asking(client, loans) as asking:
            text = self._stage.command(
                *("retrain", "--home", str(self.home), "--as-of", str(SECOND_DAY)),
                *("--actor", "demo"),
            )
            promoted = "is champion." in text
            swapped = promoted and asking.wait_for(2, _SWAP_S)
        lines = text.splitlines()
        if not promoted:
            raise ServingError(f"The demo's challenger was not promoted: {' '.join(lines[:6])}")
        if not swapped:
            raise ServingError(
                f"The service at {client.url} does not answer by version 2 after {_SWAP_S:g} s."
            )
        better = next((line for line in lines if line.startswith("The challenger")), "")
        found = (
            f"{better} Version 2 is champion; the service swapped to it while it gave"
            f" {len(asking.answers)} answers, {len(asking.failures)} requests failed"
        )
        return found, (asking.answers[0], asking.answers[-1], asking)

    def _reproduce(self, ids: Sequence[str]) -> tuple[str, int]:
        chosen = [ids[0], ids[-1]]
        for one in chosen:
            self._stage.command("decisions", "reproduce", "--home", str(self.home), one)
        self._stage.command("decisions", "verify", "--home", str(self.home))
        self._stage.command("registry", "verify", "--home", str(self.home))
        return (
            f"{len(chosen)} decisions of version 1 made again to the last bit; log and registry are"
            " whole",
            len(chosen),
        )

    def _pages(self, client: Client) -> tuple[str, None]:
        self.operator_secret = self._stage.add_key(self.operator, "operator", "read")
        operator = self._stage.serve("operator", self.operator, self.operator_secret)
        self.urls = (client.url, operator.url)
        statuses = [client.page(path) for path in ("/", "/monitoring", "/model", "/history")]
        statuses += [operator.page(path) for path in ("/", "/monitoring")]
        operator.close()
        if any(status >= 400 for status in statuses):
            raise ServingError(f"A page does not answer; the statuses are {statuses}.")
        return f"{len(statuses)} pages answer", None


def _told(declined: Sequence[dict[str, Any]]) -> bool:
    return bool(declined) and bool(declined[0]["reasons"])


def run_demo(
    settings: DemoSettings,
    tell: Callable[[str], None],
    stay: Callable[[Demo], None] = lambda demo: None,
) -> DemoOutcome:
    """Go through the demo, and end every process that it started.

    Parameters
    ----------
    settings : DemoSettings
        What it does.
    tell : callable
        Takes a line for each step.
    stay : callable
        Called while the services still run, with the demo.

    Returns
    -------
    DemoOutcome

    Raises
    ------
    FedCreditError
        If a step fails.
    """
    os.umask(0o077)  # keys and decisions are this user's alone
    with (
        demo_folder(settings.folder) as folder,
        Processes(environment(Path(sys.executable).parent), folder / "logs") as processes,
    ):
        demo = Demo(settings, folder, processes, tell)
        outcome = demo.play()
        stay(demo)
        return outcome
