"""MLflow: a run's figures in a local SQLite file or on a server, and one parent run per sweep."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fed_credit.config.convert import build, plain
from fed_credit.config.spec import TrackingSpec
from fed_credit.files import write_json
from fed_credit.tracking.contents import run_name
from fed_credit.tracking.mlflow_store import MlflowStore, confine
from fed_credit.tracking.protocol import RunAbout, RunStatus
from fed_credit.training.state import RoundMetrics

# Of a run folder and of a sweep's: where its runs are kept, and under which number.
NOTE, LOCK = "tracking.json", ".tracking.lock"
_PARENT_TAG = "mlflow.parentRunId"
_PARAMETERS_AT_ONCE, _METRICS_AT_ONCE = 100, 1000
_LONGEST_VALUE = 6000


class MlflowTracker:
    """Keeps a run with MLflow; see :class:`fed_credit.tracking.protocol.Tracker`.

    Parameters
    ----------
    spec : TrackingSpec
        Where.
    about : RunAbout
        The run.

    Raises
    ------
    ImportError
        If MLflow is not installed.
    """

    def __init__(self, spec: TrackingSpec, about: RunAbout) -> None:
        confine(spec.timeout_s)
        import mlflow  # noqa: F401 - missing packages show before any work is done

        self._spec = spec
        self._about = about
        self._store: MlflowStore | None = None
        self._run = ""
        # Steps that the store has, by metric; read from it for a run that is gone on with.
        self._sent: dict[str, set[int]] = {}
        self._new = True

    def start(self) -> None:
        """Open the run with its parameters, or go on with the one an earlier process opened."""
        self._sent, self._new = {}, False
        if not self._run:
            self._run = self._open()
        values = [(key, _short(text)) for key, text in self._about.parameters.items()]
        for start in range(0, len(values), _PARAMETERS_AT_ONCE):
            part = dict(values[start : start + _PARAMETERS_AT_ONCE])
            self._opened().log_parameters(self._run, part)

    def _open(self) -> str:
        """Find the run that an earlier process opened, or make one."""
        folder = self._about.folder
        note = _read(folder / NOTE) if self._about.resumed else {}
        uri = _known_uri(note, self._spec)
        self._store = store = MlflowStore(self._spec, uri)
        run = str(note.get("run_id", ""))
        if run and note.get("uri") == store.uri and store.reopen(run):
            return run
        sweep = self._about.sweep
        if sweep is None and (folder.parent / NOTE).exists():
            sweep = folder.parent
        tags = {"mlflow.source.name": "fed-credit simulate", "fed_credit.run_dir": str(folder)}
        if sweep is not None:
            tags[_PARENT_TAG] = _parent(store, self._spec, sweep)
        run = store.create(self._about.name, tags)
        write_json(folder / NOTE, _note(store, self._spec, run))
        self._new = True
        return run

    def tag(self, tags: Mapping[str, str]) -> None:
        """Note facts about the run."""
        self._opened().log_tags(self._run, {key: _short(text) for key, text in tags.items()})

    def measure(self, repeat: int, rounds: Sequence[RoundMetrics]) -> None:
        """Note validation loss and AUC of rounds, as metrics with the round as step."""
        found: list[tuple[str, float, int]] = []
        for name in ("loss", "auc"):
            key = f"repeat_{repeat:03d}/validation_{name}"
            found += [(key, getattr(m, name), m.number) for m in rounds]
        self._log(found)

    def finish(self, metrics: Mapping[str, float], files: Sequence[Path]) -> None:
        """Note the final metrics, and upload files and folders."""
        known = set() if self._new else self._opened().metric_names(self._run)
        fresh = [(key, value, 0) for key, value in metrics.items() if key not in known]
        self._send(fresh)
        for path in files:
            self._opened().upload(self._run, path)

    def end(self, status: RunStatus) -> None:
        """Close the run."""
        self._opened().close(self._run, status)

    def _log(self, found: Sequence[tuple[str, float, int]]) -> None:
        fresh = []
        for key, value, step in found:
            if key not in self._sent:
                self._sent[key] = set() if self._new else self._opened().steps(self._run, key)
            # A loss over no validation loans is not defined.
            if step not in self._sent[key] and math.isfinite(value):
                fresh.append((key, value, step))
        self._send(fresh)
        for key, _, step in fresh:
            self._sent[key].add(step)

    def _send(self, fresh: Sequence[tuple[str, float, int]]) -> None:
        now = time.time_ns() // 1_000_000
        for start in range(0, len(fresh), _METRICS_AT_ONCE):
            self._opened().log_metrics(self._run, fresh[start : start + _METRICS_AT_ONCE], now)

    def _opened(self) -> MlflowStore:
        if self._store is None:
            raise RuntimeError("the run was not started")
        return self._store


def finish_sweep(
    folder: Path, status: RunStatus, metrics: Mapping[str, float], files: Sequence[Path]
) -> None:
    """Close the parent run of a sweep whose jobs have all ended.

    A job that still counts as running was killed; it is closed as such.

    Parameters
    ----------
    folder : Path
        The sweep's; nothing is done where no job of it was tracked.
    status : RunStatus
        How the sweep ended.
    metrics : mapping of str to float
        Figures of the sweep.
    files : sequence of Path
        Tables and reports to keep; those that do not exist are passed over.

    Raises
    ------
    Exception
        Of MLflow's own, if it fails.
    """
    for note in _read(folder / NOTE).get("parents", []):
        spec = build(TrackingSpec, note["tracking"])
        store, parent = MlflowStore(spec, note["uri"]), str(note["run_id"])
        for child in store.running_children(_PARENT_TAG, parent):
            store.close(child, RunStatus.KILLED)
        now = time.time_ns() // 1_000_000
        store.log_metrics(parent, [(key, value, 0) for key, value in metrics.items()], now)
        for path in files:
            if path.exists():
                store.upload(parent, path)
        store.close(parent, status)


def _parent(store: MlflowStore, spec: TrackingSpec, sweep: Path) -> str:
    """Return the parent run of a sweep, which the first of its jobs makes."""
    from filelock import FileLock

    with FileLock(sweep / LOCK, timeout=60):
        parents: list[dict[str, Any]] = _read(sweep / NOTE).get("parents", [])
        for note in parents:
            same = note["uri"] == store.uri and note["tracking"]["experiment"] == spec.experiment
            if same and store.reopen(note["run_id"]):
                return str(note["run_id"])
        tags = {"mlflow.source.name": "fed-credit simulate -m", "fed_credit.run_dir": str(sweep)}
        run = store.create(run_name(sweep), tags)
        write_json(sweep / NOTE, {"parents": [*parents, _note(store, spec, run)]})
    return run


def _note(store: MlflowStore, spec: TrackingSpec, run: str) -> dict[str, Any]:
    return {"run_id": run, "uri": store.uri, "tracking": plain(spec)}


def _known_uri(note: Mapping[str, Any], spec: TrackingSpec) -> str | None:
    """Return where an earlier process kept the run, which may have stood in another folder."""
    if note.get("tracking", {}).get("uri") != spec.uri:
        return None
    uri = str(note["uri"])
    moved = uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists()
    return None if moved else uri


def _read(path: Path) -> dict[str, Any]:
    """Return a note, or nothing where there is none that can be read."""
    with suppress(OSError, ValueError):
        body = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(body, dict):
            return body
    return {}


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
