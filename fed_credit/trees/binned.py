"""Loans as bin codes on common cuts: all that growing a tree looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fed_credit.errors import DataError

MAX_BINS = 2**16 - 1


@dataclass(frozen=True, eq=False)
class Bins:
    """The common cuts of each column of the matrix.

    Bin ``b`` of a column holds the values ``x`` with ``cuts[b - 1] <= x < cuts[b]``, compared as
    float32, as XGBoost does. One more bin, the last, holds what is missing.

    Parameters
    ----------
    names : tuple of str
        The columns, in the order of the matrix.
    cuts : tuple of numpy.ndarray
        ``(n_cuts,) float32`` per column, rising.

    Raises
    ------
    DataError
        If names repeat, or cuts do not rise or are too many.
    """

    names: tuple[str, ...]
    cuts: tuple[np.ndarray, ...]

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names) or len(self.names) != len(self.cuts):
            raise DataError(
                "Each column of the trees needs one name of its own and one set of cuts."
            )
        for name, cuts in zip(self.names, self.cuts, strict=True):
            rising = cuts.dtype == np.float32 and cuts.ndim == 1 and (np.diff(cuts) > 0).all()
            if not (rising and np.isfinite(cuts).all() and len(cuts) + 2 <= MAX_BINS):
                raise DataError(
                    f"The cuts of '{name}' must be at most {MAX_BINS - 2} finite numbers that rise,"
                    " as float32."
                )

    @classmethod
    def of(cls, cuts: Mapping[str, Sequence[float] | np.ndarray]) -> Bins:
        """Take cuts by column name as float32; those that become equal are one.

        Parameters
        ----------
        cuts : mapping of str to sequence of float
            Per column, in any order. A cut is the least value of the bin above it.
        """
        return cls(
            tuple(cuts), tuple(np.unique(np.asarray(c, dtype=np.float32)) for c in cuts.values())
        )

    @cached_property
    def last_bins(self) -> np.ndarray:
        """Code of a missing value in each column, ``(n_columns,) int64``."""
        return np.array([len(cuts) + 1 for cuts in self.cuts], np.int64)

    @property
    def dtype(self) -> type[np.unsignedinteger[Any]]:
        """The smallest type that holds every code."""
        return np.uint8 if self.last_bins.max(initial=0) < 256 else np.uint16

    def codes(self, matrix: np.ndarray) -> np.ndarray:
        """Return the bin of each value.

        Parameters
        ----------
        matrix : numpy.ndarray
            ``(n, n_columns)`` floats, NaN where missing.

        Returns
        -------
        numpy.ndarray
            ``(n, n_columns)`` of :attr:`dtype`, a loan's codes side by side.

        Raises
        ------
        DataError
            If the matrix has another number of columns.
        """
        if matrix.ndim != 2 or matrix.shape[1] != len(self.names):
            raise DataError(
                f"The trees look at {len(self.names)} columns, got a matrix of shape"
                f" {matrix.shape}."
            )
        codes = np.empty(matrix.shape, self.dtype)
        for k, cuts in enumerate(self.cuts):
            values = matrix[:, k].astype(np.float32)
            bins = np.searchsorted(cuts, values, side="right")
            codes[:, k] = np.where(np.isnan(values), len(cuts) + 1, bins)
        return codes

    def to_dict(self) -> dict[str, list[float]]:
        """Return the cuts by name, for JSON."""
        return {name: cuts.tolist() for name, cuts in zip(self.names, self.cuts, strict=True)}


@dataclass(frozen=True, eq=False)
class BinnedLoans:
    """Loans of one bank, ready for trees.

    Parameters
    ----------
    codes : numpy.ndarray
        ``(n, n_columns)`` uint8 or uint16, of :meth:`Bins.codes`.
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good.
    keys : numpy.ndarray
        ``(n,) uint64``: each loan's own, the same whoever holds the loan.
    """

    codes: np.ndarray
    y: np.ndarray
    keys: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray | slice) -> BinnedLoans:
        """Return some of the loans."""
        return BinnedLoans(self.codes[rows], self.y[rows], self.keys[rows])
