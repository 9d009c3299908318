"""Reference tables: what a code stands for, such as the sector of an industry code."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fed_credit.errors import SchemaError, suggestion

LARGEST_TABLE = 5_000
"""Rows; a table travels to every bank and is part of the model."""


@dataclass(frozen=True)
class ReferenceTable:
    """A table from codes to categories or to numbers.

    Parameters
    ----------
    name : str
        How formulas name it.
    rows : tuple of (str, str or float)
        Code and value; every code once, and all values of one type.
    """

    name: str
    rows: tuple[tuple[str, str | float], ...]

    @cached_property
    def by_code(self) -> Mapping[str, str | float]:
        """The value of each code."""
        return dict(self.rows)

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers."""
        return isinstance(self.rows[0][1], float)

    @classmethod
    def of(cls, name: str, pairs: list[tuple[Any, Any]]) -> ReferenceTable:
        """Check the pairs of code and value.

        Raises
        ------
        SchemaError
            If a code repeats or is no text, values are of two types, or there are too many rows.
        """
        where = f"table '{name}'"
        if not 0 < len(pairs) <= LARGEST_TABLE:
            raise SchemaError(f"{where} has {len(pairs)} rows; it needs 1 to {LARGEST_TABLE}.")
        rows: dict[str, str | float] = {}
        for code, value in pairs:
            if not isinstance(code, str):
                raise SchemaError(
                    f"{where}: the code {code!r} is not text; quote it, so that zeros in front of a"
                    " code are kept."
                )
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise SchemaError(
                    f"{where}: the value of '{code}' is neither text nor a number; quote it."
                )
            code = code.strip()
            value = value.strip() if isinstance(value, str) else value
            if code == "" or value == "":
                raise SchemaError(f"{where} has an empty code or value ('{code}'); fill it in.")
            if code in rows:
                raise SchemaError(f"{where} has the code '{code}' twice; keep one.")
            if not isinstance(value, str):
                if not abs(value) < 1e300:  # also false for NaN
                    raise SchemaError(f"{where}: the value of '{code}' is no finite number.")
                value = float(value)
            rows[code] = value
        if len({isinstance(value, str) for value in rows.values()}) > 1:
            raise SchemaError(f"{where} has numbers and text as values; quote the numbers.")
        return cls(name, tuple(rows.items()))


def read_tables(path: Path, raw: Any) -> dict[str, ReferenceTable]:
    """Read the key ``tables`` of a schema file.

    Parameters
    ----------
    path : Path
        The schema file; files of tables are named relative to it.
    raw : object
        By name: a mapping of code to value; the name of a CSV file with two columns, code and
        value; or ``{file: NAME, key: COLUMN, value: COLUMN}`` for one with more. Values of a file
        are text, and numbers with ``numbers: true``.

    Returns
    -------
    dict of str to ReferenceTable

    Raises
    ------
    SchemaError
        If a table cannot be read or used, in one sentence.
    """
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise SchemaError(f"Schema file {path}: 'tables' must be a mapping of name to table.")
    tables = {}
    for name, body in raw.items():
        where = f"Schema file {path}: table '{name}'"
        if not str(name).isidentifier():
            raise SchemaError(f"{where} needs a name of letters, digits and underscores.")
        if isinstance(body, str):
            body = {"file": body}
        if not isinstance(body, dict):
            raise SchemaError(f"{where} must be a mapping of code to value, or name a CSV file.")
        if "file" in body and set(body) <= {"file", "key", "value", "numbers"}:
            pairs = _read_csv(path.parent, where, body)
        else:
            pairs = list(body.items())
        try:
            tables[str(name)] = ReferenceTable.of(str(name), pairs)
        except SchemaError as error:
            raise SchemaError(f"Schema file {path}: {error}") from None
    return tables


def _read_csv(folder: Path, where: str, body: dict[str, Any]) -> list[tuple[Any, Any]]:
    file = folder / str(body["file"])
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = [row for _, row in zip(range(LARGEST_TABLE + 3), csv.reader(stream)) if row]  # noqa: B905
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "not a CSV file in UTF-8"
        raise SchemaError(f"{where}: {file} cannot be read ({reason}).") from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    if "key" not in body and "value" not in body and len(header) != 2:
        raise SchemaError(
            f"{where}: {file} has {len(header)} columns; name two of them,"
            " {file: NAME, key: COLUMN, value: COLUMN}."
        )
    wanted = [str(body.get("key", header[0])), str(body.get("value", header[-1]))]
    for column in wanted:
        if column not in header:
            raise SchemaError(
                f"{where}: {file} has no column '{column}'.{suggestion(column, header)}"
            )
    key, value = (header.index(column) for column in wanted)
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise SchemaError(f"{where}: {file} has {len(row)} cells in row {line}; mend it.")
    cells = [(row[key].strip(), row[value].strip()) for row in rows[1:]]
    if body.get("numbers", False) is not True:
        return list(cells)
    pairs: list[tuple[Any, Any]] = []
    for code, text in cells:
        try:
            pairs.append((code, float(text)))
        except ValueError:
            raise SchemaError(
                f"{where}: {file} has '{text[:40]}' for the code '{code}', which is no number;"
                " mend it, or leave out numbers: true."
            ) from None
    return pairs
