"""Trees are the same bits however the loans are divided over banks: tolerance zero."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from fed_credit.trees.bank import TreeBank
from fed_credit.trees.binned import BinnedLoans
from fed_credit.trees.central import Trained, train
from fed_credit.trees.grow import Grower
from fed_credit.trees.request import Request
from fed_credit.trees.spec import BoostingSpec
from fed_credit.trees.xgboost_json import to_xgboost

N, FIT = 3000, 2200
PARTITIONS = {
    "2 banks": np.linspace(0, 1, 3),
    "5 banks": np.linspace(0, 1, 6),
    "13 banks": np.linspace(0, 1, 14),
    "skewed": np.array([0, 0, 0.01, 0.012, 0.05, 1]),  # the first has no loan, the last nearly all
}
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sampled": {"trees_per_round": 3, "row_share": 0.7, "column_share": 0.5, "rounds": 3},
    "monotone": {"monotone": {"x0": 1, "x1": -1}, "bad_weight": 3.5, "max_depth": 5},
    "stopping": {"patience": 2, "rounds": 30, "learning_rate": 0.9},
}


def _books(
    sample: Any, edges: np.ndarray, order: np.ndarray
) -> list[tuple[BinnedLoans, BinnedLoans]]:
    fit, validation = sample.loans.take(order[order < FIT]), sample.loans.take(order[order >= FIT])
    return [
        tuple(  # type: ignore[misc]
            loans.take(slice(round(a * len(loans)), round(b * len(loans))))
            for loans in (fit, validation)
        )
        for a, b in pairwise(edges)
    ]


def _text(trained: Trained) -> str:
    return json.dumps([to_xgboost(trained.ensemble), [repr(loss) for loss in trained.losses]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("partition", PARTITIONS)
def test_federated_trees_are_the_pooled_ones(
    partition: str, kind: str, make_sample: Callable[..., Any], make_spec: Callable[..., Any]
) -> None:
    sample, spec = make_sample(N), make_spec(**KINDS[kind])
    pooled = train(sample.bins, _books(sample, np.array([0, 1]), np.arange(N)), spec)
    # Each bank's loans are alike: sorted by risk and outcome, not drawn at random.
    order = np.lexsort((sample.matrix[:, 1], sample.loans.y))
    books = _books(sample, PARTITIONS[partition], order)
    federated = train(sample.bins, books, spec, threads=2)
    assert _text(federated) == _text(pooled)
    assert federated.exchanges == pooled.exchanges
    assert sum(tree.inner.sum() for tree in pooled.ensemble.trees) > 3 * len(pooled.ensemble.trees)


def test_threads_do_not_change_a_bit(
    make_sample: Callable[..., Any], make_spec: Callable[..., Any]
) -> None:
    sample, spec = make_sample(40_000), make_spec(row_share=0.5)
    one, three = (
        train(sample.bins, [(sample.loans, sample.loans.take(slice(9)))], spec, threads=threads)
        for threads in (1, 3)
    )
    assert _text(one) == _text(three)


class _Wire:
    """Banks behind a wire: each request is written and read, and some banks forget everything."""

    def __init__(self, sample: Any, books: Sequence[Any], forgetful: bool) -> None:
        self.last_bins = sample.bins.last_bins
        self.books = books
        self.forgetful = forgetful
        self.banks = self._banks()

    def _banks(self) -> list[TreeBank]:
        return [TreeBank(fit, validation, self.last_bins, 1) for fit, validation in self.books]

    def ask(self, request: Request) -> np.ndarray:
        if self.forgetful:
            self.banks = self._banks()
        read = Request.read(request.settings, request.arrays, self.last_bins)
        layout = read.layout(self.last_bins)
        total = np.zeros(layout.size, np.int64)
        for bank in reversed(self.banks):
            vector = layout.encode(bank.answer(read))
            assert layout.admits(vector)
            total += vector
        return total


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize("kind", ["sampled", "stopping"])
def test_a_request_is_all_that_an_answer_depends_on(
    kind: str, forgetful: bool, make_sample: Callable[..., Any], make_spec: Callable[..., Any]
) -> None:
    sample, spec = make_sample(N), make_spec(**KINDS[kind])
    books = _books(sample, PARTITIONS["5 banks"], np.arange(N))
    wire = _Wire(sample, books, forgetful)
    grower = _grower(sample, books, spec)
    while (request := grower.request()) is not None:
        grower.take(wire.ask(request))
    expected = train(sample.bins, books, spec)
    assert json.dumps(to_xgboost(grower.ensemble)) == json.dumps(to_xgboost(expected.ensemble))


def test_a_bank_that_remembers_another_run_answers_the_same(
    make_sample: Callable[..., Any], make_spec: Callable[..., Any]
) -> None:
    sample = make_sample(N)
    books = _books(sample, PARTITIONS["2 banks"], np.arange(N))
    wire = _Wire(sample, books, forgetful=False)
    # A run that is broken off in the middle of a tree, then others, on the same banks.
    for changes, stop in (({}, 5), ({"seed": 3, "row_share": 0.5}, 4), ({"max_depth": 2}, 99)):
        spec = make_spec(**changes)
        grower = _grower(sample, books, spec)
        while stop and (request := grower.request()) is not None:
            grower.take(wire.ask(request))
            stop -= 1
    expected = train(sample.bins, books, spec)
    assert json.dumps(to_xgboost(grower.ensemble)) == json.dumps(to_xgboost(expected.ensemble))


def _grower(sample: Any, books: Sequence[Any], spec: BoostingSpec) -> Grower:
    loans = sum(len(fit) for fit, _ in books)
    return Grower(sample.bins, spec, loans, int(sum(fit.y.sum() for fit, _ in books)))
