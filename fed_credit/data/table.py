"""A table of records, wherever it lies: a CSV or Parquet file, or a query to a database.

A table is read in chunks of the columns that are asked for. The records do not depend on the size
of the chunks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pandas as pd

from fed_credit.config.spec import CsvSpec, SourceSpec
from fed_credit.errors import DataError
from fed_credit.files import local_path

CHUNK_ROWS = 200_000
AUTO = CsvSpec(delimiter="auto", encoding="auto", decimal=".")

_PARQUET = b"PAR1"


class Table(Protocol):
    """A table that is read in chunks.

    Parameters
    ----------
    where : str
        What to call it in messages: configuration key and place, without anything secret.
    names : tuple of str
        Its columns.
    """

    @property
    def where(self) -> str: ...  # noqa: D102

    @property
    def names(self) -> tuple[str, ...]: ...  # noqa: D102

    def chunks(
        self, columns: Collection[str] | None = None, rows: int = CHUNK_ROWS
    ) -> Iterator[pd.DataFrame]:
        """Read the records; may be called again.

        Parameters
        ----------
        columns : collection of str or None
            Columns to read, others are passed over; None for all.
        rows : int
            Most rows of a chunk.

        Yields
        ------
        pandas.DataFrame
            ``(at most rows, n_columns)`` in the order of the table, RangeIndex from 0: ``str`` from
            CSV, typed from Parquet, objects from a database.

        Raises
        ------
        DataError
            If the table cannot be read to its end, or has no rows.
        """
        ...


def open_table(source: SourceSpec, key: str = "data") -> Table:
    """Open a table; the content of a file says what it is, whatever its name.

    Parameters
    ----------
    source : SourceSpec
        Where it lies.
    key : str
        Configuration section of ``source``, for messages.

    Returns
    -------
    Table
        Whose columns are known; nothing else was read yet.

    Raises
    ------
    DataError
        If it is missing, a folder, empty, no such table, or has two columns of one name.
    ConfigurationError
        If the address of a database cannot be used.
    """
    table: Table
    if source.url is not None:
        from fed_credit.data.sql_table import SqlTable

        table = SqlTable(source.url, source.query or "", key)
    else:
        table = _open_file(local_path(source.path or ""), source.csv, key)
    check_names(table.names, table.where)
    return table


def _open_file(path: Path, csv: CsvSpec, key: str) -> Table:
    where = f"{key}.path={path}"
    if path.is_dir():
        raise DataError(f"{where} is a folder; name the file in it.")
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError:
        raise DataError(f"{where} does not exist; check the path.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name"
        raise DataError(f"{where} cannot be read ({reason}); check the path.") from None
    if not start:
        raise DataError(f"{where} is empty; a header and at least one row are needed.")
    if start == _PARQUET or path.suffix.lower() in (".parquet", ".pq"):
        from fed_credit.data.parquet_table import ParquetTable

        return ParquetTable(path, where)
    from fed_credit.data.csv_table import CsvTable

    return CsvTable(path, where, csv, f"{key}.csv")


def check_names(names: Sequence[str], where: str) -> None:
    """Refuse a table with two columns of one name."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"{where} has more than one column '{repeated[0]}'; rename or drop one.")


def read_table(path: Path, csv: CsvSpec = AUTO) -> pd.DataFrame:
    """Read a whole table from a file.

    CSV values stay text, so that leading zeros and long identifiers survive; empty is missing, and
    nothing else (``NA`` is a value unless the schema lists it under ``missing_codes``).

    Parameters
    ----------
    path : Path
        The file.
    csv : CsvSpec
        How it is spelled, if it is CSV.

    Returns
    -------
    pandas.DataFrame
        ``(n, n_columns)``: ``str`` from CSV, the file's own types from Parquet; RangeIndex.

    Raises
    ------
    DataError
        As :func:`open_table`, and if a row is of another length than the header, or there is none.
    """
    table = open_table(SourceSpec(path=str(path), url=None, query=None, csv=csv))
    return pd.concat(list(table.chunks()), ignore_index=True)
