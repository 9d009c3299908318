"""The files that scoring writes: under other names first, and in their places when all is done.

A process that is killed leaves the old files, or none, and its unfinished ones under names that
begin with a dot. Each is locked while it is written, so that a later call can tell what a dead
process left from what another one is writing, and removes it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from fed_credit.errors import ConfigurationError, FedCreditError

ROW_GROUP = 2**17
"""Rows written at a time: the files' bytes do not depend on the chunks that loans were read in."""


class CannotWriteError(FedCreditError):
    """A file that cannot be written: no space, no permission, no folder."""


@contextmanager
def written(places: Sequence[Path]) -> Iterator[list[Path]]:
    """Give a temporary path for each file, and put them in their places, in order, when done.

    Parameters
    ----------
    places : sequence of Path
        Files to make or to replace; the last one says that all of them are there.

    Raises
    ------
    CannotWriteError
        If one cannot be written.
    """
    temporary = [place.with_name(f".{place.name}.{os.getpid()}.part") for place in places]
    with ExitStack() as stack:
        for place, path in zip(places, temporary, strict=True):
            with explained(place):
                _sweep(place)
                lock = stack.enter_context(path.open("wb"))
                stack.callback(_remove, path)
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield temporary
        for place, path in zip(places, temporary, strict=True):
            with explained(place):
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                path.replace(place)


@contextmanager
def explained(place: Path) -> Iterator[None]:
    """Turn what goes wrong with a file into one sentence about its place."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else (str(error).splitlines() or ["?"])[0]
        raise CannotWriteError(
            f"{place} cannot be written ({reason.rstrip('. ')}); free space, or write elsewhere"
            " with --out."
        ) from None


def _sweep(place: Path) -> None:
    """Remove what dead processes left of this file."""
    for left in place.parent.glob(f".{place.name}.*.part"):
        with suppress(OSError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


class LoanWriter:
    """Writes scored loans in groups of :data:`ROW_GROUP`.

    Parameters
    ----------
    path : Path
        Where.
    place : Path
        What to call it; its suffix says whether it becomes Parquet or CSV.
    schema : pyarrow.Schema
        Of the batches, with the metadata.
    """

    def __init__(self, path: Path, place: Path, schema: pa.Schema) -> None:
        self._place, self._waiting = place, 0
        self._batches: list[pa.RecordBatch] = []
        self._text = place.suffix.lower() == ".csv"
        self._schema = _spelled_out(schema) if self._text else schema
        with explained(place):
            if self._text:
                self._writer = pyarrow.csv.CSVWriter(str(path), self._schema)
            else:
                self._writer = pyarrow.parquet.ParquetWriter(
                    str(path), schema, compression="snappy", use_dictionary=_repetitive(schema)
                )

    def write(self, batch: pa.RecordBatch) -> None:
        """Add loans."""
        self._batches.append(batch)
        self._waiting += batch.num_rows
        while self._waiting >= ROW_GROUP:
            self._flush(ROW_GROUP)

    def close(self) -> None:
        """Write what is left."""
        if self._waiting:
            self._flush(self._waiting)
        with explained(self._place):
            self._writer.close()

    def _flush(self, rows: int) -> None:
        whole = pa.Table.from_batches(self._batches)
        first, rest = whole.slice(0, rows), whole.slice(rows)
        self._batches, self._waiting = rest.to_batches(), rest.num_rows
        first = first.cast(self._schema) if self._text else first
        with explained(self._place):
            # One array a column, since pages are cut where arrays end.
            self._writer.write_table(first.combine_chunks(), ROW_GROUP)


def _repetitive(schema: pa.Schema) -> list[str]:
    """Return the columns worth a dictionary: those of few values."""
    return [
        item.name for item in schema if not (pa.types.is_floating(item.type) or item.name == "row")
    ]


def _spelled_out(schema: pa.Schema) -> pa.Schema:
    """Return a schema without dictionaries, which CSV does not have."""
    plain = [
        item.with_type(item.type.value_type) if pa.types.is_dictionary(item.type) else item
        for item in schema
    ]
    return pa.schema(plain, schema.metadata)


def check_place(out: Path) -> None:
    """Refuse a place whose suffix says nothing, or that is a folder.

    Raises
    ------
    ConfigurationError
        Saying what to write instead.
    """
    if out.suffix.lower() not in (".parquet", ".pq", ".csv"):
        raise ConfigurationError(
            f"--out {out} does not say what to write; end it in .parquet or .csv."
        )
    if out.is_dir():
        raise ConfigurationError(f"--out {out} is a folder; name a file in it.")
