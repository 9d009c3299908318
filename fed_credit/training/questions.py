"""Questions that exact models are fitted by, as they travel and as a bank answers them.

Three kinds: about the fields of loans, about a matrix that is made of them by a *design*, and about
growing trees. All are text, but for the trees, which are arrays of small integers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pandas as pd

from fed_credit.errors import MISREAD, ArtefactError, ReleaseError
from fed_credit.features.cuts import DetailsQuestion, HistogramQuestion, PartsQuestion
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.features.questions import FrameQuestion, MatrixQuestion
from fed_credit.features.spec import FeatureSpec
from fed_credit.models.design import Design
from fed_credit.models.likelihood import LikelihoodQuestion
from fed_credit.models.moments import CrossProductsQuestion
from fed_credit.releases import ReleaseSpec
from fed_credit.scorecard.binning import Binning
from fed_credit.scorecard.calibration import ScoreCountsQuestion
from fed_credit.scorecard.counts import ClassCountsQuestion
from fed_credit.scorecard.drift import DriftQuestion
from fed_credit.scorecard.fit import WoeDesign
from fed_credit.scorecard.messages import read_message, write_message

if TYPE_CHECKING:  # numba takes a second to import, and few runs grow trees
    from fed_credit.trees.columns import Columns
    from fed_credit.trees.request import Request


class MatrixDesign(Protocol):
    """Makes the matrix that a question is about."""

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the matrix of loans, ``(n, p)``."""
        ...


@dataclass(frozen=True)
class PreparedDesign:
    """The columns of a preprocessor that a regression uses.

    Parameters
    ----------
    preprocessor : Preprocessor
        The common preprocessor.
    """

    preprocessor: Preprocessor

    @cached_property
    def columns(self) -> Design:
        """Which columns, and their ranges."""
        return Design.of(self.preprocessor)

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the matrix of loans, ``(n, p) float32``."""
        return self.columns.take(self.preprocessor.transform(frame))


@dataclass(frozen=True)
class AboutFields:
    """A question about the fields of loans.

    Parameters
    ----------
    question : FrameQuestion
        The question.
    """

    question: FrameQuestion

    def layout(self) -> ReleaseSpec:
        """Return the layout of the answer."""
        return self.question.layout()

    def features(self) -> list[str | FeatureSpec]:
        """Return the features that it looks at, by name where it says no more."""
        asked = self.question
        if isinstance(asked, HistogramQuestion):
            return list(asked.features)
        if isinstance(asked, PartsQuestion):
            return list(asked.bins)
        if isinstance(asked, DetailsQuestion):
            return list(asked.parts)
        if isinstance(asked, ClassCountsQuestion):
            return [fine.feature for fine in asked.bins]
        if isinstance(asked, ScoreCountsQuestion):
            return _features(tuple(one.binning for one in asked.card.characteristics))
        assert isinstance(asked, DriftQuestion)
        return _features(asked.binnings)


@dataclass(frozen=True)
class AboutMatrix:
    """A question about a matrix that is made of the loans.

    Parameters
    ----------
    question : MatrixQuestion
        The question.
    design : PreparedDesign or WoeDesign
        What makes the matrix.
    text : str
        The design as it travels.
    """

    question: MatrixQuestion
    design: PreparedDesign | WoeDesign
    text: str

    def layout(self) -> ReleaseSpec:
        """Return the layout of the answer."""
        return self.question.layout()

    def features(self) -> list[str | FeatureSpec]:
        """Return the features that it looks at."""
        if isinstance(self.design, WoeDesign):
            return _features(self.design.binnings)
        return [step.feature for step in self.design.preprocessor.steps]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the design."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class AboutTrees:
    """A request of growing trees.

    Parameters
    ----------
    request : Request
        The request.
    columns : Columns
        What the trees look at.
    text : str
        The columns as they travel.
    """

    request: Request
    columns: Columns
    text: str

    def layout(self) -> ReleaseSpec:
        """Return the layout of the answer."""
        return self.request.layout(self.columns.bins.last_bins)

    def features(self) -> list[str | FeatureSpec]:
        """Return the features that it looks at."""
        return [column.fine.feature for column in self.columns.columns]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the columns."""
        return hashlib.sha256(self.text.encode()).hexdigest()


Asked = AboutFields | AboutMatrix | AboutTrees


def write_design(design: PreparedDesign | WoeDesign) -> str:
    """Return a design as text, which :func:`read_asked` reads."""
    if isinstance(design, PreparedDesign):
        return design.preprocessor.json_text
    return write_message(design)


def write_columns(columns: Columns) -> str:
    """Return the columns of trees as text, which :func:`read_asked` reads."""
    return json.dumps(columns.to_list(), ensure_ascii=False)


def read_asked(task: str, question: str, design: str, arrays: Sequence[np.ndarray]) -> Asked:
    """Read a question that came by wire.

    Parameters
    ----------
    task : str
        ``cells``, ``products``, ``likelihood`` or ``trees``.
    question : str
        The question as text.
    design : str
        What makes its matrix; empty for ``cells``.
    arrays : sequence of numpy.ndarray
        Of a request of growing trees.

    Returns
    -------
    AboutFields, AboutMatrix or AboutTrees

    Raises
    ------
    ReleaseError
        If it is no such question; safe to send.
    """
    try:
        if task == "trees":
            from fed_credit.trees.request import Request

            columns = read_columns(design)
            request = Request.read(question, arrays, columns.bins.last_bins)
            return AboutTrees(request, columns, design)
        asked = read_message(question)
        if task == "cells":
            if not isinstance(asked, _OF_FIELDS):
                raise _another(task)
            return AboutFields(asked)
        if task == "products" and isinstance(asked, CrossProductsQuestion):
            return AboutMatrix(asked, _design(design), design)
        if task == "likelihood" and isinstance(asked, LikelihoodQuestion):
            return AboutMatrix(asked, _design(design), design)
    except ReleaseError:
        raise
    except MISREAD as error:
        reason = str(error).rstrip(".")
        raise ReleaseError(
            f"A question of the task '{task}' cannot be read ({reason}); refused."
        ) from None
    raise _another(task)


_OF_FIELDS = (
    HistogramQuestion,
    PartsQuestion,
    DetailsQuestion,
    ClassCountsQuestion,
    ScoreCountsQuestion,
    DriftQuestion,
)


def _another(task: str) -> ReleaseError:
    return ReleaseError(f"The question is none of the task '{task}'; refused.")


def _features(binnings: Sequence[Binning]) -> list[str | FeatureSpec]:
    return [binning.fine.feature for binning in binnings]


# A run asks about one design many times: read and prepare it once a process.
@lru_cache(maxsize=4)
def _design(text: str) -> PreparedDesign | WoeDesign:
    if "kind" in json.loads(text):
        design = read_message(text)
        if not isinstance(design, WoeDesign):
            raise ArtefactError("it is no design of a matrix.")
        return design
    return PreparedDesign(Preprocessor.from_json(text))


@lru_cache(maxsize=4)
def read_columns(text: str) -> Columns:
    """Read what :func:`write_columns` wrote.

    Raises
    ------
    ArtefactError, ValueError
        If it is no description of columns.
    """
    from fed_credit.trees.columns import Columns

    return Columns.from_list(json.loads(text))
