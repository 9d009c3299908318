"""A loan book: one institution's labelled loans, and the data set that holds several of them.

A data set keeps all loans in arrays sorted by institution, so that each bank's book is a slice
(no copy), and the firm's identifier apart from the features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd

from fed_credit.data.recipe import Recipe
from fed_credit.data.schema import Field, KnownAt, Schema


class Part(IntEnum):
    """The part of the split a loan belongs to."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2
    SET_ASIDE = 3  # in neither: the embargo before an out-of-time cut, or a firm on both sides


class Book(Protocol):
    """One institution's labelled loans, wherever they lie; see :class:`LoanBook` for the fields.

    Parameters
    ----------
    columns : sequence of str
        Names of the features, known without reading them.
    """

    @property
    def institution(self) -> str: ...  # noqa: D102

    @property
    def columns(self) -> Sequence[str]: ...  # noqa: D102

    @property
    def features(self) -> pd.DataFrame: ...  # noqa: D102

    @property
    def y(self) -> np.ndarray: ...  # noqa: D102

    @property
    def exposure(self) -> np.ndarray: ...  # noqa: D102

    @property
    def recipes(self) -> Mapping[str, Recipe]: ...  # noqa: D102


@dataclass(frozen=True)
class LoanBook:
    """One institution's labelled loans, in memory.

    Parameters
    ----------
    institution : str
        Name of the bank.
    features : pandas.DataFrame
        ``(n_loans, n_features)``: float64 for numeric and boolean (0, 1) fields with NaN where
        missing; ``category`` for categorical fields, NaN where missing.
    y : numpy.ndarray
        ``(n_loans,) int8``: 1 bad, 0 good.
    exposure : numpy.ndarray
        ``(n_loans,) float64``: amount at risk in the schema's currency; ones if there is none.
    recipes : mapping of str to Recipe
        How each engineered feature was computed.
    """

    institution: str
    features: pd.DataFrame
    y: np.ndarray
    exposure: np.ndarray
    recipes: Mapping[str, Recipe] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def columns(self) -> Sequence[str]:
        """Names of the features."""
        return list(self.features.columns)


@dataclass
class DataReport:
    """Where every row that was read went.

    ``rows == rejected + unlabelled + immature + out_of_scope + left_out + used`` holds.

    Parameters
    ----------
    rows : int
        Rows read.
    rejected : int
        Rows set aside with a reason.
    unlabelled : int
        Rows without an outcome.
    immature : int
        Rows not observed for the whole performance window.
    out_of_scope : int
        Rows decided before ``data.approved_from``.
    left_out : int
        Rows of institutions that are too small or beyond ``federation.num_institutions``.
    left_out_institutions : int
        How many institutions those are.
    used : int
        Rows in the data set.
    reasons : mapping of str to int
        Rejected rows by reason.
    fingerprint : str
        SHA-256 over the data that were used.
    """

    rows: int = 0
    rejected: int = 0
    unlabelled: int = 0
    immature: int = 0
    out_of_scope: int = 0
    left_out: int = 0
    left_out_institutions: int = 0
    used: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    fingerprint: str = ""


@dataclass(frozen=True)
class Dataset:
    """Labelled loans of several institutions, sorted by institution.

    Parameters
    ----------
    schema : Schema
        What the fields are.
    decision_point : KnownAt
        When the model decides.
    fields : tuple of Field
        The features, in the order of the columns of ``features``.
    names : tuple of str
        Institutions, largest first.
    offsets : numpy.ndarray
        ``(n_institutions + 1,) int64``: the loans of institution ``k`` are
        ``offsets[k]:offsets[k + 1]``.
    features, y, exposure
        As in :class:`LoanBook`, for all loans.
    loan_id : numpy.ndarray
        ``(n_loans,) object``: identifier of the loan, for the bank's own files.
    firm : numpy.ndarray
        ``(n_loans,) int64``: equal for loans of one firm, over all institutions; a hash of the
        firm's identifier, so that it does not depend on which other loans are there.
    decided : numpy.ndarray
        ``(n_loans,) datetime64[D]``: decision date; NaT where the data have none.
    true_pd : numpy.ndarray or None
        ``(n_loans,) float64``: the true PD of synthetic loans, kept aside.
    report : DataReport
        Where every row went.
    rejected : pandas.DataFrame
        Rejected rows: ``row`` (1-based, in the source), ``field``, ``reason``, ``value``.
    warnings : tuple of str
        Sentences that belong in the results (leakage, final status only, ...).
    shared_firm : numpy.ndarray or None
        ``(n_loans,) bool``: the firm borrows at more than one institution of the source, whether
        they take part or not, so that its part of a split does not depend on who does; None to
        look at the institutions of this data set alone.
    """

    schema: Schema
    decision_point: KnownAt
    fields: tuple[Field, ...]
    names: tuple[str, ...]
    offsets: np.ndarray
    features: pd.DataFrame
    y: np.ndarray
    exposure: np.ndarray
    loan_id: np.ndarray
    firm: np.ndarray
    decided: np.ndarray
    true_pd: np.ndarray | None
    report: DataReport
    rejected: pd.DataFrame
    warnings: tuple[str, ...] = ()
    shared_firm: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def recipes(self) -> Mapping[str, Recipe]:
        """How each engineered feature was computed."""
        return {
            item.name: Recipe.of(self.schema, [item.name]) for item in self.fields if item.formula
        }

    def rows(self, k: int) -> slice:
        """Return the rows of institution ``k``."""
        return slice(int(self.offsets[k]), int(self.offsets[k + 1]))

    def book(self, k: int) -> LoanBook:
        """Return institution ``k``'s loan book, a view."""
        rows = self.rows(k)
        return LoanBook(
            self.names[k],
            self.features.iloc[rows],
            self.y[rows],
            self.exposure[rows],
            self.recipes,
        )

    def books(self) -> Iterator[LoanBook]:
        """Iterate over the books, one at a time, largest first."""
        return (self.book(k) for k in range(len(self.names)))
