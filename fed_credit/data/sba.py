"""SBA 7(a) loans in the layout of the public ``SBAnational`` file.

The layout is that of Li, Mickel and Taylor, "Should This Loan be Approved or Denied?": A Large
Dataset with Class Assignment Guidelines, Journal of Statistics Education 26(1), 2018. What its
columns are, and when each is known, is said in ``conf/schemas/sba.yaml``.

A record of this file shows a loan's *latest* state, not its state at booking. What is overwritten
during a loan's life (``Term``, ``RevLineCr``, ``BankState``) therefore carries the outcome.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import re
import warnings
import zlib
from pathlib import Path
from typing import TextIO

import pandas as pd

from fed_credit.data.schema import Kind, KnownAt, Schema
from fed_credit.errors import DataError, suggestion

CENTURY_PIVOT = 53
"""Two-digit years from here on are 19xx, earlier ones 20xx: the SBA was founded in 1953, so that no
loan of the programme is older, and charge-offs of the public file end in 2014."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SLASHED = re.compile(r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4}|\d{2})", re.ASCII)
_NAMED = re.compile(r"(?P<day>\d{1,2})-(?P<month>[A-Za-z]{3})-(?P<year>\d{4}|\d{2})", re.ASCII)
_AMOUNT = r"-?\$? ?-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?"


def read(path: Path, schema: Schema) -> pd.DataFrame:
    """Read the records of a file in the public ``SBAnational`` layout.

    Headers are matched without regard to case, spaces and underscores; columns the schema does not
    name are ignored. Amounts (``"$60,000.00 "``, ``60000``) become plain numbers and dates
    (``28-Feb-97``, ``2/28/1997``) ISO dates; two-digit years follow :data:`CENTURY_PIVOT`. What
    cannot be parsed stays as it is, for validation to reject with a reason.

    Parameters
    ----------
    path : Path
        Comma-separated text in UTF-8, plain or compressed with gzip.
    schema : Schema
        Fields to read: all that are not engineered. Fields known only after the outcome that play
        no role may be absent from the file, and are then absent from the result.

    Returns
    -------
    pandas.DataFrame
        ``(n_records, n_fields) str``, NaN where empty, in the order of the file and of the schema,
        index ``0..n_records - 1``.

    Raises
    ------
    DataError
        If the file is missing, not readable, not such a table, or lacks a needed column.
    """
    header, table = _read_table(path)
    positions = _positions(path, header, schema)
    columns = {
        name: _normalise(table.iloc[:, position], schema, name)
        for name, position in positions.items()
    }
    return pd.DataFrame(columns)


# --- reading -------------------------------------------------------------------------------------


def _open(path: Path) -> TextIO:
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PK\x03\x04":
        raise DataError(f"{path} is a ZIP archive: unpack it and name the CSV file in data.path.")
    if magic[:2] == b"\x1f\x8b":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open("rt", encoding="utf-8-sig", newline="")


def _read_table(path: Path) -> tuple[list[str], pd.DataFrame]:
    """Return the header and the rows below it, each cell stripped text or missing."""
    try:
        with _open(path) as file, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            header = [cell.strip() for cell in next(csv.reader(file), [])]
            if not any(header):
                raise DataError(
                    f"{path} is empty or starts with an empty line: it needs a header with the"
                    " columns of the SBAnational file and a row per loan."
                )
            table = pd.read_csv(
                file,
                header=None,
                names=list(range(len(header))),
                index_col=False,
                dtype="str",
                keep_default_na=False,
            )
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; name the SBA file in data.path.") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder; name the SBA file in data.path.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(
            f"{path} is a gzip file that is cut short or damaged; fetch or compress it again."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check data.path.") from None
    except UnicodeDecodeError as error:
        byte = f"0x{error.object[error.start]:02x}"
        raise DataError(
            f"{path} holds the byte {byte}, which is not UTF-8 text; save it as a UTF-8 CSV file."
        ) from None
    except pd.errors.ParserWarning:
        raise DataError(
            f"{path} has more cells in its first row than columns in its header; quote the cells"
            " that hold commas."
        ) from None
    except (pd.errors.ParserError, csv.Error) as error:
        reason = " ".join(str(error).replace("Error tokenizing data. C error: ", "").split())
        raise DataError(
            f"{path} is not a table of comma-separated values ({reason}; lines counted below the"
            " header): mend the line, or quote the cells that hold commas."
        ) from None
    if table.empty:
        raise DataError(f"{path} holds a header but no loans; it needs one row per loan.")
    return header, table


def _key(header: str) -> str:
    return re.sub(r"[\s_]", "", header).lower()


def _positions(path: Path, header: list[str], schema: Schema) -> dict[str, int]:
    """Return the position of each field's column in the file."""
    roles = set(vars(schema.roles).values())
    keys = [_key(cell) for cell in header]
    positions: dict[str, int] = {}
    for item in schema.fields.values():
        if item.formula:
            continue
        found = [position for position, key in enumerate(keys) if key == _key(item.name)]
        if len(found) > 1:
            raise DataError(
                f"{path} has {len(found)} columns '{item.name}' (columns"
                f" {', '.join(str(position + 1) for position in found)}); keep one of them."
            )
        if found:
            positions[item.name] = found[0]
        elif item.known_at is not KnownAt.OUTCOME or item.name in roles:
            near = suggestion(_key(item.name), keys)
            for key, cell in zip(keys, header, strict=True):
                near = near.replace(f"'{key}'", f"'{cell}'")
            if len(header) == 1:
                near = f" Its header is one column, '{header[0][:40]}': are commas the separator?"
            raise DataError(
                f"{path} has no column '{item.name}', which the layout of the SBAnational file"
                f" has; add it or mend the header.{near}"
            )
    return positions


def _normalise(column: pd.Series, schema: Schema, name: str) -> pd.Series:
    """Bring both spellings of a column to one; empty cells become missing."""
    item = schema.fields[name]
    text = column.str.strip()
    text = text.mask(text == "")
    if item.kind is Kind.DATE:
        codes, spellings = pd.factorize(text)
        iso = pd.array([_iso_date(spelling) for spelling in spellings], dtype="str")
        return pd.Series(iso.take(codes, allow_fill=True), index=text.index)
    if item.kind is not Kind.NUMERIC:
        # A file that went through a data frame spells codes with missing neighbours "1.0".
        return text.str.replace(r"^([0-9]+)\.0+$", r"\1", regex=True)
    if item.unit == schema.currency:
        plain = text.str.replace(r"[$, ]", "", regex=True).str.replace(r"\.0*$", "", regex=True)
        return text.mask(text.str.fullmatch(_AMOUNT).fillna(False).astype(bool), plain)
    return text


def _iso_date(text: str) -> str:
    """Return a date in ISO spelling, or the text as it is if it is no date."""
    match = _SLASHED.fullmatch(text) or _NAMED.fullmatch(text)
    if match is None:
        return text
    month, year = match["month"].lower(), int(match["year"])
    if len(match["year"]) == 2:
        year += 1900 if year >= CENTURY_PIVOT else 2000
    try:
        number = _MONTHS.index(month) + 1 if month.isalpha() else int(month)
        return dt.date(year, number, int(match["day"])).isoformat()
    except ValueError:
        return text
