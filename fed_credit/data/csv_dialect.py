"""What a CSV file is: compressed or not, its encoding, its delimiter and its header."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

from fed_credit.config.names import DELIMITERS
from fed_credit.config.spec import CsvSpec
from fed_credit.errors import DataError

GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .zip and .xlsx; .xls
_SAMPLE = 4 << 20
_LINES = 50
_LONGEST_SHOWN = 40
# Lead and trail bytes of GB2312, to which nearly all Chinese text keeps; in Latin text in another
# encoding, a letter beyond ASCII mostly stands between ASCII letters.
_HANZI_LEAD, _HANZI_TRAIL = range(0xA1, 0xF8), range(0xA1, 0xFF)


@dataclass(frozen=True)
class Dialect:
    """How to read a CSV file.

    Parameters
    ----------
    zipped : bool
        Whether it is compressed with gzip.
    encoding : str
        Name of a Python codec; ``utf-8`` for all of its spellings.
    delimiter : str
        One character.
    names : tuple of str
        Header, stripped.
    bare : bool
        Whether there is nothing but one line without an end.
    """

    zipped: bool
    encoding: str
    delimiter: str
    names: tuple[str, ...]
    bare: bool


def detect(path: Path, where: str, spec: CsvSpec, key: str) -> Dialect:
    """Look at the beginning of a file and say how to read it.

    Parameters
    ----------
    path : Path
        The file, which is not empty.
    where : str
        What to call it in messages.
    spec : CsvSpec
        What is known about it; ``auto`` for what is to be found.
    key : str
        Configuration section of ``spec``, for messages.

    Returns
    -------
    Dialect

    Raises
    ------
    DataError
        If it is no such text, is not in the encoding named, or has no header.
    """
    sample, zipped = _sample(path, where)
    if not sample:
        raise DataError(f"{where} is empty; a header and at least one row are needed.")
    whole = len(sample) < _SAMPLE
    encoding = _encoding(sample, where, spec.encoding, key, whole)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample, final=whole)
    text = text.removeprefix("\ufeff")
    if "\x00" in text:
        raise DataError(f"{where} holds binary data, not text; export it as CSV or Parquet.")
    if text[:1] in ("\n", "\r"):
        raise DataError(f"{where} begins with an empty line; a header is expected there.")
    delimiter = DELIMITERS.get(spec.delimiter, spec.delimiter)
    if spec.delimiter == "auto":
        delimiter = _delimiter(text)
    names = [name.strip() for name in _rows(text, delimiter, 1)[0]]
    found = _delimiter(text)
    if len(names) == 1 and found != delimiter and found in names[0]:
        named = next((name for name, sign in DELIMITERS.items() if sign == found), found)
        raise DataError(
            f"{where} has one column only, '{names[0][:_LONGEST_SHOWN]}', when read with"
            f" {key}.delimiter={spec.delimiter}: set {key}.delimiter={named} or auto."
        )
    bare = whole and "\n" not in text and "\r" not in text
    return Dialect(zipped, encoding, delimiter, tuple(names), bare)


def _sample(path: Path, where: str) -> tuple[bytes, bool]:
    """Return the beginning of the text, uncompressed, and whether it was compressed."""
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start in _ZIP:
                raise DataError(
                    f"{where} is a ZIP archive or an Excel workbook; unpack it, or save the sheet"
                    " as CSV."
                )
            if not start.startswith(GZIP):
                return start + file.read(_SAMPLE - len(start)), False
        with gzip.open(path, "rb") as file:
            return file.read(_SAMPLE), True
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{where} is not a whole gzip file; copy or pack it again.") from None
    except OSError as error:
        raise DataError(f"{where} cannot be read ({error.strerror}).") from None


def _encoding(sample: bytes, where: str, named: str, key: str, whole: bool) -> str:
    if named != "auto":
        encoding = codecs.lookup(named).name
        if not _decodes(sample, encoding, whole):
            raise not_in_encoding(where, named, key)
        # Arrow takes the mark off UTF-8 itself.
        return "utf-8" if encoding in ("utf-8", "utf-8-sig", "ascii") else encoding
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        if _decodes(sample, "utf-16", whole):
            return "utf-16"
    elif b"\x00" in sample:
        raise DataError(f"{where} holds binary data, not text; export it as CSV or Parquet.")
    if _decodes(sample, "utf-8", whole):
        return "utf-8"
    if _looks_chinese(sample) and _decodes(sample, "gb18030", whole):
        return "gb18030"
    raise DataError(
        f"{where} is text in neither UTF-8 nor GB18030; name its encoding in {key}.encoding, or"
        " save it as UTF-8."
    )


def not_in_encoding(where: str, encoding: str, key: str) -> DataError:
    """Return the error for text that is not in the encoding it is read with."""
    name = {"utf-8": "UTF-8", "gb18030": "GB18030"}.get(encoding.lower(), encoding)
    return DataError(
        f"{where} is not {name} text throughout; set {key}.encoding to what it is (or auto), or"
        " save it as UTF-8."
    )


def _decodes(sample: bytes, encoding: str, whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)("strict").decode(sample, final=whole)
    except (UnicodeError, ValueError):
        return False
    return True


def _looks_chinese(sample: bytes) -> bool:
    """Return whether most bytes beyond ASCII come in the pairs of common Chinese characters."""
    pairs = others = place = 0
    while place < len(sample) - 1 and pairs + others < 10_000:
        first, second = sample[place], sample[place + 1]
        if first < 0x80:
            place += 1
        elif first in _HANZI_LEAD and second in _HANZI_TRAIL:
            pairs, place = pairs + 1, place + 2
        else:
            others, place = others + 1, place + (2 if second >= 0x40 else 1)
    return pairs > 9 * others


def _rows(text: str, delimiter: str, most: int) -> list[list[str]]:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            rows.append(row)
            if len(rows) == most:
                break
    except csv.Error:
        pass
    return rows or [[text.splitlines()[0]]]


def _delimiter(text: str) -> str:
    """Return the sign that divides the first lines into most columns, equally many in each."""
    best, most = ",", 1
    for sign in DELIMITERS.values():
        header, *rows = _rows(text, sign, _LINES)
        # The last line of a sample may be cut off.
        alike = sum(len(row) == len(header) for row in rows[:-1] if row)
        given = sum(bool(row) for row in rows[:-1])
        if len(header) > most and 2 * alike >= given:
            best, most = sign, len(header)
    return best
