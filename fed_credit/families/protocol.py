"""What a fitted model can do, and whom an exact family asks for sums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from fed_credit.features.questions import Arrays, FrameQuestion, MatrixQuestion
from fed_credit.features.spec import FeatureSpec
from fed_credit.features.statistics import NumericRange
from fed_credit.scorecard.fit import WoeDesign
from fed_credit.training.questions import PreparedDesign

if TYPE_CHECKING:  # numba takes a second to import, and few runs grow trees
    from fed_credit.trees.columns import Columns
    from fed_credit.trees.request import Request


class Model(Protocol):
    """A fitted model."""

    @property
    def features(self) -> Sequence[FeatureSpec]:
        """What it looks at."""
        ...

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns that the model adds up or splits on."""
        ...

    @property
    def constant(self) -> Sequence[str]:
        """Features that are left out because they do not vary."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of what scores."""
        ...

    @property
    def preparation_sha256(self) -> str:
        """Hash of what turns loans into columns."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What ``model.json`` says of it besides the specification."""
        ...

    @property
    def files(self) -> Mapping[str, bytes]:
        """Contents of the artefact's other files by name."""
        ...

    @property
    def details(self) -> Mapping[str, Any]:
        """What ``results.json`` says of it: plain values."""
        ...

    def score(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the PD of loans with a column for every feature, ``(n,) float64``.

        Raises
        ------
        DataError
            If a feature has no column.
        """
        ...

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what the model sees of loans, ``(n, n_columns)``; each row by its own loan alone.

        Raises
        ------
        DataError
            If a feature has no column.
        """
        ...

    def score_matrix(self, matrix: np.ndarray) -> np.ndarray:
        """Return the PD of what :meth:`matrix` gave, ``(n,) float64``; as :meth:`score`."""
        ...


class Banks(Protocol):
    """Whoever puts questions to the banks; each answer is the decoded sum over banks."""

    @property
    def answered(self) -> int:
        """How many banks the last sum is over."""
        ...

    def counts(self) -> Arrays:
        """Ask for the counts of the common preprocessor."""
        ...

    def moments(self, ranges: Mapping[str, NumericRange]) -> Arrays:
        """Ask for the moments of the common preprocessor."""
        ...

    def ask(self, question: FrameQuestion) -> Arrays:
        """Ask about the training loans' fields."""
        ...

    def ask_validation(self, question: FrameQuestion) -> Arrays:
        """Ask about the validation loans' fields."""
        ...

    def ask_matrix(self, design: WoeDesign | PreparedDesign, question: MatrixQuestion) -> Arrays:
        """Ask about a matrix of the training loans."""
        ...

    def ask_trees(self, columns: Columns, request: Request) -> np.ndarray:
        """Ask what growing trees needs; the sum is not decoded, ``(size,) int64``."""
        ...


def files_sha256(files: Mapping[str, bytes]) -> str:
    """Hash files by name and contents, whatever their order."""
    named = [[name, hashlib.sha256(files[name]).hexdigest()] for name in sorted(files)]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def json_bytes(body: Any) -> bytes:
    """Return plain values as readable JSON; floats come back to the last bit."""
    return (json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
