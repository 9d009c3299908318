"""The fields of the built-in data's applications: everything known before a loan's outcome.

A firm has a home bank, which shapes whom the bank lends to (``covariate_shift``), and a hidden
quality that ties its fields together. Its fields, not its quality, drive default
(:mod:`fed_credit.data.synthetic_risk`), so nothing that matters is hidden except the noise term.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fed_credit.config.spec import SyntheticSpec
from fed_credit.data.synthetic_applications import Applications, stream

Records = dict[str, np.ndarray]
"""Complete records: ``(n_loans,)`` float64 per numeric field, int64 codes per categorical field."""


class Sector(NamedTuple):
    """A sector's share of firms, typical margin, sales and electricity, and its default risk."""

    share: float
    margin: float
    turnover: float  # CNY per employee and year
    electricity: float  # kWh per employee and month
    risk: float  # log-odds
    cycle: float  # how hard the credit cycle hits; 1 is the mean


SECTORS = {
    "agriculture": Sector(0.08, 0.09, 260_000, 260, 0.0, 0.3),
    "manufacturing": Sector(0.17, 0.08, 380_000, 620, 0.0, 1.3),
    "construction": Sector(0.12, 0.06, 420_000, 140, 0.5, 1.8),
    "wholesale": Sector(0.12, 0.04, 900_000, 110, 0.1, 1.1),
    "retail": Sector(0.17, 0.06, 450_000, 190, 0.1, 1.0),
    "hospitality": Sector(0.10, 0.08, 190_000, 400, 0.6, 1.6),
    "transport": Sector(0.08, 0.07, 320_000, 130, 0.2, 1.2),
    "information": Sector(0.05, 0.14, 400_000, 90, -0.4, 0.6),
    "health": Sector(0.04, 0.13, 330_000, 170, -0.7, 0.1),
    "services": Sector(0.07, 0.12, 280_000, 100, -0.2, 0.6),
}
REGIONS = {  # log-odds of default
    "north": 0.0,
    "northeast": 0.5,
    "east": -0.5,
    "southeast": -0.3,
    "south": -0.2,
    "southwest": 0.2,
    "west": 0.4,
    "central": 0.1,
}
LEGAL_FORMS = ("sole_proprietor", "partnership", "limited_company", "stock_company")
PURPOSES = ("working_capital", "equipment", "property", "expansion", "refinancing")
COLLATERALS = ("unsecured", "receivables", "vehicle", "equipment", "property")
TERMS = (6.0, 12.0, 18.0, 24.0, 36.0, 48.0, 60.0)

CATEGORIES = {
    "sector": tuple(SECTORS),
    "region": tuple(REGIONS),
    "legal_form": LEGAL_FORMS,
    "purpose": PURPOSES,
    "collateral_type": COLLATERALS,
    "guarantee": ("N", "Y"),
}

# Rows: purpose. Property loans are long and secured, working capital is short and often not.
_TERM_BY_PURPOSE = np.array([
    [0.20, 0.40, 0.14, 0.16, 0.10, 0.00, 0.00],
    [0.00, 0.05, 0.10, 0.25, 0.35, 0.15, 0.10],
    [0.00, 0.00, 0.00, 0.05, 0.25, 0.25, 0.45],
    [0.02, 0.13, 0.15, 0.25, 0.25, 0.10, 0.10],
    [0.02, 0.18, 0.15, 0.25, 0.25, 0.10, 0.05],
])  # fmt: skip
_COLLATERAL_BY_PURPOSE = np.array([
    [0.55, 0.20, 0.08, 0.07, 0.10],
    [0.25, 0.03, 0.27, 0.40, 0.05],
    [0.08, 0.00, 0.02, 0.05, 0.85],
    [0.45, 0.12, 0.13, 0.15, 0.15],
    [0.40, 0.15, 0.10, 0.10, 0.25],
])  # fmt: skip


