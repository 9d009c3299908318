from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fed_credit.config.spec import PreprocessingSpec
from fed_credit.data.schema import Kind, KnownAt
from fed_credit.errors import ArtefactError, DataError
from fed_credit.features.bins import SUB_BINS
from fed_credit.features.preprocessor import Preprocessor, fit_from_sums, fit_pooled
from fed_credit.features.spec import FeatureSpec
from fed_credit.features.statistics import (
    count,
    counts_spec,
    moments,
    moments_spec,
    numeric_ranges,
)
from fed_credit.features.steps import BooleanStep, CategoricalStep, NumericStep

AS_IT_IS = PreprocessingSpec(clip_quantile=0.0, rare_share=0.0, missing_indicators=True)


def feature(name: str, kind: Kind, values: tuple[str, ...] = (), buckets: int = 0) -> FeatureSpec:
    return FeatureSpec(name, kind, KnownAt.APPLICATION, "bank", values, buckets)


def numeric(values: Sequence[float], spec: PreprocessingSpec = AS_IT_IS) -> NumericStep | None:
    frame = pd.DataFrame({"a": np.asarray(values, dtype=float)})
    fitted = fit([feature("a", Kind.NUMERIC)], frame, spec)
    (step,) = fitted.steps or (None,)
    assert fitted.constant == (() if step else ("a",))
    assert step is None or isinstance(step, NumericStep)
    return step


def categories(
    values: Sequence[str | None], known: tuple[str, ...], spec: PreprocessingSpec = AS_IT_IS
) -> Preprocessor:
    return fit([feature("c", Kind.CATEGORICAL, known)], pd.DataFrame({"c": values}), spec)


def fit(
    features: Sequence[FeatureSpec], frame: pd.DataFrame, spec: PreprocessingSpec
) -> Preprocessor:
    return fit_pooled(features, frame, np.zeros(len(frame), np.int8), spec)


def fit_federated(
    features: Sequence[FeatureSpec],
    first: Sequence[pd.DataFrame],
    spec: PreprocessingSpec,
    second: Sequence[pd.DataFrame] | None = None,
) -> Preprocessor:
    """Fit as the consortium does; the second exchange may hear other banks than the first."""
    layout = counts_spec(features)
    counts = layout.decode(
        sum(layout.encode(count(features, bank, np.zeros(len(bank), np.int8))) for bank in first)
    )
    ranges = numeric_ranges(features, counts, spec.clip_quantile)
    layout = moments_spec(features)
    sums = layout.decode(
        sum(layout.encode(moments(features, bank, ranges)) for bank in second or first)
    )
    return fit_from_sums(features, counts, sums, spec)


# Hypothesis: loans of every kind that a loan book may hold.

KNOWN = ("a", "b", "c", "other", "missing")
NUMBERS = (
    st.integers(-20, 20).map(float),
    st.floats(-1e6, 1e6),
    st.floats(-1e13, 1e13),
    st.sampled_from([0.0, -0.0, 5.1, 1e-300, 1e300, -1e300, 2.0**47]),
    st.just(7.3),
    st.just(np.nan),
)


@st.composite
def loans(draw: st.DrawFn) -> tuple[list[FeatureSpec], pd.DataFrame, PreprocessingSpec]:
    n = draw(st.integers(1, 40))
    columns: dict[str, object] = {}
    features = []
    for k in range(draw(st.integers(1, 4))):
        elements = draw(st.sampled_from(NUMBERS))
        if draw(st.booleans()):
            elements = elements | st.just(np.nan)
        features.append(feature(f"x{k}", Kind.NUMERIC))
        columns[f"x{k}"] = draw(hnp.arrays(np.float64, n, elements=elements))
    features.append(feature("flag", Kind.BOOLEAN))
    columns["flag"] = draw(hnp.arrays(np.float64, n, elements=st.sampled_from([0.0, 1.0, np.nan])))
    words = st.lists(st.sampled_from([*KNOWN, "strange", None]), min_size=n, max_size=n)
    features.append(feature("listed", Kind.CATEGORICAL, KNOWN))
    features.append(feature("hashed", Kind.CATEGORICAL, buckets=4))
    columns["listed"] = pd.Categorical(draw(words), categories=[*KNOWN, "strange"])
    columns["hashed"] = pd.Series(draw(words), dtype=object)
    spec = PreprocessingSpec(
        draw(st.sampled_from([0.0, 0.001, 0.1, 0.45])),
        draw(st.sampled_from([0.0, 0.01, 0.2])),
        draw(st.booleans()),
    )
    return features, pd.DataFrame(columns), spec


