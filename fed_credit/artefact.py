"""The model artefact: the model, what it is made of and what it means, readable, without pickle.

A folder with ``model.json``, the family's own files (see :mod:`fed_credit.families`) and
``manifest.json``, which holds the SHA-256 of each of the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fed_credit import __version__
from fed_credit.config.convert import build, plain
from fed_credit.config.names import EXACT_FAMILIES
from fed_credit.config.spec import ModelSpec
from fed_credit.errors import ArtefactError, ConfigurationError
from fed_credit.families.network import NetworkModel
from fed_credit.families.protocol import Model
from fed_credit.families.read import model_of, read_model, unpack
from fed_credit.features.preprocessor import engineered
from fed_credit.files import replacing
from fed_credit.models.protocol import Weights
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import RunState
from fed_credit.training.task import TaskConfig

_FORMAT = 2
_MODEL, _MANIFEST = "model.json", "manifest.json"


@dataclass(frozen=True)
class Artefact:
    """A trained model that scores loans.

    Parameters
    ----------
    spec : ModelSpec
        Family and settings.
    model : Model
        What scores.
    about : mapping of str to object
        Where it comes from: decision point, target, data fingerprint, seed, best round.
    """

    spec: ModelSpec
    model: Model
    about: Mapping[str, Any]

    @classmethod
    def of(cls, run: RunSpec, state: RunState, *, data_fingerprint: str | None) -> Artefact:
        """Take the best model of a run, where it was trained.

        Parameters
        ----------
        run : RunSpec
            What was trained.
        state : TrainingState or ExactState
            How far it came.
        data_fingerprint : str or None
            Of the loans, where one process has seen them all.

        Returns
        -------
        Artefact
        """
        about = {**_about(run), "best_round": state.best_round}
        return cls(run.model, model_of(run, state), {**about, "data_fingerprint": data_fingerprint})

    @classmethod
    def received(cls, task: TaskConfig, arrays: Weights) -> Artefact:
        """Take the model that a bank was asked to evaluate, at the bank.

        Parameters
        ----------
        task : TaskConfig
            The request.
        arrays : list of numpy.ndarray
            That came with it: a network's weights, or a packed model.

        Returns
        -------
        Artefact
        """
        run = task.spec
        model: Model
        if run.model.family in EXACT_FAMILIES:
            model = unpack(run.model, arrays[0])
        else:
            model = NetworkModel(run.model, arrays, task.fitted, task.log_odds_offset)
        return cls(run.model, model, _about(run))

    @property
    def sha256(self) -> str:
        """Hash of what scores."""
        return self.model.sha256

    def score(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the PD of validated loans.

        Parameters
        ----------
        frame : pandas.DataFrame
            ``(n, ...)`` with the raw fields that engineered features are computed from, or the
            engineered features themselves, and the other features.

        Returns
        -------
        numpy.ndarray
            ``(n,) float64``.

        Raises
        ------
        DataError
            If a feature can be neither found nor computed, or a loan would have been rejected in
            training.
        """
        return self.model.score(engineered(self.model.features, frame))


def _about(run: RunSpec) -> dict[str, Any]:
    return {
        "decision_point": str(run.decision_point),
        "target": run.population.target_text,
        "schema": run.population.schema,
        "seed": run.seed,
    }


def artefact_files(artefact: Artefact) -> dict[str, bytes]:
    """Return the contents of an artefact's files by name, its manifest among them."""
    about = {
        "format": _FORMAT,
        "model": plain(artefact.spec),
        **artefact.model.settings,
        **artefact.about,
    }
    files = {**artefact.model.files, _MODEL: _json(about).encode()}
    manifest = {
        "format": _FORMAT,
        "fed_credit": __version__,
        "weights_sha256": artefact.sha256,
        "files": {name: hashlib.sha256(body).hexdigest() for name, body in files.items()},
    }
    return {**files, _MANIFEST: _json(manifest).encode()}


def save_artefact(folder: Path, artefact: Artefact) -> None:
    """Write an artefact in one step: the folder is there whole, or not at all."""
    with replacing(folder) as temporary:
        temporary.mkdir()
        for name, body in artefact_files(artefact).items():
            (temporary / name).write_bytes(body)


def load_artefact(folder: Path) -> Artefact:
    """Read an artefact's folder and check every hash; see :func:`read_artefact`."""
    return read_artefact(lambda name: (folder / name).read_bytes(), str(folder))


def read_artefact(read: Callable[[str], bytes], where: str) -> Artefact:
    """Read an artefact and check every hash.

    Parameters
    ----------
    read : callable
        Takes a file's name and returns its contents; raises :class:`OSError` or
        :class:`LookupError` if there is none.
    where : str
        What to call the place in messages.

    Raises
    ------
    ArtefactError
        If a file is missing, was changed, or has a format of another version.
    """
    from safetensors import SafetensorError

    try:
        manifest = json.loads(read(_MANIFEST))
        if manifest["format"] != _FORMAT:
            raise ArtefactError(
                f"Model {where} has format {manifest['format']}, this version reads {_FORMAT}."
            )
        parts = {name: read(name) for name in manifest["files"]}
        for name, expected in manifest["files"].items():
            if hashlib.sha256(parts[name]).hexdigest() != expected:
                raise ArtefactError(
                    f"Model {where}: '{name}' is not what the manifest says, it was changed or"
                    " damaged; restore it."
                )
        about = json.loads(parts.pop(_MODEL))
        spec = build(ModelSpec, about.pop("model"))
        about.pop("format")
        model = read_model(spec, parts, about)
        if manifest["weights_sha256"] != model.sha256:
            raise ValueError("the model is not what the manifest says")
        for name in model.settings:
            about.pop(name)
        return Artefact(spec, model, about)
    except (
        ConfigurationError,
        SafetensorError,
        AttributeError,
        OSError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        reason = str(error).rstrip(".")
        raise ArtefactError(f"Model {where} cannot be read ({reason}); restore it.") from None


def _json(body: Any) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"
