from __future__ import annotations

import numpy as np

from fed_credit.models.moments import (
    CrossProductsQuestion,
    correlations,
    covariances,
    inflation,
)


def summed(x: np.ndarray, owner: np.ndarray, exponents: tuple[int, ...]) -> np.ndarray:
    question = CrossProductsQuestion(exponents)
    layout = question.layout()
    total = sum(
        layout.encode(question.answer(x[owner == k], np.zeros((owner == k).sum(), np.int8)))
        for k in range(owner.max() + 1)
    )
    return covariances(layout.decode(total), exponents)


def test_covariances_are_those_of_the_pooled_loans_however_they_are_divided():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5000, 3)) @ rng.normal(size=(3, 3)) + [0.0, 1.0, -2.0]
    exponents = (5, 5, 5)
    pooled = summed(x, np.zeros(5000, int), exponents)
    np.testing.assert_allclose(pooled, np.cov(x.T, bias=True), rtol=1e-4, atol=1e-4)
    for banks in (2, 5, 13):
        owner = rng.choice(banks, 5000, p=rng.dirichlet(np.full(banks, 0.4)))
        assert np.array_equal(summed(x, owner, exponents), pooled)


def test_inflation_is_that_of_each_columns_regression_on_the_others():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20_000, 4))
    x[:, 3] = x[:, 0] + x[:, 1] + 0.5 * x[:, 3]
    correlation = np.corrcoef(x.T)
    factors = inflation(correlation)
    for k in range(4):
        others = np.delete(x, k, axis=1)
        rest = x[:, k] - others @ np.linalg.lstsq(others, x[:, k], rcond=None)[0]
        assert abs(factors[k] * rest.var() / x[:, k].var() - 1) < 1e-3


def test_columns_that_do_not_vary_or_repeat_others_are_no_fault():
    covariance = np.array([[4.0, 4.0, 0.0], [4.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
    correlation = correlations(covariance)
    assert correlation.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert inflation(correlation).tolist() == [np.inf, np.inf, 1.0]
