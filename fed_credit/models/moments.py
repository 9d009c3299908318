"""Cross-products of columns as a question, and correlations and variance inflation from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fed_credit.features.questions import Arrays
from fed_credit.models.products import (
    PRODUCT_BITS,
    column_blocks,
    join_wide,
    split_wide,
    symmetric,
    to_columns_grid,
    triangle,
    wide_entries,
)
from fed_credit.releases import Entry, ReleaseSpec


@dataclass(frozen=True)
class CrossProductsQuestion:
    """Asks for the sums of products of all pairs of columns.

    Parameters
    ----------
    exponents : tuple of int
        ``p``: column ``j`` of the matrix lies within ``[-2**exponents[j], 2**exponents[j]]``.
    """

    exponents: tuple[int, ...]

    def layout(self) -> ReleaseSpec:
        """Return the layout: ``n``, and half the products of the columns and a column of ones."""
        p = len(self.exponents) + 1
        return ReleaseSpec(
            "cross products", (Entry("n", ()), *wide_entries("products", p * (p + 1) // 2))
        )

    def answer(self, x: np.ndarray, y: np.ndarray) -> Arrays:
        """Return one bank's part over ``(n, p)`` columns; outcomes play no part.

        Raises
        ------
        ReleaseError
            If a value is not finite or lies outside its column's range.
        """
        p = len(self.exponents) + 1
        products = np.zeros((p, p), dtype=np.int64)
        for _, block in column_blocks(x, self.exponents):
            grid = to_columns_grid(block)
            products += (grid @ grid.T).astype(np.int64)
        return {"n": np.array(len(x)), **split_wide("products", products[triangle(p)])}


def covariances(sums: Arrays, exponents: Sequence[int]) -> np.ndarray:
    """Read the decoded sum of the answers to a :class:`CrossProductsQuestion`.

    Parameters
    ----------
    sums : mapping of str to numpy.ndarray
        The sum.
    exponents : sequence of int
        As in the question.

    Returns
    -------
    numpy.ndarray
        ``(p, p) float64``: covariances of the columns, divided by the number of loans.
    """
    p = len(exponents) + 1
    moments = symmetric(join_wide("products", sums, PRODUCT_BITS), p) / max(1, int(sums["n"]))
    power = np.asarray(exponents, dtype=np.int64)
    central = moments[1:, 1:] - np.outer(moments[0, 1:], moments[0, 1:])
    found: np.ndarray = np.ldexp(central, power[:, None] + power[None, :])
    return found


def correlations(covariance: np.ndarray) -> np.ndarray:
    """Return correlations, ``(p, p)``; those of a column that does not vary are zero."""
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    varies = deviation > 0
    unit = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0)
    found: np.ndarray = np.clip(covariance * unit[:, None] * unit[None, :], -1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return found


def inflation(correlation: np.ndarray) -> np.ndarray:
    """Return variance inflation factors, the diagonal of the inverse of the correlations.

    Parameters
    ----------
    correlation : numpy.ndarray
        ``(p, p)``.

    Returns
    -------
    numpy.ndarray
        ``(p,) float64``: ``1 / (1 - R**2)`` of each column's regression on the others (Belsley, Kuh
        & Welsch, 1980); infinite where it is a combination of them.
    """
    values, vectors = np.linalg.eigh(correlation)
    nothing = values < 1e-9
    found: np.ndarray = (vectors[:, ~nothing] ** 2 / values[~nothing]).sum(axis=1)
    found[(np.abs(vectors[:, nothing]) > 1e-3).any(axis=1)] = np.inf
    return found
