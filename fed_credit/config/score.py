"""How a table of applications is spelled: the file of ``fed-credit score --config``, typed.

As in :mod:`fed_credit.config.spec`, no field has a default here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fed_credit.config.bank import BANK_FILE, load_bank
from fed_credit.config.operation import over_packaged
from fed_credit.config.spec import CsvSpec, MappingSpec, SourceSpec
from fed_credit.config.validate_sources import check_source
from fed_credit.config.yaml_file import naming, read_mapping
from fed_credit.errors import ConfigurationError

SCORE_FILE = "score.yaml"


@dataclass
class TableSpec:
    """Where a table lies if it is no file, and how it is spelled.

    Parameters
    ----------
    url, query : str or None
        A database instead of a file.
    csv : CsvSpec
        How the file is spelled, if it is CSV.
    mapping : MappingSpec
        The table's own names.
    """

    url: str | None
    query: str | None
    csv: CsvSpec
    mapping: MappingSpec


def load_table(path: Path | None, loans: str | None) -> tuple[SourceSpec, MappingSpec]:
    """Read how a table is spelled, over the packaged defaults.

    Parameters
    ----------
    path : Path or None
        The file; a bank's ``bank.yaml`` will do, whose spellings are taken. None for the defaults.
    loans : str or None
        The table's file; None for the database that ``path`` names.

    Returns
    -------
    (SourceSpec, MappingSpec)

    Raises
    ------
    ConfigurationError
        If the file is missing or cannot be used, or there is no table, or two.
    """
    if path is not None and path.name == BANK_FILE:
        bank = load_bank(path)
        spec = TableSpec(None, None, bank.source.csv, bank.mapping)
    else:
        own = {} if path is None else read_mapping(path)
        with naming(path):
            spec = over_packaged(TableSpec, SCORE_FILE, own)
    if (loans is None) == (spec.url is None):
        raise ConfigurationError(
            "There is no table to score: name a file, or a url and a query with --config."
            if loans is None
            else f"{path} names a database and the command line {loans}; give one of the two."
        )
    source = SourceSpec(loans, spec.url, spec.query, spec.csv)
    try:
        check_source(source, spec.mapping)
    except ConfigurationError as error:
        raise ConfigurationError(str(error) if path is None else f"{path}: {error}") from None
    return source, spec.mapping
