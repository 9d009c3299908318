"""Records from a CSV file, plain or gzip, in any encoding and with any delimiter."""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from fed_credit.config.spec import CsvSpec
from fed_credit.data.arrow import to_frame
from fed_credit.data.csv_dialect import detect, not_in_encoding
from fed_credit.data.table import CHUNK_ROWS
from fed_credit.errors import DataError

_BLOCK_BYTES = 16 << 20  # the longest row, and what is parsed at a time
_SHORT_ROW = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")


class CsvTable:
    """A CSV file; all values are text, and empty ones missing."""

    def __init__(self, path: Path, where: str, spec: CsvSpec, key: str) -> None:
        self.where = where
        self._path, self._spec, self._key = path, spec, key
        self._dialect = detect(path, where, spec, key)
        self.names = self._dialect.names

    def chunks(
        self, columns: Collection[str] | None = None, rows: int = CHUNK_ROWS
    ) -> Iterator[pd.DataFrame]:
        """Read the records; see :class:`fed_credit.data.table.Table`."""
        read = 0
        for piece in self.batches(columns, rows):
            index = pd.RangeIndex(read, read + piece.num_rows)
            yield to_frame(piece, piece.schema.names).set_axis(index, axis=0)
            read += piece.num_rows

    def batches(
        self,
        columns: Collection[str] | None = None,
        rows: int = CHUNK_ROWS,
        repeated: Collection[str] = (),
    ) -> Iterator[pa.RecordBatch]:
        """Read the records as Arrow holds them; see :class:`ParquetTable`, but all is text."""
        places = [k for k, name in enumerate(self.names) if columns is None or name in columns]
        names = [self.names[k] for k in places]
        read = 0
        parsed = self._parsed(places)
        while True:
            with self._explained():
                batch = next(parsed, None)
            if batch is None:
                break
            for start in range(0, batch.num_rows, rows):
                piece = batch.slice(start, rows).rename_columns(names)
                yield piece
                read += piece.num_rows
        if not read:
            raise DataError(f"{self.where} has a header but no rows.")

    def _parsed(self, places: list[int]) -> Iterator[pa.RecordBatch]:
        # By place, since a header may name a column twice or leave a name empty.
        keys = [str(k) for k in range(len(self.names))]
        kept = [str(k) for k in places]
        with pa.input_stream(
            str(self._path), compression="gzip" if self._dialect.zipped else None
        ) as stream:
            yield from pyarrow.csv.open_csv(
                stream,
                read_options=pyarrow.csv.ReadOptions(
                    use_threads=False,  # else no row numbers
                    block_size=_BLOCK_BYTES,
                    column_names=keys,
                    skip_rows_after_names=1,
                    encoding="utf8"
                    if self._dialect.encoding == "utf-8"
                    else self._dialect.encoding,
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=self._dialect.delimiter,
                    newlines_in_values=True,
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types={key: pa.string() for key in keys},
                    include_columns=kept,
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except UnicodeError:
            raise not_in_encoding(self.where, self._dialect.encoding, self._key) from None
        except (pa.ArrowException, OSError, EOFError, ValueError, zlib.error, csv.Error) as error:
            reason = str(error)
            # Arrow quotes the row, which may hold a firm's data. (Its hook for such rows prints a
            # traceback where they are no UTF-8.)
            if short := _SHORT_ROW.search(reason):
                raise DataError(
                    f"{self.where}: line {short[1]} has {short[3]} values where the header has"
                    f" {short[2]}; mend the line, or copy the file again if it was cut off."
                ) from None
            if "UTF8" in reason:
                raise not_in_encoding(self.where, self._dialect.encoding, self._key) from None
            if self._dialect.bare or "Empty CSV" in reason:  # a header without a line end
                raise DataError(f"{self.where} has a header but no rows.") from None
            if self._dialect.zipped and "CSV" not in reason and "straddling" not in reason:
                raise DataError(
                    f"{self.where} is not a whole gzip file; copy or pack it again."
                ) from None
            raise DataError(
                f"{self.where} is not a table with a header line and the delimiter"
                f" {self._dialect.delimiter!r}; check {self._key}.delimiter and look for a quote"
                " that is never closed."
            ) from None
