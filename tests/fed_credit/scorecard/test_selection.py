from __future__ import annotations

import numpy as np

from fed_credit.config.scorecard import SelectionSpec, Trend
from fed_credit.data.schema import Kind, KnownAt
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.spec import FeatureSpec
from fed_credit.scorecard.binning import Binning, CoarseClass
from fed_credit.scorecard.selection import Choice, by_correlation, by_information

SPEC = SelectionSpec(min_iv=0.02, max_iv=0.5, max_correlation=0.7, max_vif=4.0)


def binning(name: str, information: float, classes: int = 2) -> Binning:
    fine = FineBins(FeatureSpec(name, Kind.BOOLEAN, KnownAt.APPLICATION, "bank"))
    each = tuple(CoarseClass((k,), 10, 5, 0.1, information / classes) for k in range(classes))
    return Binning(fine, each, Trend.NONE, 0)


def test_features_that_say_too_little_or_too_much_are_left_out_and_told_why():
    found = by_information(
        [binning("a", 0.1), binning("b", 0.01), binning("c", 0.7), binning("d", 0.0, 1)], SPEC
    )
    assert [one.taken for one in found] == [True, False, False, False]
    assert "below 0.02" in found[1].reason
    assert "above 0.5" in found[2].reason
    assert "one class" in found[3].reason
    free = SelectionSpec(0.02, None, 0.7, 4.0)
    assert by_information([binning("c", 0.7)], free)[0].taken


def test_of_two_alike_the_more_informative_stays():
    choices = [Choice("a", 0.1), Choice("left out", 0.9, "why"), Choice("b", 0.3), Choice("c", 0.2)]
    correlation = np.array([[1.0, -0.9, 0.0], [-0.9, 1.0, 0.1], [0.0, 0.1, 1.0]])
    found = by_correlation(choices, correlation, SPEC)
    assert [one.feature for one in found if one.taken] == ["b", "c"]
    assert found[0].reason.startswith("its correlation with b is -0.900")
    assert found[1].reason == "why"


def test_a_chain_of_likeness_does_not_take_a_third_with_it():
    # b is like a and like c, but a and c are not alike.
    choices = [Choice("a", 0.3), Choice("b", 0.2), Choice("c", 0.1)]
    correlation = np.array([[1.0, 0.8, 0.5], [0.8, 1.0, 0.8], [0.5, 0.8, 1.0]])
    found = by_correlation(choices, correlation, SPEC)
    assert [one.taken for one in found] == [True, False, True]


def test_a_combination_of_others_goes_by_its_inflation():
    # d is about a + b + c, but no pair of them is alike.
    x = np.random.default_rng(0).normal(size=(5000, 3))
    x = np.column_stack([x, x.sum(axis=1) + 0.3 * np.random.default_rng(1).normal(size=5000)])
    choices = [Choice(name, iv) for name, iv in zip("abcd", (0.1, 0.2, 0.3, 0.4), strict=True)]
    found = by_correlation(choices, np.corrcoef(x.T), SPEC)
    assert [one.taken for one in found] == [True, True, True, False]
    assert "variance inflation factor" in found[3].reason
    exact = np.array([[1.0, 0.6, 0.6], [0.6, 1.0, -0.28], [0.6, -0.28, 1.0]])
    of_equals = by_correlation([Choice("a", 0.1), Choice("b", 0.2), Choice("c", 0.3)], exact, SPEC)
    assert [one.taken for one in of_equals] == [False, True, True]
