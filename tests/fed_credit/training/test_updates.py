from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.config.spec import Weighting
from fed_credit.errors import ReleaseError
from fed_credit.releases import ReleaseSpec
from fed_credit.training.updates import (
    UPDATE_BITS,
    aggregation_weight,
    apply_mean_update,
    update_entries,
    weighted_update,
)

SHAPES = [("layers.0.weight", (3, 4)), ("layers.0.bias", (3,)), ("layers.1.weight", (1, 3))]
NAMES = [name for name, _ in SHAPES]
LAYOUT = ReleaseSpec("round", update_entries(SHAPES))


def weights(rng: np.random.Generator, spread: float) -> list[np.ndarray]:
    return [rng.normal(0, spread, shape).astype(np.float32) for _, shape in SHAPES]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(Weighting),
    st.lists(st.tuples(st.integers(1, 200_000), st.floats(2e4, 5e10)), min_size=1, max_size=12),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1e-4, 0.1, 10.0]),
)
def test_the_mean_update_gives_the_weighted_mean_of_the_weights(weighting, banks, seed, moved):
    rng = np.random.default_rng(seed)
    incoming = weights(rng, 1.0)
    trained = [
        [before + change for before, change in zip(incoming, weights(rng, moved), strict=True)]
        for _ in banks
    ]
    counts_for = [aggregation_weight(weighting, n, exposure) for n, exposure in banks]
    releases = [
        LAYOUT.encode(weighted_update(NAMES, incoming, mine, a))
        for mine, a in zip(trained, counts_for, strict=True)
    ]
    new = apply_mean_update(NAMES, incoming, LAYOUT.decode(sum(releases)))
    # Half a unit per release in the update and, times the update, in the weight.
    total = sum(counts_for)
    unit = len(banks) * 2.0 ** -(UPDATE_BITS + 1) / total
    for k, array in enumerate(new):
        mean = np.average([mine[k].astype(float) for mine in trained], axis=0, weights=counts_for)
        bound = 2 * unit * (1 + np.abs(mean - incoming[k])) + np.abs(mean) * 2**-23
        assert array.dtype == np.float32
        assert (np.abs(array - mean) <= bound).all()
    reverse = apply_mean_update(NAMES, incoming, LAYOUT.decode(sum(releases[::-1])))
    assert [a.tobytes() for a in new] == [a.tobytes() for a in reverse]


def test_what_a_bank_counts_for():
    assert aggregation_weight(Weighting.LOANS, 120, 3.5e6) == 120.0
    assert aggregation_weight(Weighting.EXPOSURE, 120, 3.5e6) == 3.5
    assert aggregation_weight(Weighting.EQUAL, 120, 3.5e6) == 1.0
    assert all(aggregation_weight(weighting, 0, 0.0) == 0.0 for weighting in Weighting)


def test_a_bank_without_training_loans_moves_nothing():
    rng = np.random.default_rng(0)
    incoming, other = weights(rng, 1.0), weights(rng, 1.0)
    nothing = LAYOUT.encode(weighted_update(NAMES, incoming, other, 0.0))
    assert not nothing.any()


def test_training_that_went_astray_is_refused_at_the_bank():
    incoming = weights(np.random.default_rng(0), 1.0)
    for value in (np.nan, np.inf, 1e30):
        astray = [*incoming[:-1], np.full((1, 3), value, np.float32)]
        with pytest.raises(ReleaseError, match=r"layers.1.weight"):
            LAYOUT.encode(weighted_update(NAMES, incoming, astray, 100.0))


def test_a_total_weight_of_nothing_is_refused():
    incoming = weights(np.random.default_rng(0), 1.0)
    sums = LAYOUT.decode(np.zeros(LAYOUT.size, np.int64))
    with pytest.raises(ReleaseError, match="no training loans"):
        apply_mean_update(NAMES, incoming, sums)


def test_no_change_leaves_every_bit():
    incoming = weights(np.random.default_rng(0), 1.0)
    sums = LAYOUT.decode(LAYOUT.encode(weighted_update(NAMES, incoming, incoming, 17.0)))
    new = apply_mean_update(NAMES, incoming, sums)
    assert [a.tobytes() for a in new] == [a.tobytes() for a in incoming]
