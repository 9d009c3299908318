from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fed_credit.errors import ReleaseError
from fed_credit.releases import MAX_INSTITUTIONS, Entry, ReleaseSpec, quantise

SPEC = ReleaseSpec(
    "example",
    (
        Entry("n", ()),
        Entry("sums", (2, 3), bits=20, bound=1000.0),
        Entry("counts", (4,), bound=1e6),
    ),
)
ARRAYS = st.fixed_dictionaries(
    {
        "n": hnp.arrays(np.int64, (), elements=st.integers(0, 2**40)),
        "sums": hnp.arrays(np.float64, (2, 3), elements=st.floats(-1000, 1000)),
        "counts": hnp.arrays(np.int64, (4,), elements=st.integers(-(10**6), 10**6)),
    }
)


def arrays(**changed: object) -> dict[str, np.ndarray]:
    valid = {"n": np.array(3), "sums": np.full((2, 3), 0.5), "counts": np.arange(4)}
    return {**valid, **{name: np.asarray(value) for name, value in changed.items()}}


@settings(max_examples=100, deadline=None)
@given(ARRAYS)
def test_what_is_encoded_is_read_back_to_half_a_unit(sent):
    vector = SPEC.encode(sent)
    assert vector.dtype == np.int64 and vector.shape == (SPEC.size,) == (11,)
    assert SPEC.admits(vector)
    read = SPEC.decode(vector)
    assert read["n"].dtype == read["counts"].dtype == np.int64
    assert read["n"] == sent["n"] and np.array_equal(read["counts"], sent["counts"])
    assert read["sums"].shape == (2, 3)
    assert np.abs(read["sums"] - sent["sums"]).max() <= 2.0**-21


@settings(max_examples=100, deadline=None)
@given(st.lists(ARRAYS, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_order_or_grouping(banks, random):
    vectors = [SPEC.encode(bank) for bank in banks]
    shuffled = vectors[:]
    random.shuffle(shuffled)
    cut = random.randint(0, len(vectors))
    grouped = sum(shuffled[:cut], np.zeros(11, np.int64)) + sum(
        shuffled[cut:], np.zeros(11, np.int64)
    )
    assert np.array_equal(grouped, sum(vectors))
    read = SPEC.decode(grouped)
    assert read["n"] == sum(int(bank["n"]) for bank in banks)
    assert np.abs(read["sums"] - sum(bank["sums"] for bank in banks)).max() <= len(banks) * 2**-20


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 40), st.floats(1e-6, 2.0**45), st.sampled_from([-1, 1]))
def test_the_largest_admitted_release_of_every_institution_cannot_overflow(bits, bound, sign):
    try:
        spec = ReleaseSpec("edge", (Entry("v", (1,), bits, bound),))
    except ReleaseError:
        assert math.log2(bound) + bits > 50  # 62 bits less the 12 of 4096 summands
        return
    vector = spec.encode({"v": np.array([sign * bound])})
    assert spec.admits(vector)
    assert abs(int(vector[0])) * MAX_INSTITUTIONS < 2**63
    assert int(np.full(MAX_INSTITUTIONS, vector[0]).sum()) == int(vector[0]) * MAX_INSTITUTIONS


def test_a_layout_that_could_overflow_is_refused():
    Entry("fits", (), bits=24, bound=2.0**26)
    with pytest.raises(ReleaseError, match="no room for 4096"):
        Entry("too fine", (), bits=25, bound=2.0**26)


def test_a_name_laid_out_twice_is_refused():
    with pytest.raises(ReleaseError, match="twice"):
        ReleaseSpec("double", (Entry("a", ()), Entry("b", ()), Entry("a", (2,))))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sums": np.array([[0.1, np.nan, 0], [0, 0, 0]])}, "'sums'"),
        ({"sums": np.array([[0.1, np.inf, 0], [0, 0, 0]])}, "'sums'"),
        ({"sums": np.array([[0.1, -np.inf, 0], [0, 0, 0]])}, "'sums'"),
        ({"sums": np.full((2, 3), 1000.001)}, "1000"),
        ({"sums": np.full((2, 3), np.float32(1e30))}, "1000"),
        ({"sums": np.full((2, 3), (1000 << 20) + 1)}, "1000"),  # already quantised
        ({"sums": np.full((2, 3), 1j)}, "'sums'"),
        ({"sums": np.full((2, 3), "1")}, "'sums'"),
        ({"sums": np.full((2, 3), None)}, "'sums'"),
        ({"counts": np.array([0, 0, 0, 10**6 + 1])}, "'counts'"),
        ({"counts": np.array([0, 0, 0, np.iinfo(np.int64).min])}, "'counts'"),
        ({"counts": np.array([0, 0, 0, 2**64 - 1], np.uint64)}, "'counts'"),
        ({"counts": np.arange(5)}, r"shape \(5,\)"),
        ({"sums": np.zeros((3, 2))}, r"shape \(3, 2\)"),
        ({"n": np.array([1])}, r"shape \(1,\)"),
        ({"secret": np.array(1)}, "secret"),
    ],
)
def test_what_does_not_fit_is_refused_with_nothing_released(changed, said):
    with pytest.raises(ReleaseError, match=said):
        SPEC.encode(arrays(**changed))


def test_a_missing_array_is_refused():
    incomplete = arrays()
    del incomplete["n"]
    with pytest.raises(ReleaseError, match="n"):
        SPEC.encode(incomplete)


def test_integers_are_taken_as_already_quantised():
    values = np.array([[0.1, -0.3, 999.9], [1e-9, 5.5, -1000.0]])
    assert np.array_equal(
        SPEC.encode(arrays(sums=quantise(values, 20))), SPEC.encode(arrays(sums=values))
    )


@pytest.mark.parametrize(
    "vector",
    [
        np.zeros(10, np.int64),
        np.zeros((11, 1), np.int64),
        np.zeros(11, np.float64),
        np.zeros(11, np.int32),
        np.r_[np.zeros(10, np.int64), 10**6 + 1],
        np.r_[np.zeros(10, np.int64), np.iinfo(np.int64).min],
        np.r_[0, (1000 << 20) + 1, np.zeros(9, np.int64)],
    ],
)
def test_a_received_vector_of_another_type_size_or_magnitude_is_not_admitted(vector):
    assert not SPEC.admits(vector)
    assert SPEC.admits(np.zeros(11, np.int64))
    assert SPEC.admits(np.r_[0, -(1000 << 20), np.zeros(9, np.int64)])


def test_the_fingerprint_tells_layouts_apart():
    entries = SPEC.entries
    others = [
        ReleaseSpec("other", entries),
        ReleaseSpec("example", entries[::-1]),
        ReleaseSpec("example", (Entry("n", (), bound=5.0), *entries[1:])),
        ReleaseSpec("example", (Entry("n", (), bits=1), *entries[1:])),
        ReleaseSpec("example", (Entry("n", (1,)), *entries[1:])),
        ReleaseSpec("example", (Entry("m", ()), *entries[1:])),
    ]
    prints = {spec.fingerprint for spec in (*others, SPEC)}
    assert len(prints) == 7
    assert ReleaseSpec("example", entries).fingerprint == SPEC.fingerprint
