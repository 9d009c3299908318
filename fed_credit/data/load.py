"""From the records of a source to a data set: read, label, scope, choose institutions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from fed_credit.config.spec import DataSpec, PartitionKind
from fed_credit.data.book import DataReport, Dataset
from fed_credit.data.caveats import caveats
from fed_credit.data.convert import as_text
from fed_credit.data.fingerprint import fingerprint
from fed_credit.data.firms import at_several, firm_codes
from fed_credit.data.institutions import choose, draw
from fed_credit.data.records import check_roles, read_records
from fed_credit.data.schema import Field, Kind, KnownAt, Schema, load_schema
from fed_credit.data.target import LabelState, label, parse_date
from fed_credit.errors import ConfigurationError, DataError, SchemaError, suggestion
from fed_credit.files import local_path


def load_dataset(
    spec: DataSpec,
    *,
    num_institutions: int | None,
    schema_dir: Path,
    seed: int,
    at_one_bank: bool = False,
    schema: Schema | None = None,
) -> Dataset:
    """Read a source and return the labelled loans of the institutions that take part.

    Every row read is counted once, in this order: rejected, unlabelled or immature, out of scope
    (decided before ``data.approved_from``), left out with its institution, or used. Within an
    institution loans keep the order of the source.

    A loan whose exposure is missing or negative counts as 0: it adds nothing to figures by amount
    and takes full part in all others. Without a field that plays the role, exposure is 1.

    Parameters
    ----------
    spec : DataSpec
        Where records come from and which of them count.
    num_institutions : int or None
        The k largest institutions take part; None for all.
    schema_dir : Path
        Folder of the packaged schemas.
    seed : int
        Seed of drawn institutions; natural ones do not depend on it.
    at_one_bank : bool, default=False
        Whether a bank of a deployment loads its own loans: one institution will then do, and loans
        of one outcome too.
    schema : Schema or None
        What the fields are, of whoever holds it; None to read what ``data.schema`` names.

    Returns
    -------
    Dataset

    Raises
    ------
    ConfigurationError, SchemaError
        If a setting or the schema cannot be used.
    RejectedRowsError
        If more than ``data.max_rejected_share`` of the rows are rejected.
    DataError
        If the data cannot be read, or too little of them is left.
    """
    if spec.decision_point is KnownAt.OUTCOME:
        raise ConfigurationError(
            "data.decision_point=outcome is too late to decide anything; choose application or"
            " booking."
        )
    if not 0.0 <= spec.max_rejected_share <= 1.0:
        raise ConfigurationError(
            f"data.max_rejected_share={spec.max_rejected_share} must lie between 0 and 1."
        )
    if schema is None:
        schema = resolve_schema(spec.schema, schema_dir)
    check_roles(schema, spec)
    fields = schema.features(
        spec.decision_point,
        allow_late=spec.allow_late_fields,
        exclude=spec.exclude_fields,
        only=spec.features,
    )
    if not fields:
        raise SchemaError(
            f"Schema '{schema.name}' has no feature left at data.decision_point="
            f"{spec.decision_point}; check data.features and data.exclude_fields."
        )
    records = read_records(spec, schema, fields)
    frame, rejected = records.frame, records.rejected
    report = DataReport(rows=records.rows, rejected=records.num_rejected, reasons=records.reasons)
    starts = records.starts
    del records  # whose table need not outlive the selection of its rows
    labels = label(frame, schema, spec.target)
    labelled = labels.state == LabelState.LABELLED
    in_scope = labelled & _in_scope(frame, schema, spec)
    report.unlabelled = int((labels.state == LabelState.UNLABELLED).sum())
    report.immature = int((labels.state == LabelState.IMMATURE).sum())
    report.out_of_scope = int(labelled.sum() - in_scope.sum())
    if not in_scope.any():
        raise DataError(
            f"No labelled loan is left of {report.rows} rows ({report.rejected} rejected,"
            f" {report.unlabelled} without outcome, {report.immature} not observed for the whole"
            f" window, {report.out_of_scope} before data.approved_from): check data.target and"
            " data.approved_from."
        )
    frame, y = _rows(frame, np.flatnonzero(in_scope)), labels.y[in_scope]
    names = _institution_names(frame, schema, spec, y, seed)
    chosen = choose(
        names,
        min_loans=spec.min_loans,
        num_institutions=num_institutions,
        fewest=1 if at_one_bank else 2,
    )
    report.left_out = int((chosen.member < 0).sum())
    report.left_out_institutions = chosen.left_out
    report.used = int((chosen.member >= 0).sum())

    order = np.argsort(chosen.member, kind="stable")[report.left_out :]
    counts = np.bincount(chosen.member[order], minlength=len(chosen.names))
    # Of the whole source: whether a firm is shared must not depend on who takes part.
    firm = _firms(frame, schema, starts)
    shared = at_several(firm, pd.factorize(names)[0])
    frame, y = _rows(frame, order), y[order]
    exposure, unknown = _exposure(frame, schema)
    if not (at_one_bank or 0 < y.sum() < len(y)):
        raise DataError(
            f"All {len(y)} labelled loans are {'bad' if y[0] else 'good'}: there is nothing to"
            " learn; check data.target and the spellings of good and bad in the schema."
        )
    dataset = Dataset(
        schema=schema,
        decision_point=spec.decision_point,
        fields=fields,
        names=chosen.names,
        offsets=np.r_[0, np.cumsum(counts)].astype(np.int64),
        features=_features(frame, fields),
        y=y,
        exposure=exposure,
        loan_id=_loan_ids(frame, schema, starts),
        firm=firm[order],
        decided=_decided(frame, schema),
        true_pd=(
            None
            if schema.roles.true_pd is None
            else frame[schema.roles.true_pd].to_numpy(dtype=np.float64)
        ),
        report=report,
        rejected=rejected,
        shared_firm=shared[order],
    )
    report.fingerprint = fingerprint(dataset)
    return replace(dataset, warnings=caveats(dataset, spec, labels, unknown))


def resolve_schema(name: str, schema_dir: Path) -> Schema:
    """Return a packaged schema by its name, or else read the file of that path.

    Parameters
    ----------
    name : str
        Name of a packaged schema, or path to a schema file.
    schema_dir : Path
        Folder of the packaged schemas.

    Returns
    -------
    Schema

    Raises
    ------
    SchemaError
        If there is neither, or the file is no schema.
    """
    packaged = {path.stem: path for path in sorted(schema_dir.glob("*.yaml"))}
    if name in packaged:
        return load_schema(packaged[name])
    path = local_path(name)
    if not path.is_file():
        raise SchemaError(
            f"data.schema={name} is neither a packaged schema ({', '.join(packaged) or 'none'}) nor"
            f" a file; check the path.{suggestion(name, packaged)}"
        )
    return load_schema(path)


def _in_scope(frame: pd.DataFrame, schema: Schema, spec: DataSpec) -> np.ndarray:
    if spec.approved_from is None:
        return np.ones(len(frame), dtype=bool)
    first = parse_date("data.approved_from", spec.approved_from)
    return _decided(frame, schema) >= first


def _decided(frame: pd.DataFrame, schema: Schema) -> np.ndarray:
    if schema.roles.decision_date is None:
        return np.full(len(frame), "NaT", dtype="datetime64[D]")
    return frame[schema.roles.decision_date].to_numpy().astype("datetime64[D]")


def _institution_names(
    frame: pd.DataFrame, schema: Schema, spec: DataSpec, y: np.ndarray, seed: int
) -> pd.Series:
    if spec.partition.kind is PartitionKind.NATURAL:
        return as_text(frame[str(schema.roles.institution)])
    return draw(y, spec.partition, seed).set_axis(frame.index)


def _firms(frame: pd.DataFrame, schema: Schema, starts: np.ndarray | None) -> np.ndarray:
    """Return the firms' codes; a loan of no known firm goes by its own identifier.

    A loan without one goes by its row, at a bank with a source of its own by its row in that, so
    that the bank needs no other bank's rows to find the same code.
    """
    loan, bank, firm = schema.roles.loan_id, schema.roles.institution, schema.roles.firm_id

    def key(own: np.ndarray) -> pd.Series:
        rows = frame.loc[own]
        owner = "" if bank not in rows.columns else as_text(rows[bank]).fillna("")
        named = _own_rows(rows.index, starts)
        if starts is not None:
            named = owner + "\x1f\x1f" + named
        if loan is not None:
            named = (owner + "\x1f" + as_text(rows[loan])).fillna(named)
        return named

    return firm_codes(None if firm is None else as_text(frame[firm]), key, len(frame))


def _exposure(frame: pd.DataFrame, schema: Schema) -> tuple[np.ndarray, int]:
    """Return the exposure and how many loans have none that counts."""
    if schema.roles.exposure is None:
        return np.ones(len(frame)), 0
    values = frame[schema.roles.exposure].to_numpy(dtype=np.float64)
    unknown = ~(values >= 0.0)
    return np.where(unknown, 0.0, values), int(unknown.sum())


def _rows(frame: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """Return rows by position, column by column, so that little is there twice at once."""
    if len(rows) == len(frame) and (rows == np.arange(len(rows))).all():
        return frame
    index = frame.index[rows]
    taken = {name: frame.pop(name).array.take(rows) for name in list(frame.columns)}
    return pd.DataFrame(taken, index=index, copy=False)


def _features(frame: pd.DataFrame, fields: tuple[Field, ...]) -> pd.DataFrame:
    features = frame[[item.name for item in fields]].reset_index(drop=True)
    for item in fields:
        if item.kind is Kind.CATEGORICAL and not item.values:
            # Values that only other institutions hold are no concern of those that take part.
            features[item.name] = features[item.name].cat.remove_unused_categories()
    return features


def _own_rows(index: pd.Index, starts: np.ndarray | None, first: int = 0) -> pd.Series:
    """Return the row of each loan in its own source as text, counted from ``first``."""
    rows = index.to_numpy(dtype=np.int64)
    if starts is not None:
        rows = rows - starts[np.searchsorted(starts, rows, side="right") - 1]
    return pd.Series(rows + first, index=index).astype("str")


def _loan_ids(frame: pd.DataFrame, schema: Schema, starts: np.ndarray | None) -> np.ndarray:
    """Return the loans' identifiers; where there is none, the 1-based row of the source."""
    rows = _own_rows(frame.index, starts, first=1)
    name = schema.roles.loan_id
    return (rows if name is None else frame[name].fillna(rows)).to_numpy(dtype=object)
