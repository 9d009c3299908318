"""The operator's first page, laid out: the runs, and which banks are there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fed_credit.serving.pages.parts import Cell, Table, Tile, state
from fed_credit.serving.pages.run_folder import RunFolder
from fed_credit.serving.pages.speech import NONE, Speech
from fed_credit.serving.superlink import Standing

_QUIET_S = 180.0  # without a word for so long, a run without results is not under way any more


@dataclass(frozen=True)
class Overview:
    """The operator's first page.

    Parameters
    ----------
    tiles : tuple of Tile
        At a glance.
    trouble : str
        Why nobody could be asked who is there; empty if that was told.
    banks : Table or None
        Who is registered and online; None where that is not known.
    runs : Table or None
        The runs, newest first; None without any.
    """

    tiles: tuple[Tile, ...]
    trouble: str
    banks: Table | None
    runs: Table | None


def overview(runs: Sequence[RunFolder], standing: Standing, say: Speech) -> Overview:
    """Lay out all runs.

    Parameters
    ----------
    runs : sequence of RunFolder
        The newest first.
    standing : Standing
        What the SuperLink says.
    say : Speech
        The language.

    Returns
    -------
    Overview
    """
    live = [run.name for run in runs if status_of(run, standing) == "running"]
    online = sum(bank["online"] for bank in standing.banks)
    tiles = [
        Tile(say("runs.now"), say.listed(live) or say("runs.nothing"), "", "watch" if live else ""),
        Tile(say("runs.count"), say.count(len(runs))),
    ]
    if standing.known:
        of_all = say("runs.of_registered", n=len(standing.banks))
        tiles.insert(1, Tile(say("runs.banks_online"), say.count(online), of_all))
    return Overview(
        tuple(tiles),
        say(f"runs.{standing.trouble_key}", why=standing.trouble) if not standing.known else "",
        _banks(standing, say) if standing.known else None,
        _runs(runs, standing, say) if runs else None,
    )


def status_of(run: RunFolder, standing: Standing) -> str:
    """Return where a run stands: the SuperLink's word, else what its folder shows."""
    told = standing.runs.get(run.name)
    if told is not None:
        return str(told["status"])
    if run.results is not None:
        return "completed"
    return "running" if time.time() - run.touched < _QUIET_S else "unknown"


def _banks(standing: Standing, say: Speech) -> Table:
    rows = [
        [
            Cell(str(bank["name"])),
            Cell(say(f"registered.{str(bank['registered']).replace(' ', '_')}")),
            Cell(_presence(bool(bank["online"]), say)),
            Cell(say("runs.now_seen") if bank["online"] else say.moment(bank["last_seen"])),
        ]
        for bank in standing.banks
    ]
    keys = ("bank", "registered", "presence", "last_seen")
    header = [say(f"runs.{name}") for name in keys]
    return Table("banks", header, rows, words=frozenset({1, 2, 3}))


def _presence(online: bool, say: Speech) -> Any:
    name = "online" if online else "offline"
    return state(name, say(f"runs.{name}"))


def _runs(runs: Sequence[RunFolder], standing: Standing, say: Speech) -> Table:
    rows = []
    for run in runs:
        status = status_of(run, standing)
        results = run.results
        auc = results.pooled.get("auc") if results else None
        rows.append(
            [
                Cell(run.name, address=f"/runs/{run.name}"),
                Cell(state(status, say(f"status.{status}"))),
                Cell(say.word("family", run.plan.family)),
                Cell(rounds_of(run)),
                Cell(say.count(len(run.banks)) if run.banks else NONE),
                Cell(say.count(sum(len(one.missing) for one in run.exchanges))),
                Cell(bounded(auc.value, auc.bound, say) if auc else NONE),
                Cell(moment_of(run.begun, say)),
                Cell(say.seconds(time_taken(run, standing))),
            ]
        )
    keys = ("run", "status", "family", "rounds", "banks", "absences", "auc", "begun", "took")
    header = [say(f"runs.{name}") for name in keys]
    return Table("runs", header, rows, words=frozenset({1, 2}))


def rounds_of(run: RunFolder) -> str:
    """Write how many rounds are measured, of how many."""
    done = run.rounds[-1].number if run.rounds else 0
    planned = run.plan.rounds
    return f"{done} / {planned}" if planned and planned >= done else str(done)


def time_taken(run: RunFolder, standing: Standing) -> float | None:
    """Return the seconds that a run took, or has taken so far."""
    told = standing.runs.get(run.name)
    if told is not None and told["seconds"] is not None:
        return float(told["seconds"])
    if run.results is not None:
        return run.results.seconds
    return run.exchanges[-1].ended - run.begun if run.begun is not None else None


def bounded(value: float | None, bound: float | None, say: Speech) -> str:
    """Write a metric from sums with its bound, where that shows at all."""
    shown = say.number(value)
    return shown if bound is None or bound < 5e-4 else f"{shown} ± {bound:.3f}"


def iso_of(posix: float | None) -> str | None:
    """Return a POSIX time as ISO 8601, UTC."""
    return None if posix is None else datetime.fromtimestamp(posix, UTC).isoformat()


def moment_of(posix: float | None, say: Speech) -> str:
    """Write a POSIX time."""
    return say.moment(iso_of(posix))
