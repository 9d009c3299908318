from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fed_credit.errors import ConfigurationError, DataError, ReleaseError
from fed_credit.trees.bank import TreeBank
from fed_credit.trees.central import Trained, train
from fed_credit.trees.grow import Grower
from fed_credit.trees.nodes import FEATURE
from fed_credit.trees.spec import MARGIN_UNIT

N, FIT = 3000, 2200


@pytest.fixture
def grow(make_sample: Callable[..., Any], make_spec: Callable[..., Any]) -> Callable[..., Trained]:
    """Train on one bank's loans."""

    def run(validation: slice = slice(FIT, N), **changes: Any) -> Trained:
        sample = make_sample(N)
        books = [(sample.loans.take(slice(FIT)), sample.loans.take(validation))]
        return train(sample.bins, books, make_spec(**changes))

    return run


def _rows(trained: Trained) -> list[list[list[int]]]:
    return [tree.rows.tolist() for tree in trained.ensemble.trees]


@pytest.mark.parametrize(("depth", "trees"), [(1, 1), (3, 1), (4, 5)])
def test_a_round_takes_as_many_exchanges_as_it_has_levels(
    grow: Callable[..., Trained], depth: int, trees: int
) -> None:
    trained = grow(rounds=4, max_depth=depth, trees_per_round=trees)
    assert trained.exchanges == 4 * depth
    assert len(trained.ensemble.trees) == 4 * trees
    assert max(tree.depths.max() for tree in trained.ensemble.trees) == depth


def test_early_stopping_costs_one_exchange_and_keeps_the_best_round(
    grow: Callable[..., Trained],
) -> None:
    plain = grow(rounds=3, max_depth=2)
    stopping = grow(rounds=3, max_depth=2, patience=5)
    assert stopping.exchanges == plain.exchanges + 1
    assert [loss.rounds for loss in stopping.losses] == [0, 1, 2, 3]

    overfitted = grow(rounds=200, max_depth=6, learning_rate=1.0, patience=3, l2=0.1)
    losses = [loss.validation for loss in overfitted.losses]
    best = int(np.argmin(losses))
    assert len(overfitted.ensemble.trees) == best < len(losses) - 1
    assert len(losses) == best + 4
    assert [loss.fit for loss in overfitted.losses] == sorted(
        (loss.fit for loss in overfitted.losses), reverse=True
    )


def test_losses_are_those_of_the_finished_trees(
    grow: Callable[..., Trained], make_sample: Callable[..., Any]
) -> None:
    trained = grow(rounds=3, patience=9)
    sample = make_sample(N)
    p, y = trained.ensemble.default_probability(sample.matrix), sample.loans.y
    losses = -np.log(np.where(y == 1, p, 1 - p))
    assert trained.losses[-1].fit == pytest.approx(losses[:FIT].mean(), abs=1e-7)
    assert trained.losses[-1].validation == pytest.approx(losses[FIT:].mean(), abs=1e-7)


def test_without_validation_loans_all_rounds_are_kept(grow: Callable[..., Trained]) -> None:
    trained = grow(validation=slice(0), rounds=5, patience=2)
    assert len(trained.ensemble.trees) == 5
    assert all(math.isnan(loss.validation) for loss in trained.losses)


def test_siblings_by_difference_are_siblings_as_counted(grow: Callable[..., Trained]) -> None:
    changes = {"max_depth": 5, "row_share": 0.6}
    less, more = (grow(subtract_siblings=flag, **changes) for flag in (True, False))
    assert _rows(less) == _rows(more)
    assert less.cells < 0.8 * more.cells


def test_sums_of_different_banks_are_found_out(
    make_sample: Callable[..., Any], make_spec: Callable[..., Any]
) -> None:
    sample = make_sample(N)
    grower = Grower(sample.bins, make_spec(), FIT, int(sample.loans.y[:FIT].sum()))
    none = sample.loans.take(slice(0))
    few = TreeBank(sample.loans.take(slice(100)), none, sample.bins.last_bins, 1)
    all_loans = TreeBank(sample.loans.take(slice(FIT)), none, sample.bins.last_bins, 1)
    for bank in (few, all_loans):
        request = grower.request()
        vector = request.layout(sample.bins.last_bins).encode(bank.answer(request))
        if bank is few:
            grower.take(vector)
    with pytest.raises(ReleaseError, match="some banks answered one of them only"):
        grower.take(vector)


