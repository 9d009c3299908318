"""Default, its timing and what follows from it, for the built-in data.

The 24-month log-odds of default of loan *i* at bank *b* in month *t* are

``a + skew·z_b + Σ_j w_j (1 + concept·z_bj)(1 + d_j·m_t) g_j(x_i) + cycle·s_i·c_t + noise·ε``

with ``m_t = drift·p_t``, plus ``break_concept`` from the break on; drivers ``g_j`` standardised
over the data set, ``p_t`` the position in the period (-0.5 to 0.5), ``s_i`` the sector's
sensitivity, ``c_t`` the cycle and ``ε`` standard normal. The intercept ``a`` is solved so that the
mean true PD is the base default rate. The true PD leaves out ``ε`` by integrating over it; its AUC
is the best that any model of these fields can reach.

With ``PD`` for what these log-odds, noise included, amount to, default happens at the time ``T``
(months on book) with the survival function ``P(T > t) = (1 - PD)^(H(t) / H(h))``: proportional
hazards with a baseline hazard that rises to a hump, normalised at ``h = min(24, end)``, where
``end`` is three months after the last instalment. So the chance of a default within 24 months is
exactly ``PD``, and longer loans default later too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fed_credit.config.spec import SyntheticSpec
from fed_credit.data.synthetic_applications import Applications, stream
from fed_credit.data.synthetic_records import (
    COLLATERALS,
    LEGAL_FORMS,
    PURPOSES,
    REGIONS,
    SECTORS,
    Records,
)

WINDOW = 24
"""Months on book within which :func:`true_pd` counts a default."""

GRACE = 3
"""Months after the last instalment in which a default is still recorded (90 days past due)."""

_CYCLE_MONTHS = 96
_CYCLE_START = np.datetime64("2018-07", "M")  # where the cycle crosses zero on its way up
_PEAK = 11.0  # the hazard peaks this many months after the first possible default
_LONG_RUN = 0.08  # hazard that remains at any age, as a share of the peak


def drivers(r: Records) -> Iterator[tuple[str, float, np.ndarray]]:
    """Iterate over the drivers of default: name, weight (log-odds per SD) and raw values.

    Half of the signal is close to linear in the fields or their logarithms; the other half is
    thresholds, U-shapes and interactions, which a linear model cannot see.
    """
    sector = np.array(list(SECTORS.values()))[r["sector"]]
    leverage = np.log((r["existing_debt"] + r["requested_amount"]) / r["turnover"]) + 1.1
    thin = (0.08 - r["margin"]) / 0.07
    growth, power = r["turnover_growth"], r["electricity_trend"]
    coverage = np.minimum(r["collateral_value"] / r["requested_amount"], 1.5)
    refinancing = r["purpose"] == PURPOSES.index("refinancing")
    young = np.exp(-r["firm_age"] / 30)

    yield "sector", 0.26, sector[:, 4]
    yield "region", 0.10, np.array(list(REGIONS.values()))[r["region"]]
    yield "sole_proprietor", 0.08, r["legal_form"] == LEGAL_FORMS.index("sole_proprietor")
    yield "size", -0.16, np.log(r["turnover"])
    yield "leverage", 0.28, leverage
    yield "thin_margin", 0.26, thin
    yield "leverage_x_margin", 0.30, np.clip(leverage, -1.5, 2.5) * np.clip(thin, -2.5, 2.5)
    yield "growth_u", 0.28, np.minimum(((growth - 0.08) / 0.2) ** 2, 5.0)
    yield "power_gap", 0.20, np.maximum(growth - power - 0.05, 0.0)  # sales up, power down
    yield "power_trend", -0.16, power
    yield "volatility", 0.25, np.log(r["cash_flow_volatility"])
    yield "arrears", 0.40, (r["arrears_days"] > 0) + 2.0 * (r["arrears_days"] >= 30)
    yield "tax", 0.30, np.maximum(0.85 - r["tax_on_time"], 0.0)
    yield "inquiries", 0.23, np.minimum(r["inquiries"], 6.0) + 2.0 * (r["inquiries"] >= 4)
    yield "youth", 0.20, young
    yield "youth_x_experience", 0.16, young * np.maximum(10 - r["owner_experience"], 0.0)
    yield "experience", -0.12, np.log1p(r["owner_experience"])
    yield "coverage", -0.18, coverage
    yield "property", -0.08, r["collateral_type"] == COLLATERALS.index("property")
    yield "guarantee", -0.16, r["guarantee"]
    yield "term", 0.18, np.log(r["requested_term"])
    yield "refinancing_x_leverage", 0.12, refinancing * np.maximum(leverage + 0.5, 0.0)


def log_odds(spec: SyntheticSpec, who: Applications, r: Records) -> np.ndarray:
    """Return each loan's log-odds without intercept and noise, ``(n_loans,) float64``."""
    banks = spec.num_institutions
    level = stream(spec, "bank.level").standard_normal(banks)
    if banks > 1:  # the knob is the standard deviation between these very banks
        level = (level - level.mean()) / level.std()
    total: np.ndarray = (spec.default_rate_skew * level)[who.bank]
    for name, weight, values in drivers(r):
        spread = values.std()
        if spread == 0:
            continue
        rng = stream(spec, f"driver.{name}")
        direction = 1.0 if rng.random() < 0.5 else -1.0
        concept = 1 + spec.concept_shift * rng.standard_normal(banks)
        moved = direction * (spec.drift * who.position + spec.break_concept * who.broken)
        weights = weight * concept[who.bank] * (1 + moved)
        total += weights * (values - values.mean()) / spread
    months = (who.date.astype("datetime64[M]") - _CYCLE_START).astype(np.int64)
    cycle = np.sin(2 * np.pi * months / _CYCLE_MONTHS)
    sensitivity = np.array([item.cycle for item in SECTORS.values()])[r["sector"]]
    total += spec.credit_cycle * sensitivity * cycle
    return total


