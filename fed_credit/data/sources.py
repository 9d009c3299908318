"""Sources of loan records: how to read them.

A new kind of source is one entry in :data:`SOURCES`; nothing else knows how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
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


SOURCES: Mapping[SourceKind, Reader] = {
    SourceKind.SYNTHETIC: _synthetic,
    SourceKind.SBA: _sba,
    SourceKind.TABLE: _table,
}
