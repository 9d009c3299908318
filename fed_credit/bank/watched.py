"""All loans of a bank for a monitor: what ``bank.yaml`` names, with the features of a run."""

from __future__ import annotations

from dataclasses import replace

from fed_credit.bank.loans import check_run, data_spec
from fed_credit.config.bank import BankSpec
from fed_credit.config.location import schema_dir
from fed_credit.data.every_loan import EveryLoan, read_every_loan
from fed_credit.data.load import resolve_schema
from fed_credit.errors import SchemaError
from fed_credit.training.run_spec import RunSpec


def load_watched(bank: BankSpec, run: RunSpec, as_of: str) -> EveryLoan:
    """Read all loans of a bank, those without an outcome too.

    Parameters
    ----------
    bank : BankSpec
        Where the loans lie, and which late fields the bank agrees to.
    run : RunSpec
        The run that the model came of: its features and its performance window.
    as_of : str
        Day of the report, ``YYYY-MM-DD``.

    Returns
    -------
    EveryLoan

    Raises
    ------
    ReleaseError
        If the run asks for what the bank's schema does not hold; safe to send.
    FedCreditError
        If the loans cannot be read; its text is for the bank alone.
    """
    schema = resolve_schema(bank.schema, schema_dir())
    dated = replace(run.population, target=replace(run.population.target, as_of=as_of))
    check_run(bank, schema, replace(run, population=dated))
    names = [item.name for item in run.features]
    fields = schema.features(
        run.decision_point,
        allow_late=[name for name in bank.allow_late_fields if name in names],
        exclude=[],
        only=names,
    )
    if not fields:
        raise SchemaError(f"Schema '{schema.name}' offers none of the run's features.")
    return read_every_loan(
        data_spec(bank, run),
        schema,
        fields,
        window_months=run.population.target.window_months,
        as_of=as_of,
    )
