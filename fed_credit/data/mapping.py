"""From a bank's own table to the schema: its names, spellings, units and dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pandas as pd

from fed_credit.config.spec import MappingSpec
from fed_credit.data.convert import as_text
from fed_credit.data.schema import Field, Kind, Schema
from fed_credit.data.table import CHUNK_ROWS, Table
from fed_credit.errors import ConfigurationError, DataError, suggestion

_SWAPPED = {ord(","): ".", ord("."): ","}


class MappedTable:
    """A table whose columns and values have the schema's names.

    Parameters
    ----------
    table : Table
        As the bank has it.
    mapping : MappingSpec
        How its names and spellings differ from the schema's.
    schema : Schema
        What the fields are.
    decimal : str
        ``.`` or ``,``: how its text spells the decimals of numbers.
    institution : str or None
        The bank, if all rows are its own; None if a column says so.
    key : str
        Configuration section of the mapping, for messages.

    Attributes
    ----------
    schema : Schema
        With the table's spelling of dates.
    field_of : dict of str to str
        Field by the table's own name, of the columns that are one.
    factors : mapping of str to float
        What the numbers of a field are multiplied by when they are read.
    others : list of str
        Columns of the table that are no field of the schema.

    Raises
    ------
    ConfigurationError
        If the mapping names what the schema or the table does not have.
    DataError
        If two columns of the table would be one field.
    """

    def __init__(
        self,
        table: Table,
        mapping: MappingSpec,
        schema: Schema,
        *,
        decimal: str,
        institution: str | None,
        key: str,
    ) -> None:
        self.where, self.institution = table.where, institution
        self._table, self._decimal, self._key = table, decimal, key
        self._values = mapping.values
        _check_fields(mapping, schema, key)
        self._bank_field = schema.roles.institution
        if institution is not None and self._bank_field is None:
            raise ConfigurationError(
                f"data.institutions names the banks, but schema '{schema.name}' has no field for"
                " them: name one of kind institution under roles.institution."
            )
        self.field_of = self._columns(mapping.columns, schema)
        self.others = [name for name in table.names if name not in self.field_of]
        self.factors: Mapping[str, float] = mapping.units
        spelled = {
            name: replace(
                schema.fields[name],
                date_formats=(spelling, *schema.fields[name].date_formats),
            )
            for name, spelling in mapping.dates.items()
        }
        self.schema = replace(schema, fields={**schema.fields, **spelled}) if spelled else schema

    def chunks(self, rows: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
        """Read the records under the schema's names; columns that it does not have are left out.

        Parameters
        ----------
        rows : int
            Most rows of a chunk.

        Yields
        ------
        pandas.DataFrame
            ``(at most rows, n_fields)``, index as in the table.
        """
        for chunk in self._table.chunks(self.field_of, rows):
            frame = chunk.rename(columns=self.field_of)
            for name in list(frame.columns):
                if self.respells(name):
                    frame[name] = self.respelled(name, frame[name])
            if self.institution is not None:
                frame[self._bank_field] = pd.Series(
                    self.institution, index=frame.index, dtype="str"
                )
            yield frame

    def respells(self, name: str) -> bool:
        """Return whether a field's values are spelled otherwise in the table."""
        return self._swaps(name) or name in self._values

    def _swaps(self, name: str) -> bool:
        return self._decimal == "," and self.schema.fields[name].kind is Kind.NUMERIC

    def respelled(self, name: str, column: pd.Series) -> pd.Series:
        """Return a field's column of the table in the schema's spelling."""
        if self._swaps(name) and isinstance(column.dtype, pd.StringDtype):
            column = column.str.translate(_SWAPPED)
        if name in self._values:
            column = as_text(column).replace(self._values[name])
        return column

    def _columns(self, columns: Mapping[str, str], schema: Schema) -> dict[str, str]:
        """Return the field of each of the table's columns that has one."""
        names = self._table.names
        found: dict[str, str] = {}
        for own in names:
            name = columns.get(own, own)
            field = schema.fields.get(name)
            if field is None or _computed(field):
                continue
            if self.institution is not None and name == self._bank_field:
                continue
            if name in found.values():
                first = next(other for other, taken in found.items() if taken == name)
                raise DataError(
                    f"{self.where} has two columns for the field '{name}', '{first}' and '{own}';"
                    f" drop one, or name another field in {self._key}.columns."
                )
            found[own] = name
        if not found:
            raise DataError(
                f"{self.where} has no column that schema '{schema.name}' names, but"
                f" {', '.join(map(repr, names[:5]))}{', ...' if len(names) > 5 else ''}; check"
                f" data.schema, the delimiter, and {self._key}.columns."
            )
        for own, name in columns.items():
            if own not in names and name not in found.values():
                raise ConfigurationError(
                    f"{self._key}.columns names the column '{own}', which {self.where} does not"
                    f" have.{suggestion(own, names)}"
                )
        return found


def _computed(field: Field) -> bool:
    return bool(getattr(field, "formula", ""))


def _check_fields(mapping: MappingSpec, schema: Schema, key: str) -> None:
    named = {
        "columns": list(mapping.columns.values()),
        "values": list(mapping.values),
        "units": list(mapping.units),
        "dates": list(mapping.dates),
    }
    kinds = {"units": Kind.NUMERIC, "dates": Kind.DATE}
    for section, names in named.items():
        for name in names:
            if name not in schema.fields:
                raise ConfigurationError(
                    f"{key}.{section} names the field '{name}', which schema '{schema.name}' does"
                    f" not have.{suggestion(name, schema.fields)}"
                )
            kind = schema.fields[name].kind
            if section in kinds and kind is not kinds[section]:
                raise ConfigurationError(
                    f"{key}.{section} names '{name}', a field of kind {kind}; only fields of kind"
                    f" {kinds[section]} have {section}."
                )
            if _computed(schema.fields[name]):
                raise ConfigurationError(
                    f"{key}.{section} names '{name}', which schema '{schema.name}' computes by a"
                    " formula; name the fields it is computed from."
                )
