"""A reference population from sums over banks is that of the pooled loans, to the last bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.config.spec import SimulationSpec
from fed_credit.data.book import Dataset
from fed_credit.data.schema import Kind, KnownAt
from fed_credit.drift.groups import (
    GROUPS,
    OTHERS,
    FeatureGroups,
    category_groups,
    equal_shares,
    number_groups,
)
from fed_credit.drift.profile import Profile
from fed_credit.drift.reference import ReferenceQuestion, read_reference, reference_at_hand
from fed_credit.errors import ArtefactError
from fed_credit.evaluation.sums import sums_by_cell
from fed_credit.features.cells import histogram
from fed_credit.features.spec import FeatureSpec
from fed_credit.training.run_spec import RunSpec

BINS = 64


def _number(name: str = "x") -> FeatureSpec:
    return FeatureSpec(name, Kind.NUMERIC, KnownAt.APPLICATION, "")


@pytest.fixture(scope="module")
def features(make_run_spec: Callable[..., RunSpec]) -> tuple[FeatureSpec, ...]:
    return make_run_spec().features


@pytest.fixture(scope="module")
def pds(dataset: Dataset) -> np.ndarray:
    return np.random.default_rng(5).beta(2, 12, len(dataset))


def _profile(dataset: Dataset, features: tuple[FeatureSpec, ...], pds: np.ndarray) -> Profile:
    return reference_at_hand(
        features, BINS, dataset.features, dataset.y, dataset.y, pds, 24, None
    ).profile


def test_the_sum_of_the_banks_answers_is_the_pooled_population(
    dataset: Dataset, features: tuple[FeatureSpec, ...], pds: np.ndarray
) -> None:
    question = ReferenceQuestion(features, BINS)
    layout = question.layout()
    total = np.zeros(layout.size, np.int64)
    for k in range(len(dataset.names)):
        rows = dataset.rows(k)
        y = dataset.y[rows]
        answer = question.answer(dataset.features.iloc[rows], y, y, pds[rows])
        total += layout.encode(answer)
    summed = read_reference(features, layout.decode(total), 24, None).profile
    pooled = _profile(dataset, features, pds)
    assert json.dumps(summed.to_dict()) == json.dumps(pooled.to_dict())


def test_profiles_of_banks_over_common_groups_add_up(
    dataset: Dataset, features: tuple[FeatureSpec, ...], pds: np.ndarray
) -> None:
    pooled = _profile(dataset, features, pds)
    parts = []
    for k in range(len(dataset.names)):
        rows = dataset.rows(k)
        frame, y = dataset.features.iloc[rows], dataset.y[rows]
        score = pooled.groups.score
        counts = {one.name: one.count(frame[one.name]) for one in pooled.groups.features}
        sums = sums_by_cell(y, pds[rows], score.cells(pds[rows]), score.size)
        parts.append(Profile(pooled.groups, len(y), counts, sums, 24))
    assert json.dumps(reduce(add, parts).to_dict()) == json.dumps(pooled.to_dict())


def test_every_loan_is_in_one_group(
    dataset: Dataset, features: tuple[FeatureSpec, ...], pds: np.ndarray
) -> None:
    profile = _profile(dataset, features, pds)
    for groups in profile.groups.features:
        counts = profile.features[groups.name]
        column = dataset.features[groups.name]
        assert counts.sum() == len(dataset)
        assert counts[-1] == column.isna().sum()
        assert len(groups.names) == len(groups.groups) == len(counts) - 2
    assert profile.score.n == len(dataset)


def test_it_survives_a_file(
    dataset: Dataset, features: tuple[FeatureSpec, ...], pds: np.ndarray
) -> None:
    profile = _profile(dataset, features, pds)
    read = Profile.from_dict(json.loads(json.dumps(profile.to_dict())))
    assert read.groups == profile.groups
    assert json.dumps(read.to_dict()) == json.dumps(profile.to_dict())
    body = profile.to_dict()
    for broken in (
        {**body, "format": 2},
        {**body, "features": [*body["features"][:-1], {}]},
        {**body, "score": {**body["score"], "goods": [1]}},
    ):
        with pytest.raises(ArtefactError, match="reference population"):
            Profile.from_dict(broken)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.floats(-1e9, 1e9, allow_subnormal=False),
            st.sampled_from([0.0, -0.0, 1.0, 12.0, 1e-9, -5.0]),
        ),
        min_size=1,
        max_size=200,
    )
)
def test_groups_of_a_number_count_by_limits_what_universal_bins_do(values: list[float]) -> None:
    column = np.array(values)
    groups = number_groups(_number(), histogram(column))
    counts = groups.count(pd.Series(column))[:-2]
    assert counts.sum() == len(values)
    assert len(groups.groups) <= GROUPS
    # No group has less than half its share, as it was made of these very loans.
    assert len(counts) == 1 or counts.min() >= len(values) / (2 * GROUPS)


def test_equal_shares_of_an_even_row_are_equal() -> None:
    assert equal_shares(np.full(100, 7), 10) == [9, 19, 29, 39, 49, 59, 69, 79, 89]
    assert equal_shares(np.array([0, 0, 50, 0, 0]), 10) == []
    assert equal_shares(np.zeros(4, np.int64), 10) == []
    heavy = np.array([1, 1, 96, 1, 1])
    assert equal_shares(heavy, 10) == []  # two loans on either side are no group


def test_rare_categories_are_one_group() -> None:
    values = ("a", "b", "c", "d", "e")
    spec = FeatureSpec("sector", Kind.CATEGORICAL, KnownAt.APPLICATION, "", values)
    groups = category_groups(spec, np.array([500, 300, 160, 15, 10]))
    assert groups.names == ("a", "b", "c", OTHERS)
    column = pd.Series(["a", "e", "d", "z", None])
    assert groups.count(column).tolist() == [1, 0, 0, 2, 1, 1]
    # Together still rare: they join the smallest of the others.
    joined = category_groups(spec, np.array([500, 300, 160, 5, 5]))
    assert joined.groups == ((0,), (1,), (2, 3, 4))
    buckets = FeatureSpec("city", Kind.CATEGORICAL, KnownAt.APPLICATION, "", (), 4)
    assert category_groups(buckets, np.array([40, 30, 20, 10])).names[0] == "bucket 0"


def test_a_model_s_file_of_a_run_holds_its_population(
    model_bodies: tuple[bytes, ...], make_spec: Callable[..., SimulationSpec]
) -> None:
    from fed_credit.model_file.archive import opened

    model = opened(model_bodies[0], "here").model
    assert model.reference is not None
    profile = Profile.from_dict(model.reference)
    data = model.provenance["data"]
    assert profile.loans == data["train"] + data["validation"]
    assert profile.scored == data["validation"] == model.calibration.loans
    assert profile.bads == model.calibration.bads
    assert profile.window_months == 24 and profile.span is not None
    assert [one.name for one in profile.groups.features] == [
        feature.name for feature in model.artefact.model.features
    ]


def test_groups_are_named_for_people() -> None:
    groups = FeatureGroups("age", Kind.NUMERIC, (), 0, (12.0, 24.0), ((0,), (1,), (2,)))
    assert groups.names == ("below 12", "12 to 24", "from 24")
    flag = FeatureGroups("flag", Kind.BOOLEAN, (), 0, (), ((0,), (1,)))
    assert flag.names == ("no", "yes") and flag.count(pd.Series([1.0, np.nan])).tolist() == [
        0,
        1,
        0,
        1,
    ]
