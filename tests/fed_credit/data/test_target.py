from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fed_credit.config.spec import TargetSpec
from fed_credit.data.schema import Field, Kind, Roles, Schema
from fed_credit.data.target import LabelState, add_months, label, parse_date, parse_past_date
from fed_credit.errors import ConfigurationError, SchemaError

FIELDS = {
    "decided": Field("decided", Kind.DATE),
    "event": Field("event", Kind.DATE),
    "status": Field("status", Kind.TARGET, good=("paid",), bad=("lost",)),
}
BOTH = Schema("both", FIELDS, Roles(decision_date="decided", event_date="event", target="status"))
DATES = Schema("dates", FIELDS, Roles(decision_date="decided", event_date="event"))
STATUS = Schema("status", FIELDS, Roles(target="status"))
GOOD, BAD, NONE, YOUNG = (0, 0), (1, 0), (-1, 1), (-1, 2)


def frame(*loans: tuple[str | None, str | None, str | None]) -> pd.DataFrame:
    decided, event, status = zip(*loans, strict=True)
    return pd.DataFrame(
        {
            "decided": pd.to_datetime(pd.Series(decided)).astype("datetime64[s]"),
            "event": pd.to_datetime(pd.Series(event, dtype="str")).astype("datetime64[s]"),
            "status": pd.Series(status, dtype="str"),
        }
    )


@pytest.mark.parametrize(
    ("decided", "event", "expected"),
    [
        ("2020-01-15", None, GOOD),
        ("2020-01-15", "2020-01-15", BAD),
        ("2020-01-15", "2021-01-15", BAD),  # the last day of the window counts
        ("2020-01-15", "2021-01-16", GOOD),  # bad, but after the window
        ("2020-02-29", "2021-02-28", BAD),
        ("2020-02-29", "2021-03-01", GOOD),
        ("2021-06-30", None, GOOD),  # the window closes on the observation date
        ("2021-07-01", None, YOUNG),
        ("2021-07-01", "2021-08-01", YOUNG),  # the bads of a young vintage go with its goods
        ("2023-01-01", None, YOUNG),
    ],
)
def test_a_window_of_twelve_months(
    decided: str, event: str | None, expected: tuple[int, int]
) -> None:
    labels = label(frame((decided, event, None)), DATES, TargetSpec(12, "2022-06-30"))
    assert (labels.y[0], labels.state[0]) == expected
    assert labels.y.dtype == np.int8
    assert not labels.final_status_only


def test_the_window_decides_over_the_final_status() -> None:
    loans = frame(
        ("2010-01-01", "2015-01-01", "lost"),  # defaulted long after the window
        ("2010-01-01", "2010-06-01", "paid"),  # cured later
        ("2010-01-01", None, None),  # no status yet, but observed
        ("2010-01-01", None, "lost"),  # nobody knows when
        ("2019-12-01", None, "lost"),
    )
    labels = label(loans, BOTH, TargetSpec(24, "2020-01-01"))
    assert list(zip(labels.y, labels.state, strict=True)) == [GOOD, BAD, GOOD, NONE, YOUNG]
    assert len(labels.warnings) == 1
    assert labels.warnings[0].startswith("1 loans have a bad final status but no event date")


def test_the_final_status_without_a_window() -> None:
    loans = frame(("2010-01-01", None, "lost"), (None, None, "paid"), ("2010-01-01", None, None))
    labels = label(loans, STATUS, TargetSpec(None, "2000-01-01"))
    assert list(zip(labels.y, labels.state, strict=True)) == [BAD, GOOD, NONE]
    assert labels.final_status_only
    assert len(labels.warnings) == 1


def test_the_observation_date_is_the_latest_seen_if_none_is_given() -> None:
    loans = frame(("2020-01-01", None, None), ("2019-06-01", "2020-12-31", None))
    labels = label(loans, DATES, TargetSpec(12, None))
    assert labels.as_of == np.datetime64("2020-12-31")
    assert labels.state.tolist() == [LabelState.IMMATURE, LabelState.LABELLED]


@pytest.mark.parametrize(
    ("schema", "spec", "error", "words"),
    [
        (STATUS, TargetSpec(12, None), SchemaError, "roles.decision_date"),
        (DATES, TargetSpec(None, None), SchemaError, "data.target.window_months is null"),
        (DATES, TargetSpec(0, None), ConfigurationError, "must be at least 1"),
        (DATES, TargetSpec(12, "soon"), ConfigurationError, "data.target.as_of=soon"),
    ],
)
def test_what_cannot_be_labelled_says_why(
    schema: Schema, spec: TargetSpec, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        label(frame(("2020-01-01", None, "paid")), schema, spec)


def test_nothing_to_label() -> None:
    empty = frame(("2020-01-01", None, None)).iloc[:0]
    assert label(empty, DATES, TargetSpec(12, None)).y.shape == (0,)


@given(st.dates(), st.integers(-500, 500))
def test_months_are_added_as_the_calendar_has_them(date: object, months: int) -> None:
    days = np.array([np.datetime64(str(date), "D"), np.datetime64("NaT")])
    added = add_months(days, months)
    assert np.isnat(added[1])
    month = days[0].astype("datetime64[M]")
    assert added[0].astype("datetime64[M]") == month + months
    day = (days[0] - month.astype("datetime64[D]")).astype(int)
    got = (added[0] - added[0].astype("datetime64[M]").astype("datetime64[D]")).astype(int)
    next_day = (added[0] + 1).astype("datetime64[M]")
    assert got == day or (got < day and next_day == month + months + 1)


@pytest.mark.parametrize("text", ["2020-02-30", "2020", "01/02/2020", ""])
def test_a_configured_date_is_spelled_in_full(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"data\.x=.* is not a date"):
        parse_date("data.x", text)


def test_what_has_not_come_is_not_known() -> None:
    today = np.datetime64("today", "D")
    assert parse_past_date("--as-of", str(today)) == today
    with pytest.raises(ConfigurationError, match="has not come yet"):
        parse_past_date("--as-of", str(today + 2))
    with pytest.raises(ConfigurationError, match="is not a date"):
        parse_past_date("--as-of", "soon")
