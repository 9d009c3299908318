"""From raw columns to features: the checks of :func:`fed_credit.data.validate.validate`, by column.

Validation of training data says of every row what is wrong with it, and looks at most cells one by
one for it. Scoring looks at many more rows, of which few are wrong: here each distinct value of a
column is read once, rows are checked by comparisons of whole columns, and only the rows that fail
go the way of training data, which finds the words. Both ways accept the same rows and give the same
bits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.api import types as kinds

from fed_credit.data.arrow import to_frame
from fed_credit.data.convert import EARLIEST, LATEST, allowed_values, convert
from fed_credit.data.formula_values import Text, Value
from fed_credit.data.formula_values import missing as missing_values
from fed_credit.data.recipe import Recipe
from fed_credit.data.records import engineer
from fed_credit.data.schema import Field, Kind, Missing, Outside, Schema
from fed_credit.data.validate import Validated, validate
from fed_credit.errors import SchemaError, suggestion

Column: TypeAlias = "pa.Array | pd.Series"
"""A column of a source: typed or text from a file, or what pandas made of it."""

_NOTHING = pd.DataFrame(
    {
        "row": pd.Series(dtype="int64"),
        **{name: pd.Series(dtype="str") for name in ("field", "reason", "value")},
    }
)


@dataclass(frozen=True)
class Intake:
    """Reads and checks the fields that a model looks at.

    Parameters
    ----------
    schema : Schema
        What the fields are, and how they are spelled.
    inputs : tuple of str
        Fields to read.
    recipe : Recipe
        How engineered features are computed from them.
    factors : mapping of str to float
        By field, what its numbers are multiplied by before bounds are checked.
    """

    schema: Schema
    inputs: tuple[str, ...]
    recipe: Recipe
    factors: Mapping[str, float]

    def require(self, names: Collection[str], where: str, others: Collection[str] = ()) -> None:
        """Refuse a table without a column for every input.

        Parameters
        ----------
        names : collection of str
            Its columns.
        where : str
            What to call it in messages.
        others : collection of str
            Further columns of its own, one of which may be the one that is missing, misspelled.

        Raises
        ------
        SchemaError
            Naming the first one that is missing.
        """
        for name in self.inputs:
            if name not in names:
                raise SchemaError(
                    f"{where} has no column '{name}', which the model looks at; add it, empty"
                    f" where unknown.{suggestion(name, [*others, *names])}"
                )

    def take(self, columns: Mapping[str, Column], index: pd.Index) -> Validated:
        """Check the rows of a table and engineer the features of those that pass.

        Parameters
        ----------
        columns : mapping of str to Column
            ``(n,)`` each, by field; :meth:`require` has seen their names.
        index : pandas.Index
            ``(n,)``: the 0-based row of the source of each.

        Returns
        -------
        Validated
            As :meth:`Scorer.validated` describes it.
        """
        fields = [item for item in self.schema.fields.values() if item.name in self.inputs]
        bad = np.zeros(len(index), dtype=bool)
        read: dict[str, Value] = {}
        for item in fields:
            read[item.name], wrong = _read(
                columns[item.name], item, self.factors.get(item.name, 1.0)
            )
            _mark(bad, wrong)
        if bad.any():
            read = {name: _taken(value, ~bad) for name, value in read.items()}
        values = self.recipe.values(read, int((~bad).sum()))
        late = np.zeros(int((~bad).sum()), dtype=bool)
        for name in self.recipe.names:
            _mark(late, _outside(values[name], self.schema.fields[name]))
        if late.any():
            values = {name: _taken(value, ~late) for name, value in values.items()}
            bad[np.flatnonzero(~bad)[late]] = True
        names = [item.name for item in fields] + self.recipe.names
        made = {name: _column(values[name], self.schema.fields[name]) for name in names}
        frame = pd.DataFrame(made, index=index[~bad] if bad.any() else index, copy=False)
        return Validated(frame, self._rejected(columns, index, bad) if bad.any() else _NOTHING)

    def _rejected(
        self, columns: Mapping[str, Column], index: pd.Index, bad: np.ndarray
    ) -> pd.DataFrame:
        """Say what is wrong with the rows that failed, in the words of validation."""
        rows = np.flatnonzero(bad)
        raw = pd.DataFrame(
            {name: _plain(columns[name], rows) for name in self.inputs}, copy=False
        ).set_axis(index[rows], axis=0)
        checked = engineer(
            validate(raw, self.schema, needed=self.inputs, factors=self.factors),
            self.schema,
            self.recipe,
        )
        if len(checked.frame):  # a bug, not a bad row
            raise RuntimeError(
                f"rows {list(checked.frame.index[:5] + 1)} were checked twice and failed once"
            )
        return checked.rejected


def _mark(bad: np.ndarray, wrong: np.ndarray | None) -> None:
    if wrong is not None:
        bad |= wrong


def _plain(column: Column, rows: np.ndarray) -> pd.Series:
    """Take some rows of a column as validation expects it."""
    if isinstance(column, pd.Series):
        return column.iloc[rows].reset_index(drop=True)
    return _series(column.take(pa.array(rows)))


def _series(array: pa.Array) -> pd.Series:
    return to_frame(pa.RecordBatch.from_arrays([array], ["x"]), ["x"])["x"]


def _taken(value: Value, rows: np.ndarray) -> Value:
    return Text(value.codes[rows], value.words) if isinstance(value, Text) else value[rows]


# --- reading a column ----------------------------------------------------------------------------


def _read(column: Column, field: Field, factor: float) -> tuple[Value, np.ndarray | None]:
    """Return a column's values, and which of them reject their row; None if none does."""
    if field.kind is Kind.NUMERIC:
        found = convert(_numbers(column, field), field, factor)
        numbers = found.values.to_numpy(dtype=np.float64)
        return numbers, _either(found.broken, _outside(numbers, field))
    if (encoded := _encoded(column)) is None:
        converted = convert(_as_series(column), field)
        codes = np.arange(len(column))
        broken: np.ndarray | None = converted.broken
    else:
        codes, distinct = encoded
        converted = convert(distinct, field)
        # The last place is for -1, a missing value.
        broken = np.append(converted.broken, False)[codes] if converted.broken.any() else None
    if field.kind is not Kind.CATEGORICAL:
        missing = np.nan if field.kind is Kind.BOOLEAN else np.datetime64("NaT", "D")
        table = converted.values.to_numpy()
        table = table.astype("datetime64[D]") if field.kind is Kind.DATE else table
        values = np.append(table, missing)[codes]
        return values, _either(broken, _outside(values, field))
    listed = dict(zip(allowed_values(field), range(len(field.values)), strict=True))
    words: dict[str, int] = listed
    strange = []
    places = []
    for word in converted.values.tolist():
        absent = not isinstance(word, str)
        strange.append(not absent and bool(field.values) and word not in listed)
        if not field.values and not absent:
            words.setdefault(word, len(words))
        places.append(-1 if absent else words.get(word, -1))
    text = Text(np.array([*places, -1], dtype=np.int64)[codes], tuple(words))
    unlisted = np.array([*strange, False])[codes] if any(strange) else None
    return text, _either(unlisted, _outside(text, field))