@settings(max_examples=120, deadline=None)
@given(loans(), st.integers(1, 6), st.data())
def test_the_fit_is_that_of_the_pooled_loans_for_any_division_and_order(drawn, banks, data):
    features, frame, spec = drawn
    pooled = fit(features, frame, spec)
    bank = data.draw(hnp.arrays(np.int64, len(frame), elements=st.integers(0, banks - 1)))
    order = data.draw(st.permutations(range(len(frame))))
    shuffled, bank = frame.iloc[order], bank[order]
    parts = [shuffled[bank == k] for k in data.draw(st.permutations(range(banks)))]
    federated = fit_federated(features, parts, spec)
    assert federated.json_text == pooled.json_text
    assert federated.fingerprint == pooled.fingerprint
    assert np.array_equal(federated.transform(frame), pooled.transform(frame))


@settings(max_examples=120, deadline=None)
@given(loans(), st.data())
def test_a_matrix_is_finite_and_each_row_depends_on_itself_alone(drawn, data):
    features, frame, spec = drawn
    fitted = fit(features, frame, spec)
    matrix = fitted.transform(frame)
    assert matrix.dtype == np.float32 and matrix.shape == (len(frame), len(fitted.columns))
    assert np.isfinite(matrix).all()
    assert len(set(fitted.columns)) == len(fitted.columns)
    rows = data.draw(st.lists(st.integers(0, len(frame) - 1), max_size=10))
    assert np.array_equal(fitted.transform(frame.iloc[rows]), matrix[rows])


@settings(max_examples=120, deadline=None)
@given(loans())
def test_json_keeps_every_bit(drawn):
    features, frame, spec = drawn
    fitted = fit(features, frame, spec)
    read = Preprocessor.from_json(fitted.json_text)
    assert read == fitted and read.json_text == fitted.json_text
    assert read.transform(frame).tobytes() == fitted.transform(frame).tobytes()


