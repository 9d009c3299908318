"""Banks whose loans are all at hand: in a simulation, for one bank alone, or pooled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from fed_credit.features.questions import Arrays, FrameQuestion, MatrixQuestion
from fed_credit.releases import ReleaseSpec
from fed_credit.scorecard.fit import WoeDesign

Loans = tuple[pd.DataFrame, np.ndarray]


class LoansAtHand:
    """Answers questions by the same releases and sums as a federation does.

    Parameters
    ----------
    train, validation : sequence of (pandas.DataFrame, numpy.ndarray)
        Loans and outcomes, ``(n, ...)`` and ``(n,) int8``, bank by bank.
    """

    def __init__(self, train: Sequence[Loans], validation: Sequence[Loans]) -> None:
        self.train, self.validation = train, validation
        self._design: WoeDesign | None = None
        self._matrices: list[np.ndarray] = []

    def ask(self, question: FrameQuestion) -> Arrays:
        """Ask about the training loans' fields."""
        return add_up(question.layout(), (question.answer(*loans) for loans in self.train))

    def ask_validation(self, question: FrameQuestion) -> Arrays:
        """Ask about the validation loans' fields."""
        return add_up(question.layout(), (question.answer(*loans) for loans in self.validation))

    def ask_matrix(self, design: WoeDesign, question: MatrixQuestion) -> Arrays:
        """Ask about the training loans' weights of evidence."""
        if self._design is not design:
            self._design = design
            self._matrices = [design.matrix(frame) for frame, _ in self.train]
        books = zip(self._matrices, self.train, strict=True)
        return add_up(question.layout(), (question.answer(x, y) for x, (_, y) in books))


def add_up(layout: ReleaseSpec, answers: Iterable[Arrays]) -> Arrays:
    """Encode answers as releases, add them, and decode the sum.

    Parameters
    ----------
    layout : ReleaseSpec
        Of the answers.
    answers : iterable of mapping
        One per bank.

    Returns
    -------
    mapping of str to numpy.ndarray
    """
    total = np.zeros(layout.size, dtype=np.int64)
    for answer in answers:
        total += layout.encode(answer)
    return layout.decode(total)
