"""A bank's own loans for a run: what ``bank.yaml`` names, as the run's population and features.

What travels says which of the bank's loans count and which of their fields; where they lie, and
what the fields are, is for the bank alone to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import yaml

from fed_credit.config.bank import BankSpec
from fed_credit.config.convert import build
from fed_credit.config.location import conf_dir, schema_dir
from fed_credit.config.spec import (
    DataSpec,
    InstitutionSpec,
    PartitionKind,
    PartitionSpec,
    SourceKind,
    SplitKind,
    SplitSpec,
    SyntheticSpec,
    TargetSpec,
)
from fed_credit.data.book import DataReport, LoanBook
from fed_credit.data.load import load_dataset, resolve_schema
from fed_credit.data.schema import KnownAt, Schema
from fed_credit.data.split import assign_parts, check_divisible_alone
from fed_credit.errors import ConfigurationError, FedCreditError, ReleaseError
from fed_credit.features.spec import FeatureSpec
from fed_credit.training.run_spec import RunSpec


@dataclass(frozen=True)
class OwnLoans:
    """A bank's loans as a run is about them.

    Parameters
    ----------
    book : LoanBook
        The labelled loans, in the order of the source.
    parts : numpy.ndarray
        ``(n_loans,) int8`` codes of :class:`~fed_credit.data.book.Part`.
    report : DataReport
        Where every row that was read went.
    rejected : pandas.DataFrame
        Rejected rows: ``row`` (1-based, in the source), ``field``, ``reason``, ``value``.
    warnings : tuple of str
        What a reader of figures on these loans has to know.
    """

    book: LoanBook
    parts: np.ndarray
    report: DataReport
    rejected: pd.DataFrame
    warnings: tuple[str, ...]


def load_own(bank: BankSpec, run: RunSpec) -> OwnLoans:
    """Read a bank's own loans, label and divide them as a run asks.

    Loans, labels and parts are the bits that reading all banks' sources in one place gives for this
    bank with ``data.split.stratified=false``.

    Parameters
    ----------
    bank : BankSpec
        Where the loans lie, and which late fields the bank agrees to.
    run : RunSpec
        Population, features and seed.

    Returns
    -------
    OwnLoans

    Raises
    ------
    ReleaseError
        If the run asks for what the bank's schema does not hold or the bank alone cannot find out;
        safe to send.
    RejectedRowsError
        If more rows are rejected than the bank allows.
    FedCreditError
        If the loans cannot be read; its text is for the bank alone.
    """
    check_run(bank, resolve_schema(bank.schema, schema_dir()), run)
    try:
        dataset = load_dataset(
            data_spec(bank, run),
            num_institutions=None,
            schema_dir=schema_dir(),
            seed=run.seed,
            at_one_bank=True,
        )
    except FedCreditError as error:
        error.args = (_in_the_bank_s_words(str(error)),)
        raise
    split, window = run.population.split, run.population.target.window_months
    parts = assign_parts(dataset, split, window, run.seed, at_one_bank=True)
    return OwnLoans(dataset.book(0), parts, dataset.report, dataset.rejected, dataset.warnings)


def data_spec(bank: BankSpec, run: RunSpec) -> DataSpec:
    """Return a bank's source as a data set of one institution."""
    population = run.population
    asked = [item.name for item in run.features]
    source = InstitutionSpec(bank.name, bank.source, bank.mapping)
    return replace(
        source_spec(source, bank.schema, bank.max_rejected_share, run.decision_point),
        allow_late_fields=[name for name in bank.allow_late_fields if name in asked],
        features=asked,
        approved_from=population.approved_from,
        target=population.target,
        split=population.split,
    )


