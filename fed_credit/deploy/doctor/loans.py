"""A bank's own loans, read as a run reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fed_credit.config.bank import BankSpec
from fed_credit.deploy.doctor.finding import Finding, ok, problem, warning

_SHOWN = 8


def loans(bank: BankSpec) -> Iterator[Finding]:
    """Read a bank's source, hold it against the schema, and count what a run could use.

    What counts as an outcome is as the schema and the packaged configuration have it; a run may ask
    otherwise.

    Parameters
    ----------
    bank : BankSpec
        Names source, mapping and schema.

    Yields
    ------
    Finding
        One for the schema, one for each deviation from it, one for the loans.
    """
    from fed_credit.config.load import compose
    from fed_credit.config.location import schema_dir
    from fed_credit.config.spec import InstitutionSpec, SourceKind, TargetSpec
    from fed_credit.data.load import load_dataset, resolve_schema
    from fed_credit.data.sources import open_sources
    from fed_credit.onboarding.compare import compare
    from fed_credit.onboarding.counts import BankCounts, add_counts

    schema = resolve_schema(bank.schema, schema_dir())
    yield ok("schema", f"{schema.name}, {len(schema.fields)} fields")
    packaged = compose([])
    status = schema.roles.target is not None
    spec = replace(
        packaged.data,
        source=SourceKind.TABLE,
        csv=bank.source.csv,
        mapping=bank.mapping,
        institutions=[InstitutionSpec(bank.name, bank.source, bank.mapping)],
        schema=bank.schema,
        # A final status says it all; otherwise the packaged window up to the bank's latest date.
        target=TargetSpec(None if status else packaged.data.target.window_months, as_of=None),
        max_rejected_share=bank.max_rejected_share,
        min_loans=1,
    )
    counts: dict[str, BankCounts] = {}
    for source in open_sources(spec, schema):
        for chunk in source.chunks():
            add_counts(counts, chunk, source.schema, source.institution, source.factors)
    deviations = compare(counts, schema)
    mend = "Map it in bank.yaml (mapping), or mend the source; fed-credit schema check tells more."
    for each in deviations[:_SHOWN]:
        yield warning("data", f"{each.field}: {each.text}", mend)
    if len(deviations) > _SHOWN:
        yield warning("data", f"{len(deviations) - _SHOWN} further deviations", mend)
    if not deviations:
        yield ok("data", f"fits the schema '{schema.name}'")
    dataset = load_dataset(
        spec,
        num_institutions=None,
        schema_dir=schema_dir(),
        seed=packaged.seed,
        at_one_bank=True,
    )
    report = dataset.report
    found = (
        f"{report.rows:,} rows, {report.used:,} loans with an outcome, {report.rejected:,} rejected"
    )
    if report.used < bank.policy.min_loans:
        yield problem(
            "loans",
            found,
            f"policy.min_loans is {bank.policy.min_loans}, so this bank would answer nothing; see"
            " what source.path or the query leaves out.",
        )
    else:
        yield ok("loans", found)
