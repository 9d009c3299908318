"""MLflow's client, with its reach cut down: one address, short waits, one writer at a time."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from fed_credit.config.spec import TrackingSpec
from fed_credit.tracking.protocol import RunStatus

_SQLITE = "sqlite:///"
_LOCK_TIMEOUT_S = 60
_LONGEST_NAME = 250


class MlflowStore:
    """Runs of one experiment at one address.

    Parameters
    ----------
    spec : TrackingSpec
        Address, experiment and patience.
    uri : str or None
        The address with an absolute path, if an earlier process found it.

    Attributes
    ----------
    uri : str
        The address with an absolute path.

    Raises
    ------
    Exception
        Here and below: MLflow's own, SQLAlchemy's or ``OSError`` where the store does not work.
    """

    def __init__(self, spec: TrackingSpec, uri: str | None = None) -> None:
        confine(spec.timeout_s)
        from mlflow import MlflowClient

        self.uri = uri or absolute_uri(str(spec.uri))
        self._lock: Any = nullcontext()
        location = None
        if self.uri.startswith(_SQLITE):
            from filelock import FileLock

            file = Path(self.uri.removeprefix(_SQLITE))
            file.parent.mkdir(parents=True, exist_ok=True)
            # Two writers at once: "database is locked"; two that make the tables: a broken file.
            self._lock = FileLock(file.with_name(f".{file.name}.lock"), timeout=_LOCK_TIMEOUT_S)
            location = file.with_name(f"{file.stem}-artefacts").as_uri()
        with self._lock:
            self._client = MlflowClient(tracking_uri=self.uri)
            self._experiment = self._find_experiment(spec.experiment, location)

    def _find_experiment(self, name: str, location: str | None) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name, artifact_location=location))
            except MlflowException:
                # Another process was quicker.
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise RuntimeError(f"experiment '{name}' was deleted; restore it or choose another")
        return str(found.experiment_id)

    def create(self, name: str, tags: Mapping[str, str]) -> str:
        """Open a run and return its number."""
        with self._lock:
            run = self._client.create_run(
                self._experiment, run_name=name[:_LONGEST_NAME], tags=dict(tags)
            )
        return str(run.info.run_id)

    def reopen(self, run: str) -> bool:
        """Set a run that ended to running again; ``False`` where it is gone."""
        from mlflow.exceptions import MlflowException

        with self._lock:
            try:
                info = self._client.get_run(run).info
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return False
                raise
            if info.lifecycle_stage != "active":
                return False
            if info.status != "RUNNING":
                self._client.update_run(run, status="RUNNING")
        return True

    def log_parameters(self, run: str, parameters: Mapping[str, str]) -> None:
        """Note at most 100 parameters."""
        from mlflow.entities import Param

        with self._lock:
            self._client.log_batch(run, params=[Param(k, v) for k, v in parameters.items()])

    def log_tags(self, run: str, tags: Mapping[str, str]) -> None:
        """Note at most 100 tags; a tag takes its newest value."""
        from mlflow.entities import RunTag

        with self._lock:
            self._client.log_batch(run, tags=[RunTag(k, v) for k, v in tags.items()])

    def log_metrics(self, run: str, metrics: Sequence[tuple[str, float, int]], now: int) -> None:
        """Note at most 1000 values with their steps; ``now`` in milliseconds since 1970."""
        from mlflow.entities import Metric

        if not metrics:
            return
        with self._lock:
            self._client.log_batch(
                run, metrics=[Metric(key, value, now, step) for key, value, step in metrics]
            )

    def metric_names(self, run: str) -> set[str]:
        """Return the metrics that a run has."""
        with self._lock:
            return set(self._client.get_run(run).data.metrics)

    def steps(self, run: str, key: str) -> set[int]:
        """Return the steps at which a metric has a value."""
        with self._lock:
            return {int(m.step) for m in self._client.get_metric_history(run, key)}

    def upload(self, run: str, path: Path) -> None:
        """Keep a file, or a folder under its name."""
        with self._lock:
            if path.is_dir():
                self._client.log_artifacts(run, str(path), path.name)
            else:
                self._client.log_artifact(run, str(path))

    def running_children(self, tag: str, parent: str) -> list[str]:
        """Return the runs under a parent that have not ended."""
        with self._lock:
            found = self._client.search_runs(
                [self._experiment], f"tags.`{tag}` = '{parent}' and status = 'RUNNING'"
            )
        return [str(run.info.run_id) for run in found]

    def close(self, run: str, status: RunStatus) -> None:
        """End a run."""
        with self._lock:
            self._client.set_terminated(run, status=str(status))


def absolute_uri(uri: str) -> str:
    """Resolve the file of an SQLite address from where the user stands."""
    if not uri.startswith(_SQLITE):
        return uri
    return _SQLITE + str(Path(uri.removeprefix(_SQLITE)).expanduser().absolute())


def confine(timeout_s: float) -> None:
    """Set what MLflow reads from the environment, some of it when it is first imported.

    Nothing is told to MLflow's makers, and no server is waited for longer than ``timeout_s`` an
    answer, with one more try.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(math.ceil(timeout_s))
    os.environ["MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT"] = str(math.ceil(timeout_s))
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "1"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
