"""How a schema says that numbers and dates are spelled, and how they are then read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fed_credit.data.convert import convert
from fed_credit.data.schema import Field, Kind, load_schema
from fed_credit.errors import SchemaError


@pytest.mark.parametrize(
    ("formats", "text", "day"),
    [
        ((), "2024-01-31", "2024-01-31"),
        ((), "20240131", None),
        (("%Y%m%d",), "20240131", "2024-01-31"),
        (("%Y%m%d",), "20240131.0", "2024-01-31"),
        (("%Y%m%d",), "2024-01-31 08:00:00", "2024-01-31"),
        (("%Y%m%d",), "2024131", None),
        (("%Y%m%d",), "20240231", None),
        (("%Y/%m/%d",), "2024/1/31 9:30", "2024-01-31"),
        (("%Y年%m月%d日",), "2024年1月31日", "2024-01-31"),
        (("%m/%d/%Y", "%d-%b-%y"), "30-Jan-10", "2010-01-30"),
        (("%m/%d/%Y", "%d-%b-%y"), "2/28/1997", "1997-02-28"),
    ],
)
def test_dates_are_read_as_the_schema_spells_them(
    formats: tuple[str, ...], text: str, day: str | None
) -> None:
    read = convert(pd.Series([text]), Field("day", Kind.DATE, date_formats=formats))
    assert read.broken.tolist() == [day is None]
    expected = np.datetime64("NaT" if day is None else day, "D")
    np.testing.assert_array_equal(read.values.to_numpy().astype("datetime64[D]"), [expected])


def test_separators_and_signs_are_taken_out_of_numbers() -> None:
    raw = pd.Series(["1,234.5", "¥ 1,000", "12%", "-3", "NA", "x"])
    field = Field("n", Kind.NUMERIC, strip=(",", "¥", "%"), missing_codes=("NA",))
    read = convert(raw, field)
    np.testing.assert_array_equal(read.values, [1234.5, 1000, 12, -3, np.nan, np.nan])
    assert read.broken.tolist() == [False] * 5 + [True]
    assert convert(raw, Field("n", Kind.NUMERIC)).broken.tolist() == [True] * 3 + [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{kind: date, strip: ['%']}", "only numeric"),
        ("{kind: numeric, date_formats: ['%Y%m%d']}", "only date"),
        ("{kind: numeric, strip: ['1']}", "without digits"),
        ("{kind: date, date_formats: ['%d']}", "year and month"),
        ("{kind: date, date_formats: ['%Y%m%Q']}", "no format of dates"),
    ],
)
def test_a_spelling_that_reads_nothing_is_refused(tmp_path: Path, body: str, words: str) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(f"fields:\n  a: {body}\n", encoding="utf-8")
    with pytest.raises(SchemaError, match=words):
        load_schema(path)
