from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.config.scorecard import CutsSpec
from fed_credit.data.schema import Kind, KnownAt
from fed_credit.features.cuts import HistogramQuestion, PartsQuestion, common_bins
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.spec import FeatureSpec

AMOUNT = FeatureSpec("amount", Kind.NUMERIC, KnownAt.APPLICATION, "bank")
GUARANTEED = FeatureSpec("guaranteed", Kind.BOOLEAN, KnownAt.APPLICATION, "bank")
SECTOR = FeatureSpec("sector", Kind.CATEGORICAL, KnownAt.APPLICATION, "bank", ("farm", "shop"))
TOWN = FeatureSpec("town", Kind.CATEGORICAL, KnownAt.APPLICATION, "bank", (), 8)


class Banks:
    """Adds up the answers of banks that hold the values of one feature."""

    def __init__(self, *books: Sequence[float]) -> None:
        self.books = [pd.DataFrame({"amount": np.array(book, dtype=float)}) for book in books]
        self.asked: list[str] = []

    def ask(self, question):
        self.asked.append(type(question).__name__)
        layout = question.layout()
        total = np.zeros(layout.size, np.int64)
        for book in self.books:
            total += layout.encode(question.answer(book, np.zeros(len(book), np.int8)))
        return layout.decode(total)


def cut(
    *books: Sequence[float], max_bins: int = 10, tolerance: float = 0.002, special=()
) -> FineBins:
    spec = CutsSpec(max_bins, tolerance, 10, {"amount": list(special)})
    (found,) = common_bins([AMOUNT], spec, Banks(*books).ask)
    return found


def unexplained(values: np.ndarray, fine: FineBins, max_bins: int) -> float:
    """How far, in shares of the loans, any quantile is from a cut, besides what ties force."""
    values = np.sort(values)
    n = len(values)
    below = np.r_[0, np.searchsorted(values, fine.cuts), n] / n
    worst = 0.0
    for j in range(1, max_bins):
        value = values[max(0, int(np.ceil(j * n / max_bins)) - 1)]
        alike = np.abs(values - value) <= 1e-6 * abs(value)
        low, high = np.flatnonzero(alike)[[0, -1]] / n + [0, 1 / n]
        away = np.maximum(0, np.maximum(low - below, below - high)).min()
        worst = max(worst, away)
    return worst


SKEWED = np.random.default_rng(5).lognormal(11.0, 1.2, 20_000)


@pytest.mark.parametrize(
    "values",
    [
        SKEWED,
        np.round(SKEWED, -3),
        np.random.default_rng(1).normal(0.0, 1.0, 20_000),
        np.r_[np.zeros(9000), np.random.default_rng(2).exponential(3.0, 11_000)],
        np.random.default_rng(3).integers(-200, 500, 20_000).astype(float),
    ],
)
@pytest.mark.parametrize("max_bins", [10, 60])
def test_cuts_are_quantiles_within_the_stated_error(values, max_bins):
    fine = cut(values, max_bins=max_bins)
    assert len(fine.cuts) < max_bins
    assert list(fine.cuts) == sorted(set(fine.cuts))
    assert unexplained(values, fine, max_bins) <= fine.rank_error <= 0.002


@pytest.mark.parametrize(
    "values", [[12, 18, 24, 36, 60], np.arange(24) / 24, [-3.5, -1, 0, 2, 1e9]]
)
def test_few_distinct_values_get_a_bin_each(values):
    rng = np.random.default_rng(0)
    drawn = np.r_[values, rng.choice(values, 5000)]
    fine = cut(drawn, max_bins=30)
    assert len(set(fine.codes(pd.Series(np.array(values, float))))) == len(values)
    assert fine.rank_error == 0.0
    assert len(fine.cuts) == len(values) - 1


def test_cuts_are_numbers_that_people_know():
    terms = np.random.default_rng(0).choice([12.0, 18.0, 24.0, 36.0, 60.0], 4000)
    assert cut(terms).cuts == (18.0, 24.0, 36.0, 60.0)
    amounts = np.random.default_rng(0).choice([50_000.0, 100_000.0, 150_000.0], 4000)
    assert {100_000.0, 150_000.0} <= set(cut(np.r_[amounts, SKEWED[:400]], max_bins=4).cuts)
    assert all(len(repr(number)) <= 9 for number in cut(SKEWED).cuts)