def draw_codes(cumulative: np.ndarray, rows: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Draw a category per loan from the loan's row of cumulative probabilities.

    Parameters
    ----------
    cumulative : numpy.ndarray
        ``(n_rows, n_categories) float64``: cumulative probabilities.
    rows : numpy.ndarray
        ``(n,) int64``: each draw's row of ``cumulative``.
    uniform : numpy.ndarray
        ``(n,) float64`` in [0, 1).

    Returns
    -------
    numpy.ndarray
        ``(n,) int64`` codes.
    """
    codes = np.zeros(len(rows), dtype=np.int64)
    for column in range(cumulative.shape[1] - 1):  # one column at a time: no (n, k) array
        codes += uniform >= cumulative[rows, column]
    return codes


def records(spec: SyntheticSpec, who: Applications) -> Records:
    """Draw the complete fields of each application (no value missing yet)."""
    draws = _Draws(spec, who)
    quality = draws.of_firm("quality")
    r: Records = {}
    _draw_firm(draws, quality, r)
    _draw_history(draws, quality, r)
    _draw_request(draws, r)
    return r


class _Draws:
    """Named draws as long as the loans, each from its own stream."""

    def __init__(self, spec: SyntheticSpec, who: Applications) -> None:
        self.spec, self.who = spec, who
        self.drift = spec.drift * who.position + spec.break_population * who.broken

    def normal(self, name: str) -> np.ndarray:
        """One standard normal draw per loan."""
        values: np.ndarray = stream(self.spec, name).standard_normal(self.spec.num_loans)
        return values

    def uniform(self, name: str) -> np.ndarray:
        """One uniform draw per loan."""
        values: np.ndarray = stream(self.spec, name).random(self.spec.num_loans)
        return values

    def of_firm(self, name: str) -> np.ndarray:
        """One standard normal draw per firm."""
        values: np.ndarray = stream(self.spec, name).standard_normal(self.who.num_firms)
        loans: np.ndarray = values[self.who.firm]
        return loans

    def of_home(self, name: str) -> np.ndarray:
        """One normal draw per bank, scaled by the covariate shift, at the firm's home bank."""
        values: np.ndarray = stream(self.spec, name).standard_normal(self.spec.num_institutions)
        loans: np.ndarray = self.spec.covariate_shift * values[self.who.home]
        return loans

    def firm_code(self, name: str, shares: np.ndarray, strength: float) -> np.ndarray:
        """One category per firm, its shares tilted by the home bank's covariate shift."""
        size = (self.spec.num_institutions, len(shares))
        tilt = stream(self.spec, f"bank.{name}").standard_normal(size)
        weights = shares * np.exp(strength * self.spec.covariate_shift * tilt)
        cumulative = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
        uniform = stream(self.spec, name).random(self.who.num_firms)[self.who.firm]
        return draw_codes(cumulative, self.who.home, uniform)


def _draw_firm(draws: _Draws, quality: np.ndarray, r: Records) -> None:
    normal, of_firm, elapsed = draws.normal, draws.of_firm, draws.who.months_since_first
    sectors = np.array(list(SECTORS.values()))
    r["sector"] = draws.firm_code("sector", sectors[:, 0], 0.8)
    r["region"] = draws.firm_code("region", np.full(len(REGIONS), 1 / len(REGIONS)), 1.5)
    _, margin, turnover, electricity, _, _ = sectors[r["sector"]].T
    log_size = 1.3 + 1.05 * of_firm("employees") + 0.6 * draws.of_home("bank.employees")
    form = -0.9 + 0.75 * log_size + of_firm("legal_form")
    r["legal_form"] = np.searchsorted([-0.2, 0.3, 2.8], form)

    age = np.exp(3.9 + 0.85 * of_firm("firm_age") + 0.1 * quality)
    r["firm_age"] = np.minimum(np.floor(np.clip(age, 1, 600)) + elapsed, 1200)
    youth = np.exp(-r["firm_age"] / 24)
    experience = np.exp(2.1 + 0.6 * of_firm("owner_experience") + 0.15 * quality)
    r["owner_experience"] = np.minimum(np.round(experience + elapsed / 12, 1), 60)
    r["employees"] = np.clip(np.round(np.exp(log_size + 0.1 * normal("staff"))), 1, 500)

    sales = np.log(r["employees"] * turnover) + 0.45 * of_firm("sales")
    sales += 0.15 * normal("sales.loan") + 0.5 * draws.drift
    r["turnover"] = np.round(np.clip(np.exp(sales), 20_000, 2e9), -2)
    growth = 0.17 * normal("growth") * np.exp(0.35 * normal("growth.tail"))  # heavy tails
    growth += 0.04 + 0.04 * quality + 0.2 * youth
    r["turnover_growth"] = np.clip(growth, -0.9, 3.0)
    r["margin"] = np.clip(margin + 0.04 * quality + 0.06 * normal("margin"), -0.5, 0.6)
    volatility = -1.3 - 0.2 * quality + 0.4 * normal("volatility") + 0.3 * youth
    r["cash_flow_volatility"] = np.clip(np.exp(volatility + 0.4 * draws.drift), 0.01, 3.0)
    punctual = 1 / (1 + np.exp(-2.1 - 0.9 * quality - 0.6 * normal("tax")))
    r["tax_on_time"] = stream(draws.spec, "tax.filings").binomial(24, punctual) / 24
    usage = np.log(r["employees"] * electricity) + 0.35 * of_firm("electricity")
    r["electricity"] = np.round(np.exp(usage + 0.1 * normal("electricity.loan")))
    trend = 0.5 * r["turnover_growth"] + 0.16 * normal("electricity.trend")
    r["electricity_trend"] = np.clip(trend, -0.9, 2.0)


def _draw_history(draws: _Draws, quality: np.ndarray, r: Records) -> None:
    normal = draws.normal
    debt = r["turnover"] * np.exp(-1.9 + 0.85 * normal("debt") - 0.15 * quality)
    debt[draws.uniform("debt.none") < 0.22] = 0.0
    r["existing_debt"] = np.round(np.minimum(debt, 5e9), -2)
    searching = np.exp(0.3 - 0.3 * quality + 0.5 * normal("inquiries") + draws.drift)
    count = stream(draws.spec, "inquiries.count").poisson(searching)
    r["inquiries"] = np.minimum(count, 40).astype(np.float64)
    late = 0.8 * normal("arrears") - 0.8 * quality > 1.45
    days = np.exp(2.7 + 0.9 * normal("arrears.days") - 0.2 * quality)
    r["arrears_days"] = np.where(late, np.clip(np.ceil(days), 1, 360), 0.0)


def _draw_request(draws: _Draws, r: Records) -> None:
    shares = np.array([[0.46, 0.20, 0.08, 0.16, 0.10]])
    everyone = np.zeros(draws.spec.num_loans, dtype=np.int64)
    r["purpose"] = purpose = draw_codes(
        np.cumsum(shares, axis=1), everyone, draws.uniform("purpose")
    )
    larger = 0.3 * (purpose == PURPOSES.index("property"))
    amount = r["turnover"] * np.exp(-1.75 + 0.6 * draws.normal("amount") + larger)
    r["requested_amount"] = np.clip(np.round(amount, -3), 10_000, 20_000_000)
    term = draw_codes(np.cumsum(_TERM_BY_PURPOSE, axis=1), purpose, draws.uniform("term"))
    r["requested_term"] = np.array(TERMS)[term]
    r["collateral_type"] = draw_codes(
        np.cumsum(_COLLATERAL_BY_PURPOSE, axis=1), purpose, draws.uniform("collateral")
    )
    secured = r["collateral_type"] != COLLATERALS.index("unsecured")
    value = r["requested_amount"] * np.exp(0.05 + 0.45 * draws.normal("collateral.value"))
    r["collateral_value"] = np.round(np.where(secured, value, 0.0), -2)
    r["guarantee"] = (draws.uniform("guarantee") < np.where(secured, 0.25, 0.5)).astype(np.int64)
