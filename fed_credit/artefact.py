"""The model artefact: weights, preprocessor and what they mean, readable and without pickle.

A folder of ``weights.safetensors``, ``preprocessor.json``, ``model.json`` and ``manifest.json``,
which holds the SHA-256 of each of the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fed_credit import __version__
from fed_credit.config.spec import ClassWeighting, ModelSpec
from fed_credit.errors import ArtefactError
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.files import replacing
from fed_credit.models import family
from fed_credit.models.protocol import Weights
from fed_credit.training.checkpoint import weights_sha256
from fed_credit.training.predict import default_probability
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import TrainingState
from fed_credit.training.task import TaskConfig

_FORMAT = 1
_WEIGHTS, _PREPROCESSOR, _MODEL, _MANIFEST = (
    "weights.safetensors",
    "preprocessor.json",
    "model.json",
    "manifest.json",
)


@dataclass(frozen=True)
class Artefact:
    """A trained model that scores loans.

    Parameters
    ----------
    model : ModelSpec
        Family and size.
    weights : list of numpy.ndarray
        float32.
    preprocessor : Preprocessor
        From a loan's fields to the model's matrix.
    log_odds_offset : float
        Prior correction.
    about : mapping of str to object
        Where it comes from: decision point, target, data fingerprint, seed, best round.
    """

    model: ModelSpec
    weights: Weights
    preprocessor: Preprocessor
    log_odds_offset: float
    about: Mapping[str, Any]

    @classmethod
    def of(cls, run: RunSpec, state: TrainingState, *, data_fingerprint: str | None) -> Artefact:
        """Take the best model of a run, where it was trained.

        Parameters
        ----------
        run : RunSpec
            What was trained.
        state : TrainingState
            How far it came.
        data_fingerprint : str or None
            Of the loans, where one process has seen them all.

        Returns
        -------
        Artefact
        """
        about = {**_about(run), "best_round": state.best_round}
        return cls(
            run.model,
            state.best_weights,
            state.preprocessor,
            state.log_odds_offset,
            {**about, "data_fingerprint": data_fingerprint},
        )

    @classmethod
    def received(cls, task: TaskConfig, weights: Weights) -> Artefact:
        """Take the model that a bank was asked to evaluate, at the bank.

        Parameters
        ----------
        task : TaskConfig
            The request.
        weights : list of numpy.ndarray
            That came with it.

        Returns
        -------
        Artefact
        """
        run = task.spec
        return cls(run.model, weights, task.fitted, task.log_odds_offset, _about(run))

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
        return weights_sha256(self.weights)

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
        x = self.preprocessor.transform(self.preprocessor.engineer(frame))
        return default_probability(self.weights, x, self.model, self.log_odds_offset)


def _about(run: RunSpec) -> dict[str, Any]:
    return {
        "decision_point": str(run.decision_point),
        "target": run.population.target_text,
        "schema": run.population.schema,
        "seed": run.seed,
    }


def save_artefact(folder: Path, artefact: Artefact) -> None:
    """Write an artefact in one step: the folder is there whole, or not at all."""
    from safetensors.numpy import save

    shapes = family(artefact.model.family).shapes(
        len(artefact.preprocessor.columns), artefact.model
    )
    # Safetensors writes an array's memory as it lies, so it has to lie in order.
    named = {
        name: np.ascontiguousarray(array)
        for (name, _), array in zip(shapes, artefact.weights, strict=True)
    }
    model = {
        "format": _FORMAT,
        "model": asdict(artefact.model),
        "log_odds_offset": artefact.log_odds_offset,
        **artefact.about,
    }
    with replacing(folder) as temporary:
        temporary.mkdir()
        (temporary / _WEIGHTS).write_bytes(save(named))
        (temporary / _PREPROCESSOR).write_text(artefact.preprocessor.json_text, encoding="utf-8")
        (temporary / _MODEL).write_text(_json(model), encoding="utf-8")
        manifest = {
            "format": _FORMAT,
            "fed_credit": __version__,
            "weights_sha256": artefact.sha256,
            "files": {
                name: hashlib.sha256((temporary / name).read_bytes()).hexdigest()
                for name in (_WEIGHTS, _PREPROCESSOR, _MODEL)
            },
        }
        (temporary / _MANIFEST).write_text(_json(manifest), encoding="utf-8")


def load_artefact(folder: Path) -> Artefact:
    """Read an artefact and check every hash.

    Raises
    ------
    ArtefactError
        If a file is missing, was changed, or has a format of another version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != _FORMAT:
            raise ArtefactError(
                f"Model {folder} has format {manifest['format']}, this version reads {_FORMAT}."
            )
        parts = {name: (folder / name).read_bytes() for name in manifest["files"]}
        for name, expected in manifest["files"].items():
            if hashlib.sha256(parts[name]).hexdigest() != expected:
                raise ArtefactError(
                    f"Model {folder}: '{name}' is not what the manifest says, it was changed or"
                    " damaged; restore the folder."
                )
        about = json.loads(parts[_MODEL])
        model = about.pop("model")
        about.pop("format")
        arrays = load(parts[_WEIGHTS])
        spec = ModelSpec(**{**model, "class_weighting": ClassWeighting(model["class_weighting"])})
        preprocessor = Preprocessor.from_json(parts[_PREPROCESSOR].decode())
        shapes = family(spec.family).shapes(len(preprocessor.columns), spec)
        weights = [arrays[name] for name, _ in shapes]
        if [array.shape for array in weights] != [shape for _, shape in shapes]:
            raise ValueError("the weights do not fit the preprocessor's columns")
        if manifest["weights_sha256"] != weights_sha256(weights):
            raise ValueError("the weights are not what the manifest says")
        return Artefact(spec, weights, preprocessor, about.pop("log_odds_offset"), about)
    except (SafetensorError, AttributeError, OSError, LookupError, TypeError, ValueError) as error:
        raise ArtefactError(
            f"Model {folder} cannot be read ({error}); restore the folder."
        ) from None


def _json(body: Any) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"
