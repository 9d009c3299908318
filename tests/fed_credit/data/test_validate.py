from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.data.convert import as_text, convert
from fed_credit.data.schema import Field, Kind, Missing, Outside, Roles, Schema
from fed_credit.data.validate import validate
from fed_credit.errors import SchemaError

SCHEMA = Schema(
    name="hand",
    roles=Roles(
        institution="bank", loan_id="loan", decision_date="decided", event_date="defaulted"
    ),
    fields={
        item.name: item
        for item in (
            Field("bank", Kind.INSTITUTION, missing=Missing.REJECT),
            Field("loan", Kind.IDENTIFIER),
            Field("decided", Kind.DATE),
            Field("defaulted", Kind.DATE, missing_codes=("9999-12-31",)),
            Field("amount", Kind.NUMERIC, min=0, max=1e6, missing=Missing.REJECT),
            Field("age", Kind.NUMERIC, min=0, outside=Outside.MISSING, missing_codes=("-1", "NA")),
            Field("income", Kind.NUMERIC, min=0, sensitive=True),
            Field("sector", Kind.CATEGORICAL, values=("trade", "farm", "45")),
            Field("area", Kind.CATEGORICAL, values=("town",), outside=Outside.MISSING),
            Field("city", Kind.CATEGORICAL),
            Field("secured", Kind.BOOLEAN, true_values=("Y",), false_values=("N",)),
            Field("status", Kind.TARGET, good=("paid",), bad=("lost",)),
        )
    },
)


def rows(**changed: object) -> pd.DataFrame:
    """Two good rows; the second with the values given."""
    good = {
        "bank": "A",
        "loan": "1",
        "decided": "2020-01-31",
        "defaulted": "",
        "amount": "1000",
        "age": "5",
        "income": "70",
        "sector": "farm",
        "area": "town",
        "city": "X",
        "secured": "Y",
        "status": "paid",
    }
    return pd.DataFrame([good, {**good, "loan": "2", **changed}])


@pytest.mark.parametrize(
    ("field", "value", "reason", "shown"),
    [
        ("amount", "12 k", "is not a finite number", "12 k"),
        ("amount", "inf", "is not a finite number", "inf"),
        ("amount", "1_000", "is not a finite number", "1_000"),
        ("amount", "-1", "is below the minimum 0", "-1"),
        ("amount", "1000001", "is above the maximum 1e+06", "1000001"),
        ("amount", " ", "is missing", ""),
        ("income", "-3", "is below the minimum 0", ""),
        ("decided", "2020-02-30", "is not a date YYYY-MM-DD from 1900-01-01 to 2199-12-31", None),
        ("decided", "31/01/2020", "is not a date YYYY-MM-DD from 1900-01-01 to 2199-12-31", None),
        ("decided", "2999-01-01", "is not a date YYYY-MM-DD from 1900-01-01 to 2199-12-31", None),
        ("defaulted", "2020-01-30", "lies before the decision date", "2020-01-30"),
        ("sector", "mining", "is not among the schema's values", "mining"),
        ("secured", "yes", "is neither a true nor a false value", "yes"),
        ("status", "unclear", "is not among the schema's values", "unclear"),
        ("bank", "", "is missing", ""),
        ("loan", "1", "repeats the loan identifier of an earlier row", ""),
    ],
)
def test_a_row_is_rejected_with_its_reason(
    field: str, value: str, reason: str, shown: str | None
) -> None:
    checked = validate(rows(**{field: value}), SCHEMA)

    assert list(checked.frame.index) == [0]
    assert checked.rejected.to_dict("records") == [
        {
            "row": 2,
            "field": field,
            "reason": reason,
            "value": value if shown is None else shown,
        }
    ]


def test_an_accepted_row_is_typed() -> None:
    frame = validate(rows(age="-1", area="abroad", secured="N", city="Y"), SCHEMA).frame

    assert frame["amount"].dtype == np.float64
    assert frame["age"].isna().tolist() == [False, True]
    assert frame["secured"].tolist() == [1.0, 0.0]
    assert frame["decided"].dtype == np.dtype("datetime64[s]")
    assert frame["sector"].cat.categories.tolist() == ["trade", "farm", "45"]
    assert frame["area"].isna().tolist() == [False, True]
    assert frame["city"].cat.categories.tolist() == ["X", "Y"]
    assert frame["defaulted"].isna().all()


@pytest.mark.parametrize(("age", "missing"), [("-1.0", True), ("NA", True), ("-5", True), ("0", 0)])
def test_missing_codes_and_values_outside_become_missing(age: str, missing: bool) -> None:
    assert validate(rows(age=age), SCHEMA).frame["age"].isna().iloc[1] == missing


def test_a_sentinel_date_can_be_a_missing_code() -> None:
    assert validate(rows(defaulted="9999-12-31"), SCHEMA).frame["defaulted"].isna().all()


def test_several_reasons_are_listed_and_the_row_counts_once() -> None:
    checked = validate(rows(amount="x", sector="mining", income="-2"), SCHEMA)

    assert checked.rejected["field"].tolist() == ["amount", "income", "sector"]
    assert checked.num_rejected == 1


