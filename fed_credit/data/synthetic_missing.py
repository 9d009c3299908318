"""Which values the built-in data lack: gaps that depend on the firm and the bank, not on chance."""

from __future__ import annotations

import numpy as np

from fed_credit.config.spec import SyntheticSpec
from fed_credit.data.synthetic_applications import Applications, stream
from fed_credit.data.synthetic_records import Records

# Share of records that lack the field at scale 1, for a firm of middling size at a middling bank.
_MISSING = {
    "legal_form": 0.01,
    "firm_age": 0.01,
    "employees": 0.02,
    "turnover": 0.01,
    "turnover_growth": 0.06,
    "margin": 0.07,
    "cash_flow_volatility": 0.06,
    "tax_on_time": 0.07,
    "electricity": 0.10,
    "electricity_trend": 0.12,
    "existing_debt": 0.03,
    "inquiries": 0.03,
    "owner_experience": 0.06,
    "collateral_value": 0.04,
    "purpose": 0.02,
}


def missing_mask(spec: SyntheticSpec, who: Applications, r: Records, name: str) -> np.ndarray:
    """Say which loans lack a field: the smaller the firm and the sloppier the bank, the more.

    Parameters
    ----------
    spec : SyntheticSpec
    who : Applications
    r : Records
        Complete records.
    name : str
        Field.

    Returns
    -------
    numpy.ndarray
        ``(n_loans,) bool``.
    """
    if name not in _MISSING or spec.missing == 0:
        return np.zeros(spec.num_loans, dtype=bool)
    rng = stream(spec, f"missing.{name}")
    sloppy = 0.5 * stream(spec, "bank.missing").standard_normal(spec.num_institutions)
    sloppy += 0.4 * rng.standard_normal(spec.num_institutions)  # each bank has its own gaps
    odds = sloppy[who.bank] - 0.5 * (np.log(r["employees"]) - 1.3)
    if name == "margin":  # who earns little does not like to say so
        odds -= 3.0 * (r["margin"] - 0.08)
    chance = np.minimum(spec.missing * _MISSING[name] * np.exp(odds), 0.95)
    mask: np.ndarray = rng.random(spec.num_loans) < chance
    return mask
