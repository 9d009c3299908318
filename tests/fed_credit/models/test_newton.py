from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from fed_credit.config.scorecard import NewtonSpec
from fed_credit.errors import ReleaseError
from fed_credit.models.design import exponent
from fed_credit.models.diagnosis import Finding
from fed_credit.models.likelihood import LikelihoodQuestion, read_likelihood
from fed_credit.models.newton import LogisticFit, fit_logistic


def fit(
    x: np.ndarray,
    y: np.ndarray,
    owner: np.ndarray | None = None,
    l2: float = 0.0,
    steps: int = 25,
    tolerance: float = 1e-6,
) -> LogisticFit:
    owner = np.zeros(len(y), int) if owner is None else owner

    def ask(question):
        layout = question.layout()
        parts = [owner == k for k in range(owner.max(initial=0) + 1)]
        vectors = [layout.encode(question.answer(x[part], y[part])) for part in parts]
        assert all(layout.admits(vector) for vector in vectors)
        return layout.decode(np.sum(vectors, axis=0))

    reach = [exponent(float(np.abs(column).max(initial=0))) for column in x.T]
    names = [f"x{k}" for k in range(x.shape[1])]
    spec = NewtonSpec(l2, tolerance, steps, 0.95)
    return fit_logistic(ask, names, reach, n=len(y), bads=int(y.sum()), spec=spec)


