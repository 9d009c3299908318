"""Banks whose loans are all at hand: one bank alone, or pooled data in a simulation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from fed_credit.families.protocol import Banks
from fed_credit.features.questions import Arrays, FrameQuestion, MatrixQuestion
from fed_credit.features.statistics import (
    NumericRange,
    count,
    counts_spec,
    moments,
    moments_spec,
)
from fed_credit.releases import ReleaseSpec
from fed_credit.scorecard.fit import WoeDesign
from fed_credit.training.alone import Loans
from fed_credit.training.questions import PreparedDesign
from fed_credit.training.run_spec import RunSpec

if TYPE_CHECKING:  # numba takes a second to import, and few runs grow trees
    from fed_credit.trees.bank import TreeBank
    from fed_credit.trees.columns import Columns
    from fed_credit.trees.request import Request


class LoansAtHand(Banks):
    """Answers questions as a federation of one bank does, release by release.

    Parameters
    ----------
    run : RunSpec
        Whose features.
    train, validation : Loans
        The loans.
    """

    answered = 1

    def __init__(self, run: RunSpec, train: Loans, validation: Loans) -> None:
        self._run, self._train, self._validation = run, train, validation
        self._design: WoeDesign | PreparedDesign | None = None
        self._matrix = np.empty((0, 0))
        self._columns: Columns | None = None
        self._trees: TreeBank | None = None

    def counts(self) -> Arrays:
        """Count for the common preprocessor."""
        loans, features = self._train, self._run.features
        return _released(counts_spec(features), count(features, loans.frame, loans.y))

    def moments(self, ranges: Mapping[str, NumericRange]) -> Arrays:
        """Take moments for the common preprocessor."""
        features = self._run.features
        return _released(moments_spec(features), moments(features, self._train.frame, ranges))

    def ask(self, question: FrameQuestion) -> Arrays:
        """Ask about the training loans' fields."""
        answer = question.answer(self._train.frame, self._train.y)
        return _released(question.layout(), answer)

    def ask_validation(self, question: FrameQuestion) -> Arrays:
        """Ask about the validation loans' fields."""
        answer = question.answer(self._validation.frame, self._validation.y)
        return _released(question.layout(), answer)

    def ask_matrix(self, design: WoeDesign | PreparedDesign, question: MatrixQuestion) -> Arrays:
        """Ask about a matrix of the training loans."""
        if self._design is not design:
            self._design, self._matrix = design, design.matrix(self._train.frame)
        return _released(question.layout(), question.answer(self._matrix, self._train.y))

    def ask_trees(self, columns: Columns, request: Request) -> np.ndarray:
        """Ask what growing trees needs."""
        from fed_credit.families.binned import sampled
        from fed_credit.trees.bank import TreeBank

        if self._trees is None or self._columns is not columns:
            self._columns = columns
            train, validation = (
                sampled(columns.bins.codes(columns.matrix(loans.frame)), loans.y)
                for loans in (self._train, self._validation)
            )
            last_bins, threads = columns.bins.last_bins, self._run.torch_threads
            self._trees = TreeBank(train, validation, last_bins, threads)
        return request.layout(columns.bins.last_bins).encode(self._trees.answer(request))


def _released(layout: ReleaseSpec, answer: Arrays) -> Arrays:
    return layout.decode(layout.encode(answer))
