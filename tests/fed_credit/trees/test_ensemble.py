from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fed_credit.errors import DataError
from fed_credit.trees.central import train
from fed_credit.trees.ensemble import Ensemble
from fed_credit.trees.nodes import VALUE
from fed_credit.trees.standing import Standing
from fed_credit.trees.workers import Workers

N = 3000


@pytest.fixture(scope="module")
def sample(make_sample: Callable[..., Any]) -> Any:
    return make_sample(N)


@pytest.fixture(scope="module")
def ensemble(sample: Any, make_spec: Callable[..., Any]) -> Ensemble:
    none = sample.loans.take(slice(0))
    spec = make_spec(rounds=8, max_depth=5, trees_per_round=2, row_share=0.8)
    return train(sample.bins, [(sample.loans, none)], spec).ensemble


def test_values_lead_to_the_leaves_that_their_bins_lead_to(sample: Any, ensemble: Ensemble) -> None:
    standing = Standing(sample.loans.codes, sample.bins.last_bins, Workers(1))
    rows = [tree.rows for tree in ensemble.trees]
    added = [
        tree[at, VALUE].astype(np.int64) for tree, at in zip(rows, standing.at(rows), strict=True)
    ]
    margins = ensemble.margins(sample.matrix)
    assert np.array_equal(margins, ensemble.base + np.sum(added, axis=0))
    assert len(np.unique(margins)) > 100


@pytest.mark.parametrize("size", [1, 63, 64, 65, 1000])
def test_a_loan_scores_the_same_in_any_company(sample: Any, ensemble: Ensemble, size: int) -> None:
    whole = ensemble.default_probability(sample.matrix)
    assert np.array_equal(whole[:size], ensemble.default_probability(sample.matrix[:size]))
    turned = np.asfortranarray(sample.matrix[::-1].astype(np.float32))
    assert np.array_equal(whole[::-1], ensemble.default_probability(turned))


def test_threads_do_not_change_a_bit(sample: Any, ensemble: Ensemble) -> None:
    many = np.tile(sample.matrix, (20, 1))
    assert np.array_equal(ensemble.margins(many, threads=3), ensemble.margins(many))


def test_cuts_of_the_splits_part_the_values(sample: Any, ensemble: Ensemble) -> None:
    edge = float(sample.bins.cuts[0][5])
    below = float(np.nextafter(np.float32(edge), np.float32(-9)))
    codes = sample.bins.codes(np.array([[below] * 6, [edge] * 6]))
    assert codes[0, 0] + 1 == codes[1, 0]
    scores = ensemble.margins(np.array([[below] * 6, [edge] * 6]))
    near = ensemble.margins(np.array([[below - 1e-6] * 6, [edge + 1e-6] * 6]))
    assert np.array_equal(scores, near)


def test_an_ensemble_without_trees_knows_the_default_rate(sample: Any) -> None:
    bare = Ensemble(sample.bins, -(2**20), (), 1)
    assert bare.log_odds(sample.matrix[:3]).tolist() == [-1.0] * 3
    assert bare.importance() == dict.fromkeys(sample.bins.names, 0.0)


def test_importance_is_each_columns_share_of_the_gain(ensemble: Ensemble) -> None:
    shares = ensemble.importance()
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert set(list(shares)[:2]) == {"x0", "x1"}
    assert list(shares)[-1] == "x5"


def test_a_matrix_of_other_columns_is_refused(sample: Any, ensemble: Ensemble) -> None:
    with pytest.raises(DataError, match="6 columns"):
        ensemble.margins(sample.matrix[:, :5])


def test_a_trained_tree_cannot_be_changed(ensemble: Ensemble) -> None:
    with pytest.raises(ValueError, match="read-only"):
        ensemble.trees[0].rows[0, 0] = 3
