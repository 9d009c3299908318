"""Where alerts go: once each to a file and the log, and to a webhook until it has taken them.

A report tells of the same alert each time, for months. ``alerts.jsonl`` holds each once, by its
name, and ``delivered.jsonl`` the names of those that the webhook has taken; what is in the one and
not in the other is sent again by the next run.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fed_credit.config.monitor import WebhookSpec
from fed_credit.drift.verdicts import State
from fed_credit.errors import DataError, FedCreditError
from fed_credit.files import append_text, write_json
from fed_credit.monitoring.report import FOLDER, LATEST, REPORTS, MonitorReport
from fed_credit.monitoring.webhook import post

ALERTS, DELIVERED = "alerts.jsonl", "delivered.jsonl"

log = logging.getLogger("fed_credit.monitor")

Post = Callable[[WebhookSpec, dict[str, Any]], str | None]


@dataclass(frozen=True)
class Delivered:
    """What became of a report's alerts.

    Parameters
    ----------
    raised : int
        New ones.
    sent : int
        Taken by the webhook in this run, of this and of earlier reports.
    waiting : int
        Not taken yet; 0 without a webhook.
    """

    raised: int
    sent: int
    waiting: int


def keep_report(home: Path, report: MonitorReport) -> Path:
    """Write a report into a home, by its day and as the latest one.

    Returns
    -------
    Path
        The latest one.
    """
    folder = home / FOLDER
    body = report.to_dict()
    write_json(folder / REPORTS / f"{report.as_of}.json", body)
    write_json(folder / LATEST, body)
    return folder / LATEST


def deliver(home: Path, report: MonitorReport, webhook: WebhookSpec) -> Delivered:
    """Write down and log the alerts that are new, and post what the webhook has not taken.

    Parameters
    ----------
    home : Path
        The home folder.
    report : MonitorReport
        With the alerts.
    webhook : WebhookSpec
        Where they are posted. That it does not answer is a warning, not an error.

    Returns
    -------
    Delivered

    Raises
    ------
    FedCreditError
        If the files cannot be read or written.
    """
    folder = home / FOLDER
    known = _lines(folder / ALERTS)
    names = {line["id"] for line in known}
    fresh = []
    raised = datetime.now(UTC).isoformat(timespec="seconds")
    for alert in report.alerts:
        if alert.id in names:
            continue
        names.add(alert.id)
        fresh.append(
            {
                **alert.to_dict(),
                "raised": raised,
                "as_of": report.as_of,
                "bank": report.bank,
                "model": vars(report.model),
            }
        )
        level = logging.ERROR if alert.level is State.ALERT else logging.WARNING
        log.log(level, "%s", alert.en)
    _append(folder / ALERTS, fresh)
    if webhook.url is None:
        return Delivered(len(fresh), 0, 0)
    taken = {line["id"] for line in _lines(folder / DELIVERED)}
    waiting = [line for line in [*known, *fresh] if line["id"] not in taken]
    if not waiting:
        return Delivered(len(fresh), 0, 0)
    body = {
        "format": 1,
        "bank": report.bank,
        "as_of": report.as_of,
        "model": vars(report.model),
        "alerts": waiting,
    }
    trouble = post(webhook, body)
    if trouble is not None:
        log.warning(
            "%d alerts wait for the webhook: %s; the next run sends them again.",
            len(waiting),
            trouble,
        )
        return Delivered(len(fresh), 0, len(waiting))
    _append(folder / DELIVERED, [{"id": line["id"], "sent": raised} for line in waiting])
    return Delivered(len(fresh), len(waiting), 0)


def _lines(path: Path) -> list[dict[str, Any]]:
    """Read lines of JSON; a last one that was cut off while it was written is none."""
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); restore or move it.") from None
    # Not at every sign that ends a line for Unicode: JSON leaves those within a name as they are.
    whole = text.split("\n")[:-1]
    try:
        found = [json.loads(line) for line in whole if line]
        if not all(isinstance(line["id"], str) for line in found):
            raise ValueError("a line without a name")
        return found
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} is not what the monitor wrote ({error}); restore or move it."
        ) from None


def _append(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    if not lines:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut(path)
    except OSError as error:
        raise FedCreditError(f"{path} cannot be written ({error.strerror}).") from None
    append_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def _cut(path: Path) -> None:
    """Take away a last line that was cut off while it was written."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        body = file.read()
        end = body.rfind(b"\n") + 1
        if end < len(body):
            file.truncate(end)
