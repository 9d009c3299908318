"""Exact logistic regression: Newton's method on summed gradients and Hessians.

The steps are those of iteratively reweighted least squares (McCullagh & Nelder, *Generalized Linear
Models*, 1989, 2.5). Each costs one question to the banks, and the coefficients are those of the
pooled loans. Start: all log-odds are those of the common bad rate. A design whose columns are
linearly dependent is fitted in the space that it spans; loans that a combination of columns
separates have no finite estimate, and the fit says so instead of running away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fed_credit.config.scorecard import NewtonSpec
from fed_credit.features.questions import AskMatrices
from fed_credit.models.diagnosis import (
    Diagnosis,
    collinear,
    converged,
    not_converged,
    one_class,
    separated,
)
from fed_credit.models.likelihood import (
    GRADIENT_BITS,
    LOSS_UNIT,
    Likelihood,
    LikelihoodQuestion,
    read_likelihood,
)
from fed_credit.models.products import COLUMN_BITS

_HALVINGS = 10
# Without likelihood to gain (the decrement is twice what a step promises), a regular fit shrinks
# its steps quadratically; a separated one goes on with steps of equal length in log-odds.
_NOTHING_TO_GAIN, _STILL_WALKING = 0.01, 0.5


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """A fitted logistic regression of the probability that a loan is bad.

    Parameters
    ----------
    names : tuple of str
        Columns of the design, the intercept first.
    coefficients : numpy.ndarray
        ``(p + 1,) float64``.
    covariance : numpy.ndarray
        ``(p + 1, p + 1) float64``: of the coefficients; NaN for those that are not determined.
    n, bads : int
        Loans, and bad ones among them.
    loss : float
        Negative log-likelihood in nats, where it was last asked for.
    questions : int
        How often the banks were asked.
    diagnosis : Diagnosis
        Whether the coefficients can be relied on.
    """

    names: tuple[str, ...]
    coefficients: np.ndarray
    covariance: np.ndarray
    n: int
    bads: int
    loss: float
    questions: int
    diagnosis: Diagnosis

    @property
    def standard_errors(self) -> np.ndarray:
        """``(p + 1,)``: square roots of the variances."""
        errors: np.ndarray = np.sqrt(np.diag(self.covariance))
        return errors

    @property
    def z(self) -> np.ndarray:
        """``(p + 1,)``: Wald's statistic, coefficient over standard error."""
        statistic: np.ndarray = self.coefficients / self.standard_errors
        return statistic

    @property
    def p_values(self) -> np.ndarray:
        """``(p + 1,)``: two-sided, of Wald's statistic under the normal distribution."""
        return np.array([math.erfc(abs(z) / math.sqrt(2.0)) for z in self.z])

    def intervals(self, confidence: float) -> np.ndarray:
        """Return Wald's confidence intervals, ``(p + 1, 2)``."""
        from statistics import NormalDist

        half = NormalDist().inv_cdf(0.5 + confidence / 2.0) * self.standard_errors
        return np.column_stack([self.coefficients - half, self.coefficients + half])

    @property
    def null_loss(self) -> float:
        """Negative log-likelihood of a model with nothing but an intercept."""
        return -sum(k * math.log(k / self.n) for k in (self.bads, self.n - self.bads) if k)

    @property
    def pseudo_r2(self) -> float:
        """McFadden's (1974): ``1 - loss / null_loss``."""
        return 1.0 - self.loss / self.null_loss


def fit_logistic(
    ask: AskMatrices,
    names: Sequence[str],
    exponents: Sequence[int],
    *,
    n: int,
    bads: int,
    spec: NewtonSpec,
) -> LogisticFit:
    """Fit a logistic regression by asking for sums.

    Parameters
    ----------
    ask : callable
        Puts a question to the banks.
    names : sequence of str
        ``p`` columns of the design, without the intercept. Columns far from zero compared with
        their spread (years, for instance) should be centred.
    exponents : sequence of int
        Column ``j`` lies within ``[-2**exponents[j], 2**exponents[j]]``; tight within a factor of
        some, since it sets the fixed point.
    n, bads : int
        Loans, and bad ones among them, for the start; known from an earlier question.
    spec : NewtonSpec
        Penalty, tolerance, steps.

    Returns
    -------
    LogisticFit
        With penalty ``l2`` the minimum of ``loss + l2 / 2 * sum(coefficients[1:] ** 2)``. The
        covariance is ``A^-1 H A^-1`` with the information ``H`` and ``A = H + l2 I`` (le Cessie &
        van Houwelingen, 1992), which without a penalty is ``H^-1``.
    """
    labels = ("intercept", *names)
    if not 0 < bads < n:
        empty = np.zeros(len(labels))
        return LogisticFit(
            labels, empty, np.full((len(labels),) * 2, math.nan), n, bads, 0.0, 0, one_class(bads)
        )
    start = np.zeros(len(labels))
    start[0] = math.log(bads / (n - bads))
    search = _Search(ask, tuple(exponents), spec, start)
    verdict = search.run(labels)
    return LogisticFit(
        names=labels,
        coefficients=search.at,
        covariance=search.covariance(),
        n=search.sums.n,
        bads=search.sums.bads,
        loss=search.sums.loss,
        questions=search.questions,
        diagnosis=verdict,
    )


