"""Validation: every row of the source is either accepted, typed, or rejected with a reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.data.convert import allowed_values, as_text, convert
from fed_credit.data.schema import Field, Kind, Missing, Outside, Schema
from fed_credit.data.seen import SeenLoans
from fed_credit.errors import SchemaError, suggestion

_LONGEST_VALUE = 80
_MISSING = {"not_nullable": "is missing"}
_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class _Fault:
    """The rows (by position) in which a field has the same thing wrong."""

    field: str
    reason: str
    rows: np.ndarray


@dataclass(frozen=True)
class Validated:
    """The rows that hold to a schema, and those that do not.

    Parameters
    ----------
    frame : pandas.DataFrame
        Accepted rows, index as in the source: float64 for numeric and boolean (0, 1) fields,
        ``datetime64[s]`` for dates, ``category`` for categorical fields (the schema's values in the
        schema's order, or the values met), ``str`` for the rest.
    rejected : pandas.DataFrame
        One line per reason: ``row`` (1-based data row of the source, int64), ``field``, ``reason``
        and ``value`` (empty for sensitive fields and identifiers), in the order of the rows.
    """

    frame: pd.DataFrame
    rejected: pd.DataFrame

    @property
    def num_rejected(self) -> int:
        """Rejected rows; a row with several reasons counts once."""
        return int(self.rejected["row"].nunique())


def validate(
    raw: pd.DataFrame,
    schema: Schema,
    *,
    needed: Collection[str] | None = None,
    required: Collection[str] = (),
    factors: Mapping[str, float] | None = None,
    seen: SeenLoans | None = None,
    others: Collection[str] = (),
) -> Validated:
    """Convert and check the rows of a source against a schema.

    Rejected are: text that is no number, infinities, impossible dates; values outside the bounds or
    not among the listed ones (unless the field says ``outside: missing``); missing values of a
    field that says ``missing: reject``; a loan identifier that the same institution used in an
    earlier row; an event before the decision. No content raises, and
    ``len(frame) + num_rejected == len(raw)``.

    Parameters
    ----------
    raw : pandas.DataFrame
        ``(n, ...)`` of any dtypes; its index is the 0-based row of the source. Columns that the
        schema does not name are ignored.
    schema : Schema
        What the columns are.
    needed : collection of str, optional
        Fields without which nothing can be done; the fields that play a role by default.
    required : collection of str
        Fields whose missing values reject the row, whatever the schema allows.
    factors : mapping of str to float, optional
        By field, what its numbers are multiplied by before bounds are checked.
    seen : SeenLoans, optional
        The loans of earlier chunks of the same source; those of this one are added.
    others : collection of str
        Columns of the source that were not read, one of which may be a needed one misspelled.

    Returns
    -------
    Validated

    Raises
    ------
    SchemaError
        If a needed field has no column.
    """
    _check_columns(raw, schema, _role_fields(schema) if needed is None else needed, others)
    index = raw.index
    raw = raw.reset_index(drop=True)
    fields = [item for item in schema.fields.values() if item.name in raw.columns]
    columns: dict[str, pd.Series] = {}
    faults: list[_Fault] = []
    for item in fields:
        converted = convert(raw[item.name], item, (factors or {}).get(item.name, 1.0))
        columns[item.name] = converted.values
        if converted.broken.any():
            faults.append(_Fault(item.name, converted.reason, np.flatnonzero(converted.broken)))
    frame = pd.DataFrame(columns, index=raw.index)
    repeated = _repeated_loans(frame, schema, SeenLoans() if seen is None else seen)
    faults += _check_rows(frame, schema, fields, required, repeated)
    rejected = _rejected(faults, raw, index, schema)
    accepted = np.ones(len(raw), dtype=bool)
    for fault in faults:
        accepted[fault.rows] = False
    frame = frame.loc[accepted].set_axis(index[accepted], axis=0)
    for item in fields:
        if item.kind is Kind.CATEGORICAL:
            vocabulary = list(item.values) if item.values else None
            frame[item.name] = frame[item.name].astype(pd.CategoricalDtype(vocabulary))
    return Validated(frame, rejected)


def merge_rejected(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Return the rejected rows of two passes over one source, in the order of the rows."""
    merged = pd.concat([first, second], ignore_index=True) if len(second) else first
    return merged.sort_values("row", kind="stable", ignore_index=True)


def _role_fields(schema: Schema) -> list[str]:
    return [name for name in vars(schema.roles).values() if name is not None]


def _check_columns(
    raw: pd.DataFrame, schema: Schema, needed: Collection[str], others: Collection[str]
) -> None:
    known = [*others, *(str(column) for column in raw.columns)]
    roles = {name: role for role, name in vars(schema.roles).items() if name is not None}
    for name in needed:
        if name not in raw.columns:
            made = [item.name for item in schema.fields.values() if name in item.derived_from]
            use, out = "a feature", name
            if name in roles:
                use = f"its {roles[name]}"
            elif made and not schema.fields[name].is_feature:
                use, out = f"what {' and '.join(made)} is computed from", ",".join(made)
            mend = "" if name in roles else f", or leave it out with data.exclude_fields=[{out}]"
            raise SchemaError(
                f"The data have no column '{name}', which schema '{schema.name}' names as {use}:"
                f" add it or name the right column in the schema{mend}.{suggestion(name, known)}"
            )


def _check_rows(
    frame: pd.DataFrame,
    schema: Schema,
    fields: list[Field],
    required: Collection[str],
    repeated: pd.Series,
) -> list[_Fault]:
    """Check the converted rows with pandera; its failure cases are the faults."""
    import pandera.pandas as pa
    from pandera.config import ValidationDepth, config_context
    from pandera.errors import SchemaErrors

    premature = _premature_events(frame, schema)
    contract = {}
    for item in fields:
        checks = []
        if item.kind is Kind.NUMERIC and item.outside is Outside.REJECT:
            if item.min is not None:
                checks.append(pa.Check.ge(item.min, error=f"is below the minimum {item.min:g}"))
            if item.max is not None:
                checks.append(pa.Check.le(item.max, error=f"is above the maximum {item.max:g}"))
        allowed = allowed_values(item)
        if allowed and item.outside is Outside.REJECT:
            checks.append(pa.Check.isin(allowed, error="is not among the schema's values"))
        if item.name == schema.roles.loan_id:
            checks.append(_absent(pa, repeated, "repeats the loan identifier of an earlier row"))
        if item.name == schema.roles.event_date:
            checks.append(_absent(pa, premature, "lies before the decision date"))
        nullable = item.missing is Missing.ALLOW and item.name not in required
        contract[item.name] = pa.Column(None, checks, nullable=nullable)
    try:
        # A setting in the environment must not switch the checks off.
        with config_context(
            validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA
        ):
            pa.DataFrameSchema(contract).validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        if cases["index"].isna().any():  # a check that could not be made is a bug, not a bad row
            raise RuntimeError(f"a row check failed to run: {cases['check'].tolist()}") from errors
        return [
            _Fault(str(name), _MISSING.get(str(check), str(check)), group.to_numpy(dtype=np.int64))
            for (name, check), group in cases.groupby(["column", "check"], sort=False)["index"]
        ]
    return []


def _absent(pa: object, flagged: pd.Series, reason: str):  # type: ignore[no-untyped-def]
    """Return a pandera check that fails where ``flagged`` is true."""
    return pa.Check(lambda column: ~flagged.loc[column.index], error=reason)  # type: ignore[attr-defined]


def _repeated_loans(frame: pd.DataFrame, schema: Schema, seen: SeenLoans) -> pd.Series:
    """Flag the second and later rows of one loan; identifiers are an institution's own."""
    loan, bank = schema.roles.loan_id, schema.roles.institution
    if loan is None or loan not in frame.columns:
        return pd.Series(False, index=frame.index)
    keys = [loan] if bank is None or bank not in frame.columns else [bank, loan]
    named = frame[loan].notna()
    flags = pd.Series(False, index=frame.index)
    flags[named] = seen.repeated(frame.loc[named, keys].fillna(""))
    return flags


def _premature_events(frame: pd.DataFrame, schema: Schema) -> pd.Series:
    event, decided = schema.roles.event_date, schema.roles.decision_date
    if event not in frame.columns or decided not in frame.columns:
        return pd.Series(False, index=frame.index)
    return frame[event] < frame[decided]


def _rejected(
    faults: list[_Fault], raw: pd.DataFrame, index: pd.Index, schema: Schema
) -> pd.DataFrame:
    """One line per row and field: a broken value is not also a missing one."""
    rows, places, reasons, values = [_NONE], [_NONE], [_NONE], [pd.Series(dtype="str")]
    spelled = sorted({fault.reason for fault in faults})
    for place, item in enumerate(schema.fields.values()):
        of_field = [fault for fault in faults if fault.field == item.name]
        if not of_field:
            continue
        found = np.concatenate([fault.rows for fault in of_field])
        why = np.repeat(
            [spelled.index(fault.reason) for fault in of_field],
            [len(fault.rows) for fault in of_field],
        )
        found, first = np.unique(found, return_index=True)
        rows.append(found)
        places.append(np.full(len(found), place))
        reasons.append(why[first])
        hidden = item.sensitive or item.kind is Kind.IDENTIFIER
        shown = pd.Series("", index=range(len(found)), dtype="str")
        if not hidden:
            shown = as_text(raw[item.name].iloc[found]).fillna("").str.slice(0, _LONGEST_VALUE)
        values.append(shown)
    row, column = np.concatenate(rows), np.concatenate(places)
    order = np.lexsort((column, row))
    names = pd.Series(list(schema.fields), dtype="str")
    value = pd.concat(values, ignore_index=True).astype("str")
    return pd.DataFrame(
        {
            "row": index.to_numpy()[row[order]].astype(np.int64) + 1,
            "field": names.array.take(column[order]),
            "reason": pd.Series(spelled, dtype="str").array.take(np.concatenate(reasons)[order]),
            "value": value.array.take(order),
        }
    )