@settings(max_examples=300, deadline=None)
@given(
    hnp.arrays(
        np.float64,
        st.integers(1, 60),
        elements=st.one_of(
            st.integers(-50, 50).map(float), st.floats(-1e9, 1e9), st.just(np.nan), st.just(3.7)
        ),
    ),
    st.sampled_from([0.0, 0.05, 0.3]),
)
def test_numeric_steps_are_what_numpy_finds(values, clip_quantile):
    step = numeric(values, replace(AS_IT_IS, clip_quantile=clip_quantile))
    there = np.sort(values[~np.isnan(values)])
    clipped = np.unique(np.clip(there, *_limits(there, clip_quantile)))
    if step is None:
        # Constant, or within the innermost bins around zero, which are 2**-31 wide.
        assert len(clipped) <= 1 or np.ptp(clipped) < max(2.0**-30, np.abs(clipped).max() / 1000)
        return
    median = there[(len(there) - 1) // 2]
    assert abs(step.median - median) <= max(step.median_width, 2.0**-30)
    assert step.median_width <= max(abs(median) / SUB_BINS / 256, 2.0**-43)
    if step.low == step.high:
        assert len(there) < len(values) and step.indicator
        return
    low, high = _limits(there, clip_quantile)
    assert low - max(abs(low) / SUB_BINS, 2.0**-30) <= step.low <= low + 2.0**-30
    assert high - 2.0**-30 <= step.high <= high + max(abs(high) / SUB_BINS, 2.0**-30)
    width = step.high - step.low
    imputed = np.clip(np.where(np.isnan(values), step.median, values), step.low, step.high)
    assert step.mean == pytest.approx(imputed.mean(), abs=width * 2**-23)
    assert step.scale**2 == pytest.approx(imputed.var(), abs=width**2 * 2**-22)


def _limits(there: np.ndarray, clip_quantile: float) -> tuple[float, float]:
    if not len(there):
        return 0.0, 0.0
    skip = int(clip_quantile * len(there))
    return float(there[skip]), float(there[len(there) - 1 - skip])


# Parity with what a bank's analysts would write.


def book(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "amount": rng.lognormal(10, 1.2, n),
            "employees": rng.poisson(3, n).astype(float),
            "growth": rng.normal(-0.1, 0.4, n),
            "sector": rng.choice(
                ["farm", "shop", "mill", "inn", "mine"], n, p=[0.4, 0.3, 0.25, 0.04, 0.01]
            ),
        }
    )
    for name in ("amount", "growth"):
        frame.loc[rng.random(n) < 0.2, name] = np.nan
    return frame


def test_numeric_columns_equal_scikit_learn():
    frame = book(1501)[["amount", "employees", "growth"]]
    features = [feature(name, Kind.NUMERIC) for name in frame]
    fitted = fit_federated(features, [frame[:100], frame[100:100], frame[100:]], AS_IT_IS)
    expected = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=False), StandardScaler()
    )
    ours = pd.DataFrame(fitted.transform(frame), columns=fitted.columns)
    theirs = expected.fit_transform(frame)
    np.testing.assert_allclose(ours[list(frame)], theirs, atol=2e-3)
    for name in ("amount", "growth"):
        assert np.array_equal(ours[f"{name} is missing"] == 1, frame[name].isna())
    assert "employees is missing" not in ours


@pytest.mark.parametrize("rare", [0.0, 0.02, 0.1])
def test_one_hot_columns_equal_scikit_learn(rare):
    known = ("farm", "shop", "mill", "inn", "mine", "never seen")
    train, new = book(2000), book(500, seed=1)
    new.loc[:20, "sector"] = "never seen"
    spec = replace(AS_IT_IS, rare_share=rare)
    fitted = fit([feature("sector", Kind.CATEGORICAL, known)], train[["sector"]], spec)
    encoder = OneHotEncoder(
        categories=[[name for name in known if name in set(train["sector"])]],
        min_frequency=rare or None,
        handle_unknown="infrequent_if_exist",
        sparse_output=False,
    ).fit(train[["sector"]])
    for frame in (train, new):
        assert np.array_equal(fitted.transform(frame), encoder.transform(frame[["sector"]]))
    assert ("sector is other" in fitted.columns) == (rare > 0)


# Single cases.


@pytest.mark.parametrize("value", [5.1, -5.1, 1 / 3, 100.3, 1e-9, 7e8, 0.0])
@pytest.mark.parametrize("n", [1, 2, 50, 1000])
def test_a_constant_is_left_out_whatever_its_digits(value, n):
    assert numeric([value] * n) is None


@pytest.mark.parametrize("value", [5.1, 0.0, -1 / 3])
def test_of_a_constant_that_is_sometimes_missing_only_missingness_is_used(value):
    step = numeric([value] * 70 + [np.nan] * 30)
    assert step is not None and step.columns == ["a", "a is missing"]
    fitted = Preprocessor((step,))
    matrix = fitted.transform(pd.DataFrame({"a": [value, np.nan, 1e9, -1e9]}))
    assert np.array_equal(matrix, [[0, 0], [0, 1], [0, 0], [0, 0]])
    assert (
        numeric([value] * 70 + [np.nan] * 30, replace(AS_IT_IS, missing_indicators=False)) is None
    )


