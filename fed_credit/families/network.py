"""A trained network with its preprocessor: what the family ``loan_risk`` leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.config.spec import ModelSpec
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.features.spec import FeatureSpec
from fed_credit.models import family
from fed_credit.models.protocol import Weights
from fed_credit.training.checkpoint import weights_sha256
from fed_credit.training.predict import default_probability

_BLOCK = 64  # loans computed at a time, always as many: others of a table change no bit of one

WEIGHTS, PREPROCESSOR = "weights.safetensors", "preprocessor.json"


@dataclass(frozen=True)
class NetworkModel:
    """A network that scores loans.

    Parameters
    ----------
    spec : ModelSpec
        Family and size.
    weights : list of numpy.ndarray
        float32.
    preprocessor : Preprocessor
        From a loan's fields to the model's matrix.
    log_odds_offset : float
        Prior correction.
    """

    spec: ModelSpec
    weights: Weights
    preprocessor: Preprocessor
    log_odds_offset: float

    @property
    def features(self) -> list[FeatureSpec]:
        """What it looks at."""
        return [step.feature for step in self.preprocessor.steps]

    @property
    def columns(self) -> list[str]:
        """See :class:`~fed_credit.families.protocol.Model`."""
        return self.preprocessor.columns

    @property
    def constant(self) -> tuple[str, ...]:
        """See :class:`~fed_credit.families.protocol.Model`."""
        return self.preprocessor.constant

    @property
    def sha256(self) -> str:
        """Hash of the weights."""
        return weights_sha256(self.weights)

    @property
    def preparation_sha256(self) -> str:
        """Hash of the preprocessor."""
        return self.preprocessor.fingerprint

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`~fed_credit.families.protocol.Model`."""
        return {"log_odds_offset": self.log_odds_offset}

    @property
    def files(self) -> dict[str, bytes]:
        """Weights as safetensors, the preprocessor as JSON."""
        from safetensors.numpy import save

        shapes = family(self.spec.family).shapes(len(self.columns), self.spec)
        # Safetensors writes an array's memory as it lies, so it has to lie in order.
        named = {
            name: np.ascontiguousarray(array)
            for (name, _), array in zip(shapes, self.weights, strict=True)
        }
        return {WEIGHTS: save(named), PREPROCESSOR: self.preprocessor.json_text.encode()}

    @property
    def details(self) -> dict[str, Any]:
        """Nothing that a reader could make sense of."""
        return {}

    def score(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the PD of loans, ``(n,) float64``."""
        return self.score_matrix(self.matrix(frame))

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the network's columns, ``(n, n_columns) float32``."""
        return self.preprocessor.transform(frame)

    def score_matrix(self, matrix: np.ndarray) -> np.ndarray:
        """Return the PD of loans by the network's columns, ``(n,) float64``; by each row alone."""
        whole = np.zeros((-(-len(matrix) // _BLOCK) * _BLOCK, matrix.shape[1]), np.float32)
        whole[: len(matrix)] = matrix
        found = default_probability(self.weights, whole, self.spec, self.log_odds_offset, _BLOCK)
        return found[: len(matrix)]

    @classmethod
    def read(
        cls, spec: ModelSpec, files: Mapping[str, bytes], settings: Mapping[str, Any]
    ) -> NetworkModel:
        """Read :attr:`files` and :attr:`settings`.

        Raises
        ------
        ArtefactError, SafetensorError, LookupError, TypeError, ValueError
            If they are not those of such a model.
        """
        from safetensors.numpy import load

        arrays = load(files[WEIGHTS])
        preprocessor = Preprocessor.from_json(files[PREPROCESSOR].decode())
        shapes = family(spec.family).shapes(len(preprocessor.columns), spec)
        weights = [arrays[name] for name, _ in shapes]
        if [array.shape for array in weights] != [shape for _, shape in shapes]:
            raise ValueError("the weights do not fit the preprocessor's columns")
        return cls(spec, weights, preprocessor, settings["log_odds_offset"])