def true_pd(spec: SyntheticSpec, linear: np.ndarray) -> tuple[float, np.ndarray]:
    """Solve the intercept and integrate the noise out of the PD.

    Parameters
    ----------
    spec : SyntheticSpec
    linear : numpy.ndarray
        ``(n_loans,) float64``: log-odds without intercept and noise.

    Returns
    -------
    intercept : float
        Such that the mean of the PD is ``base_default_rate``.
    pd : numpy.ndarray
        ``(n_loans,) float64``: chance of a default within 24 months, the logistic-normal mean by
        numerical quadrature.
    """
    from scipy.optimize import brentq
    from scipy.special import expit

    # Tabulated, so that a million loans cost one quadrature; linear interpolation errs by 5e-6.
    # The trapezoidal rule converges exponentially on analytic integrands over the whole line
    # (Trefethen & Weideman 2014); Gauss-Hermite is poor where the noise makes the step steep.
    nodes = np.arange(-8.5, 8.51, 0.05)
    weights = np.exp(-0.5 * nodes**2)
    edge = 25.0 + 9.0 * spec.noise
    grid = np.arange(-edge, edge + 0.02, 0.02)
    table = expit(grid[:, None] + spec.noise * nodes) @ (weights / weights.sum())

    def excess(intercept: float) -> float:
        return float(np.interp(linear + intercept, grid, table).mean()) - spec.base_default_rate

    low, high = -edge - float(linear.max()), edge - float(linear.min())
    intercept = float(brentq(excess, low, high, xtol=1e-10))
    return intercept, np.interp(linear + intercept, grid, table)


def default_months(spec: SyntheticSpec, linear: np.ndarray, term: np.ndarray) -> np.ndarray:
    """Draw when each loan defaults.

    Parameters
    ----------
    spec : SyntheticSpec
    linear : numpy.ndarray
        ``(n_loans,) float64``: log-odds with intercept, without noise.
    term : numpy.ndarray
        ``(n_loans,) float64``: term in months.

    Returns
    -------
    numpy.ndarray
        ``(n_loans,) float64``: months on book at default; NaN where the loan never defaults.
    """
    from scipy.special import log_expit

    end = term + GRACE
    grid = np.arange(int(end.max()) + 1, dtype=np.float64)
    clock = np.maximum(grid - GRACE, 0.0)  # nobody is 90 days past due before month 3
    hazard = clock / _PEAK * np.exp(1 - clock / _PEAK) + _LONG_RUN * (clock > 0)
    baseline = np.cumsum(hazard)
    reach = baseline[np.minimum(end, WINDOW).astype(np.int64)]
    noise = spec.noise * stream(spec, "noise").standard_normal(len(linear))
    until_window = -log_expit(-(linear + noise))  # -log(1 - PD): cumulative hazard at the window
    needed = stream(spec, "default").standard_exponential(len(linear)) / until_window * reach
    # Up to GRACE the baseline is flat and has no inverse.
    month = np.interp(needed, baseline[GRACE:], grid[GRACE:], right=np.inf)
    return np.where(month <= end, month, np.nan)


