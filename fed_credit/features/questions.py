"""A question to the banks: what each computes on its own loans, and how the answers are laid out.

Exact models are fitted by a few questions, each of which follows from the sums of those before. A
question is plain data, so that it can travel; its layout is known before anyone computes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import pandas as pd

from fed_credit.releases import ReleaseSpec

Arrays = Mapping[str, np.ndarray]


class FrameQuestion(Protocol):
    """A question that is answered from the fields of loans."""

    def layout(self) -> ReleaseSpec:
        """Return the layout of the answer."""
        ...

    def answer(self, frame: pd.DataFrame, y: np.ndarray) -> Arrays:
        """Return one bank's answer over its loans, ``(n, ...)``, and their outcomes, ``(n,)``."""
        ...


class MatrixQuestion(Protocol):
    """A question that is answered from a model's matrix."""

    def layout(self) -> ReleaseSpec:
        """Return the layout of the answer."""
        ...

    def answer(self, x: np.ndarray, y: np.ndarray) -> Arrays:
        """Return one bank's answer over ``(n, p)`` columns and their outcomes, ``(n,)``."""
        ...


AskFrames = Callable[[FrameQuestion], Arrays]
"""Puts a question to all banks and returns the decoded sum of their answers."""

AskMatrices = Callable[[MatrixQuestion], Arrays]
"""The same for a question that is answered from a model's matrix."""
