from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.config.scorecard import BinningSpec, Trend
from fed_credit.data.schema import Kind, KnownAt
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.spec import FeatureSpec
from fed_credit.scorecard.binning import Binning, bin_feature
from fed_credit.scorecard.drift import DriftQuestion, mean_stability
from fed_credit.scorecard.evidence import stability
from fed_credit.scorecard.table import binning_table, class_label, stability_between_banks

SPEC = BinningSpec(5, 0.05, 5, 5, 10, 0.02, Trend.AUTO, {}, None, 0.5)


def feature(name: str, kind: Kind, values: tuple[str, ...] = (), buckets: int = 0) -> FeatureSpec:
    return FeatureSpec(name, kind, KnownAt.APPLICATION, "bank", values, buckets)


TERM = FineBins(feature("term", Kind.NUMERIC), (12.0, 24.0, 36.0), (-1.0,), 0.0)
SECTOR = FineBins(feature("sector", Kind.CATEGORICAL, ("farm", "shop", "mill", "bar", "inn")))
TOWN = FineBins(feature("town", Kind.CATEGORICAL, (), 4))
OWNED = FineBins(feature("owned", Kind.BOOLEAN))


def counts(*cells: tuple[int, int]) -> np.ndarray:
    return np.array(cells).T


def labels(binning: Binning) -> list[str]:
    return [class_label(binning, k) for k in range(len(binning.classes))]


# Codes of TERM: under 12, 12 to 24, 24 to 36, 36 and more, the special value, missing.


def test_numeric_classes_keep_their_order_and_special_values_stand_apart():
    found = bin_feature(
        TERM, counts((50, 40), (80, 30), (90, 20), (100, 10), (30, 12), (40, 15)), SPEC
    )
    assert labels(found) == [
        *("under 12", "12 to under 24", "24 to under 36", "36 or more", "= -1", "missing")
    ]
    assert found.trend is Trend.ASCENDING
    weights = [one.woe for one in found.classes[:4]]
    assert weights == sorted(weights)
    column = pd.Series([11.9, 12.0, 50.0, -1.0, np.nan])
    assert found.encode(column).tolist() == [0, 1, 3, 4, 5]
    assert found.woe(column).tolist() == [found.classes[k].woe for k in (0, 1, 3, 4, 5)]


def test_the_trend_asked_for_is_the_one_given():
    u_shape = counts((50, 40), (90, 10), (90, 12), (50, 40), (0, 0), (0, 0))
    free = bin_feature(TERM, u_shape, replace(SPEC, trend=Trend.NONE))
    assert len(free.classes) >= 3
    for trend, sign in ((Trend.ASCENDING, 1), (Trend.DESCENDING, -1)):
        for spec in (replace(SPEC, trend=trend), replace(SPEC, trends={"term": trend})):
            found = bin_feature(TERM, u_shape, spec)
            assert found.trend is trend
            assert (np.diff([one.woe for one in found.classes]) * sign > 0).all()
            assert found.information < free.information


def test_what_is_too_few_joins_the_neutral_class_and_is_never_shown():
    found = bin_feature(TERM, counts((50, 40), (80, 30), (90, 20), (100, 10), (2, 1), (3, 0)), SPEC)
    assert len(found.classes) == 4
    assert labels(found)[found.neutral].endswith("= -1, missing")
    assert sum(one.loans for one in found.classes) == 426
    assert found.classes[found.neutral].loans > 6
    # Together they may be enough.
    pair = bin_feature(TERM, counts((50, 40), (80, 30), (90, 20), (100, 10), (9, 4), (9, 4)), SPEC)
    assert labels(pair)[-1] == "= -1, missing" and pair.classes[-1].loans == 26


def test_a_large_class_without_bads_gets_a_smoothed_weight():
    found = bin_feature(
        TERM, counts((50, 40), (80, 30), (90, 20), (100, 10), (0, 0), (60, 0)), SPEC
    )
    missing = found.classes[-1]
    assert missing.woe == pytest.approx(np.log((60.5 / 380) / (0.5 / 100)))


def test_categories_are_ordered_by_risk_and_rare_ones_go_together():
    # farm, shop, mill, bar, inn, not listed, missing
    found = bin_feature(
        SECTOR, counts((100, 40), (200, 20), (90, 38), (2, 1), (4, 1), (0, 0), (40, 30)), SPEC
    )
    assert labels(found)[0] == "shop"
    assert labels(found)[-1] == "missing"
    weights = [one.woe for one in found.classes[:-1]]
    assert weights == sorted(weights, reverse=True)
    neutral = labels(found)[found.neutral]
    assert "bar" in neutral and "inn" in neutral and "not listed" in neutral
    assert found.encode(pd.Series(["zoo"])).tolist() == [found.neutral]


