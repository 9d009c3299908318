from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fed_credit.trees.central import train
from fed_credit.trees.ensemble import Ensemble, Tree
from fed_credit.trees.nodes import BIN, FEATURE, LEAF, LEFT, MISSING_LEFT, VALUE
from fed_credit.trees.reasons import Reasons
from fed_credit.trees.spec import MARGIN_UNIT

N = 3000


@pytest.fixture(scope="module")
def sample(make_sample: Callable[..., Any]) -> Any:
    return make_sample(N)


@pytest.fixture(scope="module")
def ensemble(sample: Any, make_spec: Callable[..., Any]) -> Ensemble:
    none = sample.loans.take(slice(0))
    spec = make_spec(rounds=6, max_depth=7)
    return train(sample.bins, [(sample.loans, none)], spec).ensemble


def _mean(tree: Tree, last: np.ndarray, codes: np.ndarray, known: set[int], at: int = 0) -> float:
    """Return what a loan gets if some columns are known, by going down both sides elsewhere."""
    row = tree.rows[at]
    column, left = row[FEATURE], row[LEFT]
    if column == LEAF:
        return float(row[VALUE] * MARGIN_UNIT)
    if column in known:
        missing = codes[column] == last[column]
        goes_left = bool(row[MISSING_LEFT]) if missing else codes[column] <= row[BIN]
        return _mean(tree, last, codes, known, left if goes_left else left + 1)
    share = tree.hessians[left] / tree.hessians[at]
    both = (_mean(tree, last, codes, known, child) for child in (left, left + 1))
    return float(np.dot([share, 1 - share], list(both)))


def test_contributions_are_shapley_values(sample: Any, ensemble: Ensemble) -> None:
    reasons, last = Reasons(ensemble), sample.bins.last_bins
    found = reasons.contributions(sample.matrix[:4])
    columns = range(len(sample.bins.names))
    n = len(columns)
    for loan in range(4):
        codes = sample.loans.codes[loan]
        worth = {
            known: sum(_mean(tree, last, codes, set(known)) for tree in ensemble.trees)
            for size in range(n + 1)
            for known in itertools.combinations(columns, size)
        }
        for k in columns:
            value = 0.0
            for known, less in worth.items():
                if k not in known:
                    weight = math.factorial(len(known)) * math.factorial(n - 1 - len(known))
                    more = worth[tuple(sorted((*known, k)))]
                    value += weight / math.factorial(n) * (more - less)
            assert found[loan, k] == pytest.approx(value, abs=1e-12)
    assert reasons.expected - ensemble.base * MARGIN_UNIT == pytest.approx(worth[()])


def test_contributions_add_up_to_the_log_odds(sample: Any, ensemble: Ensemble) -> None:
    reasons = Reasons(ensemble)
    total = reasons.contributions(sample.matrix).sum(axis=1) + reasons.expected
    assert np.abs(total - ensemble.log_odds(sample.matrix)).max() < 1e-12


def test_a_loans_reasons_do_not_depend_on_other_loans(sample: Any, ensemble: Ensemble) -> None:
    reasons = Reasons(ensemble)
    many = np.tile(sample.matrix, (14, 1))
    whole = reasons.contributions(many, threads=2)
    assert np.array_equal(whole[:3], reasons.contributions(sample.matrix[:3]))
    assert np.array_equal(whole[N - 1 : N], reasons.contributions(sample.matrix[-1:]))


def test_the_expected_log_odds_are_the_mean_over_the_training_loans(
    sample: Any, make_spec: Callable[..., Any]
) -> None:
    # In the first tree all loans have the same second derivative.
    none = sample.loans.take(slice(0))
    one = train(sample.bins, [(sample.loans, none)], make_spec(rounds=1)).ensemble
    assert Reasons(one).expected == pytest.approx(one.log_odds(sample.matrix).mean(), abs=1e-7)


def test_no_trees_have_no_reasons(sample: Any) -> None:
    reasons = Reasons(Ensemble(sample.bins, 2**20, (), 1))
    assert reasons.expected == 1.0
    assert not reasons.contributions(sample.matrix[:5]).any()
