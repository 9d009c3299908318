from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from fed_credit.data.schema import Kind, KnownAt
from fed_credit.errors import DataError
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.spec import FeatureSpec
from fed_credit.trees.binned import BinnedLoans
from fed_credit.trees.central import train
from fed_credit.trees.columns import Columns, tree_columns
from fed_credit.trees.ensemble import Ensemble
from fed_credit.trees.tree import DecisionTree, single_tree

REGIONS = ("north", "east", "south", "west")


def _feature(name: str, kind: Kind, values: tuple[str, ...] = ()) -> FeatureSpec:
    return FeatureSpec(name, kind, KnownAt.APPLICATION, "bank", values)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 4000
    age = np.round(rng.gamma(3, 3, n))
    age[::13] = np.nan
    return pd.DataFrame(
        {
            "age": age,
            "owner": rng.integers(0, 2, n).astype(float),
            "region": pd.Categorical.from_codes(rng.integers(0, 4, n), list(REGIONS)),
        }
    )


@pytest.fixture(scope="module")
def y(frame: pd.DataFrame) -> np.ndarray:
    risk = 0.08 + 0.2 * (frame["age"].to_numpy() < 6) + 0.25 * np.isin(frame["region"], ["south"])
    return (np.random.default_rng(1).random(len(frame)) < risk).astype(np.int8)


@pytest.fixture(scope="module")
def columns(frame: pd.DataFrame, y: np.ndarray) -> Columns:
    bins = (
        FineBins(_feature("age", Kind.NUMERIC), tuple(float(k) + 0.5 for k in range(1, 20))),
        FineBins(_feature("owner", Kind.BOOLEAN)),
        FineBins(_feature("region", Kind.CATEGORICAL, REGIONS)),
    )
    codes = bins[2].codes(frame["region"])
    counts = np.array([np.bincount(codes[y == k], minlength=bins[2].size) for k in (0, 1)])
    return tree_columns(bins, {"region/counts": counts}, most_apart=0, rare_share=0.0)


@pytest.fixture(scope="module")
def grow(
    frame: pd.DataFrame, y: np.ndarray, columns: Columns, make_spec: Callable[..., Any]
) -> Callable[..., Ensemble]:
    loans = BinnedLoans(columns.bins.codes(columns.matrix(frame)), y, np.zeros(len(y), np.uint64))
    half = len(y) // 2
    books = [(loans.take(part), loans.take(slice(0))) for part in (slice(half), slice(half, None))]

    def run(**changes: Any) -> Ensemble:
        plain = {"max_depth": 3, "l2": 0.0, "min_child_weight": 0.0, "min_child_loans": 100}
        spec = single_tree(make_spec(**{**plain, **changes}))
        return train(columns.bins, books, spec).ensemble

    return run


def test_rules_count_their_loans(
    grow: Callable[..., Ensemble], columns: Columns, frame: pd.DataFrame, y: np.ndarray
) -> None:
    ensemble = grow()
    rules = DecisionTree(ensemble, columns).rules()
    p = ensemble.default_probability(columns.matrix(frame))
    assert 4 < len(rules) <= 8
    for rule in rules:
        assert rule.pd == pytest.approx(rule.bads / rule.loans, abs=1e-6)
        assert rule.loans >= 100
        assert 1 <= len(rule.conditions) <= 3
        there = p == rule.pd
        assert (there.sum(), y[there].sum()) == (rule.loans, rule.bads)
    assert sum(rule.loans for rule in rules) == len(y)


def test_rules_are_sentences(grow: Callable[..., Ensemble], columns: Columns) -> None:
    tree = DecisionTree(grow(max_depth=2), columns)
    said = {condition for rule in tree.rules() for condition in rule.conditions}
    assert {"region is south", "age < 5.5"} <= said
    assert any(condition.startswith("age is missing or >= ") for condition in said)
    lines = tree.text().splitlines()
    assert lines[0].startswith("all loans: 4,000 loans, ")
    assert sum(" -> PD " in line for line in lines) == len(tree.rules())


def test_the_tree_is_that_of_cart(
    make_spec: Callable[..., Any], columns: Columns, frame: pd.DataFrame, y: np.ndarray
) -> None:
    matrix = columns.matrix(frame)
    known = ~np.isnan(matrix).any(axis=1)
    matrix, outcomes = matrix[known], y[known]
    codes = columns.bins.codes(matrix)
    cart = DecisionTreeClassifier(max_depth=3, min_samples_leaf=100).fit(codes, outcomes)
    loans = BinnedLoans(codes, outcomes, np.zeros(len(codes), np.uint64))
    changes = {"max_depth": 3, "l2": 0.0, "min_child_weight": 0.0, "min_child_loans": 100}
    spec = single_tree(make_spec(**changes))
    ours = train(columns.bins, [(loans, loans.take(slice(0)))], spec).ensemble
    theirs = cart.predict_proba(codes)[:, 1]
    assert np.abs(ours.default_probability(matrix) - theirs).max() < 1e-5


def test_l2_draws_bad_rates_to_that_of_all_loans(
    grow: Callable[..., Ensemble], columns: Columns, y: np.ndarray
) -> None:
    mean = (y.sum() + 0.5) / (len(y) + 1)
    added = 3.0 / (mean * (1 - mean))
    for rule in DecisionTree(grow(l2=3.0), columns).rules():
        expected = (rule.bads + added * mean) / (rule.loans + added)
        assert rule.pd == pytest.approx(expected, abs=1e-6)


def test_bad_rates_are_monotone_where_asked(
    grow: Callable[..., Ensemble], columns: Columns, frame: pd.DataFrame
) -> None:
    ensemble = grow(monotone={"age": 1}, min_child_loans=30, max_depth=6)
    grid = frame.sample(300, random_state=0).assign(age=0.0)
    scores = [ensemble.margins(columns.matrix(grid.assign(age=float(age)))) for age in range(1, 25)]
    assert (np.diff(scores, axis=0) >= 0).all()


def test_leaves_without_bad_loans_have_a_finite_score(
    grow: Callable[..., Ensemble], columns: Columns
) -> None:
    ensemble = grow(min_child_loans=1, max_depth=10)
    rules = DecisionTree(ensemble, columns).rules()
    assert any(rule.bads == 0 for rule in rules)
    assert all(0 < rule.pd < 1 for rule in rules)


def test_rules_are_read_from_a_single_tree(grow: Callable[..., Ensemble], columns: Columns) -> None:
    tree = grow()
    with pytest.raises(DataError, match="got 2"):
        DecisionTree(Ensemble(tree.bins, tree.base, tree.trees * 2, 1), columns)