def test_nothing_but_missing_values_is_left_out():
    assert numeric([np.nan] * 10) is None
    assert categories([None] * 10, ("x",)).constant == ("c",)


def test_no_loans_at_all_give_no_columns():
    frame = pd.DataFrame({"a": np.array([]), "c": pd.Categorical([], ["x"]), "b": np.array([])})
    features = [
        feature("a", Kind.NUMERIC),
        feature("c", Kind.CATEGORICAL, ("x",)),
        feature("b", Kind.BOOLEAN),
    ]
    fitted = fit(features, frame, AS_IT_IS)
    assert fitted.columns == [] and fitted.constant == ("a", "c", "b")
    assert fitted.transform(frame).shape == (0, 0)


def test_clipping_bounds_outliers_and_no_clipping_keeps_them():
    values = np.r_[np.linspace(1, 2, 998), -1e6, 1e6]
    outliers = pd.DataFrame({"a": [-1e6, 1e6, 1.5]})
    clipped, whole = numeric(values, replace(AS_IT_IS, clip_quantile=0.01)), numeric(values)
    assert clipped is not None and whole is not None
    assert np.abs(Preprocessor((clipped,)).transform(outliers)).max() < 3
    assert np.abs(Preprocessor((whole,)).transform(outliers)).max() > 20
    # Without clipping, a loan beyond all training loans is held at the outermost training bin.
    beyond = Preprocessor((whole,)).transform(pd.DataFrame({"a": [1e12, whole.high]}))
    assert beyond[0] == beyond[1]


def test_rare_missingness_gets_no_indicator():
    spec = replace(AS_IT_IS, rare_share=0.05)
    common = numeric([1.0, 2.0] * 45 + [np.nan] * 10, spec)
    rare = numeric([1.0, 2.0] * 48 + [np.nan] * 4, spec)
    assert common is not None and common.indicator and rare is not None and not rare.indicator


@pytest.mark.parametrize(
    ("counts", "indicators", "columns"),
    [
        ((3, 1, 0), True, ["b"]),
        ((3, 1, 2), True, ["b", "b is missing"]),
        ((3, 1, 2), False, ["b"]),
        ((0, 4, 2), True, ["b", "b is missing"]),
        ((0, 4, 2), False, []),
        ((0, 4, 0), True, []),
        ((4, 0, 0), True, []),
        ((0, 0, 4), True, []),
    ],
)
def test_boolean_columns(counts, indicators, columns):
    values = [0.0] * counts[0] + [1.0] * counts[1] + [np.nan] * counts[2]
    frame = pd.DataFrame({"b": values})
    spec = replace(AS_IT_IS, missing_indicators=indicators)
    fitted = fit([feature("b", Kind.BOOLEAN)], frame, spec)
    assert fitted.columns == columns
    if columns:
        (step,) = fitted.steps
        assert isinstance(step, BooleanStep) and step.share_true == counts[1] / sum(counts[:2])
        expected = frame["b"].fillna(step.share_true)
        np.testing.assert_allclose(fitted.transform(frame)[:, 0], expected)


def test_rare_unlisted_and_unknown_categories_share_a_column_and_missing_has_its_own():
    values = ["x"] * 50 + ["y"] * 30 + ["z"] * 4 + ["unlisted"] * 6 + [None] * 10
    fitted = categories(values, ("x", "y", "z", "never"), replace(AS_IT_IS, rare_share=0.05))
    assert fitted.columns == ["c = x", "c = y", "c is missing", "c is other"]
    new = pd.DataFrame({"c": ["x", "y", "z", "never", "unheard of", None]})
    assert fitted.transform(new).argmax(axis=1).tolist() == [0, 1, 3, 3, 3, 2]
    assert np.array_equal(fitted.transform(new).sum(axis=1), np.ones(6))


