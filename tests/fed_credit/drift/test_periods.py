"""Whole months and matured quarters."""

from __future__ import annotations

import numpy as np
import pytest

from fed_credit.data.target import add_months
from fed_credit.drift.periods import (
    first_open_quarter,
    month_name,
    month_number,
    months_of,
    quarter_name,
    quarter_number,
    whole_months,
    whole_quarters,
)
from fed_credit.errors import ReleaseError


def _day(text: str) -> np.datetime64:
    return np.datetime64(text, "D")


def test_names_and_numbers_go_together() -> None:
    for month in (-1, 0, 11, 12, 648):
        assert month_number(month_name(month)) == month
        assert quarter_number(quarter_name(month)) == month
    assert month_name(0) == "1970-01" and quarter_name(218) == "2024-Q3"
    assert months_of(np.array(["2024-02-29"], "datetime64[D]"))[0] == month_number("2024-02")
    for odd in ("2024-13", "2024-2", "2024-02-01", "x"):
        with pytest.raises(ReleaseError, match="is no month"):
            month_number(odd)
    with pytest.raises(ReleaseError, match="is no quarter"):
        quarter_number("2024-Q5")


def test_a_month_is_whole_on_its_last_day() -> None:
    assert whole_months(_day("2024-06-29"), 2) == ("2024-04", "2024-05")
    assert whole_months(_day("2024-06-30"), 2) == ("2024-05", "2024-06")
    assert whole_months(_day("2024-06-30"), 1, before=2) == ("2024-04", "2024-05", "2024-06")
    since = month_number("2024-04")
    assert whole_months(_day("2024-06-30"), 1, since=since) == ("2024-04", "2024-05", "2024-06")


@pytest.mark.parametrize("window", [1, 12, 24])
def test_a_quarter_has_matured_once_its_last_loan_has(window: int) -> None:
    for day in np.arange("2023-01-01", "2024-03-01", dtype="datetime64[D]"):
        end = first_open_quarter(day, window)
        lasts = [
            np.datetime64(quarter * 3 + 3, "M").astype("datetime64[D]") - 1
            for quarter in (end - 1, end)
        ]
        matured = add_months(np.array(lasts), window) <= day
        assert matured.tolist() == [True, False]


def test_vintages_are_the_last_that_have_matured() -> None:
    assert whole_quarters(_day("2024-06-30"), 24, 2) == ("2022-Q1", "2022-Q2")
    assert whole_quarters(_day("2024-06-29"), 24, 1) == ("2022-Q1",)
