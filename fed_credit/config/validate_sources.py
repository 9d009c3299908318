"""Where records come from: values of the right types that name no place, or two."""

from __future__ import annotations

import codecs
import math
from datetime import datetime

from fed_credit.config.convert import refused
from fed_credit.config.names import DELIMITERS
from fed_credit.config.spec import (
    CsvSpec,
    DataSpec,
    InstitutionSpec,
    MappingSpec,
    SourceKind,
    SourceSpec,
)
from fed_credit.config.urls import check_url
from fed_credit.errors import ConfigurationError


def check_sources(data: DataSpec) -> None:
    """Refuse sources that name no place, or two, or cannot be read as they say.

    Parameters
    ----------
    data : DataSpec
        With values of the right types.

    Raises
    ------
    ConfigurationError
        Names the key, and never the address of a database, which may hold a password.
    """
    given = {
        "data.path": data.path,
        "data.url": data.url,
        "data.query": data.query,
        "data.institutions": data.institutions or None,
    }
    named = [key for key, value in given.items() if value is not None]
    for key, url in _urls(data):
        check_url(key, url)
    if data.source is SourceKind.SYNTHETIC:
        for key in named:
            raise refused(
                key,
                "..." if key == "data.institutions" else given[key],
                "data=synthetic generates its loans and reads no source of yours; add data=table"
                " or data=sba",
            )
        return
    if data.source is SourceKind.SBA:
        if not data.path:
            raise ConfigurationError("data=sba needs data.path=FILE, the SBAnational CSV.")
        if named != ["data.path"]:
            raise ConfigurationError(
                f"{named[1]} cannot be used with data=sba, which reads one file in the public"
                " layout; use data=table with a schema of your own."
            )
        return
    where = (data.path, data.url, data.query)
    if data.institutions:
        if any(value is not None for value in where):
            raise ConfigurationError(
                f"data.institutions names a source per bank, and {named[0]} another; drop one of"
                " them."
            )
        _check_institutions(data.institutions)
        return
    if not any(where):
        raise ConfigurationError(
            "data=table needs data.path=FILE, the table of loans, or data.url=URL with"
            " data.query=QUERY, or data.institutions with a source per bank."
        )
    _check_place("data", *where)
    _check_reading("data.csv", data.csv, "data.mapping", data.mapping)


def check_source(source: SourceSpec, mapping: MappingSpec) -> None:
    """Refuse one bank's source that names no place, or two, or cannot be read as it says.

    Parameters
    ----------
    source : SourceSpec
        Where the loans lie, under the key ``source``.
    mapping : MappingSpec
        The source's own names, under the key ``mapping``.

    Raises
    ------
    ConfigurationError
        As :func:`check_sources`.
    """
    if source.url is not None:
        check_url("source.url", source.url)
    if not (source.path or source.url or source.query):
        raise ConfigurationError(
            "source names no place; give it a path, the file of loans, or a url and a query."
        )
    _check_place("source", source.path, source.url, source.query)
    _check_reading("source.csv", source.csv, "mapping", mapping)


def _urls(data: DataSpec) -> list[tuple[str, str]]:
    places = [
        (f"data.institutions[{place}].source.url", item.source.url)
        for place, item in enumerate(data.institutions)
    ]
    return [(key, url) for key, url in [("data.url", data.url), *places] if url is not None]


def _check_institutions(institutions: list[InstitutionSpec]) -> None:
    names = [item.name.strip() for item in institutions]
    for place, item in enumerate(institutions):
        key = f"data.institutions[{place}]"
        if not names[place]:
            raise ConfigurationError(f"{key}.name is empty; name the bank.")
        if names[place] in names[:place]:
            raise ConfigurationError(f"{key}.name={item.name} names a bank twice; name each once.")
        source = item.source
        if not (source.path or source.url or source.query):
            raise ConfigurationError(
                f"{key}.source of bank '{item.name}' names no place; give it a path, or a url and"
                " a query."
            )
        _check_place(f"{key}.source", source.path, source.url, source.query)
        _check_reading(f"{key}.source.csv", source.csv, f"{key}.mapping", item.mapping)
    if len(names) < 2:
        raise ConfigurationError(
            "data.institutions names one bank, and a federation needs two: name another."
        )


def _check_place(key: str, path: str | None, url: str | None, query: str | None) -> None:
    if path and (url or query):
        raise ConfigurationError(
            f"{key}.path and {key}.{'url' if url else 'query'} name two sources; drop one of them."
        )
    if url and not (query or "").strip():
        raise ConfigurationError(
            f"{key}.url needs {key}.query, what to ask the database, as in 'SELECT * FROM loans"
            " ORDER BY loan_id'."
        )
    if query and not url:
        raise ConfigurationError(f"{key}.query needs {key}.url, the address of the database.")


def _check_reading(spelled: str, csv: CsvSpec, mapped: str, mapping: MappingSpec) -> None:
    if csv.delimiter not in ("auto", *DELIMITERS) and (
        len(csv.delimiter) != 1 or csv.delimiter.isalnum() or csv.delimiter in '"\r\n'
    ):
        raise refused(
            f"{spelled}.delimiter",
            csv.delimiter,
            f"choose auto, {', '.join(DELIMITERS)}, or another single sign",
        )
    if csv.encoding != "auto":
        try:
            text = codecs.lookup(csv.encoding)._is_text_encoding
        except (LookupError, ValueError):
            text = False
        if not text:
            raise refused(
                f"{spelled}.encoding",
                csv.encoding,
                "no such encoding is known; choose auto, or one like utf-8 or gb18030",
            )
    if csv.decimal not in (".", ","):
        raise refused(f"{spelled}.decimal", csv.decimal, "choose . or ,")
    for name, factor in mapping.units.items():
        if not math.isfinite(factor) or factor == 0:
            raise refused(
                f"{mapped}.units.{name}", factor, "a unit is a finite number other than 0"
            )
    for name, spelling in mapping.dates.items():
        if "%" not in spelling or not _is_date_format(spelling):
            raise refused(
                f"{mapped}.dates.{name}",
                spelling,
                "spell out where year, month and day stand, as in %Y%m%d",
            )


def _is_date_format(spelling: str) -> bool:
    day = datetime(2023, 11, 30)
    try:
        return datetime.strptime(day.strftime(spelling), spelling) == day
    except ValueError:
        return False
