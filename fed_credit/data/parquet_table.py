"""Records from a Parquet file."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from fed_credit.data.arrow import to_frame
from fed_credit.data.table import CHUNK_ROWS, check_names
from fed_credit.errors import DataError


class ParquetTable:
    """A Parquet file; values keep the file's types."""

    def __init__(self, path: Path, where: str) -> None:
        self.where = where
        self._path = path
        with self._explained(), pyarrow.parquet.ParquetFile(path) as file:
            self._own = [str(name) for name in file.schema_arrow.names]
            self._num_rows = int(file.metadata.num_rows)
        self.names = tuple(name.strip() for name in self._own)
        check_names(self.names, where)

    def chunks(
        self, columns: Collection[str] | None = None, rows: int = CHUNK_ROWS
    ) -> Iterator[pd.DataFrame]:
        """Read the records; see :class:`fed_credit.data.table.Table`."""
        read = 0
        for batch in self.batches(columns, rows):
            with self._explained():
                frame = to_frame(batch, batch.schema.names)
            yield frame.set_axis(pd.RangeIndex(read, read + len(frame)), axis=0)
            read += len(frame)

    def batches(
        self,
        columns: Collection[str] | None = None,
        rows: int = CHUNK_ROWS,
        repeated: Collection[str] = (),
    ) -> Iterator[pa.RecordBatch]:
        """Read the records as Arrow holds them.

        Parameters
        ----------
        columns : collection of str or None
            Columns to read, others are passed over; None for all.
        rows : int
            Most rows of a batch.
        repeated : collection of str
            Columns whose text has few values, and is read as a dictionary.

        Yields
        ------
        pyarrow.RecordBatch
            ``(at most rows, n_columns)`` in the order of the table.

        Raises
        ------
        DataError
            If the table cannot be read to its end, or has no rows.
        """
        kept = {
            own: name
            for own, name in zip(self._own, self.names, strict=True)
            if columns is None or name in columns
        }
        encoded = [own for own, name in kept.items() if name in repeated]
        read = 0
        with self._explained():
            file = pyarrow.parquet.ParquetFile(
                self._path, pre_buffer=False, read_dictionary=encoded
            )
        with file:
            with self._explained():
                batches = file.iter_batches(batch_size=rows, columns=list(kept))
            while True:
                with self._explained():
                    batch = next(batches, None)
                    if batch is None:
                        break
                    batch = batch.rename_columns([kept[own] for own in batch.schema.names])
                yield batch
                read += batch.num_rows
        if not read:
            raise DataError(f"{self.where} has a header but no rows.")

    @property
    def num_rows(self) -> int:
        """Rows of the table."""
        return self._num_rows

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            reason = (str(error).splitlines() or ["unreadable"])[0].rstrip(". ")
            raise DataError(
                f"{self.where} is not a whole Parquet file ({reason}); write or copy it again."
            ) from None
