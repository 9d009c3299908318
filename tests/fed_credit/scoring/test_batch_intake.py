"""Columns are checked as validation checks rows: the same loans, the same words, the same bits."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fed_credit.data.arrow import to_frame
from fed_credit.data.recipe import Recipe
from fed_credit.data.records import engineer
from fed_credit.data.schema import Field, Kind
from fed_credit.data.validate import Validated, validate
from fed_credit.errors import SchemaError
from fed_credit.model_file.contents import ModelFile
from fed_credit.scoring.scorer import Scorer

Models = Callable[[str, str], ModelFile]
TEXTS = [
    "", " ", "abc", "nan", "inf", "-Infinity", "1e400", "true", "Y", "yes", " N ", "U", "0", "1",
    "45", "45.0", "99", "-1", "1,234", "$5000", "12%", "retail", "farm", "services", "a", "c", "x",
    "11", "22", "2015-03-04", "2015-03-04 10:00", "20150304", "04/03/2015", "1899-12-31",
    "1900-01-01", "2015-02-30", "\u3000x\u00a0", "é", "1e-320", "-0.0", "5e3", "1200", "60",
]  # fmt: skip
NUMBERS = [
    0.0,
    -0.0,
    1.0,
    7.5,
    45.0,
    59.99,
    60.0,
    99.0,
    100.0,
    1000.0,
    5e4,
    1e6,
    1.1e6,
    -1.0,
    1e300,
]


def by_rows(scorer: Scorer, raw: pd.DataFrame) -> Validated:
    """Check a table in the way of training data."""
    schema = scorer.model.schema
    recipe = Recipe.of(schema, [item.name for item in scorer.model.artefact.model.features])
    return engineer(validate(raw, schema, needed=scorer.inputs), schema, recipe)


def same(found: Validated, expected: Validated) -> None:
    pd.testing.assert_frame_equal(used(found.frame), used(expected.frame), check_exact=True)
    pd.testing.assert_frame_equal(found.rejected, expected.rejected)
    for name in found.frame:  # not a bit, and not the sign of a zero
        if found.frame[name].dtype == np.float64:
            ours, theirs = (f[name].to_numpy() for f in (found.frame, expected.frame))
            known = ~np.isnan(ours)
            assert ours[known].tobytes() == theirs[known].tobytes()


def used(frame: pd.DataFrame) -> pd.DataFrame:
    """Leave out words of unlisted categories that only rejected rows hold."""
    unlisted = ("code", "branch", "sector", "crossed")
    return frame.assign(
        **{name: frame[name].cat.remove_unused_categories() for name in unlisted if name in frame}
    )


@st.composite
def columns(draw: st.DrawFn, field: Field, rows: int) -> pa.Array:
    """Draw a column of any type that a file may give a field."""
    usual = [*field.values, *field.true_values, *field.false_values]
    if field.kind is Kind.NUMERIC:
        usual += ["1500", "12", "45", "1000"]
    if field.kind is Kind.DATE:
        usual += ["2015-03-04", "1999-12-31"]
    texts = st.sampled_from([*(usual * 6), *TEXTS]) if usual else st.sampled_from(TEXTS)
    form = draw(st.sampled_from(["text", "dictionary", "float", "single", "int", "bool", "day",
                                 "time", "zone", "decimal", "nothing"]))  # fmt: skip
    if field.kind is not Kind.DATE and form in ("day", "time", "zone"):
        form = "text"

    def cells(one: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(st.one_of(one, one, one, st.none()), min_size=rows, max_size=rows))

    odd = st.sampled_from([np.nan, np.inf, -np.inf, *NUMBERS])
    days = st.dates(dt.date(1890, 1, 1), dt.date(2210, 1, 1))
    if form == "dictionary":
        return pa.array(cells(texts), pa.string()).dictionary_encode()
    if form == "float":
        return pa.array(cells(odd), pa.float64())
    if form == "single":
        return pa.array(cells(odd), pa.float32())
    if form == "int":
        kind = draw(st.sampled_from([pa.int8(), pa.int64(), pa.uint64()]))
        return pa.array(cells(st.integers(0, 120)), kind)
    if form == "bool":
        return pa.array(cells(st.booleans()), pa.bool_())
    if form == "day":
        return pa.array(cells(days), pa.date32())
    if form in ("time", "zone"):
        zone = "Asia/Shanghai" if form == "zone" else None
        return pa.array(cells(st.datetimes(dt.datetime(1890, 1, 1), dt.datetime(2210, 1, 1))),
                        pa.timestamp("ms", zone))  # fmt: skip
    if form == "decimal":
        some = st.sampled_from([Decimal("1500.25"), Decimal("12"), Decimal("0")])
        return pa.array(cells(some), pa.decimal128(12, 2))
    if form == "nothing":
        return pa.nulls(rows, draw(st.sampled_from([pa.null(), pa.string(), pa.float64()])))
    return pa.array(cells(texts), pa.string())


@pytest.mark.parametrize(
    "examples", [6, pytest.param(250, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_columns_of_any_type_are_checked_as_rows_are(model_of: Models, examples: int) -> None:
    scorer = Scorer(model_of("logreg_exact", "everything"))
    fields = scorer.fields
    intake = scorer.intake(scorer.model.schema, {})

    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.data())
    def check(data: st.DataObject) -> None:
        rows = data.draw(st.integers(1, 20))
        arrays = {name: data.draw(columns(field, rows)) for name, field in fields.items()}
        batch = pa.RecordBatch.from_pydict(arrays)
        start = data.draw(st.sampled_from([0, 100]))
        raw = to_frame(batch, list(arrays)).set_axis(pd.RangeIndex(start, start + rows), axis=0)
        expected = by_rows(scorer, raw)
        same(intake.take(arrays, raw.index), expected)
        same(scorer.validated(raw), expected)

    check()


@pytest.mark.parametrize("schema", ["everything", "synthetic"])
def test_tables_are_checked_as_rows_are(
    model_of: Models, make_application: Callable[..., dict[str, Any]], schema: str
) -> None:
    scorer = Scorer(model_of("logreg_exact", schema))
    rng = np.random.default_rng(3)
    records = [make_application(scorer.fields, rng, 0.03 * (k % 2)) for k in range(300)]
    raw = pd.DataFrame(records, dtype=object)
    expected = by_rows(scorer, raw)
    assert 50 < len(expected.frame) < 300
    same(scorer.validated(raw), expected)
    spelled = raw.map(lambda cell: None if cell is None else str(cell)).astype("str")
    expected = by_rows(scorer, spelled)
    same(scorer.validated(spelled), expected)
    arrays = {name: pa.array(spelled[name], from_pandas=True) for name in scorer.inputs}
    intake = scorer.intake(scorer.model.schema, {})
    same(intake.take(arrays, spelled.index), expected)


def test_a_unit_and_a_spelling_of_the_source_s_own(model_of: Models) -> None:
    scorer = Scorer(model_of("logreg_exact", "synthetic"))
    intake = scorer.intake(scorer.model.schema, {"turnover": 10000.0})
    raw = {name: pa.nulls(3, pa.float64()) for name in scorer.inputs}
    raw["requested_amount"] = pa.array([10000.0, 20000.0, 30000.0])
    raw["requested_term"] = pa.array([12.0, 12.0, 12.0])
    raw["turnover"] = pa.array([12.5, None, 3e8])
    taken = intake.take(raw, pd.RangeIndex(3))
    assert taken.frame["turnover"].tolist()[0] == 125000.0
    assert taken.rejected[["row", "field", "reason", "value"]].to_numpy().tolist() == [
        [3, "turnover", "is above the maximum 2e+09", ""]  # sensitive: no value
    ]


def test_a_missing_column_is_named_with_the_nearest(model_of: Models) -> None:
    scorer = Scorer(model_of("logreg_exact", "synthetic"))
    raw = pd.DataFrame({name: [1.0] for name in scorer.inputs}).rename(
        columns={"firm_age": "firmage"}
    )
    with pytest.raises(SchemaError, match=r"no column 'firm_age'.*Did you mean 'firmage'\?"):
        scorer.validated(raw)
