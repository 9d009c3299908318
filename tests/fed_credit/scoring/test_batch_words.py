"""Sentences of many loans at once are those of one loan after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.artefact import Artefact
from fed_credit.data.book import Dataset
from fed_credit.data.schema import Field, Kind
from fed_credit.explain.reasons import reasons
from fed_credit.explain.sentences import sentence
from fed_credit.explain.words import ranked, told

FIELD = Field("x", Kind.NUMERIC, label={"en": "size", "zh": "规模"}, unit="months")
COMPUTED = replace(FIELD, formula="ratio(a, b)")
NEAR_TIES = [2.5, 0.12345, 0.123450000001, 9.9995, 9.99949999, 999.95, 999.949999, 1000.5, 1001.5,
             99.95, 99.949999, 99.5, 100.5, 0.09895,
             0.5, -0.5, 1e-7, 1.00005, 12344.5, 0.0001, 5e-324, -0.0, 1e22, 1234.5]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.floats(allow_infinity=False), st.sampled_from(NEAR_TIES),
                      st.decimals(-2000, 2000, places=5).map(float)),
            st.one_of(st.floats(1e-9, 200.0), st.sampled_from([0.004999, 0.005, 0.015, 60.0])),
        ),
        min_size=1,
        max_size=80,
    ),
    st.sampled_from(["log-odds", "points"]),
    st.sampled_from([FIELD, COMPUTED]),
)  # fmt: skip
def test_numbers_are_written_alike(
    pairs: list[tuple[float, float]], unit: str, field: Field
) -> None:
    values = np.array([value for value, _ in pairs])
    amounts = np.array([amount for _, amount in pairs])
    if unit == "points":
        amounts = np.ceil(amounts)
    found = told(
        ranked(amounts[:, None], 1),
        ["x"],
        lambda name: pd.Series(values),
        {"x": Kind.NUMERIC},
        {"x": field},
        unit,
    )
    expected = [
        sentence("x", None if value != value else value, amount, unit, field)
        for value, amount in zip(values.tolist(), amounts.tolist(), strict=True)
    ]
    assert found.en is not None and found.zh is not None
    assert list(zip(found.en.to_pylist(), found.zh.to_pylist(), strict=True)) == expected


@settings(max_examples=50, deadline=None)
@given(st.data(), st.integers(0, 6))
def test_ranks_are_those_of_a_stable_sort(data: st.DataObject, top: int) -> None:
    some = st.sampled_from([-1.0, 0.0, 0.5, 0.5, 1.0, 2.0])
    rows = data.draw(st.lists(st.lists(some, min_size=5, max_size=5), min_size=1, max_size=6))
    found = ranked(np.array(rows), top)
    for amounts, features, costs in zip(
        rows, found.features.tolist(), found.amounts.tolist(), strict=True
    ):
        order = sorted((k for k in range(5) if amounts[k] > 0), key=lambda k: -amounts[k])[:top]
        kept = [k for k in features if k >= 0]
        assert kept == order and costs[: len(kept)] == [amounts[k] for k in order]
        assert set(features[len(kept) :]) <= {-1}


@pytest.mark.parametrize("family", ["scorecard", "logreg_exact", "gbdt"])
def test_a_model_s_reasons_are_the_same_one_by_one(
    exact: Callable[[str], Artefact], dataset: Dataset, family: str
) -> None:
    from fed_credit.explain.explainer import explainer_of

    artefact = exact(family)
    explainer = explainer_of(artefact)
    assert explainer is not None
    frame, fields = dataset.features, dataset.schema.fields
    lost = explainer.lost(explainer.matrix(frame))
    order = ranked(lost.amounts, 3)
    kinds = {feature.name: feature.kind for feature in artefact.model.features}
    words = told(order, explainer.features, frame.__getitem__, kinds, fields, lost.unit)
    assert words.en is not None and words.zh is not None
    en, zh = words.en.to_pylist(), words.zh.to_pylist()
    several = 0
    for row, expected in enumerate(reasons(artefact, frame, 3, fields)):
        mine = [(en[place * len(frame) + row], zh[place * len(frame) + row]) for place in range(3)]
        said = [(one.en, one.zh) for one in expected.reasons]
        assert mine == said + [(None, None)] * (3 - len(said))
        several += len(said) > 1
    assert several > 100


def test_only_the_language_asked_for_is_written() -> None:
    order = ranked(np.array([[1.0], [-1.0]]), 1)
    words = told(order, ["x"], lambda name: pd.Series([1.0, 2.0]), {"x": Kind.NUMERIC},
                 {"x": FIELD}, "points", ("zh",))  # fmt: skip
    assert words.en is None and words.zh is not None
    assert words.zh.to_pylist() == ["规模为1 个月：比最优档少 1 分。", None]