def data(n: int, p: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p)) * rng.uniform(0.1, 5.0, p)
    x[:, 0] = rng.exponential(3.0, n)
    x[:, 1] = x[:, 1] > 0
    log_odds = -2.0 + x[:, :4] @ np.array([0.3, 0.5, 0.2, 0.1])
    return x, (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(np.int8)


@pytest.mark.parametrize(("n", "p", "l2"), [(300, 4, 0.0), (2000, 12, 0.0), (2000, 12, 3.0)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_it_equals_scikit_learn_in_a_handful_of_questions(n, p, l2, dtype):
    x, y = data(n, p)
    x = x.astype(dtype)
    found = fit(x, y, l2=l2)
    known = LogisticRegression(
        solver="newton-cholesky", tol=1e-12, C=1 / l2 if l2 else np.inf, max_iter=200
    ).fit(x.astype(np.float64), y)
    expected = np.r_[known.intercept_, known.coef_[0]]
    np.testing.assert_allclose(found.coefficients, expected, rtol=0, atol=1e-9)
    assert found.diagnosis.finding is Finding.CONVERGED and found.diagnosis.reliable
    assert found.questions <= 7
    ones = np.column_stack([np.ones(n), x.astype(np.float64)])
    probability = 1 / (1 + np.exp(-ones @ expected))
    information = ones.T @ (ones * (probability * (1 - probability))[:, None])
    inverse = np.linalg.inv(information + l2 * np.diag(np.r_[0.0, np.ones(p)]))
    errors = np.sqrt(np.diag(inverse @ information @ inverse))
    np.testing.assert_allclose(found.standard_errors, errors, rtol=1e-5)
    likelihood = np.where(y == 1, probability, 1 - probability)
    assert found.loss == pytest.approx(-np.log(likelihood).sum(), rel=1e-6)


def test_wald_figures_are_those_of_the_normal_distribution():
    from scipy.stats import norm

    found = fit(*data(2000, 4))
    np.testing.assert_allclose(found.z, found.coefficients / found.standard_errors)
    np.testing.assert_allclose(found.p_values, 2 * norm.sf(np.abs(found.z)), rtol=1e-9)
    half = norm.ppf(0.95) * found.standard_errors
    np.testing.assert_allclose(found.intervals(0.9)[:, 1] - found.coefficients, half, rtol=1e-9)
    assert 0 < found.pseudo_r2 < 1 and found.names[0] == "intercept"


@pytest.mark.parametrize("banks", [2, 5, 13])
@pytest.mark.parametrize("skewed", [False, True])
def test_any_partition_gives_the_same_bits(banks, skewed):
    x, y = data(5000, 6, seed=3)
    rng = np.random.default_rng(banks)
    owner = rng.choice(banks, len(y), p=rng.dirichlet(np.full(banks, 0.3 if skewed else 50.0)))
    if skewed:  # one bank holds all the bads, and of the others one holds the largest values
        owner = np.where(y == 1, 0, owner)
        owner[np.argsort(x[:, 0])[-200:]] = banks - 1
    pooled, found = fit(x, y), fit(x, y, owner)
    assert np.array_equal(found.coefficients, pooled.coefficients)
    assert np.array_equal(found.covariance, pooled.covariance)
    assert found.loss == pooled.loss and found.questions == pooled.questions


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6000), st.integers(0, 5999), st.integers(0, 3))
def test_sums_of_any_two_parts_are_those_of_the_whole(n, cut, seed):
    x, y = data(n, 4, seed)
    question = LikelihoodQuestion((-1.3, 0.7, 0.1, -2.0, 0.3), (6, 0, 5, 5))
    layout, order = question.layout(), np.random.default_rng(seed).permutation(n)
    whole = layout.decode(layout.encode(question.answer(x, y)))
    parts = sum(
        layout.encode(question.answer(x[rows], y[rows])) for rows in (order[:cut], order[cut:])
    )
    a, b = (read_likelihood(sums, question.exponents) for sums in (whole, layout.decode(parts)))
    assert (a.n, a.bads, a.loss) == (b.n, b.bads, b.loss)
    assert np.array_equal(a.gradient, b.gradient) and np.array_equal(a.hessian, b.hessian)


def test_sums_are_what_they_are_called():
    x, y = data(3000, 4)
    at = np.array([-1.3, 0.7, 0.1, -0.2, 0.3])
    question = LikelihoodQuestion(tuple(at), (6, 0, 5, 5))
    layout = question.layout()
    sums = read_likelihood(layout.decode(layout.encode(question.answer(x, y))), (6, 0, 5, 5))
    ones = np.column_stack([np.ones(len(x)), x])
    probability = 1 / (1 + np.exp(-ones @ at))
    np.testing.assert_allclose(sums.gradient, ones.T @ (probability - y), atol=1e-5)
    hessian = ones.T @ (ones * (probability * (1 - probability))[:, None])
    np.testing.assert_allclose(sums.hessian, hessian, rtol=1e-5, atol=1e-2)
    assert np.array_equal(sums.hessian, sums.hessian.T)


def design(kind: str, n: int = 2000) -> tuple[np.ndarray, np.ndarray, set[str]]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 3))
    y = (rng.random(n) < 1 / (1 + np.exp(1 - x[:, 0]))).astype(np.int8)
    extra = {
        "twice": x[:, :1],
        "sum": x[:, :1] + 2 * x[:, 1:2],
        "constant": np.full((n, 1), 0.3),
        "zero": np.zeros((n, 1)),
        "all levels": np.eye(3)[rng.integers(0, 3, n)],
    }[kind]
    named = {
        "twice": {"x0", "x3"},
        "sum": {"x0", "x1", "x3"},
        "constant": {"intercept", "x3"},
        "zero": {"x3"},
        "all levels": {"intercept", "x3", "x4", "x5"},
    }[kind]
    return np.column_stack([x, extra]), y, named


@pytest.mark.parametrize("kind", ["twice", "sum", "constant", "zero", "all levels"])
def test_dependent_columns_are_named_and_do_no_harm(kind):
    x, y, named = design(kind)
    found = fit(x, y)
    assert found.diagnosis.finding is Finding.COLLINEAR and found.diagnosis.reliable
    assert set(found.diagnosis.columns) == named
    unknown = {
        name for name, se in zip(found.names, found.standard_errors, strict=True) if se != se
    }
    assert unknown == named
    plain = fit(x[:, :3] if kind != "all levels" else x[:, :5], y)
    used = x[:, : len(plain.coefficients) - 1]
    expected = plain.coefficients[0] + used @ plain.coefficients[1:]
    np.testing.assert_allclose(
        found.coefficients[0] + x @ found.coefficients[1:], expected, atol=1e-5
    )
    assert fit(x, y, l2=1.0).diagnosis.finding is Finding.CONVERGED