def test_special_and_missing_values_have_bins_of_their_own():
    values = np.r_[np.full(500, -1.0), np.full(300, 999.0), np.full(200, np.nan), np.arange(4000)]
    fine = cut(values, special=[999.0, -1.0])
    assert fine.specials == (-1.0, 999.0)
    codes = fine.codes(pd.Series([-1.0, 999.0, np.nan, 0.0, 1e6]))
    assert codes.tolist() == [fine.num_values, fine.num_values + 1, fine.missing, 0, 9]
    assert fine.size == 10 + 2 + 1
    # 999 is a code: the loan with that amount is not among the others.
    assert fine.cuts == cut(np.delete(np.arange(4000.0), 999), special=[999.0, -1.0]).cuts


@pytest.mark.parametrize("values", [[], [np.nan, np.nan], [5.0], [0.0, 0.0], [1e10, -1e-9]])
def test_what_hardly_varies_gives_hardly_any_bins(values):
    fine = cut(values * 20)
    assert len(fine.cuts) == max(0, len({v for v in values if v == v}) - 1)
    assert fine.rank_error == 0.0


def test_magnitudes_beyond_the_universal_bins_are_not_told_apart_and_the_error_says_so():
    fine = cut([1e300, 1e200, 1e250, -5.0])
    assert len(fine.cuts) == 1
    assert fine.rank_error == 0.75


def test_at_most_three_questions_are_asked():
    spec = CutsSpec(10, 0.002, 10, {})
    for values, asked in (
        ([0.0] * 50, 1),
        (SKEWED[:600], 2),
        (np.r_[SKEWED, np.full(6000, 5e4)], 3),
    ):
        banks = Banks(values)
        common_bins([AMOUNT], spec, banks.ask)
        assert len(banks.asked) == asked
    nobody = Banks()
    common_bins([GUARANTEED, SECTOR], spec, nobody.ask)
    assert nobody.asked == []


def test_a_value_of_few_loans_is_never_asked_for_in_detail():
    values = np.r_[np.full(30, 250.0), np.full(9, 251.7), 260.3]
    banks = Banks(values)
    details = []

    def ask(question):
        if not isinstance(question, HistogramQuestion | PartsQuestion):
            details.extend(question.parts["amount"])
        return banks.ask(question)

    common_bins([AMOUNT], CutsSpec(10, 0.002, 10, {}), ask)
    assert len(details) == 1  # the thirty; not the nine, nor the one


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.floats(-1e9, 1e9), st.sampled_from([0.0, 12.0, 12.0, 0.1, -7.0]), st.just(np.nan)
        ),
        max_size=120,
    ),
    st.sampled_from([2, 5, 13]),
    st.randoms(use_true_random=False),
)
def test_cuts_do_not_depend_on_the_partition(values, banks, random):
    owner = np.array([random.randrange(banks) for _ in values], dtype=int)
    values = np.array(values, dtype=float)
    books = [values[owner == k] for k in range(banks)]
    assert cut(*books, max_bins=8, tolerance=0.02) == cut(values, max_bins=8, tolerance=0.02)


def test_a_bank_that_drops_out_between_questions_leaves_cuts_that_rise():
    banks = Banks(SKEWED[:4000], SKEWED[4000:] * 3)

    def ask(question):
        sums = banks.ask(question)
        del banks.books[1:]
        return sums

    (fine,) = common_bins([AMOUNT], CutsSpec(20, 0.002, 10, {}), ask)
    assert len(fine.cuts) > 5 and list(fine.cuts) == sorted(set(fine.cuts))


def test_codes_of_other_kinds_follow_the_schema():
    yes, farm, town = FineBins(GUARANTEED), FineBins(SECTOR), FineBins(TOWN)
    assert yes.codes(pd.Series([0.0, 1.0, np.nan])).tolist() == [0, 1, 2]
    assert farm.codes(pd.Series(["shop", "mill", None])).tolist() == [1, 2, 3]
    assert (farm.size, town.size, town.missing) == (4, 10, 9)
    assert [farm.name(k) for k in range(4)] == ["farm", "shop", "not listed", "missing"]
    assert [yes.name(k) for k in range(3)] == ["no", "yes", "missing"]
    assert town.name(3) == "bucket 3"


def test_fine_bins_come_back_from_plain_data():
    fine = cut(SKEWED, special=[-1.0])
    assert FineBins.from_dict(fine.as_dict()) == fine
