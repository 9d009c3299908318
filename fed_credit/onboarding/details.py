"""What the whole file adds to a guess: bounds, listed values, moments of knowing, and doubts."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fed_credit.data.schema import Kind, KnownAt, Outside, Roles
from fed_credit.features.bins import bin_edges
from fed_credit.onboarding.spellings import BOOKING_NAMES, OUTCOME_NAMES
from fed_credit.onboarding.tally import Tally

if TYPE_CHECKING:
    from fed_credit.onboarding.infer import Proposed

MAX_LISTED = 64  # categories listed; more go to hash buckets
_ROOM = 3.0  # bounds lie at least this factor beyond what was seen
_FAR = 1000.0  # the largest value in 99th percentiles, from which units may be mixed


def add_details(made: Proposed, tally: Tally, roles: Roles) -> list[str]:
    """Complete a proposed field in place.

    Parameters
    ----------
    made : Proposed
        The field as guessed, with its evidence of leakage.
    tally : Tally
        Counts of the whole file.
    roles : Roles
        Which columns play which part.

    Returns
    -------
    list of str
        What a person must confirm.
    """
    item, confirm = made.field, []
    if tally.broken:
        made.notes.append(
            f"{tally.broken:,} of {tally.rows:,} rows are rejected for what they hold here"
        )
    if item.kind is Kind.NUMERIC:
        confirm += _numeric(made, tally)
    elif item.kind is Kind.CATEGORICAL and item.feature:
        _categories(made, tally)
    elif item.kind is Kind.DATE and tally.given:
        first, last = (np.datetime64(int(day), "D") for day in (tally.low, tally.high))
        made.notes.append(f"seen {first} to {last}")
    if tally.given == 0:
        made.field = replace(made.field, feature=False)
        made.notes[:] = ["never filled: set aside"]
    elif made.field.is_feature and _constant(tally):
        made.field = replace(made.field, feature=False)
        made.notes.append("one value only: set aside")
    confirm += _moment(made, roles)
    return confirm


def _constant(tally: Tally) -> bool:
    return tally.values is not None and len(tally.values) == 1 and tally.given == tally.rows


def _numeric(made: Proposed, tally: Tally) -> list[str]:
    if not tally.given:
        return []
    low, high = outward(tally.low, tally.high)
    made.field = replace(made.field, min=low, max=high)
    made.notes.append(f"seen {tally.low:,.6g} to {tally.high:,.6g}")
    confirm = []
    if tally.histogram is not None and tally.histogram.any():
        total = np.cumsum(tally.histogram.sum(axis=1))
        place = int(np.searchsorted(total, 0.99 * total[-1]))
        usual = max(abs(edge) for edge in bin_edges(place))
        if usual > 0 and tally.high > _FAR * usual:
            made.notes.append(
                f"the largest is {tally.high / usual:,.0f} times the 99th percentile: units mixed?"
            )
            confirm.append(f"'{made.field.name}': {made.notes[-1]}")
    return confirm


def outward(low: float, high: float) -> tuple[float, float]:
    """Return generous round bounds: at least three times what was seen, and 0 if nothing is below.

    Parameters
    ----------
    low, high : float
        Smallest and largest value seen.

    Returns
    -------
    low, high : float
        1, 2 or 5 times a power of ten, or 0.
    """
    return (0.0 if low >= 0 else -_rounded_up(-low)), (_rounded_up(high) if high > 0 else 0.0)


def _rounded_up(value: float) -> float:
    wanted = value * _ROOM
    if not math.isfinite(wanted) or wanted > 1e300:
        return 1.7e308
    power = math.floor(math.log10(wanted)) if wanted > 1e-300 else -300
    for digit in (1, 2, 5, 10):
        bound = float(f"{digit}e{power}")
        if bound >= wanted:
            return bound
    return float(f"1e{power + 2}")


def _categories(made: Proposed, tally: Tally) -> None:
    item = made.field
    if tally.values is None or len(tally.values) > MAX_LISTED:
        many = "thousands of" if tally.values is None else f"{len(tally.values):,}"
        buckets = 64
        while tally.values is None or buckets < len(tally.values):
            buckets *= 2
            if buckets >= 512:
                break
        made.field = replace(item, hash_buckets=buckets, outside=Outside.REJECT)
        made.notes.append(f"{many} values, counted in {buckets} hash buckets")
        return
    counts = tally.values.to_numpy(dtype=np.int64).sum(axis=1)
    order = np.argsort(-counts, kind="stable")
    values = tuple(str(tally.values.index[place]) for place in order)
    made.field = replace(item, values=values, outside=Outside.MISSING)


def _moment(made: Proposed, roles: Roles) -> list[str]:
    """Say when the field is known: by the evidence, else by its name, else at application."""
    item = made.field
    name, confirm = item.name, []
    own = [role for role, named in vars(roles).items() if named == name]
    if made.leaks:
        if own != ["decision_date"]:
            made.field = replace(item, known_at=KnownAt.OUTCOME)
            confirm.append(f"'{name}' is set aside as known at the outcome: {made.leaks[0]}.")
    elif own and own[0] in ("event_date", "true_pd"):
        made.field = replace(item, known_at=KnownAt.OUTCOME, feature=False)
    elif item.kind is Kind.IDENTIFIER:
        return confirm
    elif OUTCOME_NAMES.search(name):
        made.notes.append("the name may mean this loan's own course: known at the decision?")
        confirm.append(f"'{name}': is it known when the loan is decided?")
    elif BOOKING_NAMES.search(name):
        made.field = replace(item, known_at=KnownAt.BOOKING)
        made.notes.append("known at booking, by its name")
    return confirm
