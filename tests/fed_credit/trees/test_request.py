from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fed_credit.errors import ReleaseError
from fed_credit.trees.bank import TreeBank
from fed_credit.trees.grow import Grower
from fed_credit.trees.request import Request


@pytest.fixture
def asked(
    make_sample: Callable[..., Any], make_spec: Callable[..., Any]
) -> tuple[Request, np.ndarray]:
    """Return a request in the middle of the second round, and the columns' last bins."""
    sample = make_sample(800)
    spec = make_spec(trees_per_round=2, column_share=0.5, row_share=0.8)
    grower = Grower(sample.bins, spec, 800, int(sample.loans.y.sum()))
    bank = TreeBank(sample.loans, sample.loans.take(slice(0)), sample.bins.last_bins, 1)
    for _ in range(4):
        request = grower.request()
        grower.take(request.layout(sample.bins.last_bins).encode(bank.answer(request)))
    request = grower.request()
    assert request.round == 1 and len(request.finished) == 2
    return request, sample.bins.last_bins


def test_a_request_is_read_as_it_was_written(asked: tuple[Request, np.ndarray]) -> None:
    request, last_bins = asked
    read = Request.read(request.settings, request.arrays, last_bins)
    assert read.settings == request.settings
    assert all(np.array_equal(a, b) for a, b in zip(read.arrays, request.arrays, strict=True))
    assert read.layout(last_bins) == request.layout(last_bins)


def test_the_layout_has_a_histogram_per_asked_node(asked: tuple[Request, np.ndarray]) -> None:
    request, last_bins = asked
    cells = sum(
        len(nodes) * (last_bins[columns] + 1).sum()
        for nodes, columns in zip(request.nodes, request.columns, strict=True)
    )
    assert [(e.name, e.shape, e.bits) for e in request.layout(last_bins).entries] == [
        ("gradients", (cells,), 24),
        ("hessians", (cells,), 24),
        ("loans", (cells,), 0),
    ]


@pytest.mark.parametrize(
    ("which", "change"),
    [
        (0, lambda a: a + 100),  # trees over columns that are not there
        (1, lambda a: a[:-1]),
        (2, lambda a: a.astype(np.float32)),
        (4, lambda a: a[::-1]),  # columns out of order
        (4, lambda a: a + 100),
        (5, lambda a: a * 2),
        (6, lambda a: a + 1000),  # nodes that are not there
        (6, lambda a: a * 0),  # the root, which is no leaf any more
        (6, lambda a: a.reshape(-1, 1)),
        (7, lambda a: a[:-1]),
    ],
)
def test_a_request_with_wrong_arrays_is_refused(
    asked: tuple[Request, np.ndarray], which: int, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    request, last_bins = asked
    arrays = request.arrays
    arrays[which] = change(arrays[which])
    with pytest.raises(ReleaseError):
        Request.read(request.settings, arrays, last_bins)


@pytest.mark.parametrize(
    "changes", [{"row_share": 0.0}, {"bad_weight": 1e6}, {"base": 2**40}, {"round": "x"}]
)
def test_a_request_with_wrong_settings_is_refused(
    asked: tuple[Request, np.ndarray], changes: dict[str, Any]
) -> None:
    request, last_bins = asked
    settings = json.dumps({**json.loads(request.settings), **changes})
    with pytest.raises(ReleaseError, match="Nothing was released"):
        Request.read(settings, request.arrays, last_bins)


def test_a_request_without_a_setting_or_array_is_refused(
    asked: tuple[Request, np.ndarray],
) -> None:
    request, last_bins = asked
    for settings, arrays in [
        ("{}", request.arrays),
        ("no json", request.arrays),
        (request.settings, request.arrays[:5]),
    ]:
        with pytest.raises(ReleaseError):
            Request.read(settings, arrays, last_bins)