def test_log_odds_are_monotone_where_asked(
    grow: Callable[..., Trained], make_sample: Callable[..., Any]
) -> None:
    changes = {"rounds": 20, "max_depth": 5, "l2": 0.0, "min_child_weight": 0.0}

    def steps(trained: Trained, column: int) -> np.ndarray:
        matrix, curves = make_sample(N).matrix[:200].copy(), []
        for value in np.linspace(-3, 3, 41):
            matrix[:, column] = value
            curves.append(trained.ensemble.margins(matrix))
        return np.diff(curves, axis=0)

    free = grow(**changes)
    held = grow(**changes, monotone={"x0": 1, "x3": -1})
    for column, sign in ((0, 1), (3, -1)):
        assert (steps(free, column) * sign < 0).any()
        assert (steps(held, column) * sign >= 0).all()
        assert (steps(held, column) * sign > 0).any()


def test_the_weight_of_bad_loans_is_taken_off_the_log_odds(grow: Callable[..., Trained]) -> None:
    plain, weighted = grow(rounds=1, patience=1), grow(rounds=1, patience=1, bad_weight=5.0)
    assert weighted.losses[0].validation == pytest.approx(plain.losses[0].validation, rel=1e-3)
    assert weighted.ensemble.base * MARGIN_UNIT == pytest.approx(
        plain.ensemble.base * MARGIN_UNIT, abs=0.01
    )
    assert weighted.losses[1].validation < weighted.losses[0].validation


def test_leaves_have_the_least_number_of_loans(grow: Callable[..., Trained]) -> None:
    trained = grow(min_child_loans=150, max_depth=6)
    leaves = [tree.loans[~tree.inner] for tree in trained.ensemble.trees]
    assert min(part.min() for part in leaves) >= 150
    assert all(part.sum() == FIT for part in leaves)


def test_trees_keep_to_their_columns_and_loans(grow: Callable[..., Trained]) -> None:
    trained = grow(rounds=6, column_share=0.34, row_share=0.5)
    used = [set(tree.rows[tree.inner, FEATURE].tolist()) for tree in trained.ensemble.trees]
    assert max(map(len, used)) <= 2 and len(set().union(*used)) > 2
    loans = [int(tree.loans[0]) for tree in trained.ensemble.trees]
    assert len(set(loans)) > 1 and abs(np.mean(loans) / FIT - 0.5) < 0.05


def test_a_round_that_finds_no_split_is_the_last(grow: Callable[..., Trained]) -> None:
    trained = grow(rounds=50, min_gain=1e6)
    assert trained.exchanges == 1
    assert len(trained.ensemble.trees) == 1
    assert not trained.ensemble.trees[0].inner.any()


def test_training_goes_on_from_a_checkpoint(
    grow: Callable[..., Trained], make_sample: Callable[..., Any], make_spec: Callable[..., Any]
) -> None:
    changes = {"rounds": 5, "row_share": 0.7, "trees_per_round": 2, "patience": 4}
    whole = grow(**changes)
    sample, spec = make_sample(N), make_spec(**changes)
    fit, validation = sample.loans.take(slice(FIT)), sample.loans.take(slice(FIT, N))
    count = (FIT, int(fit.y.sum()))
    grower = Grower(sample.bins, spec, *count)
    for step in range(100):
        if step == 7:  # in the middle of the third round, which is begun again
            grower = Grower(sample.bins, spec, *count, grower.trees, grower.losses[:2])
        if (request := grower.request()) is None:
            break
        bank = TreeBank(fit, validation, sample.bins.last_bins, 1)
        grower.take(request.layout(sample.bins.last_bins).encode(bank.answer(request)))
    assert [tree.rows.tolist() for tree in grower.ensemble.trees] == _rows(whole)
    assert tuple(grower.losses) == whole.losses


def test_what_cannot_be_trained_is_refused(
    make_sample: Callable[..., Any], make_spec: Callable[..., Any]
) -> None:
    bins = make_sample(N).bins
    with pytest.raises(DataError, match="good and bad"):
        Grower(bins, make_spec(), 100, 0)
    with pytest.raises(ConfigurationError, match="age, which is no column"):
        Grower(bins, make_spec(monotone={"age": 1}), 100, 5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rounds": 0}, "rounds=0 must be at least 1"),
        ({"max_depth": 13}, "max_depth=13 must be from 1 to 12"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 must be above 0"),
        ({"row_share": 1.5}, "row_share=1.5"),
        ({"bad_weight": 1000.0}, "bad_weight=1000.0 must be above 0 and at most 512"),
        ({"monotone": {"x0": 2}}, "monotone for x0 must be 1"),
        ({"bad_rates": True}, "bad_rates=True must be false for more than one tree"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    make_spec: Callable[..., Any], changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make_spec(**changes)
