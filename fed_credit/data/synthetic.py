"""Built-in data: synthetic loans to micro and small enterprises at several banks.

Who applies where is in :mod:`fed_credit.data.synthetic_applications`, with which records in
:mod:`fed_credit.data.synthetic_records`, what makes a loan default in
:mod:`fed_credit.data.synthetic_risk`, and which values are missing in
:mod:`fed_credit.data.synthetic_missing`; the packaged schema ``synthetic`` describes the fields.
What a reader should know:

- ``true_pd`` is the chance of a default within 24 months given everything but the noise term: its
  AUC is the best that any model can reach, and it is calibrated. Models see less: some values are
  missing, and neither the bank nor the month is a feature.
- ``default_date`` is given whenever the default happens, up to three months after the last
  instalment; whoever loads the records censors at the observation date (``data.target.as_of``).
- Loans of one firm share its fields, but default independently given them, and a firm may borrow
  again after a default.
"""

from __future__ import annotations

import re
from dataclasses import fields

import numpy as np
import pandas as pd

from fed_credit.config.spec import SyntheticSpec
from fed_credit.data import (
    synthetic_applications,
    synthetic_missing,
    synthetic_records,
    synthetic_risk,
)
from fed_credit.errors import ConfigurationError


def generate(spec: SyntheticSpec) -> pd.DataFrame:
    """Generate loan records; equal specifications give equal records.

    Parameters
    ----------
    spec : SyntheticSpec
        Size, period and what makes federation hard. Each variable has its own random stream, so
        records that differ in one knob can be compared loan by loan.

    Returns
    -------
    pandas.DataFrame
        ``(num_loans, n_fields)`` in the order of the schema's fields without the engineered ones,
        sorted by application date: float64 for numeric fields with NaN where missing, ``category``
        for categorical and boolean ("Y", "N") fields, ``str`` for identifiers and the institution,
        ``datetime64`` for dates. The largest bank comes first in the alphabet.

    Raises
    ------
    ConfigurationError
        If a knob has a value that makes no sense.
    """
    _check(spec)
    who = synthetic_applications.allocate(spec)
    r = synthetic_records.records(spec, who)
    linear = synthetic_risk.log_odds(spec, who, r)
    intercept, pd24 = synthetic_risk.true_pd(spec, linear)
    linear += intercept
    months = synthetic_risk.default_months(spec, linear, r["requested_term"])
    granted = synthetic_risk.booking(spec, who, r, pd24)

    width = len(str(spec.num_loans))
    names = synthetic_applications.bank_names(spec.num_institutions)
    columns: dict[str, object] = {
        "loan_id": _identifiers("L", np.arange(1, spec.num_loans + 1), width),
        "firm_id": _identifiers("F", who.firm + 1, width),
        "institution": pd.Categorical.from_codes(who.bank, pd.Index(names)).astype("str"),
        "application_date": who.date.astype("datetime64[s]"),
    }
    for name, values in r.items():
        absent = synthetic_missing.missing_mask(spec, who, r, name)
        if name in synthetic_records.CATEGORIES:
            known = pd.Index(synthetic_records.CATEGORIES[name])
            columns[name] = pd.Categorical.from_codes(np.where(absent, -1, values), known)
        else:
            columns[name] = np.where(absent, np.nan, values)
    columns |= granted
    columns["default_date"] = synthetic_risk.months_after(who.date, months).astype("datetime64[s]")
    columns |= synthetic_risk.aftermath(spec, r, granted["approved_amount"], months)
    columns["true_pd"] = pd24
    return pd.DataFrame(columns, copy=False)


def _identifiers(prefix: str, numbers: np.ndarray, width: int) -> pd.Series:
    return prefix + pd.Series(numbers).astype("str").str.zfill(width)


def _check(spec: SyntheticSpec) -> None:
    """Refuse knobs that make no sense, naming the configuration key."""
    # (lowest, highest); the shifts beyond 10 are no heterogeneity but nonsense.
    bounds = {
        "num_loans": (1, 100_000_000),
        "num_institutions": (1, 100_000),
        "seed": (0, 2**63 - 1),
        "base_default_rate": (1e-4, 0.9),
        "missing": (0, 10),
        "shared_firms": (0, 1),
    }
    for knob in fields(spec):
        if knob.name in ("first_month", "last_month", "break_from"):
            continue
        low, high = bounds.get(knob.name, (0, 10))
        value = getattr(spec, knob.name)
        if not low <= value <= high:
            raise ConfigurationError(
                f"data.generator.{knob.name} is {value}; choose a value from {low} to {high}."
            )
    for name in ("first_month", "last_month", "break_from"):
        value = getattr(spec, name)
        if value is None and name == "break_from":
            continue
        if not re.fullmatch(r"(19|20)\d\d-(0[1-9]|1[0-2])", value):
            raise ConfigurationError(
                f"data.generator.{name} is '{value}'; write a month from 1900 to 2099 as YYYY-MM."
            )
    if spec.first_month > spec.last_month:
        raise ConfigurationError(
            f"data.generator.first_month ({spec.first_month}) is after data.generator.last_month"
            f" ({spec.last_month}); swap them."
        )
    if spec.num_loans < spec.num_institutions:
        raise ConfigurationError(
            f"data.generator.num_loans ({spec.num_loans}) is below data.generator.num_institutions"
            f" ({spec.num_institutions}); generate more loans or fewer banks."
        )
