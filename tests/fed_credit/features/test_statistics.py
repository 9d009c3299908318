from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fed_credit.data.schema import Kind, KnownAt
from fed_credit.features.bins import NUM_BINS, ZERO_BIN, bin_edges
from fed_credit.features.hashing import bucket_codes
from fed_credit.features.spec import FeatureSpec
from fed_credit.features.statistics import (
    MOMENT_BITS,
    category_codes,
    count,
    counts_spec,
    moments,
    moments_spec,
    numeric_ranges,
)


def feature(name: str, kind: Kind, values: tuple[str, ...] = (), buckets: int = 0) -> FeatureSpec:
    return FeatureSpec(name, kind, KnownAt.APPLICATION, "bank", values, buckets)


AMOUNT = feature("amount", Kind.NUMERIC)
GUARANTEED = feature("guaranteed", Kind.BOOLEAN)
SECTOR = feature("sector", Kind.CATEGORICAL, ("farm", "shop"))
TOWN = feature("town", Kind.CATEGORICAL, buckets=8)
FEATURES = (AMOUNT, GUARANTEED, SECTOR, TOWN)
FRAME = pd.DataFrame(
    {
        "amount": [0.0, 5.0, np.nan, 5.0, -2.0],
        "guaranteed": [1.0, 0.0, np.nan, np.nan, 1.0],
        "sector": ["shop", "mill", None, "farm", "shop"],
        "town": ["Ulm", "Bonn", None, "Ulm", "Köln"],
    }
)
Y = np.array([0, 1, 0, 0, 1], np.int8)


def test_counts_are_what_they_say():
    sums = count(FEATURES, FRAME, Y)
    assert sums["n"] == 5 and sums["n_bad"] == 2
    histogram = sums["amount/histogram"]
    assert histogram.sum() == 4 and histogram[ZERO_BIN] == 1 and sums["amount/missing"] == 1
    assert [bin_edges(k) for k in np.flatnonzero(histogram)] == [(-2.125, -2.0), (0, 0), (5, 5.25)]
    assert sums["guaranteed/counts"].tolist() == [1, 2, 2]  # false, true, missing
    assert sums["sector/counts"].tolist() == [1, 2, 1, 1]  # farm, shop, not listed, missing
    assert sums["town/counts"].sum() == 5 and sums["town/counts"][8:].tolist() == [0, 1]


def test_moments_are_of_the_values_scaled_to_the_clip_limits():
    counts = count(FEATURES, FRAME, Y)
    ranges = numeric_ranges(FEATURES, counts, 0.0)
    assert (ranges["amount"].low, ranges["amount"].high) == (-2.125, 5.25)
    assert bin_edges(ranges["amount"].median_bin) == (0.0, 0.0)
    assert set(ranges) == {"amount"}
    sums = moments_spec(FEATURES).decode(
        moments_spec(FEATURES).encode(moments(FEATURES, FRAME, ranges))
    )
    scaled = (np.array([0.0, 5.0, 5.0, -2.0]) + 2.125) / 7.375
    assert sums["n"] == 5 and sums["amount/missing"] == 1
    assert sums["amount/sum"] == pytest.approx(scaled.sum(), abs=4 * 2.0**-MOMENT_BITS)
    assert sums["amount/sum_of_squares"] == pytest.approx((scaled**2).sum(), abs=4 * 2.0**-24)
    assert sums["amount/median"].sum() == 1


@pytest.mark.parametrize(
    ("features", "rows"), [(FEATURES, 5), (FEATURES, 0), (FEATURES[1:], 5), ((), 5)]
)
def test_what_is_computed_is_in_the_order_of_its_layout(features, rows):
    frame, y = FRAME.iloc[:rows], Y[:rows]
    counts = count(features, frame, y)
    ranges = numeric_ranges(features, counts, 0.01)
    for layout, sums in (
        (counts_spec(features), counts),
        (moments_spec(features), moments(features, frame, ranges)),
    ):
        assert list(sums) == [entry.name for entry in layout.entries]
        assert layout.admits(layout.encode(sums))


def test_a_release_grows_with_the_schema_and_never_with_the_loans():
    assert counts_spec(FEATURES).size == 2 + (NUM_BINS + 1) + 3 + 4 + 10
    assert moments_spec(FEATURES).size == 1 + 1 + 1 + 1 + 256


def test_clip_limits_are_quantiles_of_the_values_that_are_there():
    values = np.r_[
        np.full(10, -1e9), np.linspace(1, 2, 980), np.full(10, 1e9), np.full(500, np.nan)
    ]
    frame = pd.DataFrame({"amount": values})
    counts = count([AMOUNT], frame, np.zeros(1500, np.int8))
    clipped = numeric_ranges([AMOUNT], counts, 0.01)["amount"]
    assert (clipped.low, clipped.high) == (1.0, 2.125)
    whole = numeric_ranges([AMOUNT], counts, 0.0)["amount"]
    assert whole.low <= -1e9 and whole.high >= 1e9
    below = numeric_ranges([AMOUNT], counts, 0.0099)["amount"]  # nine loans on either side
    assert below.low <= -1e9 and below.high >= 1e9


@pytest.mark.parametrize("feature", [SECTOR, TOWN])
def test_codes_do_not_depend_on_how_a_column_is_stored(feature):
    texts = ["shop", None, "mill", "farm", "shop"]
    columns = [
        pd.Series(texts, dtype=object),
        pd.Series(texts, dtype="str"),
        pd.Series(texts, index=[9, 9, 1, 1, 0], dtype="category"),
        pd.Series(pd.Categorical(texts, categories=["shop", "mill", "none", "farm"])),
        pd.Series(pd.Categorical(texts, categories=["farm", "mill", "shop"], ordered=True)),
    ]
    codes = [category_codes(feature, column) for column in columns]
    assert all(np.array_equal(other, codes[0]) for other in codes)
    size = feature.num_categories
    assert codes[0][1] == size + 1 and codes[0][0] == codes[0][4]
    if feature is SECTOR:
        assert codes[0].tolist() == [1, 3, 2, 0, 1]
        own = pd.Series(pd.Categorical(["shop", None, "farm"], categories=["farm", "shop"]))
        assert category_codes(SECTOR, own).tolist() == [1, 3, 0]


@pytest.mark.filterwarnings("error")
def test_values_that_are_not_listed_raise_no_warning():
    assert category_codes(SECTOR, pd.Series(["mill", "none", None])).tolist() == [2, 2, 3]


def test_hash_buckets_are_those_of_every_other_bank():
    towns = pd.Series(["Ulm", "Köln", "广州", None, "Ulm"])
    assert bucket_codes(towns, 1000).tolist() == [55, 715, 204, -1, 55]
    # The check value of CRC-32 as IEEE 802.3 defines it, so any other tool finds the same.
    assert bucket_codes(pd.Series(["123456789"]), 2**32).tolist() == [0xCBF43926]
