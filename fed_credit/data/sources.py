"""Sources of loan records: how to read them and which fields to engineer from them.

A new kind of source is one entry in :data:`SOURCES`; nothing else knows how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pandas as pd

from fed_credit.config.spec import DataSpec, SourceKind
from fed_credit.data import sba, synthetic
from fed_credit.data.schema import Schema
from fed_credit.data.table import read_table
from fed_credit.errors import ConfigurationError


class Reader(Protocol):
    """Reads the raw records of a source."""

    def __call__(self, spec: DataSpec, schema: Schema) -> pd.DataFrame:
        """Return ``(n, ...)`` raw records, one row per row of the source, in its order."""
        ...


class Deriver(Protocol):
    """Engineers fields from validated records."""

    def __call__(self, frame: pd.DataFrame, /) -> pd.DataFrame:
        """Return the frame's columns and rows with the engineered fields added."""
        ...


@dataclass(frozen=True)
class Source:
    """A kind of source.

    Parameters
    ----------
    read : Reader
        Reads the raw records.
    derive : Deriver or None
        Engineers the schema's fields with ``derived_from``; None if the records hold them already.
    """

    read: Reader
    derive: Deriver | None


def _path(spec: DataSpec) -> Path:
    if not spec.path:
        raise ConfigurationError(f"data.source={spec.source} needs a file: set data.path=FILE.")
    return Path(spec.path).expanduser()


def _synthetic(spec: DataSpec, schema: Schema) -> pd.DataFrame:
    return synthetic.generate(spec.generator)


def _sba(spec: DataSpec, schema: Schema) -> pd.DataFrame:
    return sba.read(_path(spec), schema)


def _table(spec: DataSpec, schema: Schema) -> pd.DataFrame:
    return read_table(_path(spec))


SOURCES: Mapping[SourceKind, Source] = {
    SourceKind.SYNTHETIC: Source(_synthetic, synthetic.derive),
    SourceKind.SBA: Source(_sba, sba.derive),
    SourceKind.TABLE: Source(_table, None),
}
