"""Who applies where and when in the built-in data: firms, their banks, application dates."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from fed_credit.config.spec import SyntheticSpec

_REPEATS = 0.4  # further loans per firm, beyond the second bank's loan of a shared firm
_GROWTH = 0.5  # how far monthly applications grow from the first to the last month


def stream(spec: SyntheticSpec, name: str) -> np.random.Generator:
    """Return the generator of one variable.

    Each variable has a stream of its own, keyed by seed and name, so that turning one knob leaves
    the draws of all other variables as they were and data sets can be compared loan by loan.
    """
    return np.random.default_rng([spec.seed, zlib.crc32(name.encode())])


def bank_names(count: int) -> list[str]:
    """Return ``count`` names in sorted order: "Bank A" to "Bank Z", or "Bank 001" and so on."""
    if count <= 26:
        return [f"Bank {chr(ord('A') + k)}" for k in range(count)]
    width = max(3, len(str(count)))
    return [f"Bank {k + 1:0{width}d}" for k in range(count)]


@dataclass(frozen=True)
class Applications:
    """Who applies where and when, in the order of the application date.

    Parameters
    ----------
    firm, bank, home : numpy.ndarray
        ``(n_loans,) int64``: the firm, the bank of this loan, and the firm's first bank.
    date : numpy.ndarray
        ``(n_loans,) datetime64[D]``: application date.
    position : numpy.ndarray
        ``(n_loans,) float64``: application month, from -0.5 (first month) to 0.5 (last month).
    months_since_first : numpy.ndarray
        ``(n_loans,) float64``: months since the firm's first application.
    num_firms : int
        Firms in all.
    broken : numpy.ndarray
        ``(n_loans,) bool``: the application comes after the break, if there is one.
    """

    firm: np.ndarray
    bank: np.ndarray
    home: np.ndarray
    date: np.ndarray
    position: np.ndarray
    months_since_first: np.ndarray
    num_firms: int
    broken: np.ndarray


def allocate(spec: SyntheticSpec) -> Applications:
    """Divide the loans over firms, banks and days."""
    loans, banks = spec.num_loans, spec.num_institutions
    share = spec.shared_firms if banks > 1 else 0.0
    firms = max(1, int(loans / (1 + _REPEATS + share)))
    shared = min(round(share * firms), loans - firms)
    weights = np.arange(1, banks + 1) ** -spec.size_skew
    weights /= weights.sum()

    rng = stream(spec, "home")
    home = np.searchsorted(np.cumsum(weights)[:-1], (np.arange(firms) + 0.5) / firms, side="right")
    home = rng.permutation(home)
    # The second bank, by size, among all banks but the home bank.
    target = rng.random(firms) * (1 - weights[home])
    below = np.cumsum(weights) - weights
    target += np.where(target >= below[home], weights[home], 0.0)
    second = np.searchsorted(np.cumsum(weights)[:-1], target, side="right")
    second = np.where(second == home, (home + 1) % banks, second)  # rounding at the very edge

    rng = stream(spec, "repeat")
    extra = rng.integers(firms, size=loans - firms - shared)
    firm = np.concatenate([np.arange(firms), np.arange(shared), extra])
    elsewhere = (firm < shared) & (rng.random(loans) < 0.5)
    elsewhere[:firms] = False
    elsewhere[firms : firms + shared] = True

    rng = stream(spec, "date")
    first = np.datetime64(spec.first_month, "M")
    months = int((np.datetime64(spec.last_month, "M") - first).astype(np.int64)) + 1
    volume = np.cumsum(1 + _GROWTH * np.arange(months) / max(1, months - 1))
    month = np.searchsorted(volume[:-1], rng.random(loans) * volume[-1], side="right")
    start = (first + month).astype("datetime64[D]")
    length = ((first + month + 1).astype("datetime64[D]") - start).astype(np.int64)
    date = start + (rng.random(loans) * length).astype(np.int64)

    order = np.argsort(date, kind="stable")
    firm, month = firm[order], month[order]
    earliest = np.full(firms, months)
    np.minimum.at(earliest, firm, month)
    return Applications(
        # Firms 0 to shared - 1 borrow twice; a permuted number does not tell.
        firm=stream(spec, "firm").permutation(firms)[firm],
        bank=np.where(elsewhere[order], second[firm], home[firm]),
        home=home[firm],
        date=date[order],
        position=month / (months - 1) - 0.5 if months > 1 else np.zeros(loans),
        months_since_first=(month - earliest[firm]).astype(np.float64),
        num_firms=firms,
        broken=_after(date[order], spec.break_from),
    )


def _after(date: np.ndarray, month: str | None) -> np.ndarray:
    if month is None:
        return np.zeros(len(date), dtype=bool)
    after: np.ndarray = date >= np.datetime64(month, "M")
    return after