def months_after(date: np.ndarray, months: np.ndarray) -> np.ndarray:
    """Add fractional months: within ``k`` calendar months exactly if ``months <= k``.

    Parameters
    ----------
    date : numpy.ndarray
        ``(n,) datetime64[D]``.
    months : numpy.ndarray
        ``(n,) float64``; NaN gives NaT.

    Returns
    -------
    numpy.ndarray
        ``(n,) datetime64[D]``: after ``ceil(months) - 1`` and up to ``ceil(months)`` calendar
        months, on the same day of the month or the last day of a shorter one.
    """
    known = np.isfinite(months)
    whole = np.ceil(np.where(known, months, 1.0)).astype(np.int64)
    start = date.astype("datetime64[M]")
    day = date - start.astype("datetime64[D]")

    def anniversary(count: np.ndarray) -> np.ndarray:
        month = (start + count).astype("datetime64[D]")
        last = (start + count + 1).astype("datetime64[D]") - month - 1
        dates: np.ndarray = month + np.minimum(day, last)
        return dates

    since, until = anniversary(whole - 1), anniversary(whole)
    part = np.where(known, months, 1.0) - (whole - 1)
    days = np.ceil(part * (until - since).astype(np.int64)).astype(np.int64)
    result: np.ndarray = since + np.maximum(days, 1)
    result[~known] = np.datetime64("NaT")
    return result


def booking(spec: SyntheticSpec, who: Applications, r: Records, pd: np.ndarray) -> Records:
    """Draw what the bank grants and asks for; it sees the PD only roughly, and never the noise."""
    seen = np.log(pd / (1 - pd)) + 0.6 * stream(spec, "underwriting").standard_normal(len(pd))
    share = np.clip(1.02 - 0.08 * (seen + 2.0), 0.4, 1.0)
    cut = share < stream(spec, "underwriting.cut").uniform(0.9, 1.0, len(pd))
    amount = np.where(cut, share, 1.0) * r["requested_amount"]
    margin = 0.4 * stream(spec, "bank.margin").standard_normal(spec.num_institutions)[who.bank]
    rate = 6.2 + 1.1 * (seen + 2.0) + margin + 0.5 * (r["collateral_type"] == 0)
    return {
        "approved_amount": np.maximum(np.round(amount, -3), 5_000.0),
        "interest_rate": np.clip(np.round(rate, 2), 2.5, 24.0),
    }


def aftermath(spec: SyntheticSpec, r: Records, approved: np.ndarray, months: np.ndarray) -> Records:
    """Draw what is known only afterwards: recoveries, and the worst arrears of the loan's life."""
    size, bad = len(months), np.isfinite(months)
    left = np.clip(1 - months / (r["requested_term"] + GRACE), 0.05, 1.0)
    rate = 0.12 + 0.55 * np.minimum(r["collateral_value"] / r["requested_amount"], 1.0)
    rate = np.clip(rate + 0.15 * stream(spec, "recovery").standard_normal(size), 0.0, 0.98)
    good_days = np.floor(stream(spec, "worst.good").exponential(9.0, size))
    good_days = np.where(good_days > 6, np.minimum(good_days, 89), 0.0)
    bad_days = 90 + np.floor(stream(spec, "worst.bad").exponential(120.0, size))
    return {
        "recovered_amount": np.where(bad, np.round(approved * left * rate), np.nan),
        "max_days_past_due": np.where(bad, np.minimum(bad_days, 1800), good_days),
    }
