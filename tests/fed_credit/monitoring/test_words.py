"""What alerts call periods, features and groups of values."""

from __future__ import annotations

import pytest

from fed_credit.data.schema import Field, Kind
from fed_credit.monitoring.words import feature_words, group_words, period_words

FIELDS = {
    "trade": Field(
        "trade",
        Kind.CATEGORICAL,
        label={"en": "sector", "zh": "行业"},
        values=("farm", "retail"),
        value_labels={"farm": {"en": "Farming", "zh": "农业"}},
    ),
    "pledged": Field("pledged", Kind.BOOLEAN),
    "kind": Field("kind", Kind.CATEGORICAL, values=("some", "others")),
}


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ("2023-12", ("December 2023", "2023 年 12 月")),
        ("1999-01", ("January 1999", "1999 年 1 月")),
        ("2021-Q3", ("the third quarter of 2021", "2021 年第三季度")),
    ],
)
def test_periods_are_called_as_people_do(period: str, words: tuple[str, str]) -> None:
    assert period_words(period) == words


def test_features_are_called_by_their_labels() -> None:
    assert feature_words("trade", FIELDS) == ("Sector", "行业")
    assert feature_words("pledged", FIELDS) == ("Pledged", "pledged")
    assert feature_words("other", FIELDS) == ("Other", "other")


@pytest.mark.parametrize(
    ("group", "feature", "words"),
    [
        ("farm", "trade", ("Farming", "农业")),
        ("retail", "trade", ("retail", "retail")),
        ("others", "trade", ("others", "其他")),
        ("others", "kind", ("others", "others")),
        ("yes", "pledged", ("yes", "是")),
        ("no", "pledged", ("no", "否")),
        ("bucket 3", "unknown", ("bucket 3", "bucket 3")),
    ],
)
def test_groups_are_called_by_their_labels(
    group: str, feature: str, words: tuple[str, str]
) -> None:
    assert group_words(group, feature, FIELDS) == words
