"""The log-likelihood of logistic regression as a question: loss, gradient and Hessian as sums.

Each loan's contribution is rounded to fixed point before it is added, and computed by operations
that depend on that loan alone, so the sums are those of the pooled loans bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fed_credit.features.questions import Arrays
from fed_credit.models.elementwise import LARGEST, logistic
from fed_credit.models.products import (
    COLUMN_BITS,
    column_blocks,
    join_wide,
    split_wide,
    symmetric,
    to_columns_grid,
    triangle,
    wide_entries,
)
from fed_credit.releases import Entry, ReleaseSpec

_LOSS_BITS = 24
GRADIENT_BITS = 36
"""Fractional bits of a loan's part of the gradient, per unit of its column's range."""

# A loan's weight in the Hessian is 1/4 at most, so its count is below that of a column's grid.
_WEIGHT_BITS = COLUMN_BITS + 2
_HESSIAN_BITS = 2 * COLUMN_BITS + _WEIGHT_BITS
LOSS_UNIT = 2.0**-_LOSS_BITS
"""Step of the fixed point in which a loan's loss is counted."""


@dataclass(frozen=True)
class LikelihoodQuestion:
    """Asks for loss, gradient and Hessian of a logistic regression at given coefficients.

    Parameters
    ----------
    coefficients : tuple of float
        ``p + 1`` of them, the intercept first.
    exponents : tuple of int
        ``p``: column ``j`` of the design lies within ``[-2**exponents[j], 2**exponents[j]]``.
    """

    coefficients: tuple[float, ...]
    exponents: tuple[int, ...]

    def layout(self) -> ReleaseSpec:
        """Return the layout: ``n``, ``n_bad``, and loss, gradient and half the Hessian in two."""
        p = len(self.coefficients)
        size = 1 + p + p * (p + 1)
        return ReleaseSpec(
            "likelihood", (Entry("n", ()), Entry("n_bad", ()), *wide_entries("sums", size))
        )

    def answer(self, x: np.ndarray, y: np.ndarray) -> Arrays:
        """Return one bank's part.

        Parameters
        ----------
        x : numpy.ndarray
            ``(n, p)`` float32 or float64: the design without the intercept.
        y : numpy.ndarray
            ``(n,) int8``: 1 bad, 0 good.

        Returns
        -------
        mapping of str to numpy.ndarray
            int64 arrays of :meth:`layout`.

        Raises
        ------
        ReleaseError
            If a value is not finite or lies outside its column's range.
        """
        p = len(self.coefficients)
        # Scaling by a power of 2 is exact, so products are those of the unscaled columns.
        scaled = np.ldexp(np.array(self.coefficients), np.array([0, *self.exponents]))
        loss = 0
        gradient = np.zeros(p, dtype=np.int64)
        hessian = np.zeros((2, p, p), dtype=np.int64)
        for rows, block in column_blocks(x, self.exponents):
            log_odds = _log_odds(scaled, block)
            probability, softplus = logistic(log_odds)
            bad = y[rows].astype(np.float64)
            # Integers below 2**53 as floats, so their sums are exact in any order.
            loss += int(np.rint((softplus - bad * log_odds) * 2.0**_LOSS_BITS).sum())
            work = block * (probability - bad)
            work *= 2.0**GRADIENT_BITS
            np.rint(work, out=work)
            gradient += work.sum(axis=1).astype(np.int64)
            # A weighted column on the grid is a whole number still; its two halves are multiplied
            # apart, so that the Hessian is exactly that of the rounded columns and weights.
            grid = to_columns_grid(block)
            weight = np.rint(probability * (1.0 - probability) * 2.0**_WEIGHT_BITS)
            np.multiply(grid, weight, out=work)
            upper = np.floor(work * 2.0**-COLUMN_BITS)
            work -= upper * 2.0**COLUMN_BITS
            hessian[0] += (grid @ upper.T).astype(np.int64)
            hessian[1] += (grid @ work.T).astype(np.int64)
        halves = [half[triangle(p)] for half in hessian]
        totals = np.concatenate([[loss], gradient, *halves]).astype(np.int64)
        return {
            "n": np.array(len(y)),
            "n_bad": np.array(np.count_nonzero(y)),
            **split_wide("sums", totals),
        }


@dataclass(frozen=True, eq=False)
class Likelihood:
    """What the sum of the answers says, in the units of the design.

    Parameters
    ----------
    n, bads : int
        Loans, and bad ones among them.
    loss : float
        Negative log-likelihood in nats.
    gradient : numpy.ndarray
        ``(p + 1,) float64``: its derivatives by the coefficients.
    hessian : numpy.ndarray
        ``(p + 1, p + 1) float64``: its second derivatives, the information matrix.
    """

    n: int
    bads: int
    loss: float
    gradient: np.ndarray
    hessian: np.ndarray


def read_likelihood(sums: Arrays, exponents: Sequence[int]) -> Likelihood:
    """Read the decoded sum of the answers to a :class:`LikelihoodQuestion`."""
    p = len(exponents) + 1
    totals = join_wide("sums", sums, 0)
    power = np.array([0, *exponents])
    upper, lower = np.split(totals[1 + p :], 2)
    hessian = symmetric(np.ldexp(upper, COLUMN_BITS) + lower, p)
    return Likelihood(
        n=int(sums["n"]),
        bads=int(sums["n_bad"]),
        loss=float(np.ldexp(totals[0], -_LOSS_BITS)),
        gradient=np.ldexp(totals[1 : 1 + p], power - GRADIENT_BITS),
        hessian=np.ldexp(hessian, power[:, None] + power[None, :] - _HESSIAN_BITS),
    )


def _log_odds(scaled: np.ndarray, block: np.ndarray) -> np.ndarray:
    # Column by column: a matrix product may add in another order at the end of a block.
    total = np.zeros(block.shape[1])
    term = np.empty_like(total)
    for coefficient, column in zip(scaled, block, strict=True):
        np.multiply(column, coefficient, out=term)
        total += term
    clipped: np.ndarray = np.clip(total, -LARGEST, LARGEST)
    return clipped