def test_institutions_number_their_own_loans() -> None:
    assert len(validate(rows(bank="B", loan="1"), SCHEMA).frame) == 2


def test_loans_without_identifier_do_not_repeat_each_other() -> None:
    raw = rows(loan="")
    raw["loan"] = ""
    assert len(validate(raw, SCHEMA).frame) == 2


def test_a_field_can_be_required_by_the_run() -> None:
    checked = validate(rows(decided=""), SCHEMA, required=["decided"])
    assert checked.rejected[["field", "reason"]].to_numpy().tolist() == [["decided", "is missing"]]


def test_a_needed_column_that_is_missing_is_named_with_the_nearest_one() -> None:
    with pytest.raises(
        SchemaError, match=r"no column 'decided'.*decision_date.*Did you mean 'decid"
    ):
        validate(rows().rename(columns={"decided": "decidet"}), SCHEMA)
    with pytest.raises(SchemaError, match=r"no column 'age'.*exclude_fields=\[age\]"):
        validate(rows().drop(columns="age"), SCHEMA, needed=["age"])


def test_columns_that_nobody_needs_may_be_absent_or_unknown() -> None:
    frame = validate(rows().drop(columns="age").assign(extra="1"), SCHEMA).frame
    assert "age" not in frame
    assert "extra" not in frame


def test_typed_sources_read_like_text_ones() -> None:
    text = rows(sector="45", secured="N", age="", defaulted="2021-05-06")
    typed = text.assign(
        loan=[1, 2],
        decided=pd.to_datetime(text["decided"]).dt.tz_localize("UTC"),
        defaulted=[None, dt.date(2021, 5, 6)],
        amount=pd.array([1000, 1000], dtype="Int64"),
        age=[5.0, np.nan],
        income=[70, 70],
        sector=pd.Series(["farm", 45.0], dtype=object),
        city=text["city"].astype("category"),
        secured=[True, False],
    )
    pd.testing.assert_frame_equal(validate(typed, SCHEMA).frame, validate(text, SCHEMA).frame)


def test_one_bad_number_does_not_change_how_the_others_are_read() -> None:
    texts = [repr(float(x)) for x in np.random.default_rng(3).lognormal(0, 9, 500)]
    texts += ["+1", "1.", ".5", "-1E+3", "007"]
    field = Field("x", Kind.NUMERIC)
    clean = convert(pd.Series(texts, dtype="str"), field)
    dirty = convert(pd.Series([*texts, "rubbish"], dtype="str"), field)
    expected = [float(text) for text in texts]
    assert clean.values.tolist() == expected
    assert dirty.values.tolist()[:-1] == expected
    assert dirty.broken.tolist() == [False] * len(texts) + [True]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.5, np.nan], ["1", "2.5", None]),
        ([b"ab", "\ud800", None], ["ab", "?", None]),
        (pd.Categorical([" a", None, "b"]), ["a", None, "b"]),
        (pd.array([True, None, False], dtype="boolean"), ["true", None, "false"]),
        (pd.DatetimeIndex(["2020-01-02 00:00", None, "2020-01-02 03:00"]), None),
    ],
)
def test_text_of_other_types(values: object, expected: list[str | None] | None) -> None:
    text = as_text(pd.Series(values))
    if expected is None:
        expected = ["2020-01-02", None, "2020-01-02T03:00:00"]
    assert [None if pd.isna(cell) else cell for cell in text] == expected


def test_checks_cannot_be_switched_off_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from pandera.config import CONFIG

    monkeypatch.setattr(CONFIG, "validation_enabled", False)
    assert validate(rows(amount="-1"), SCHEMA).num_rejected == 1


ANY_CELL = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.binary(max_size=4),
    st.dates(),
    st.datetimes(),
    st.decimals(),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(
        ["A", "2020-01-31", "2019-01-01", "1000", "Y", "paid", "trade", "inf", "1e999"]
    ),
)


MOSTLY_GOOD = {
    name: st.integers(0, 9).flatmap(lambda die, good=good: ANY_CELL if die == 9 else st.just(good))
    for name, good in rows().drop(columns="loan").iloc[0].items()
} | {"loan": st.integers(0, 20) | ANY_CELL}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries(MOSTLY_GOOD), max_size=12))
def test_every_row_is_accepted_or_rejected_whatever_it_holds(
    cells: list[dict[str, object]],
) -> None:
    raw = pd.DataFrame(cells, columns=list(SCHEMA.fields), dtype=object)
    checked = validate(raw, SCHEMA)

    assert len(checked.frame) + checked.num_rejected == len(raw)
    assert not set(checked.frame.index + 1) & set(checked.rejected["row"])
    assert set(checked.rejected["row"]) <= set(range(1, len(raw) + 1))
    assert checked.rejected.groupby(["row", "field"]).size().le(1).all()
    hidden = checked.rejected["field"].isin(["income", "loan"])
    assert (checked.rejected.loc[hidden, "value"] == "").all()
    numbers = checked.frame[["amount", "age", "income", "secured"]].to_numpy(dtype=float)
    assert not np.isinf(numbers).any()
    # What was accepted is accepted again: validation is idempotent.
    assert validate(checked.frame.reset_index(drop=True), SCHEMA).num_rejected == 0
