"""Sources of loan records: where they lie and how they are read, in chunks.

A new kind of source is one entry in :data:`SOURCES`; nothing else knows how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pandas as pd

from fed_credit.config.spec import DataSpec, SourceKind, SourceSpec
from fed_credit.data import sba, synthetic
from fed_credit.data.mapping import MappedTable
from fed_credit.data.schema import Schema
from fed_credit.data.table import CHUNK_ROWS, open_table
from fed_credit.errors import ConfigurationError, FedCreditError
from fed_credit.files import local_path


class Source(Protocol):
    """Records of one place, under the schema's names.

    Parameters
    ----------
    where : str
        What to call it in messages.
    institution : str or None
        The bank, if the place holds the loans of one bank alone by configuration.
    schema : Schema
        With this source's spellings.
    factors : mapping of str to float
        By field, what its numbers are multiplied by.
    others : collection of str
        Its columns that are no field of the schema, and are not read.
    """

    @property
    def where(self) -> str: ...  # noqa: D102

    @property
    def institution(self) -> str | None: ...  # noqa: D102

    @property
    def schema(self) -> Schema: ...  # noqa: D102

    @property
    def factors(self) -> Mapping[str, float]: ...  # noqa: D102

    @property
    def others(self) -> Collection[str]: ...  # noqa: D102

    def chunks(self, rows: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
        """Read the raw records in order, at most ``rows`` at a time."""
        ...


@dataclass(frozen=True)
class Whole:
    """Records that come all at once."""

    where: str
    schema: Schema
    read: Callable[[], pd.DataFrame]
    institution: str | None = None
    factors: Mapping[str, float] = field(default_factory=dict)
    others: Collection[str] = ()

    def chunks(self, rows: int = CHUNK_ROWS) -> Iterator[pd.DataFrame]:
        """Read the records and hand them out in order."""
        frame = self.read().reset_index(drop=True)
        for start in range(0, len(frame), rows):
            yield frame.iloc[start : start + rows]


def open_sources(spec: DataSpec, schema: Schema) -> Sequence[Source]:
    """Open all places that records come from, before anything is read.

    Parameters
    ----------
    spec : DataSpec
        Where records lie.
    schema : Schema
        What the fields are.

    Returns
    -------
    sequence of Source
        One, or one per bank in the order of ``data.institutions``.

    Raises
    ------
    ConfigurationError
        If a place or a mapping cannot be used.
    DataError
        If a place cannot be read; names the bank if there is one per bank.
    """
    return SOURCES[spec.source](spec, schema)


def _synthetic(spec: DataSpec, schema: Schema) -> Sequence[Source]:
    return [Whole("data=synthetic", schema, lambda: synthetic.generate(spec.generator))]


def _sba(spec: DataSpec, schema: Schema) -> Sequence[Source]:
    if not spec.path:
        raise ConfigurationError("data=sba needs a file: set data.path=FILE.")
    path = local_path(spec.path)
    return [Whole(f"data.path={path}", schema, lambda: sba.read(path, schema))]


def _table(spec: DataSpec, schema: Schema) -> Sequence[Source]:
    if not spec.institutions:
        if not (spec.path or spec.url):
            raise ConfigurationError("data=table needs a file: set data.path=FILE.")
        place = SourceSpec(path=spec.path, url=spec.url, query=spec.query, csv=spec.csv)
        return [
            MappedTable(
                open_table(place),
                spec.mapping,
                schema,
                decimal=spec.csv.decimal,
                institution=None,
                key="data.mapping",
            )
        ]
    found = []
    for number, bank in enumerate(spec.institutions):
        key = f"data.institutions[{number}]"
        try:
            found.append(
                MappedTable(
                    open_table(bank.source, f"{key}.source"),
                    bank.mapping,
                    schema,
                    decimal=bank.source.csv.decimal,
                    institution=bank.name.strip(),
                    key=f"{key}.mapping",
                )
            )
        except FedCreditError as error:
            raise type(error)(f"Bank '{bank.name}': {error}") from None
    return found


SOURCES: Mapping[SourceKind, Callable[[DataSpec, Schema], Sequence[Source]]] = {
    SourceKind.SYNTHETIC: _synthetic,
    SourceKind.SBA: _sba,
    SourceKind.TABLE: _table,
}
