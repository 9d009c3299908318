"""Decisions as a Parquet file, for the bank's own analysts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fed_credit.decision_log.log import DecisionLog
from fed_credit.decision_log.records import Decision
from fed_credit.errors import ConfigurationError
from fed_credit.files import replacing

_AT_ONCE = 10_000

COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("time", pa.string()),
        ("application", pa.string()),
        ("model", pa.int64()),
        ("model_sha256", pa.string()),
        ("inputs", pa.string()),
        ("model_pd", pa.float64()),
        ("pd", pa.float64()),
        ("score", pa.int64()),
        ("grade", pa.string()),
        ("verdict", pa.string()),
        ("reasons", pa.string()),
        ("key", pa.string()),
        ("shadow", pa.string()),
        ("override_verdict", pa.string()),
        ("override_reason", pa.string()),
        ("override_actor", pa.string()),
    ]
)
"""Inputs, reasons and the challenger's word are JSON: they differ from model to model."""


def export_decisions(log: DecisionLog, path: Path, since: str | None, until: str | None) -> int:
    """Write decisions with the last override of each, in one step, for the owner alone.

    Parameters
    ----------
    log : DecisionLog
        From where.
    path : Path
        To where.
    since, until : str or None
        As for :meth:`fed_credit.decision_log.log.DecisionLog.read`.

    Returns
    -------
    int
        Decisions that were written.

    Raises
    ------
    ConfigurationError
        If its name does not end in ``.parquet``: that of the log itself would take its place.
    FedCreditError
        If the log fails, or the file cannot be written.
    """
    if path.suffix.lower() not in (".parquet", ".pq"):
        raise ConfigurationError(f"--out {path} is no name of a Parquet file; end it in .parquet.")
    written = 0
    with replacing(path) as temporary:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with pq.ParquetWriter(temporary, COLUMNS) as writer:
            for piece in log.read(since, until, _AT_ONCE):
                writer.write_table(_piece(log, piece))
                written += len(piece)
    return written


def _piece(log: DecisionLog, decisions: list[Decision]) -> pa.Table:
    last = log.last_overrides([decision.id for decision in decisions])
    rows = []
    for decision in decisions:
        over = last.get(decision.id)
        rows.append(
            {
                **vars(decision),
                "inputs": _json(decision.inputs),
                "reasons": _json(decision.reasons),
                "shadow": None if decision.shadow is None else _json(decision.shadow),
                "override_verdict": None if over is None else over.verdict,
                "override_reason": None if over is None else over.reason,
                "override_actor": None if over is None else over.actor,
            }
        )
    return pa.Table.from_pylist(rows, schema=COLUMNS)


def _json(body: object) -> str:
    return json.dumps(body, separators=(",", ":"))
