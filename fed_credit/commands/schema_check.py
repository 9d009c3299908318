"""``fed-credit schema check``: who deviates in what, from counts alone."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fed_credit.commands.parser import Parser
from fed_credit.commands.schema import add_format
from fed_credit.errors import ConfigurationError, FedCreditError

if TYPE_CHECKING:
    from fed_credit.data.schema import Schema
    from fed_credit.onboarding.compare import Finding
    from fed_credit.onboarding.counts import BankCounts

_EXAMPLES = """\
examples:
  fed-credit schema check loans.csv --schema schema.yaml
  fed-credit schema check north.csv south.csv west.parquet --schema schema.yaml
  fed-credit schema check data=table data.path=loans.csv data.schema=schema.yaml

exit code: 0 all is well, 1 with findings, 2 if the command cannot be carried out
"""


def run_check(arguments: Sequence[str]) -> int:
    """Run ``fed-credit schema check``.

    Parameters
    ----------
    arguments : sequence of str
        What follows on the command line.

    Returns
    -------
    int
        0, or 1 with findings.

    Raises
    ------
    FedCreditError
        If a table or the schema cannot be read, or the findings not be written.
    """
    given = _parser().parse_args(list(arguments))
    overrides = [text for text in given.sources if "=" in text and not Path(text).exists()]
    if overrides and len(overrides) < len(given.sources):
        other = next(text for text in given.sources if text not in overrides)
        raise ConfigurationError(
            f"'{other}' is a file and '{overrides[0]}' a configuration; give one or the other."
        )
    if not overrides and given.schema is None:
        raise ConfigurationError("A file needs --schema FILE to be compared with.")

    from fed_credit.onboarding.compare import compare

    schema, banks, unknown = _configured(overrides, given.schema) if overrides else _files(given)
    findings = compare(banks, schema)
    if given.json:
        _write(Path(given.json), schema, banks, unknown, findings)
    _print(schema, banks, unknown, findings)
    return 1 if findings else 0


def _parser() -> Parser:
    parser = Parser(
        prog="fed-credit schema check",
        description="Compare tables with a schema and banks with each other: types, units by order"
        " of magnitude, bounds, categories, missing rates, dates. A table with the schema's"
        " institution column may hold several banks; otherwise each file is one bank's. Only"
        " counts are compared and shown, no records.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("sources", nargs="+", metavar="FILE | KEY=VALUE")
    parser.add_argument("--schema", metavar="FILE", help="schema file, or a packaged schema's name")
    parser.add_argument("--json", metavar="FILE", help="write counts and findings as JSON")
    add_format(parser)
    return parser


def _files(given: argparse.Namespace) -> tuple[Schema, dict[str, BankCounts], list[str]]:
    """Count one file after the other; the file's name is the bank where no column says it."""
    from fed_credit.config.location import schema_dir
    from fed_credit.data.load import resolve_schema
    from fed_credit.files import local_path
    from fed_credit.onboarding.counts import add_counts
    from fed_credit.onboarding.tables import chunks_of

    schema = resolve_schema(given.schema, schema_dir())
    banks: dict[str, BankCounts] = {}
    unknown: dict[str, None] = {}
    paths = [local_path(text) for text in given.sources]
    for path in paths:
        # Two folders may hold files of one name.
        alone = sum(other.stem == path.stem for other in paths) == 1
        read = chunks_of(path, encoding=given.encoding, delimiter=given.delimiter)
        for chunk in read():
            named = schema.roles.institution in chunk.columns
            owner = None if named else path.stem if alone else str(path)
            add_counts(banks, chunk, schema, owner)
            unknown.update(dict.fromkeys(c for c in chunk.columns if c not in schema.fields))
    return schema, banks, [str(name) for name in unknown]


def _configured(
    overrides: list[str], named: str | None
) -> tuple[Schema, dict[str, BankCounts], list[str]]:
    """Count what a configuration reads, mapped to the schema's names."""
    from fed_credit.config.load import compose
    from fed_credit.config.location import schema_dir
    from fed_credit.data.load import resolve_schema
    from fed_credit.data.sources import open_sources
    from fed_credit.onboarding.counts import add_counts

    spec = compose([*overrides, *([f"data.schema='{named}'"] if named else [])]).data
    schema = resolve_schema(spec.schema, schema_dir())
    banks: dict[str, BankCounts] = {}
    unknown: dict[str, None] = {}
    for source in open_sources(spec, schema):
        for chunk in source.chunks():
            add_counts(banks, chunk, source.schema, source.institution, source.factors)
            unknown.update(dict.fromkeys(c for c in chunk.columns if c not in schema.fields))
    return schema, banks, [str(name) for name in unknown]


def _print(
    schema: Schema, banks: dict[str, BankCounts], unknown: list[str], findings: list[Finding]
) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from fed_credit.onboarding.counts import NOBODY

    console = Console()
    rows = sum(bank.rows for bank in banks.values())
    named = sum(name != NOBODY for name in banks)
    head = f"{named:,} bank{'s' * (named != 1)}, {rows:,} rows against '{schema.name}'"
    if findings:
        table = Table(title=escape(f"{head}: findings, {len(findings)}"), title_justify="left")
        for column in ("bank", "field"):
            table.add_column(column, overflow="fold")
        table.add_column("what")
        table.add_column("finding", overflow="fold")
        for each in findings:
            table.add_row(*(escape(text) for text in vars(each).values()))
        console.print(table)
    else:
        console.print(f"{head}: nothing to report.", highlight=False, markup=False)
    if unknown:
        console.print(
            f"Columns that the schema does not name and a run ignores: {', '.join(unknown)}.",
            highlight=False,
            markup=False,
        )
    if named < 2:
        console.print("One bank only: there is nobody to compare it with.", highlight=False)


def _write(
    path: Path,
    schema: Schema,
    banks: dict[str, BankCounts],
    unknown: list[str],
    findings: list[Finding],
) -> None:
    from fed_credit.files import write_text

    body: dict[str, Any] = {
        "format": 1,
        "schema": schema.name,
        "banks": {
            name: {
                "rows": bank.rows,
                "fields": {
                    column: {
                        key: getattr(counts, key)
                        for key in ("rows", "missing", "broken", "outside", "unlisted")
                    }
                    for column, counts in bank.fields.items()
                },
            }
            for name, bank in banks.items()
        },
        "unknown_columns": unknown,
        "findings": [vars(each) for each in findings],
    }
    try:
        write_text(path, json.dumps(body, ensure_ascii=False, indent=1) + "\n")
    except FedCreditError as error:
        raise ConfigurationError(
            f"--json={path} cannot be written ({error.__context__ or error}); name another file."
        ) from None
