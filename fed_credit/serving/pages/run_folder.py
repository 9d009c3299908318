"""A run as its folder tells of it: configuration, rounds, exchanges and pooled results.

A run that is under way has no results yet, and perhaps half a line at the end of a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CONFIG, RESULTS, ROUNDS, EXCHANGES, SCHEMA = (
    "config.yaml",
    "results.json",
    "metrics.jsonl",
    "exchanges.jsonl",
    "schema.yaml",
)
POOLED = ("auc", "gini", "ks", "pr_auc", "log_loss", "brier", "ece")
OWN = ("loans", "bads", "auc", "ks", "brier", "log_loss")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True)
class Plan:
    """What a run was asked for; empty or None where its configuration does not say.

    Parameters
    ----------
    family, strategy, split, schema : str
        As in its configuration; a network without hidden layers is ``logreg``.
    rounds, seed : int or None
        Rounds that are planned, and the seed.
    quorum : float or None
        Share of the banks that has to answer.
    """

    family: str
    strategy: str
    split: str
    schema: str
    rounds: int | None
    seed: int | None
    quorum: float | None


@dataclass(frozen=True)
class Round:
    """A measured round, over the validation loans of all banks that answered.

    Parameters
    ----------
    number : int
        From 1.
    loss, auc : float or None
        Pooled.
    loans, banks : int or None
        Over how many.
    """

    number: int
    loss: float | None
    auc: float | None
    loans: int | None
    banks: int | None


@dataclass(frozen=True)
class Exchange:
    """One question to the banks and their answers.

    Parameters
    ----------
    ended : float
        When, POSIX.
    task : str
        What was asked.
    number : int
        Round; 0 outside of training.
    answered : tuple of str
        Banks whose vector is in the sum.
    missing : mapping of str to str
        Why, by bank, for the others that were asked.
    seconds : float
        From the question to the last answer.
    """

    ended: float
    task: str
    number: int
    answered: tuple[str, ...]
    missing: Mapping[str, str]
    seconds: float


@dataclass(frozen=True)
class Pooled:
    """A metric of the common model over all test loans, from sums.

    Parameters
    ----------
    value, bound : float or None
        The exact metric lies within ``value ± bound``.
    """

    value: float | None
    bound: float | None


@dataclass(frozen=True)
class Results:
    """What a finished run has left, without any bank's own figures but those it let out.

    Parameters
    ----------
    sha256 : str
        Of the model.
    pooled : mapping of str to Pooled
        By metric.
    loans : int or None
        Test loans of all banks.
    best_round : int or None
        The round whose model was kept.
    seconds : float or None
        Wall time.
    own : mapping of str to mapping of str to float
        By bank, what its policy let out.
    """

    sha256: str
    pooled: Mapping[str, Pooled]
    loans: int | None
    best_round: int | None
    seconds: float | None
    own: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class RunFolder:
    """A run.

    Parameters
    ----------
    name : str
        Of its folder.
    plan : Plan
        What was asked for.
    rounds : tuple of Round
        Measured so far.
    exchanges : tuple of Exchange
        So far.
    results : Results or None
        None while it is under way, or if it failed.
    touched : float
        When something was last written, POSIX.
    """

    name: str
    plan: Plan
    rounds: tuple[Round, ...]
    exchanges: tuple[Exchange, ...]
    results: Results | None
    touched: float

    @property
    def banks(self) -> tuple[str, ...]:
        """All banks that were asked, sorted by name."""
        return tuple(
            sorted({bank for one in self.exchanges for bank in (*one.answered, *one.missing)})
        )

    @property
    def begun(self) -> float | None:
        """When the first question went out, POSIX; None before its answers are in."""
        return self.exchanges[0].ended - self.exchanges[0].seconds if self.exchanges else None


def run_folders(runs: Path) -> list[RunFolder]:
    """Read all runs of a folder, the one that was written to last first.

    Parameters
    ----------
    runs : Path
        Folder of runs; need not be there.

    Returns
    -------
    list of RunFolder
        What cannot be read is left out.
    """
    try:
        names = [entry.name for entry in runs.iterdir() if (entry / CONFIG).is_file()]
    except OSError:
        return []
    found = [run for name in names if (run := read_run(runs, name)) is not None]
    return sorted(found, key=lambda run: run.touched, reverse=True)


def read_run(runs: Path, name: str) -> RunFolder | None:
    """Read one run.

    Parameters
    ----------
    runs : Path
        Folder of runs.
    name : str
        The run's, from outside.

    Returns
    -------
    RunFolder or None
        None if there is none, or its files are not a run's.
    """
    folder = runs / name
    if _NAME.fullmatch(name) is None or not (folder / CONFIG).is_file():
        return None
    try:
        plan = _plan(yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8")))
        rounds = tuple(_round(line) for line in _lines(folder / ROUNDS))
        exchanges = tuple(_exchange(line) for line in _lines(folder / EXCHANGES))
        results = folder / RESULTS
        told = _results(json.loads(results.read_text("utf-8"))) if results.is_file() else None
        files = [folder / part for part in (CONFIG, RESULTS, ROUNDS, EXCHANGES)]
        touched = max(path.stat().st_mtime for path in files if path.is_file())
    except (OSError, AttributeError, LookupError, TypeError, ValueError, yaml.YAMLError):
        return None
    return RunFolder(name, plan, rounds, exchanges, told, touched)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines of a file; what is being written has no end yet."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        if line:
            yield json.loads(line)


def _plan(raw: Mapping[str, Any]) -> Plan:
    federation, data, model = raw["federation"], raw["data"], raw["model"]
    layers = model.get("hidden")
    return Plan(
        family="logreg" if layers == [] else str(model["family"]),
        strategy=str(raw["strategy"]["name"]),
        split=str(data["split"]["kind"]),
        schema=Path(str(data["schema"])).stem,
        rounds=federation.get("num_rounds"),
        seed=raw.get("seed"),
        quorum=federation.get("quorum"),
    )


def _round(raw: Mapping[str, Any]) -> Round:
    return Round(raw["round"], raw["loss"], raw["auc"], raw.get("loans"), raw.get("banks"))


def _exchange(raw: Mapping[str, Any]) -> Exchange:
    return Exchange(
        float(raw["ended"]),
        str(raw["task"]),
        int(raw["number"]),
        tuple(raw["answered"]),
        dict(raw["missing"]),
        float(raw["seconds"]),
    )


def _results(raw: Mapping[str, Any]) -> Results:
    """Take the pooled part; a simulated run has figures of single banks beside it."""
    deployed = "run" in raw
    sums = raw["test"]["from_sums"] if deployed else raw["from_sums"]
    return Results(
        sha256=str(raw["model"]["sha256"]),
        pooled={
            name: Pooled(sums[name]["value"], sums[name]["bound"])
            for name in POOLED
            if sums.get(name) is not None
        },
        loans=raw["test"]["loans"] if deployed else raw["data"]["test"],
        best_round=raw["run"]["best_round"] if deployed else raw["model"].get("best_round"),
        seconds=raw["timing"]["wall_s"],
        own=raw.get("own_metrics", {}) if deployed else {},
    )