class _Search:
    """Newton's method from one point on, in the space that the columns span."""

    def __init__(
        self, ask: AskMatrices, exponents: tuple[int, ...], spec: NewtonSpec, start: np.ndarray
    ) -> None:
        self.ask, self.exponents, self.spec = ask, exponents, spec
        self.reach = np.ldexp(1.0, np.array([0, *exponents]))
        self.penalty = np.r_[0.0, np.full(len(exponents), spec.l2)]
        self.questions = 0
        self.at = start
        self.sums = self._look(start)
        self.metric = self.sums.hessian
        self.basis, self.dependent = _span(self._curvature(), self.reach)

    def run(self, labels: Sequence[str]) -> Diagnosis:
        """Step until nothing moves any more, or it is clear that it never will."""
        before = math.inf
        for _ in range(self.spec.max_iterations):
            step, decrement = self._newton_step()
            moves = np.abs(step * self.reach)
            # The decrement bounds the square of each move in standard errors (Boyd & Vandenberghe,
            # *Convex Optimization*, 2004, 9.5).
            enough = max(self.spec.tolerance**2, self._noise())
            if moves.max() <= self.spec.tolerance or decrement <= enough:
                # Newton's error after a step is of the order of its square, so nobody is asked
                # again.
                self.at = self.at + step
                return collinear(labels, self.dependent) if self.dependent.any() else converged()
            # How far log-odds move, in the mean over loans.
            length = math.sqrt(max(0.0, float(step @ self.metric @ step)))
            if decrement < _NOTHING_TO_GAIN and length > _STILL_WALKING * before:
                return separated(labels, moves > moves.max() / 10)
            before = length
            if not self._descend(step):
                break
        moving = np.abs(self._newton_step()[0] * self.reach) > self.spec.tolerance
        return not_converged(labels, moving)

    def covariance(self) -> np.ndarray:
        """Covariance of the coefficients where the sums were last asked for."""
        try:
            inner = np.linalg.inv(self.basis.T @ self._curvature() @ self.basis)
        except np.linalg.LinAlgError:
            return np.full_like(self.sums.hessian, math.nan)
        inverse = self.basis @ inner @ self.basis.T
        found: np.ndarray = inverse @ self.sums.hessian @ inverse
        found[self.dependent, :] = math.nan
        found[:, self.dependent] = math.nan
        return found

    def _look(self, at: np.ndarray) -> Likelihood:
        self.questions += 1
        question = LikelihoodQuestion(tuple(float(value) for value in at), self.exponents)
        return read_likelihood(self.ask(question), self.exponents)

    def _curvature(self) -> np.ndarray:
        curvature: np.ndarray = self.sums.hessian + np.diag(self.penalty)
        return curvature

    def _newton_step(self) -> tuple[np.ndarray, float]:
        slope = self.basis.T @ (self.sums.gradient + self.penalty * self.at)
        inner = self.basis.T @ self._curvature() @ self.basis
        # Least squares, since separated loans leave no curvature.
        inside = -np.linalg.lstsq(inner, slope, rcond=None)[0]
        return self.basis @ inside, float(-slope @ inside)

    def _noise(self) -> float:
        """Return a decrement that is no more than what fixed point makes up, with some room."""
        inner = self.basis.T @ self._curvature() @ self.basis
        spread = (self.basis * self.reach[:, None]).T @ (self.basis * self.reach[:, None])
        inverse = np.linalg.lstsq(inner, spread, rcond=None)[0]
        return 100.0 * self.sums.n * 4.0 ** -(GRADIENT_BITS + 1) * float(np.trace(inverse))

    def _descend(self, step: np.ndarray) -> bool:
        """Go the step, or half of it again and again, until the objective does not rise."""
        # What rounding every loan to fixed point can make up.
        slack = LOSS_UNIT * self.sums.n
        here = self._objective(self.sums, self.at) + slack
        for halvings in range(_HALVINGS):
            there = self.at + step * 0.5**halvings
            sums = self._look(there)
            # Sums over other loans, since a bank dropped out, cannot be compared.
            if sums.n != self.sums.n or self._objective(sums, there) <= here:
                self.at, self.sums = there, sums
                return True
        return False

    def _objective(self, sums: Likelihood, at: np.ndarray) -> float:
        return sums.loss + 0.5 * float(self.penalty @ (at * at))


def _span(curvature: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a basis of the space that the columns span, and which columns are not determined.

    Columns are compared at unit length, as by Belsley, Kuh & Welsch (*Regression Diagnostics*,
    1980, 3.2). Rounding columns to the grid makes up no more than the square of what it moves a
    combination of them by, so what is shorter than that counts as nothing.
    """
    diagonal = np.diag(curvature)
    there = diagonal > 0
    unit = np.where(there, 1.0 / np.sqrt(np.where(there, diagonal, 1.0)), 0.0)
    values, vectors = np.linalg.eigh(curvature * unit[:, None] * unit[None, :])
    moved = np.abs(vectors).T @ (reach * unit) * 2.0 ** -(COLUMN_BITS + 1)
    # The first cell is the sum of the loans' weights.
    kept = values > np.maximum(1e-12, diagonal[0] * moved**2)
    lost = np.abs(vectors[:, ~kept]).max(axis=1, initial=0.0) > 0.01
    return unit[:, None] * vectors[:, kept], lost | ~there
