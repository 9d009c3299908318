"""A researcher's own table: CSV (plain or gzip, UTF-8, with a header) or Parquet."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from fed_credit.errors import DataError

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"


def read_table(path: Path) -> pd.DataFrame:
    """Read a table; its content says what it is, whatever its name.

    CSV values stay text, so that leading zeros and long identifiers survive; empty is missing, and
    nothing else (``NA`` is a value unless the schema lists it under ``missing_codes``).

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    pandas.DataFrame
        ``(n, n_columns)``: ``str`` from CSV, the file's own types from Parquet; RangeIndex.

    Raises
    ------
    DataError
        If the file is missing, a folder, empty, cut off, not UTF-8, has rows of another length
        than its header or two columns of one name, or has no rows.
    """
    where = f"data.path={path}"
    if path.is_dir():
        raise DataError(f"{where} is a folder; name the file in it.")
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except FileNotFoundError:
        raise DataError(f"{where} does not exist; check the path.") from None
    except OSError as error:
        raise DataError(f"{where} cannot be read ({error.strerror}).") from None
    if not start:
        raise DataError(f"{where} is empty; a header and at least one row are needed.")
    parquet = start == _PARQUET or path.suffix.lower() in (".parquet", ".pq")
    table = _parquet(path, where) if parquet else _csv(path, where, start.startswith(_GZIP))
    names = [str(name) for name in table.column_names]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(f"{where} has more than one column '{repeated[0]}'; rename or drop one.")
    if table.num_rows == 0:
        raise DataError(f"{where} has a header but no rows.")
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, date_as_object=False)
    return frame.rename(columns=lambda name: str(name).strip())


def _parquet(path: Path, where: str) -> pa.Table:
    try:
        return pyarrow.parquet.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{where} is not a whole Parquet file ({_first_line(error)}); write or copy it again."
        ) from None


def _csv(path: Path, where: str, zipped: bool) -> pa.Table:
    short: list[pyarrow.csv.InvalidRow] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        short.append(row)
        return "skip"

    try:
        names = _header(path, zipped)
        if not names:
            raise DataError(f"{where} begins with an empty line; a header is expected there.")
        with pa.input_stream(str(path), compression="gzip" if zipped else None) as stream:
            table = pyarrow.csv.read_csv(
                stream,
                read_options=pyarrow.csv.ReadOptions(use_threads=False),  # else no row numbers
                parse_options=pyarrow.csv.ParseOptions(
                    newlines_in_values=True, invalid_row_handler=note
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types={name: pa.string() for name in names},
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
    except UnicodeDecodeError:
        raise DataError(f"{where} is not UTF-8; save it as UTF-8.") from None
    except (pa.ArrowException, OSError, EOFError, zlib.error, csv.Error) as error:
        reason = _first_line(error)
        if "UTF8" in reason:
            raise DataError(f"{where} is not UTF-8; save it as UTF-8.") from None
        if zipped:
            raise DataError(f"{where} is not a whole gzip file; copy or pack it again.") from None
        if "Empty CSV" in reason:  # a header without a line end
            raise DataError(f"{where} has a header but no rows.") from None
        # Arrow quotes the row, which may hold a firm's data.
        raise DataError(f"{where} is not a comma-separated table with a header line.") from None
    if short:
        raise DataError(
            f"{where}: line {short[0].number} has {short[0].actual_columns} values where the header"
            f" has {short[0].expected_columns}; mend the line, or copy the file again if it was"
            " cut off."
        )
    return table


def _header(path: Path, zipped: bool) -> list[str]:
    """Read the names of the columns, which must be known for all of them to stay text."""
    with (
        gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        if zipped
        else path.open("rt", encoding="utf-8-sig", newline="")
    ) as file:
        return next(csv.reader(file), [])


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["unreadable"])[0].rstrip(". ")
