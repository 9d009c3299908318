"""Tables as the onboarding commands read them: raw, in chunks, more than once."""

from __future__ import annotations

from pathlib import Path

from fed_credit.config.spec import CsvSpec, SourceSpec
from fed_credit.data.table import open_table
from fed_credit.onboarding.infer import Chunks

_CHUNK_ROWS = 50_000


def chunks_of(path: Path, *, encoding: str = "auto", delimiter: str = "auto") -> Chunks:
    """Return what reads a file chunk by chunk, as often as it is called.

    Parameters
    ----------
    path : Path
        CSV or Parquet file.
    encoding, delimiter : str
        As ``data.csv.encoding`` and ``data.csv.delimiter``.

    Returns
    -------
    callable
        Returns an iterator over frames of all columns.

    Raises
    ------
    DataError
        If the file cannot be opened; reading may raise it too.
    """
    csv = CsvSpec(delimiter=delimiter, encoding=encoding, decimal=".")
    table = open_table(SourceSpec(path=str(path), url=None, query=None, csv=csv))
    return lambda: table.chunks(rows=_CHUNK_ROWS)
