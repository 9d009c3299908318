"""The target: which loans are bad, which are good, and of which one cannot know yet.

With a performance window of ``w`` months a loan is *bad* if its event (default, charge-off) falls
within ``w`` calendar months of its decision, and *good* if it was observed for the whole window
without one. Loans decided so late that the window had not closed at the observation date are
*immature*, bad ones among them too: keeping only the bads of a young vintage would bias its default
rate upwards (Siddiqi, Intelligent Credit Scoring, 2nd ed. 2017, ch. 4, "performance window").
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pandas as pd

from fed_credit.config.spec import TargetSpec
from fed_credit.data.schema import Schema
from fed_credit.errors import ConfigurationError, SchemaError


class LabelState(IntEnum):
    """Whether a loan has a label, and why not."""

    LABELLED = 0
    UNLABELLED = 1
    IMMATURE = 2


@dataclass(frozen=True)
class Labels:
    """The labels of a frame's loans.

    Parameters
    ----------
    y : numpy.ndarray
        ``(n,) int8``: 1 bad, 0 good, -1 where there is no label.
    state : numpy.ndarray
        ``(n,) int8`` of :class:`LabelState`.
    final_status_only : bool
        Whether the label is the final status, without a performance window.
    as_of : numpy.datetime64 or None
        Date up to which loans were observed; None without a window.
    warnings : tuple of str
        Sentences that belong in the results.
    """

    y: np.ndarray
    state: np.ndarray
    final_status_only: bool
    as_of: np.datetime64 | None
    warnings: tuple[str, ...] = ()


def add_months(dates: np.ndarray, months: int) -> np.ndarray:
    """Add calendar months: the same day of a later month, or that month's last day.

    Parameters
    ----------
    dates : numpy.ndarray
        ``(n,) datetime64[D]``; NaT stays NaT.
    months : int
        Calendar months to add; may be negative.

    Returns
    -------
    numpy.ndarray
        ``(n,) datetime64[D]``; one month after 31 January 2020 is 29 February 2020.
    """
    days = np.asarray(dates, dtype="datetime64[D]")
    month = days.astype("datetime64[M]")
    first = (month + months).astype("datetime64[D]")
    last = (month + months + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
    added: np.ndarray = np.minimum(first + (days - month.astype("datetime64[D]")), last)
    return added


def parse_date(key: str, text: str) -> np.datetime64:
    """Return a configured date as ``datetime64[D]``.

    Raises
    ------
    ConfigurationError
        If it is not spelled ``YYYY-MM-DD``.
    """
    day = pd.to_datetime(str(text), format="%Y-%m-%d", errors="coerce")
    if pd.isna(day):
        raise ConfigurationError(f"{key}={text} is not a date; spell it YYYY-MM-DD.")
    return np.datetime64(day.strftime("%Y-%m-%d"), "D")


def parse_past_date(key: str, text: str) -> np.datetime64:
    """Return a date, as :func:`parse_date`, up to which things are said to be known.

    Raises
    ------
    ConfigurationError
        Also if it has not come: loans whose window is still open would count as good.
    """
    day = parse_date(key, text)
    # Where the user is, it may be tomorrow already.
    if day > np.datetime64("today", "D") + 1:
        raise ConfigurationError(
            f"{key} {text} has not come yet, and what happens until then is not known; give today"
            " or a day before."
        )
    return day


def label(frame: pd.DataFrame, schema: Schema, spec: TargetSpec) -> Labels:
    """Label loans as bad (1) or good (0), or say why they have no label.

    With ``window_months`` the event date decides, whatever the final status says: the window of a
    loan ends ``window_months`` calendar months after its decision (see :func:`add_months`), that
    day included; the loan is mature if that end is not after ``as_of``. Every loan that is not is
    immature, whatever happened to it. A loan with a bad final status but no event date is
    unlabelled, since nobody knows whether the event fell into the window.

    Without ``window_months`` the final status decides (``as_of`` plays no part); a blank one is
    unlabelled.

    Parameters
    ----------
    frame : pandas.DataFrame
        ``(n, ...)`` validated loans.
    schema : Schema
        Its roles name the decision date, the event date and the target.
    spec : TargetSpec
        Window and observation date; ``as_of: None`` takes the latest decision or event seen.

    Returns
    -------
    Labels

    Raises
    ------
    ConfigurationError
        If the window is not positive, or ``as_of`` is no date.
    SchemaError
        If the schema has no roles (event and decision date, or target) that the label needs.
    """
    if spec.window_months is None:
        return _final_status(frame, schema)
    if spec.window_months < 1:
        raise ConfigurationError(
            f"data.target.window_months={spec.window_months} must be at least 1; null takes the"
            " final status."
        )
    return _within_window(frame, schema, spec, spec.window_months)


def _final_status(frame: pd.DataFrame, schema: Schema) -> Labels:
    name = schema.roles.target
    if name is None:
        raise SchemaError(
            f"data.target.window_months is null, but schema '{schema.name}' names no field with a"
            " final status: name one under roles.target, or set data.target.window_months."
        )
    bad, good = _status(frame, schema)
    y = np.where(bad, 1, np.where(good, 0, -1)).astype(np.int8)
    state = np.where(y < 0, LabelState.UNLABELLED, LabelState.LABELLED).astype(np.int8)
    warning = (
        "The target is the final status only: young loans that are still being repaid are not told"
        " apart from old ones, so default rates of vintages do not compare."
    )
    return Labels(y, state, True, None, (warning,))


def _within_window(frame: pd.DataFrame, schema: Schema, spec: TargetSpec, window: int) -> Labels:
    roles = schema.roles
    for role, name in (("decision_date", roles.decision_date), ("event_date", roles.event_date)):
        if name is None:
            raise SchemaError(
                f"data.target.window_months={window} needs a date to count with, but schema"
                f" '{schema.name}' names none under roles.{role}: name it, or set"
                " data.target.window_months=null to take the final status."
            )
    decided = frame[roles.decision_date].to_numpy().astype("datetime64[D]")
    event = frame[roles.event_date].to_numpy().astype("datetime64[D]")
    if spec.as_of is None:
        seen = np.concatenate([decided, event])
        seen = seen[~np.isnat(seen)]
        as_of = seen.max() if len(seen) else np.datetime64("NaT", "D")
    else:
        as_of = parse_date("data.target.as_of", spec.as_of)
    end = add_months(decided, window)
    happened = ~np.isnat(event)
    bad = happened & (event <= end)
    dateless = np.zeros(len(frame), dtype=bool)
    if roles.target is not None:
        dateless = _status(frame, schema)[0] & ~happened
    state = np.full(len(frame), LabelState.LABELLED, dtype=np.int8)
    state[dateless | np.isnat(decided) | (event < decided)] = LabelState.UNLABELLED
    state[~np.isnat(decided) & ~(end <= as_of)] = LabelState.IMMATURE
    y = np.where(state == LabelState.LABELLED, bad, -1).astype(np.int8)
    warnings = []
    unknown = int((dateless & (state == LabelState.UNLABELLED)).sum())
    if unknown:
        warnings.append(
            f"{unknown} loans have a bad final status but no event date: they have no label within"
            f" a window of {window} months and are left out, which makes default rates too low."
        )
    return Labels(y, state, False, as_of, tuple(warnings))


def _status(frame: pd.DataFrame, schema: Schema) -> tuple[np.ndarray, np.ndarray]:
    """Return where the final status is bad and where it is good."""
    field = schema.fields[str(schema.roles.target)]
    if not field.good or not field.bad:
        raise SchemaError(
            f"Schema '{schema.name}': target field '{field.name}' must say under 'good' and 'bad'"
            " how its final status is spelled."
        )
    status = frame[field.name]
    return (
        status.isin(field.bad).to_numpy(dtype=bool),
        status.isin(field.good).to_numpy(dtype=bool),
    )