def test_enough_rare_categories_are_a_group_of_their_own():
    spec = replace(SPEC, rare_share=0.1, max_classes=3)
    found = bin_feature(
        SECTOR, counts((200, 20), (200, 22), (15, 15), (14, 14), (13, 13), (0, 0), (0, 0)), spec
    )
    assert "mill, bar, inn, not listed" in labels(found)


def test_other_kinds_have_names_for_their_classes():
    owned = bin_feature(OWNED, counts((50, 50), (90, 20), (40, 30)), SPEC)
    assert labels(owned) == ["no", "yes", "missing"]
    town = bin_feature(TOWN, counts((50, 50), (90, 20), (0, 0), (90, 20), (0, 0), (0, 0)), SPEC)
    assert {"bucket 1", "bucket 3"} <= set(labels(town)[0].split(", "))


@pytest.mark.parametrize(
    "cells",
    [
        [(0, 0)] * 6,
        [(100, 0)] * 6,
        [(0, 7)] * 6,
        [(0, 0)] * 5 + [(50, 50)],
        [(3, 2)] + [(0, 0)] * 4 + [(50, 50)],
        [(1, 1)] + [(0, 0)] * 5,
    ],
)
def test_hardly_any_loans_are_no_fault(cells):
    found = bin_feature(TERM, counts(*cells), SPEC)
    assert len(found.classes) == 1
    assert found.information == 0.0
    assert sum(one.loans for one in found.classes) == int(np.sum(cells))
    assert sorted(found.classes[0].codes) == list(range(6))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([TERM, SECTOR, OWNED]),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), min_size=7, max_size=7),
    st.sampled_from([Trend.ASCENDING, Trend.DESCENDING, Trend.AUTO, Trend.NONE]),
    st.sampled_from([0, 10, 25]),
)
def test_every_code_has_one_class_and_none_is_below_the_minimum_cell(fine, cells, trend, min_cell):
    given_counts = counts(*cells[: fine.size])
    spec = replace(SPEC, trend=trend, min_cell=min_cell)
    found = bin_feature(fine, given_counts, spec)
    assert sorted(code for one in found.classes for code in one.codes) == list(range(fine.size))
    for one in found.classes:
        assert (one.goods, one.bads) == tuple(given_counts[:, list(one.codes)].sum(axis=1))
        assert one.loans >= min(min_cell, given_counts.sum())
    values = [one for one in found.classes if one.codes[0] < fine.num_values]
    if trend in (Trend.ASCENDING, Trend.DESCENDING) and fine is not SECTOR and len(values) > 1:
        steps = np.diff([one.woe for one in values])
        assert (steps > 0).all() if trend is Trend.ASCENDING else (steps < 0).all()


def test_the_table_adds_up():
    found = bin_feature(
        TERM, counts((50, 40), (80, 30), (90, 20), (100, 10), (30, 12), (40, 15)), SPEC
    )
    *rows, whole = binning_table(found)
    assert sum(row.loans for row in rows) == whole.loans == 517
    assert sum(row.share for row in rows) == pytest.approx(1.0) and whole.share == 1.0
    assert sum(row.information for row in rows) == pytest.approx(whole.information)
    assert rows[0].bad_rate == pytest.approx(40 / 90) and whole.bad_rate == pytest.approx(127 / 517)


def test_stability_between_banks_from_their_own_counts_and_from_sums():
    own = {"North": counts((50, 40), (80, 30)), "South": counts((90, 5), (20, 15))}
    own = {bank: np.column_stack([c, np.zeros((2, 4), int)]) for bank, c in own.items()}
    found = bin_feature(TERM, sum(own.values()), SPEC)
    assert len(found.classes) == 2
    table = stability_between_banks([found], {k: {"term/counts": c} for k, c in own.items()})
    pooled = np.array([185, 145])
    assert table.loc["term", "North"] == pytest.approx(stability(np.array([90, 110]), pooled))

    question = DriftQuestion((found,))
    layout = question.layout()
    total = np.zeros(layout.size, np.int64)
    for cells in own.values():
        frame = pd.DataFrame({"term": np.repeat([5.0, 15.0], cells.sum(axis=0)[:2])})
        total += layout.encode(question.answer(frame, np.zeros(len(frame), np.int8)))
    mean = (table.loc["term", "North"] * 200 + table.loc["term", "South"] * 130) / 330
    assert mean_stability(layout.decode(total), ["term"])["term"] == pytest.approx(mean, abs=1e-6)
    nobody = question.answer(pd.DataFrame({"term": []}), np.zeros(0, np.int8))
    assert layout.encode(nobody).tolist() == [0, 0]


def test_a_binning_comes_back_from_plain_data():
    found = bin_feature(SECTOR, counts(*[(20 + k, 9) for k in range(7)]), SPEC)
    assert Binning.from_dict(found.as_dict()) == found