def _numbers(column: Column, field: Field) -> pd.Series:
    """Read what needs no parsing beyond Arrow's own as float64; the rest is left to convert."""
    if isinstance(column, pd.Series):
        return column
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = column if kind == pa.float64() else pc.cast(column, pa.float64(), safe=False)
        return pd.Series(numbers.to_numpy(zero_copy_only=False), copy=False)
    if _is_text(kind) and not field.strip and not field.missing_codes:
        try:
            parsed = pc.cast(column, pa.float64())
        except pa.ArrowInvalid:
            return _series(column)
        values = parsed.to_numpy(zero_copy_only=False)
        # "nan" is text that is no number, and not a missing value.
        if int(np.isnan(values).sum()) == parsed.null_count:
            return pd.Series(values, copy=False)
    return _series(column)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _as_series(column: Column) -> pd.Series:
    return column if isinstance(column, pd.Series) else _series(column)


def _encoded(column: Column) -> tuple[np.ndarray, pd.Series] | None:
    """Return codes, -1 where missing, and the distinct values; None if cells have to be looked at.

    Python's objects are equal where their spelling is not (``1`` and ``True``).
    """
    if isinstance(column, pd.Series):
        if isinstance(column.dtype, pd.CategoricalDtype):
            return column.cat.codes.to_numpy(), pd.Series(column.cat.categories)
        if kinds.is_object_dtype(column.dtype):
            return None
        codes, found = pd.factorize(column)
        return codes, pd.Series(found)
    try:
        whole = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return None
    distinct = _series(whole.dictionary)
    if kinds.is_object_dtype(distinct.dtype) or distinct.isna().any():
        return None
    indices = whole.indices
    if indices.null_count:
        indices = pc.fill_null(indices.cast(pa.int32()), pa.scalar(-1, pa.int32()))
    return indices.to_numpy(zero_copy_only=False), distinct


# --- checking it ---------------------------------------------------------------------------------


def _either(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    if one is None or other is None:
        return other if one is None else one
    return np.asarray(one | other)


def _outside(value: Value, field: Field) -> np.ndarray | None:
    """Return which values their field rejects, as bounds, listed values or missing values say."""
    wrong = missing_values(value) if field.missing is Missing.REJECT else None
    if isinstance(value, Text):
        if field.values and field.outside is Outside.REJECT and set(value.words) - {*field.values}:
            strange = np.array([*(word not in field.values for word in value.words), False])
            wrong = _either(wrong, strange[value.codes])
    elif value.dtype.kind == "M":
        wrong = _either(wrong, (value < EARLIEST) | (value > LATEST))
    elif field.kind is Kind.NUMERIC and field.outside is Outside.REJECT:
        if field.min is not None:
            wrong = _either(wrong, value < field.min)
        if field.max is not None:
            wrong = _either(wrong, value > field.max)
    return wrong


def _column(value: Value, field: Field) -> pd.Series | pd.Categorical | np.ndarray:
    """Return a column as a validated frame holds it."""
    if not isinstance(value, Text):
        whole = np.asarray(value)
        return whole.astype("datetime64[s]") if whole.dtype.kind == "M" else whole
    listed = list(field.values)
    if not listed:
        listed = sorted(value.words[code] for code in np.unique(value.codes) if code >= 0)
    codes = value.codes
    if tuple(listed) != value.words:
        position = {word: code for code, word in enumerate(listed)}
        table = np.array([*(position.get(word, -1) for word in value.words), -1], dtype=np.int64)
        codes = table[codes]
    kind = pd.CategoricalDtype(pd.Index(listed, dtype="str"))
    return pd.Categorical.from_codes(
        codes.astype(np.min_scalar_type(-len(listed) - 1)), dtype=kind, validate=False
    )
