"""Where a deployment stands: who is there, and what runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fed_credit.config.operator import BankStatus, OperatorSpec
from fed_credit.deploy.control import Control, key_bytes
from fed_credit.deploy.follow import failure
from fed_credit.deploy.records import Node, NodeStatus, Run, RunStatus
from fed_credit.deploy.results import fetch_text, superlink_is_here
from fed_credit.errors import DeploymentError
from fed_credit.training.metrics_log import METRICS

if TYPE_CHECKING:
    from rich.console import Console


def status(control: Control, operator: OperatorSpec, limit: int) -> dict[str, Any]:
    """Gather banks and runs, as ``fed-credit deploy status --json`` prints them.

    Parameters
    ----------
    control : Control
        The SuperLink.
    operator : OperatorSpec
        With the banks.
    limit : int
        How many of the newest runs.

    Returns
    -------
    dict
        ``consortium``, ``time``, ``banks`` and ``runs``; times are ISO 8601, UTC.

    Raises
    ------
    DeploymentError
        If the SuperLink or the runs' folder cannot be reached.
    """
    return {
        "consortium": operator.name,
        "time": _iso(datetime.now(UTC)),
        "banks": _banks(operator, control.nodes()),
        "runs": _runs(control, operator, limit),
    }


def print_status(found: dict[str, Any], console: Console) -> None:
    """Print what :func:`status` gathered as two tables.

    Parameters
    ----------
    found : dict
        Of :func:`status`.
    console : Console
        Where to print.
    """
    from rich.markup import escape
    from rich.table import Table

    now = datetime.fromisoformat(found["time"])
    banks = Table(title=f"Banks of {escape(found['consortium'])}", title_justify="left")
    for title in ("bank", "registered", "online", "last seen"):
        banks.add_column(title, overflow="fold")
    for bank in found["banks"]:
        banks.add_row(
            escape(bank["name"]),
            _registration(bank),
            "yes" if bank["online"] else "no",
            "now" if bank["online"] else _ago(bank["last_seen"], now),
        )
    console.print(banks)
    if not found["runs"]:
        console.print("No run yet.")
        return
    runs = Table(title="Runs, newest first", title_justify="left")
    runs.add_column("run", overflow="fold")
    runs.add_column("number", no_wrap=True)
    runs.add_column("status")
    runs.add_column("rounds", justify="right")
    runs.add_column("started, UTC", no_wrap=True)
    runs.add_column("took", justify="right", no_wrap=True)
    for run in found["runs"]:
        runs.add_row(
            escape(run["name"]),
            run["id"],
            run["status"],
            "-" if run["rounds"] is None else str(run["rounds"]),
            "-" if run["started"] is None else run["started"][5:16].replace("T", " "),
            "-" if run["seconds"] is None else _span(run["seconds"]),
        )
    console.print(runs)
    for run in found["runs"]:
        if run["reason"]:
            console.print(f"{escape(run['name'])}: {escape(run['reason'])}")


def _banks(operator: OperatorSpec, nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """Return the active banks, then registered keys that ought not to be."""
    current = {
        node.public_key: node for node in nodes if node.status is not NodeStatus.UNREGISTERED
    }
    found = []
    for bank in operator.active:
        node = current.pop(key_bytes(bank.public_key), None)
        expected = node is not None and node.name == bank.name
        found.append(_bank(bank.name, node, "yes" if expected else "no"))
    former = {
        key_bytes(bank.public_key): bank
        for bank in operator.banks
        if bank.status is not BankStatus.ACTIVE
    }
    for key, node in current.items():
        name = former[key].name if key in former else node.name or f"node {node.node_id}"
        found.append(_bank(name, node, "former key" if key in former else "unknown key"))
    return found


def _bank(name: str, node: Node | None, registered: str) -> dict[str, Any]:
    return {
        "name": name,
        "registered": registered,
        "node": None if node is None else str(node.node_id),
        "online": node is not None and node.status is NodeStatus.ONLINE,
        "last_seen": None if node is None else _iso(node.last_seen),
    }


def _registration(bank: dict[str, Any]) -> str:
    if bank["registered"] == "yes":
        return "yes"
    return f"{bank['registered']}: fed-credit deploy sync"


def _runs(control: Control, operator: OperatorSpec, limit: int) -> list[dict[str, Any]]:
    here = superlink_is_here(operator)
    found = []
    for run in control.runs(limit):
        end = run.finished or (None if run.status.finished else datetime.now(UTC))
        found.append(
            {
                "id": str(run.run_id),
                "name": run.name,
                "status": str(run.status.value),
                "rounds": _rounds(operator, run, here),
                "submitted": _iso(run.submitted),
                "started": _iso(run.started),
                "seconds": None
                if run.started is None or end is None
                else round((end - run.started).total_seconds(), 1),
                "reason": failure(run, "")[0] if run.status is RunStatus.FAILED else None,
            }
        )
    return found


def _rounds(operator: OperatorSpec, run: Run, here: bool) -> int | None:
    """Return how many rounds were measured; ``None`` before the first."""
    path = f"{run.name}/{METRICS}"
    try:
        text = _read(operator.runs / path) if here else fetch_text(operator, path)
        lines = (text or "").split("\n")[:-1]
        return max((int(json.loads(line)["round"]) for line in lines), default=None)
    except (DeploymentError, ValueError, LookupError):
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="seconds")


def _ago(time: str | None, now: datetime) -> str:
    if time is None:
        return "never connected"
    return f"{_span((now - datetime.fromisoformat(time)).total_seconds())} ago"


def _span(seconds: float) -> str:
    seconds = max(seconds, 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