def test_a_category_that_training_never_saw_leaves_zeros_where_nothing_was_grouped():
    fitted = categories(["x", "y"] * 5, ("x", "y", "never"))
    new = pd.DataFrame({"c": ["never", "unheard of", None, "y"]})
    assert fitted.transform(new).tolist() == [[0, 0], [0, 0], [0, 0], [0, 1]]


def test_values_spelled_other_and_missing_keep_columns_of_their_own():
    values = ["other", "missing", "strange", None] * 5
    fitted = categories(values, ("other", "missing"))
    assert fitted.columns == ["c = other", "c = missing", "c is missing", "c is other"]
    (step,) = fitted.steps
    assert isinstance(step, CategoricalStep) and step.columns == tuple(fitted.columns)


def test_one_category_alone_is_constant():
    assert categories(["x"] * 9, ("x", "y")).constant == ("c",)
    assert categories(["strange"] * 9, ("x", "y")).constant == ("c",)


def test_a_bank_that_drops_out_between_the_exchanges_does_not_bend_the_scale():
    frame = book(3000)[["amount", "growth"]]
    features = [feature(name, Kind.NUMERIC) for name in frame]
    banks = [frame[:1000], frame[1000:2000], frame[2000:]]
    whole = fit_federated(features, banks, AS_IT_IS)
    fewer = fit_federated(features, banks, AS_IT_IS, second=banks[:1])
    for one, other in zip(whole.steps, fewer.steps, strict=True):
        assert isinstance(one, NumericStep) and isinstance(other, NumericStep)
        assert abs(one.mean - other.mean) < 0.2 * one.scale
        assert other.scale == pytest.approx(one.scale, rel=0.2)
        bin_width = 256 * one.median_width
        assert abs(one.median - other.median) <= bin_width and other.indicator


def test_a_lacking_column_is_named():
    step = numeric([1.0, 2.0])
    assert step is not None
    with pytest.raises(DataError, match="lack a,"):
        Preprocessor((step,)).transform(pd.DataFrame({"b": [1.0]}))


FITTED = json.loads(
    fit(
        [feature("a", Kind.NUMERIC), feature("c", Kind.CATEGORICAL, ("x", "y"))],
        pd.DataFrame({"a": [1.0, 2.0], "c": ["x", "y"]}),
        AS_IT_IS,
    ).json_text
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "{}",
        "7",
        json.dumps({**FITTED, "format": 3}),
        json.dumps({**FITTED, "steps": None}),
        json.dumps({**FITTED, "steps": [1]}),
        json.dumps({**FITTED, "steps": [{"step": "NumericStep"}]}),
        json.dumps({**FITTED, "steps": [{**FITTED["steps"][0], "step": "Pickle"}]}),
        json.dumps({**FITTED, "steps": [{**FITTED["steps"][0], "more": 1}]}),
        json.dumps({**FITTED, "steps": [{**FITTED["steps"][0], "feature": "a"}]}),
        json.dumps({**FITTED, "steps": [{**FITTED["steps"][1], "groups": 3}]}),
        json.dumps({key: value for key, value in FITTED.items() if key != "constant"}),
    ],
)
def test_broken_json_is_one_sentence(text):
    with pytest.raises(ArtefactError):
        Preprocessor.from_json(text)


def test_the_format_without_recipes_stays_readable():
    steps = json.loads(json.dumps(FITTED["steps"]))
    for step in steps:
        assert step["feature"].pop("recipe") is None
    old = Preprocessor.from_json(json.dumps({**FITTED, "format": 1, "steps": steps}))
    assert old == Preprocessor.from_json(json.dumps(FITTED))


def test_the_json_that_is_broken_above_is_whole_to_begin_with():
    assert Preprocessor.from_json(json.dumps(FITTED)).columns == ["a", "c = x", "c = y"]
