"""Months and quarters of decision, and which of them are whole as of a day.

Only whole periods are counted: a month once it has ended, a quarter's vintage once the performance
window of its last day has closed. So a period's sums do not change from one report to the next, and
two reports of one month cannot be subtracted to tell of the loans in between.
"""

from __future__ import annotations

import re

import numpy as np

from fed_credit.data.target import add_months
from fed_credit.errors import ReleaseError

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_QUARTER = re.compile(r"(\d{4})-Q([1-4])")


def months_of(decided: np.ndarray) -> np.ndarray:
    """Return the month of each day, counted from January 1970, ``(n,) int64``; NaT stays odd."""
    return decided.astype("datetime64[M]").astype(np.int64)


def month_name(month: int) -> str:
    """Return ``YYYY-MM`` of a month counted from January 1970."""
    return str(np.datetime64(month, "M"))


def quarter_name(quarter: int) -> str:
    """Return ``YYYY-Qn`` of a quarter counted from the first of 1970."""
    return f"{1970 + quarter // 4}-Q{quarter % 4 + 1}"


def month_number(name: str) -> int:
    """Return what :func:`month_name` names.

    Raises
    ------
    ReleaseError
        If it is no month; safe to send.
    """
    found = _MONTH.fullmatch(name)
    if found is None:
        raise ReleaseError(f"'{name[:20]}' is no month; write it YYYY-MM; refused.")
    return (int(found[1]) - 1970) * 12 + int(found[2]) - 1


def quarter_number(name: str) -> int:
    """Return what :func:`quarter_name` names.

    Raises
    ------
    ReleaseError
        If it is no quarter; safe to send.
    """
    found = _QUARTER.fullmatch(name)
    if found is None:
        raise ReleaseError(f"'{name[:20]}' is no quarter; write it YYYY-Qn; refused.")
    return (int(found[1]) - 1970) * 4 + int(found[2]) - 1


def first_open_month(as_of: np.datetime64) -> int:
    """Return the first month that has not ended on a day; that day counts as past."""
    return int((as_of + np.timedelta64(1, "D")).astype("datetime64[M]").astype(np.int64))


def first_open_quarter(as_of: np.datetime64, window_months: int) -> int:
    """Return the first quarter whose loans have not all matured on a day.

    Parameters
    ----------
    as_of : numpy.datetime64
        A day.
    window_months : int
        Performance window of the outcomes.
    """
    quarter = first_open_month(as_of) // 3
    while not _closed(quarter - 1, as_of, window_months):
        quarter -= 1
    return quarter


def _closed(quarter: int, as_of: np.datetime64, window_months: int) -> bool:
    last = np.datetime64((quarter + 1) * 3, "M").astype("datetime64[D]") - np.timedelta64(1, "D")
    return bool(add_months(np.array([last]), window_months)[0] <= as_of)


def whole_months(
    as_of: np.datetime64, number: int, *, since: int | None = None, before: int = 0
) -> tuple[str, ...]:
    """Return the names of the last whole months, or of all since one, the oldest first.

    Parameters
    ----------
    as_of : numpy.datetime64
        Day of the report.
    number : int
        How many.
    since : int or None
        First month instead, counted from January 1970.
    before : int
        Further months before these.
    """
    end = first_open_month(as_of)
    start = (end - number if since is None else since) - before
    return tuple(month_name(month) for month in range(start, end))


def whole_quarters(
    as_of: np.datetime64, window_months: int, number: int, *, since: int | None = None
) -> tuple[str, ...]:
    """Return the names of the last matured quarters, or of all since one; see the months' one."""
    end = first_open_quarter(as_of, window_months)
    start = end - number if since is None else since
    return tuple(quarter_name(quarter) for quarter in range(start, end))
