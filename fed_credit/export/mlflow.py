"""A version of the registry as a version of a registered model in MLflow."""

from __future__ import annotations

import math
import platform
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fed_credit.config.spec import TrackingKind, TrackingSpec
from fed_credit.config.urls import redacted, refuse_password
from fed_credit.errors import ConfigurationError, FedCreditError, TrackingError
from fed_credit.model_file.archive import SUFFIX, Opened
from fed_credit.model_file.card import CARDS
from fed_credit.registry.records import Stage, Version
from fed_credit.registry.registry import Registry
from fed_credit.tracking.mlflow_store import MlflowStore
from fed_credit.tracking.protocol import RunStatus

_TIMEOUT_S = 30.0
_ALIASES = (Stage.CHAMPION, Stage.CHALLENGER)
"""Stages that MLflow's aliases tell; each points to one version."""
_PARTS = ("test", "validation", "long_run")
_FOLDER = "model"
_TAG = "fed_credit.sha256"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,199}")
_SCHEMES = ("sqlite:///", "http://", "https://")


@dataclass(frozen=True)
class Logged:
    """What is in MLflow now.

    Parameters
    ----------
    name : str
        Of the registered model.
    version : int
        MLflow's number.
    run : str
        Of the run that holds the files and figures.
    aliases : tuple of str
        That point to the version.
    """

    name: str
    version: int
    run: str
    aliases: tuple[str, ...]


def export_version(registry: Registry, number: int, uri: str, name: str) -> Logged:
    """Log a version with MLflow.

    The run holds the model's file, its cards and the figures of its evaluation; the registered
    model's version points to it and has the stage as a tag and, of champion and challenger, as an
    alias. A model that is there already is not logged again; tags and aliases follow the registry.

    Parameters
    ----------
    registry : Registry
        From where.
    number : int
        The version.
    uri : str
        MLflow's address, without a password.
    name : str
        Of the registered model; also of the experiment.

    Returns
    -------
    Logged

    Raises
    ------
    ConfigurationError
        If the address cannot be used, or MLflow is not installed.
    RegistryError
        If there is no such version.
    TrackingError
        If MLflow fails.
    """
    refuse_password("tracking.uri (--mlflow)", uri)
    if not uri.startswith(_SCHEMES):
        raise ConfigurationError(
            f"--mlflow {uri} is no address of MLflow; write one like sqlite:///FILE or https://HOST."
        )
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"--name {name!r} cannot name a model in MLflow; use letters, digits, spaces, dots,"
            " dashes and underscores."
        )
    version, opened = registry.version(number), registry.model(number)
    with _explained(uri):
        store = _Store(
            TrackingSpec(TrackingKind.MLFLOW, uri, name, required=True, timeout_s=_TIMEOUT_S)
        )
        found = store.find(name, version.sha256)
        if found is None:
            run = _run(store, version, opened)
            found = store.add(name, run, version.sha256)
        return store.follow(name, found, version)


@contextmanager
def _explained(uri: str) -> Iterator[None]:
    try:
        yield
    except FedCreditError:
        raise
    except ImportError as error:
        raise ConfigurationError(
            f"MLflow needs packages that are not installed ({error.name}); install them with: pip"
            " install 'fed-credit[tracking]'."
        ) from None
    except Exception as error:  # whatever MLflow or its server does wrong
        reason = redacted((str(error).strip().splitlines() or [type(error).__name__])[0])
        raise TrackingError(
            f"MLflow at {redacted(uri)} failed ({reason.rstrip('.')}); check address and server."
        ) from None


def figures(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of an evaluation by their path, ``{"test/auc/value": 0.79, ...}``."""
    return dict(
        leaf
        for part in _PARTS
        if isinstance(evaluation.get(part), Mapping)
        for leaf in _leaves(evaluation[part], part)
    )


def _leaves(body: Mapping[str, Any], path: str) -> Iterator[tuple[str, float]]:
    for key, value in body.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}/{key}")
        elif (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        ):
            yield f"{path}/{key}", float(value)


def _run(store: MlflowStore, version: Version, opened: Opened) -> str:
    """Log a run with a version's files and figures; return its number."""
    run = store.create(
        f"version {version.number}",
        {
            "mlflow.source.name": "fed-credit registry export",
            "fed_credit.version": f"{version.number}",
            "fed_credit.family": version.family,
            _TAG: version.sha256,
        },
    )
    now = time.time_ns() // 1_000_000
    store.log_metrics(run, [(k, v, 0) for k, v in figures(opened.model.evaluation).items()], now)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / _FOLDER
        folder.mkdir()
        (folder / f"model{SUFFIX}").write_bytes(opened.body)
        for card in CARDS.values():
            (folder / card).write_bytes(opened.parts[card])
        _describe(folder, run)
        store.upload(run, folder)
    store.close(run, RunStatus.FINISHED)
    return run


def _describe(folder: Path, run: str) -> None:
    """Write what lets ``mlflow.pyfunc.load_model`` load the folder."""
    from mlflow.models import Model

    model = Model(artifact_path=_FOLDER, run_id=run)
    model.add_flavor(
        "python_function",
        loader_module="fed_credit.export.mlflow_model",
        data=f"model{SUFFIX}",
        python_version=platform.python_version(),
    )
    model.save(folder / "MLmodel")


class _Store(MlflowStore):
    """Also MLflow's registered models."""

    def find(self, name: str, sha256: str) -> int | None:
        """Return the version of a registered model that holds a model, by its hash."""
        with self._lock:
            found = self._client.search_model_versions(f"name = '{name}'")
        return next((int(one.version) for one in found if one.tags.get(_TAG) == sha256), None)

    def add(self, name: str, run: str, sha256: str) -> int:
        """Make a version of a registered model of a run's folder."""
        from mlflow.exceptions import MlflowException

        with self._lock:
            try:
                self._client.create_registered_model(name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            source = f"{self._client.get_run(run).info.artifact_uri}/{_FOLDER}"
            made = self._client.create_model_version(name, source, run, tags={_TAG: sha256})
        return int(made.version)

    def follow(self, name: str, number: int, version: Version) -> Logged:
        """Make a version's tags and aliases what the registry says."""
        with self._lock:
            tags = {"stage": str(version.stage), "version": f"{version.number}"}
            for key, value in tags.items():
                self._client.set_model_version_tag(name, number, f"fed_credit.{key}", value)
            text = f"{version.family}: {version.reason}"
            self._client.update_model_version(name, number, text)
            held = self._client.get_model_version(name, number).aliases
            for alias in _ALIASES:
                if version.stage is alias:
                    self._client.set_registered_model_alias(name, alias, number)
                elif alias in held:
                    self._client.delete_registered_model_alias(name, alias)
            made = self._client.get_model_version(name, number)
        return Logged(name, number, str(made.run_id), tuple(sorted(made.aliases)))