def source_spec(
    source: InstitutionSpec, schema: str, max_rejected_share: float, decision_point: KnownAt
) -> DataSpec:
    """Return one institution's source as a data set, of loans of any time and with any outcome.

    Parameters
    ----------
    source : InstitutionSpec
        Where the loans lie.
    schema : str
        Name of the schema.
    max_rejected_share : float
        Nothing is read when a larger share of the rows is rejected.
    decision_point : KnownAt
        When the model decides.
    """
    return DataSpec(
        source=SourceKind.TABLE,
        path=None,
        url=None,
        query=None,
        csv=source.source.csv,
        mapping=source.mapping,
        institutions=[source],
        schema=schema,
        decision_point=decision_point,
        allow_late_fields=[],
        exclude_fields=[],
        features=[],
        approved_from=None,
        min_loans=1,
        max_rejected_share=max_rejected_share,
        target=TargetSpec(window_months=None, as_of=None),
        partition=PartitionSpec(PartitionKind.NATURAL, num_parts=1, alpha=1.0),
        split=SplitSpec(
            SplitKind.RANDOM,
            test_from=None,
            test_share=0.2,
            validation_share=0.2,
            stratified=False,
            embargo=True,
        ),
        generator=_no_generator(),
    )


def _in_the_bank_s_words(sentence: str) -> str:
    """Name keys as ``bank.yaml`` does, not as the configuration of a simulation."""
    return sentence.replace("data.institutions[0].", "bank.yaml's ").replace(
        "data.max_rejected_share", "bank.yaml's max_rejected_share"
    )


def check_run(bank: BankSpec, schema: Schema, run: RunSpec) -> None:
    """Ask whether a run is about what the bank's schema holds, in the same words.

    Parameters
    ----------
    bank : BankSpec
        Which late fields it agrees to.
    schema : Schema
        The bank's.
    run : RunSpec
        What is asked.

    Raises
    ------
    ReleaseError
        In one sentence that is safe to send: it holds names of fields and no value of a record.
    """
    population = run.population
    if population.schema != schema.name:
        raise ReleaseError(
            f"{bank.name} holds its loans by the schema '{schema.name}', and the run asks for"
            f" '{population.schema[:80]}'; bank and operator need the same schema; refused."
        )
    names = [item.name for item in run.features]
    if not names or len(set(names)) < len(names):
        raise ReleaseError("A run names each of its features once, and at least one; refused.")
    if run.decision_point is KnownAt.OUTCOME:
        raise ReleaseError(
            "A model that decides when the outcome is known predicts nothing; refused."
        )
    for feature in run.features:
        _check_feature(bank, schema, feature, run.decision_point)
    if population.target.window_months is not None and population.target.as_of is None:
        raise ReleaseError(
            "data.target.as_of=YYYY-MM-DD has to be given for a performance window in a deployment:"
            " no bank knows up to when the others observed their loans; refused."
        )
    try:
        check_divisible_alone(population.split)
    except ConfigurationError as error:
        raise ReleaseError(f"{str(error).rstrip('.')}; refused.") from None


def _check_feature(
    bank: BankSpec, schema: Schema, feature: FeatureSpec, decision_point: KnownAt
) -> None:
    field = schema.fields.get(feature.name)
    if field is None or not field.is_feature:
        raise ReleaseError(
            f"{bank.name}'s schema '{schema.name}' does not offer '{feature.name[:80]}' as a"
            " feature; refused."
        )
    late = field.known_at.rank > decision_point.rank
    if late and field.name not in bank.allow_late_fields:
        raise ReleaseError(
            f"'{field.name}' is known only at {field.known_at}, after the decision at"
            f" {decision_point}, and {bank.name} does not agree to use it (allow_late_fields in its"
            " bank.yaml); refused."
        )
    own = FeatureSpec.of(field, schema)
    differing = [key for key, value in vars(own).items() if value != getattr(feature, key)]
    if differing:
        raise ReleaseError(
            f"{bank.name}'s schema '{schema.name}' has another {_WORDS[differing[0]]} for"
            f" '{field.name}' than the run; bank and operator need the same schema; refused."
        )


_WORDS: Mapping[str, str] = {
    "kind": "kind",
    "known_at": "time at which it is known",
    "source": "source",
    "values": "list of values",
    "hash_buckets": "number of hash buckets",
    "recipe": "formula",
}


def _no_generator() -> SyntheticSpec:
    """Return the knobs of the built-in generator, which a table does not turn."""
    packaged = conf_dir() / "data" / "synthetic.yaml"
    body: dict[str, Any] = yaml.safe_load(packaged.read_text(encoding="utf-8"))
    return build(SyntheticSpec, body["generator"])