def test_separated_loans_are_reported_with_the_columns_that_separate_them():
    x, y, _ = design("zero")
    x[:, 3] = 0.0
    x[:30, 3], y[:30] = 1.0, 0
    found = fit(x, y)
    assert found.diagnosis.finding is Finding.SEPARATED and not found.diagnosis.reliable
    assert found.diagnosis.columns == ("x3",)
    assert np.isfinite(found.coefficients).all()
    assert fit(x, y, l2=0.1).diagnosis.finding is Finding.CONVERGED
    whole = fit(x[:, :2], (x[:, 0] + x[:, 1] > 0.5).astype(np.int8))
    assert whole.diagnosis.finding is Finding.SEPARATED
    assert set(whole.diagnosis.columns) >= {"x0", "x1"}


def test_a_rare_category_with_both_outcomes_is_no_separation():
    x, y, _ = design("zero")
    x[:300, 3], y[:300] = 1.0, 0
    y[0] = 1  # one bad of three hundred: far out, but finite
    found = fit(x, y)
    assert found.diagnosis.finding is Finding.CONVERGED
    assert found.coefficients[-1] < -4


def test_what_cannot_be_fitted_is_a_finding_and_no_error():
    x, y = data(200, 4)
    for outcome in (0, 1):
        found = fit(x, np.full(200, outcome, np.int8))
        assert found.diagnosis.finding is Finding.ONE_CLASS and found.questions == 0
        assert np.isnan(found.standard_errors).all()
    assert fit(x[:0], y[:0]).diagnosis.finding is Finding.ONE_CLASS
    assert fit(x, y, steps=1).diagnosis.finding is Finding.NOT_CONVERGED
    alone = fit(x[:, :0], y)
    assert alone.diagnosis.finding is Finding.CONVERGED
    assert alone.coefficients[0] == pytest.approx(np.log(y.mean() / (1 - y.mean())))


def test_values_beyond_the_agreed_range_never_leave():
    x, y = data(100, 4)
    question = LikelihoodQuestion((0.0,) * 5, (6, 0, 5, 5))
    for value in (1e3, np.nan, np.inf):
        x[50, 2] = value
        with pytest.raises(ReleaseError, match="Column 2 of the design"):
            question.answer(x, y)


@pytest.mark.parametrize("tolerance", [1e-6, 1e-8, 0.0])
def test_columns_that_are_nearly_dependent_are_fitted_all_the_same(tolerance):
    x, y, _ = design("sum")
    x[:, 3] += 1e-3 * np.random.default_rng(9).normal(size=len(x))
    found = fit(x, y, tolerance=tolerance)
    assert found.diagnosis.finding is Finding.CONVERGED
    known = LogisticRegression(solver="newton-cholesky", tol=1e-12, C=np.inf).fit(x, y)
    away = np.abs(found.coefficients[1:] - known.coef_[0])
    assert (away < 1e-5 * found.standard_errors[1:]).all()


@pytest.mark.parametrize("kind", ["twice", "sum", "all levels", "separated", "plain"])
def test_a_tolerance_below_fixed_point_changes_no_finding(kind):
    if kind in ("separated", "plain"):
        x, y = data(2000, 4)
        if kind == "separated":
            x[:, 1], y[:30] = np.arange(2000) < 30, 0
    else:
        x, y, _ = design(kind)
    usual, strict = fit(x, y), fit(x, y, tolerance=0.0)
    assert strict.diagnosis == usual.diagnosis
    assert strict.questions <= usual.questions + 2
