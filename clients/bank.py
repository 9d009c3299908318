"""A bank as its own clients see it: a loan book and its split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fed_credit.data.book import Book, Part
from fed_credit.data.schema import FEATURE_KINDS
from fed_credit.errors import ReleaseError
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.models.protocol import Weights
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.task import TaskConfig

if TYPE_CHECKING:  # numba takes a second to import, and few runs grow trees
    from fed_credit.training.questions import AboutTrees
    from fed_credit.trees.bank import TreeBank

# Gives the matrix of a preprocessor's fingerprint and a part from where a bank keeps them, or makes
# it by the function and keeps it.
MatrixStore = Callable[[str, Part, Callable[[], np.ndarray]], np.ndarray]


@dataclass
class Bank:
    """One bank's data.

    Parameters
    ----------
    book : Book
        The bank's labelled loans.
    parts : numpy.ndarray
        ``(n_loans,) int8`` codes of :class:`~fed_credit.data.book.Part`.
    kept : callable or None
        Where prepared matrices outlast the process; ``None`` keeps them in memory alone.
    on_test : callable or None
        Called with the request and the weights when the bank's test loans were scored.
    decided : numpy.ndarray or None
        ``(n_loans,) datetime64[D]``: of a book of all loans, as a monitor asks about, whose
        outcomes are -1 where they are not known; None of the labelled loans of a run.
    min_loans : int
        A period with fewer loans is left out of what a monitor is told.
    """

    book: Book
    parts: np.ndarray
    kept: MatrixStore | None = None
    on_test: Callable[[TaskConfig, Weights], None] | None = None
    decided: np.ndarray | None = None
    min_loans: int = 1
    _accepted: set[str] = field(default_factory=set, repr=False)
    _rows: dict[Part, np.ndarray] = field(default_factory=dict, repr=False)
    _labels: dict[Part, np.ndarray] = field(default_factory=dict, repr=False)
    _matrices: dict[Part, tuple[str, np.ndarray]] = field(default_factory=dict, repr=False)
    _trees: tuple[str, TreeBank] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Name of the institution."""
        return self.book.institution

    @cached_property
    def _offered(self) -> frozenset[str]:
        return frozenset(self.book.columns)

    def rows(self, part: Part) -> np.ndarray:
        """Positions of the loans of one part, ``int64``."""
        if part not in self._rows:
            self._rows[part] = np.flatnonzero(self.parts == part)
        return self._rows[part]

    def frame(self, part: Part) -> pd.DataFrame:
        """Features of the loans of one part."""
        return self.book.features.iloc[self.rows(part)]

    def labels(self, part: Part) -> np.ndarray:
        """Outcomes of the loans of one part, ``int8``."""
        if part not in self._labels:
            self._labels[part] = np.asarray(self.book.y[self.rows(part)])
        return self._labels[part]

    def exposure(self, part: Part) -> float:
        """Amount at risk in the loans of one part, in the schema's currency."""
        return float(self.book.exposure[self.rows(part)].sum())

    def matrix(self, preprocessor: Preprocessor, part: Part) -> np.ndarray:
        """Return the prepared matrix of one part, ``(n, n_columns) float32``, made once."""
        return self.made(
            preprocessor.fingerprint, part, lambda: preprocessor.transform(self.frame(part))
        )

    def made(self, fingerprint: str, part: Part, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return what is made of the loans of one part, made once.

        Parameters
        ----------
        fingerprint : str
            Of what makes it; another one takes its place.
        part : Part
            Which loans.
        make : callable
            Makes it.

        Returns
        -------
        numpy.ndarray
            ``(n, ...)``; its bytes must not be changed.
        """
        known, matrix = self._matrices.get(part, ("", None))
        if matrix is not None and known == fingerprint:
            return matrix
        matrix = make() if self.kept is None else self.kept(fingerprint, part, make)
        self._matrices[part] = (fingerprint, matrix)
        return matrix

    def trees(self, asked: AboutTrees, threads: int) -> TreeBank:
        """Return what answers requests of growing trees; it remembers where the loans stand.

        Parameters
        ----------
        asked : AboutTrees
            With the columns that the trees look at.
        threads : int
            Threads to compute with.
        """
        from fed_credit.families.binned import sampled
        from fed_credit.trees.bank import TreeBank

        if self._trees is None or self._trees[0] != asked.fingerprint:
            columns = asked.columns

            def codes(part: Part) -> np.ndarray:
                return self.made(
                    asked.fingerprint,
                    part,
                    lambda: columns.bins.codes(columns.matrix(self.frame(part))),
                )

            train, validation = (
                sampled(codes(part), self.labels(part)) for part in (Part.TRAIN, Part.VALIDATION)
            )
            bank = TreeBank(train, validation, columns.bins.last_bins, threads)
            self._trees = (asked.fingerprint, bank)
        return self._trees[1]

    def check(self, spec: RunSpec) -> None:
        """Ask whether the bank's book holds what a run looks at.

        Raises
        ------
        ReleaseError
            If its book lacks one of the run's features or holds one that was computed otherwise
            than the run says.
        """
        if spec.json_text in self._accepted:
            return  # a run asks the same again in every round
        for feature in spec.features:
            if feature.name not in self._offered or feature.kind not in FEATURE_KINDS:
                raise ReleaseError(
                    f"{self.name}'s loan book does not offer '{feature.name}' as a feature at the"
                    f" decision point '{spec.decision_point}'; refused."
                )
            if feature.recipe != self.book.recipes.get(feature.name):
                raise ReleaseError(
                    f"{self.name}'s loan book holds '{feature.name}' computed otherwise than the"
                    " run says; bank and operator need the same schema; refused."
                )
        self._accepted.add(spec.json_text)
