"""The records of a source: read, validated, and with the engineered fields."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fed_credit.config.spec import DataSpec, PartitionKind, SplitKind
from fed_credit.data.compact import TypedColumns
from fed_credit.data.recipe import Recipe
from fed_credit.data.schema import Field, Kind, Schema
from fed_credit.data.seen import SeenLoans
from fed_credit.data.sources import open_sources
from fed_credit.data.table import CHUNK_ROWS
from fed_credit.data.validate import Validated, merge_rejected, validate
from fed_credit.errors import DataError, SchemaError

_MOST_LISTED = 1_000_000  # a file of another kind altogether must not fill the memory


class RejectedRowsError(DataError):
    """Too many rows were rejected; ``rejected`` holds them, to be written where the user can look.

    Parameters
    ----------
    message : str
        One sentence.
    rejected : pandas.DataFrame
        ``row`` (1-based, in the source), ``field``, ``reason``, ``value``.
    """

    def __init__(self, message: str, rejected: pd.DataFrame) -> None:
        super().__init__(message)
        self.rejected = rejected


@dataclass(frozen=True)
class Records:
    """The validated records of a source.

    Parameters
    ----------
    frame : pandas.DataFrame
        ``(n_accepted, n_columns)`` typed records: the fields that play a role, and the features;
        the index is the 0-based row over all sources.
    rejected : pandas.DataFrame
        Rejected rows: ``row`` (1-based, in its source), ``field``, ``reason``, ``value``, and the
        bank under ``institution`` where there is a source per bank; at most a million lines.
    rows, num_rejected : int
        Rows read, and of these rejected.
    reasons : dict of str to int
        Rejected rows by field and reason, the commonest first.
    starts : numpy.ndarray or None
        ``(n_sources,) int64``: first row of each bank's own source; None where one source holds the
        loans of all banks.
    """

    frame: pd.DataFrame
    rejected: pd.DataFrame
    rows: int
    num_rejected: int
    reasons: dict[str, int]
    starts: np.ndarray | None = None


class _Rejected:
    """The rejected rows, chunk by chunk: all are counted, the first are listed."""

    def __init__(self) -> None:
        self.rows = 0
        self._listed: list[pd.DataFrame] = []
        self._lines = 0
        self._reasons: Counter[str] = Counter()

    def add(self, checked: Validated, institution: str | None) -> None:
        found = checked.rejected
        self.rows += checked.num_rejected
        counts = (found["field"] + " " + found["reason"]).value_counts()
        self._reasons.update({str(reason): int(count) for reason, count in counts.items()})
        if institution is not None:
            found = found.assign(institution=pd.Series(institution, found.index, dtype="str"))
        if not self._listed or self._lines < _MOST_LISTED:
            self._listed.append(found.head(_MOST_LISTED - self._lines))
            self._lines += len(self._listed[-1])

    def listed(self) -> pd.DataFrame:
        filled = [found for found in self._listed if len(found)] or self._listed[:1]
        return pd.concat(filled, ignore_index=True)

    def reasons(self) -> dict[str, int]:
        return dict(sorted(self._reasons.items(), key=lambda item: (-item[1], item[0])))


_ROLE_KINDS = {
    "decision_date": (Kind.DATE,),
    "event_date": (Kind.DATE,),
    "target": (Kind.TARGET,),
    "exposure": (Kind.NUMERIC,),
    "true_pd": (Kind.NUMERIC,),
    "institution": (Kind.INSTITUTION, Kind.IDENTIFIER, Kind.CATEGORICAL),
    "firm_id": (Kind.IDENTIFIER, Kind.CATEGORICAL),
    "loan_id": (Kind.IDENTIFIER,),
}


def check_roles(schema: Schema, spec: DataSpec) -> None:
    """Refuse a schema whose roles do not fit their fields, or lack one that the run needs.

    Parameters
    ----------
    schema : Schema
        What the columns are.
    spec : DataSpec
        What is asked of them.

    Raises
    ------
    SchemaError
        Naming the role.
    """
    for role, kinds in _ROLE_KINDS.items():
        name = getattr(schema.roles, role)
        if name is not None and schema.fields[name].kind not in kinds:
            raise SchemaError(
                f"Schema '{schema.name}': role '{role}' names '{name}' of kind"
                f" '{schema.fields[name].kind}', which must be of kind '{kinds[0]}'."
            )
    if spec.partition.kind is PartitionKind.NATURAL and schema.roles.institution is None:
        raise SchemaError(
            f"Schema '{schema.name}' names no institution: name the lender's column under"
            " roles.institution, or draw institutions with data.partition.kind=iid."
        )
    if spec.approved_from is not None and schema.roles.decision_date is None:
        raise SchemaError(
            f"data.approved_from={spec.approved_from} needs a decision date, but schema"
            f" '{schema.name}' names none under roles.decision_date; set data.approved_from=null."
        )


def read_records(
    spec: DataSpec,
    schema: Schema,
    fields: tuple[Field, ...],
    *,
    chunk_rows: int = CHUNK_ROWS,
) -> Records:
    """Read the sources, validate their rows and engineer the fields that are asked for.

    Rows are read, checked and reduced to typed columns chunk by chunk, so that memory holds little
    more than the columns of the result. The result does not depend on the size of the chunks.

    Engineered fields pass the same checks as the source's own. A column of the source that has the
    name of a field with a formula is not looked at: the formula says what the field is.

    Parameters
    ----------
    spec : DataSpec
        Where records come from.
    schema : Schema
        What the columns are.
    fields : tuple of Field
        The features.
    chunk_rows : int
        Most rows of a chunk.

    Returns
    -------
    Records

    Raises
    ------
    SchemaError
        If a role or a feature has no column.
    RejectedRowsError
        If more than ``data.max_rejected_share`` of the rows are rejected.
    DataError
        If the source cannot be read, or has no rows.
    """
    sources = open_sources(spec, schema)
    roles = {role: name for role, name in vars(schema.roles).items() if name is not None}
    if spec.partition.kind is not PartitionKind.NATURAL:
        roles.pop("institution", None)
    wanted = [*roles.values(), *(item.name for item in fields)]
    recipe = Recipe.of(schema, wanted)
    computed = {item.name for item in schema.fields.values() if item.formula}
    needed = [*(name for name in wanted if name not in computed), *dict(recipe.inputs)]
    kept = [name for name in vars(schema.roles).values() if name is not None]
    columns = TypedColumns(
        [*kept, *wanted],
        [name for name in kept if schema.fields[name].kind in (Kind.INSTITUTION, Kind.TARGET)],
    )
    rejected, seen, rows = _Rejected(), SeenLoans(), 0
    starts: list[int] = []
    for source in sources:
        before = rows
        starts.append(before)
        for raw in source.chunks(chunk_rows):
            try:
                checked = validate(
                    raw.drop(columns=[name for name in raw.columns if name in computed]),
                    source.schema,
                    needed=needed,
                    required=_required(spec, roles),
                    factors=source.factors,
                    seen=seen,
                    others=source.others,
                )
            except SchemaError as error:
                bank = "" if source.institution is None else f"Bank '{source.institution}', "
                raise SchemaError(f"{bank}{source.where}: {error}") from None
            checked = engineer(checked, source.schema, recipe)
            columns.add(checked.frame.set_axis(checked.frame.index + before, axis=0))
            rejected.add(checked, source.institution)
            rows += len(raw)
        if rows == before:
            raise DataError(f"{source.where} has no rows.")
    of_banks = all(source.institution is not None for source in sources)
    records = Records(
        columns.frame(),
        rejected.listed(),
        rows,
        rejected.rows,
        rejected.reasons(),
        np.array(starts, dtype=np.int64) if of_banks else None,
    )
    _check_rejected(spec, records)
    return records


def engineer(checked: Validated, schema: Schema, recipe: Recipe) -> Validated:
    """Add the engineered fields to validated records; they pass the same checks.

    Parameters
    ----------
    checked : Validated
        Validated records with the recipe's inputs.
    schema : Schema
        What the fields are.
    recipe : Recipe
        How the engineered ones are computed.

    Returns
    -------
    Validated
        Without the rows whose engineered values the schema rejects.
    """
    if not recipe.derivations:
        return checked
    again = validate(recipe.compute(checked.frame), schema, needed=recipe.names)
    frame = checked.frame.loc[again.frame.index]
    return Validated(
        frame.assign(**{name: again.frame[name] for name in recipe.names}),
        merge_rejected(checked.rejected, again.rejected),
    )


def _required(spec: DataSpec, roles: dict[str, str]) -> list[str]:
    """Return the fields without which a row has no institution or no place in time."""
    required = ["institution"]
    if (
        spec.target.window_months is not None
        or spec.approved_from is not None
        or spec.split.kind is SplitKind.OUT_OF_TIME
    ):
        required.append("decision_date")
    return [roles[role] for role in required if role in roles]


def _check_rejected(spec: DataSpec, records: Records) -> None:
    share = records.num_rejected / records.rows
    if share > spec.max_rejected_share:
        reason, count = next(iter(records.reasons.items()))
        raise RejectedRowsError(
            f"{records.num_rejected} of {records.rows} rows ({share:.1%}) were rejected, more than"
            f" data.max_rejected_share={spec.max_rejected_share} allows; the commonest reason:"
            f" {reason} ({count} rows). Mend the data or the schema, or raise the share.",
            records.rejected,
        )
