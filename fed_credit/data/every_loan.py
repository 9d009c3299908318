"""All loans of a bank: also those without an outcome, and those whose window is still open.

What a model is trained on has outcomes. What is watched is whoever applies, so a monitor keeps each
loan with its day of decision, and its outcome where that is known by the day of the report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from fed_credit.config.spec import DataSpec, PartitionKind, TargetSpec
from fed_credit.data.convert import as_text
from fed_credit.data.institutions import choose
from fed_credit.data.recipe import Recipe
from fed_credit.data.records import engineer, read_records
from fed_credit.data.schema import Field, Roles, Schema
from fed_credit.data.target import LabelState, label
from fed_credit.data.validate import validate
from fed_credit.errors import ConfigurationError, SchemaError


@dataclass(frozen=True, eq=False)
class EveryLoan:
    """Loans in the order of their source.

    Parameters
    ----------
    institution : str
        Whose they are.
    features : pandas.DataFrame
        ``(n, n_features)`` as in a loan book.
    decided : numpy.ndarray
        ``(n,) datetime64[D]``: day of decision; NaT where it is not known.
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good, -1 where the outcome is not known on the day of the report.
    rows, rejected : int
        Rows read, and of these rejected.
    recipes : mapping of str to Recipe
        How each engineered feature was computed.
    """

    institution: str
    features: pd.DataFrame
    decided: np.ndarray
    y: np.ndarray
    rows: int
    rejected: int
    recipes: Mapping[str, Recipe] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def columns(self) -> Sequence[str]:
        """Names of the features."""
        return list(self.features.columns)

    @cached_property
    def exposure(self) -> np.ndarray:
        """Ones: what is at risk plays no part in a monitor."""
        return np.ones(len(self.y))

    def take(self, chosen: np.ndarray) -> EveryLoan:
        """Return some of the loans, by a mask or by positions."""
        return replace(
            self,
            features=self.features[chosen] if chosen.dtype == bool else self.features.iloc[chosen],
            decided=self.decided[chosen],
            y=self.y[chosen],
        )


def watched_schema(schema: Schema) -> Schema:
    """Return a schema with the roles alone that a monitor looks at.

    Raises
    ------
    SchemaError
        If it names no day of decision.
    """
    roles = schema.roles
    if roles.decision_date is None:
        raise SchemaError(
            f"Schema '{schema.name}' names no day of decision, so there are no months to look at;"
            " name it under roles.decision_date."
        )
    kept = Roles(
        institution=roles.institution,
        loan_id=roles.loan_id,
        decision_date=roles.decision_date,
        event_date=roles.event_date,
        target=roles.target,
    )
    return replace(schema, roles=kept)


def read_every_loan(
    spec: DataSpec,
    schema: Schema,
    fields: tuple[Field, ...],
    *,
    window_months: int | None,
    as_of: str,
) -> EveryLoan:
    """Read all loans of one bank's source.

    Parameters
    ----------
    spec : DataSpec
        Where they lie: one institution with a source of its own.
    schema : Schema
        What the columns are.
    fields : tuple of Field
        The features.
    window_months : int or None
        Performance window of the outcomes; None for the final status.
    as_of : str
        Day of the report, ``YYYY-MM-DD``: what happened later is not known.

    Returns
    -------
    EveryLoan

    Raises
    ------
    SchemaError
        If a column is missing, or the schema names no day of decision.
    RejectedRowsError
        If more than ``data.max_rejected_share`` of the rows are rejected.
    DataError
        If the source cannot be read, or has no rows.
    """
    if len(spec.institutions) != 1:
        raise ConfigurationError("All loans of one bank are read from one source of its own.")
    schema = watched_schema(schema)
    target = TargetSpec(window_months, as_of)
    records = read_records(replace(spec, target=target), schema, fields)
    name = spec.institutions[0].name
    return _of(name, records.frame, schema, fields, target, records.rows, records.num_rejected)


def read_every_bank(
    spec: DataSpec,
    schema: Schema,
    fields: tuple[Field, ...],
    *,
    num_institutions: int | None,
    window_months: int | None,
    as_of: str,
) -> list[EveryLoan]:
    """Read all loans of all banks of a simulation, the largest bank first.

    Parameters
    ----------
    spec : DataSpec
        Where they lie.
    schema, fields, window_months, as_of
        As for :func:`read_every_loan`.
    num_institutions : int or None
        The k banks with most loans take part; None for all with ``data.min_loans``.

    Returns
    -------
    list of EveryLoan

    Raises
    ------
    ConfigurationError
        If banks are drawn, which takes outcomes that not all of these loans have.
    """
    if spec.partition.kind is not PartitionKind.NATURAL:
        raise ConfigurationError(
            f"data.partition.kind={spec.partition.kind} draws banks by outcomes, and a monitor"
            " looks at loans without one; use natural."
        )
    schema = watched_schema(schema)
    target = TargetSpec(window_months, as_of)
    records = read_records(replace(spec, target=target), schema, fields)
    names = as_text(records.frame[str(schema.roles.institution)])
    chosen = choose(names, min_loans=spec.min_loans, num_institutions=num_institutions, fewest=1)
    found = []
    for k, name in enumerate(chosen.names):
        frame = records.frame[chosen.member == k]
        found.append(_of(name, frame, schema, fields, target, len(frame), 0))
    return found


def every_loan_of(
    raw: pd.DataFrame,
    schema: Schema,
    names: Sequence[str],
    *,
    institution: str,
    window_months: int | None,
    as_of: str,
) -> EveryLoan:
    """Take all loans of a table that is at hand.

    Parameters
    ----------
    raw : pandas.DataFrame
        ``(n, ...)`` raw records under the schema's names, of any dtypes.
    schema : Schema
        What the columns are.
    names : sequence of str
        The features.
    institution : str
        Whose they are.
    window_months, as_of
        As for :func:`read_every_loan`.

    Returns
    -------
    EveryLoan
        Of the rows that the schema accepts.
    """
    schema = watched_schema(schema)
    recipe = Recipe.of(schema, names)
    made = set(recipe.names)
    roles = [name for name in vars(schema.roles).values() if name is not None]
    roles = [name for name in roles if name != schema.roles.institution]
    own = [name for name in names if name not in made]
    needed = list(dict.fromkeys([*roles, *own, *(name for name, _ in recipe.inputs)]))
    raw = raw.reset_index(drop=True)
    checked = validate(
        raw[[name for name in needed if name in raw.columns]],
        schema,
        needed=needed,
        required=[str(schema.roles.decision_date)],
    )
    checked = engineer(checked, schema, recipe)
    fields = tuple(schema.fields[name] for name in names)
    target = TargetSpec(window_months, as_of)
    rejected = len(raw) - len(checked.frame)
    return _of(institution, checked.frame, schema, fields, target, len(raw), rejected)


def _of(
    institution: str,
    frame: pd.DataFrame,
    schema: Schema,
    fields: tuple[Field, ...],
    target: TargetSpec,
    rows: int,
    rejected: int,
) -> EveryLoan:
    labels = label(frame, schema, target)
    features = frame[[item.name for item in fields]].reset_index(drop=True)
    decided = frame[str(schema.roles.decision_date)].to_numpy().astype("datetime64[D]")
    y = np.where(labels.state == LabelState.LABELLED, labels.y, -1).astype(np.int8)
    recipes = {item.name: Recipe.of(schema, [item.name]) for item in fields if item.formula}
    return EveryLoan(institution, features, decided, y, rows, rejected, recipes)
