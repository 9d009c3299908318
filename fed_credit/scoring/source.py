"""Loans to be scored, in chunks: the columns that a model looks at, and those that are kept."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from fed_credit.config.spec import MappingSpec, SourceSpec
from fed_credit.data.convert import as_text
from fed_credit.data.csv_table import CsvTable
from fed_credit.data.mapping import MappedTable
from fed_credit.data.parquet_table import ParquetTable
from fed_credit.data.schema import Kind
from fed_credit.data.table import Table, open_table
from fed_credit.errors import ConfigurationError, suggestion
from fed_credit.scoring.intake import Column, Intake
from fed_credit.scoring.scorer import Scorer


@dataclass(frozen=True, eq=False)
class Chunk:
    """Some rows of a source.

    Parameters
    ----------
    start : int
        0-based row of the first one.
    size : int
        How many.
    columns : mapping of str to Column
        What the model looks at, by field, ``(size,)`` each.
    kept : mapping of str to pyarrow.Array
        What is passed on as it is, by the source's own name, ``(size,)`` each.
    """

    start: int
    size: int
    columns: Mapping[str, Column]
    kept: Mapping[str, pa.Array]


class LoanSource:
    """A table of loans to be scored.

    Parameters
    ----------
    place : SourceSpec
        Where it lies.
    mapping : MappingSpec
        Its own names and spellings.
    scorer : Scorer
        Whose inputs are read.
    keep : sequence of str or None
        Its columns to pass on besides the loan's identifier; None for all.

    Attributes
    ----------
    intake : Intake
        What reads the columns of a chunk.
    kept : tuple of str
        The columns that are passed on, the loan's identifier first.
    num_rows : int or None
        How many rows there are, where that is known beforehand.

    Raises
    ------
    DataError, ConfigurationError, SchemaError
        If it cannot be read, lacks a column, or does not fit the mapping.
    """

    def __init__(
        self,
        place: SourceSpec,
        mapping: MappingSpec,
        scorer: Scorer,
        keep: Sequence[str] | None,
    ) -> None:
        schema = scorer.model.schema
        self._table = open_table(place, "loans")
        self.where = self._table.where.removeprefix("loans.path=")
        mapped = MappedTable(
            self._table,
            mapping,
            schema,
            decimal=place.csv.decimal,
            institution=None,
            key="mapping",
        )
        self._mapped = mapped
        field_of = mapped.field_of
        self.intake: Intake = scorer.intake(mapped.schema, mapped.factors)
        self.intake.require(list(field_of.values()), self.where, mapped.others)
        self._own = {field: own for own, field in field_of.items() if field in scorer.inputs}
        identifier = [own for own, field in field_of.items() if field == schema.roles.loan_id]
        chosen = self._table.names if keep is None else keep
        for name in chosen:
            if name not in self._table.names:
                raise ConfigurationError(
                    f"--keep names the column '{name}', which {self.where} does not have."
                    f"{suggestion(name, self._table.names)}"
                )
        self.kept = tuple(dict.fromkeys([*identifier, *chosen]))
        text = (Kind.CATEGORICAL, Kind.BOOLEAN)
        self._repeated = [
            own for field, own in self._own.items() if schema.fields[field].kind in text
        ]

    @property
    def num_rows(self) -> int | None:
        """Rows, where they are known without reading them all."""
        return self._table.num_rows if isinstance(self._table, ParquetTable) else None

    def chunks(self, rows: int) -> Iterator[Chunk]:
        """Read the loans in order, at most ``rows`` at a time.

        Raises
        ------
        DataError
            If the table cannot be read to its end, or has no rows.
        """
        wanted = {*self._own.values(), *self.kept}
        start = 0
        for columns, size in _columns(self._table, wanted, rows, self._repeated):
            fields = {field: self._field(field, columns[own]) for field, own in self._own.items()}
            kept = {own: _array(columns[own]) for own in self.kept}
            yield Chunk(start, size, fields, kept)
            start += size

    def _field(self, name: str, column: Column) -> Column:
        if not self._mapped.respells(name):
            return column
        if not isinstance(column, pd.Series):
            column = pa.table({"x": column}).to_pandas()["x"]
        return self._mapped.respelled(name, column)


def _columns(
    table: Table, names: Collection[str], rows: int, repeated: Collection[str]
) -> Iterator[tuple[Mapping[str, Column], int]]:
    if isinstance(table, ParquetTable | CsvTable):
        for batch in table.batches(names, rows, repeated):
            held = zip(batch.schema.names, batch.columns, strict=True)
            yield dict(held), batch.num_rows
    else:
        for frame in table.chunks(names, rows):
            yield {str(name): frame[name] for name in frame.columns}, len(frame)


def _array(column: Column) -> pa.Array:
    """Return a column that is passed on; a database's values as text, since types may vary."""
    if isinstance(column, pd.Series):
        return pa.array(as_text(column).astype(object), pa.string(), from_pandas=True)
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
