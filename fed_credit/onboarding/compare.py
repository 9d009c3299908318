"""Who deviates in what: a bank's counts against the schema, and against those of all the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fed_credit.data.schema import Field, Kind, Missing, Outside, Schema
from fed_credit.features.bins import NUM_BINS, bin_edges
from fed_credit.onboarding.counts import (
    FIRST_MONTH,
    NOBODY,
    BankCounts,
    FieldCounts,
    compared_fields,
    dense,
)

# A finding is a share or a shift beyond these; see docs/bring-your-own-data.md.
MAX_SHARE = 0.01  # of cells of another kind, out of bounds, not listed
MAX_MISSING_SHIFT = 0.25  # of the missing rate, against the others
MAX_MAGNITUDE_SHIFT = 0.9  # of the median of log10, a factor of about 8
MIN_VALUES = 30  # on either side of a comparison between banks
MIN_SHOWN = 10  # a value that is not listed is named from so many rows on
_DATES = 300 * 12


@dataclass(frozen=True)
class Finding:
    """A deviation.

    Parameters
    ----------
    bank : str
        Whose.
    field : str
        In which field.
    what : str
        ``column``, ``types``, ``units``, ``bounds``, ``categories``, ``missing``, ``dates``,
        ``outcome`` or ``institution``.
    text : str
        What was found, with its figures.
    """

    bank: str
    field: str
    what: str
    text: str


def compare(banks: dict[str, BankCounts], schema: Schema) -> list[Finding]:
    """Compare banks with a schema and with each other.

    A bank's figures come from its counts; see :func:`outliers` for how they are held against those
    of the others.

    Parameters
    ----------
    banks : dict of str to BankCounts
        Counts by bank; dates are held against the sum of the others.
    schema : Schema
        What the fields are.

    Returns
    -------
    list of Finding
        By field of the schema, then by bank.
    """
    found = []
    total = sum(bank.rows for bank in banks.values())
    nameless = banks[NOBODY].rows if NOBODY in banks else 0
    if nameless > MAX_SHARE * total and len(banks) > 1:
        column = str(schema.roles.institution)
        text = f"{nameless:,} of {total:,} rows name no institution"
        found.append(Finding(NOBODY, column, "institution", text))
    named = {name: bank for name, bank in banks.items() if name != NOBODY or len(banks) == 1}
    for item in compared_fields(schema):
        counts = {name: bank.fields[item.name] for name, bank in named.items()}
        every = np.zeros(_DATES, dtype=np.int64)
        if item.kind is Kind.DATE:
            every = sum((dense(each.bins, _DATES) for each in counts.values()), start=every)
        rates = {
            name: each.missing / each.rows
            for name, each in counts.items()
            if each.rows >= MIN_VALUES
        }
        gaps = outliers(rates, MAX_MISSING_SHIFT)
        scales = outliers(_magnitudes(item, counts), MAX_MAGNITUDE_SHIFT)
        used = item.is_feature or item.name in vars(schema.roles).values()
        for name, each in counts.items():
            if not each.rows:
                if used:
                    found.append(Finding(name, item.name, "column", "has no such column"))
                continue
            said = _against_schema(item, each, schema)
            if name in gaps:
                own, others = (f"{rate:.0%}" for rate in gaps[name])
                said.append(("missing", f"{own} are missing, at the others {others}"))
            if name in scales:
                said.append(("units", _scaled(*scales[name])))
            if item.kind is Kind.DATE:
                said += _dates(each, every)
            found += [Finding(name, item.name, what, text) for what, text in said]
    return found


def outliers(values: Mapping[str, float], threshold: float) -> dict[str, tuple[float, float]]:
    """Find who stands apart from the others.

    The one farthest from the median of the others comes first and then counts no more, so that one
    stray does not make strays of the rest. Where two halves disagree all stand apart.

    Parameters
    ----------
    values : mapping of str to float
        One figure per bank; each bank counts once, whatever its size.
    threshold : float
        Distance from which a bank stands apart.

    Returns
    -------
    dict of str to (float, float)
        By bank that stands apart, its own figure and the median of the others'.
    """
    left, found = dict(values), {}
    while len(left) > 1:
        names, figures = list(left), np.array(list(left.values()))
        others = np.array([np.median(np.delete(figures, k)) for k in range(len(names))])
        distance = np.abs(figures - others)
        if distance.max() < threshold:
            break
        for k in np.flatnonzero(distance > distance.max() - 1e-9):
            found[names[k]] = (float(figures[k]), float(others[k]))
            del left[names[k]]
    return found


def _magnitudes(item: Field, counts: Mapping[str, FieldCounts]) -> dict[str, float]:
    """Return log10 of the median magnitude of each bank with enough values."""
    if item.kind is not Kind.NUMERIC:
        return {}
    found = {}
    for name, each in counts.items():
        if each.bins.total() >= MIN_VALUES:
            low, high = bin_edges(_quantile(dense(each.bins, NUM_BINS), 0.5))
            found[name] = float(np.log10(low * high) / 2)
    return found


def _scaled(own: float, others: float) -> str:
    shift = abs(own - others)
    near = 10 ** round(shift)
    factor = near if 0.6 < 10**shift / near < 1.6 else 10**shift
    word = "larger" if own > others else "smaller"
    return (
        f"about {factor:,.0f} times {word} than at the others ({10**own:,.3g}, {10**others:,.3g})"
    )


def _against_schema(item: Field, counts: FieldCounts, schema: Schema) -> list[tuple[str, str]]:
    found = []
    allowed = MAX_SHARE * counts.rows
    if counts.broken > allowed:
        found.append(("types", f"{_share(counts.broken, counts)} are not {_article(item.kind)}"))
    if counts.outside > allowed:
        bounds = f"{_bound(item.min)} to {_bound(item.max)}"
        found.append(("bounds", f"{_share(counts.outside, counts)} are outside {bounds}"))
    # A status that is neither good nor bad is no outcome yet, where the schema says so.
    expected = item.kind is Kind.TARGET and item.outside is Outside.MISSING
    if counts.unlisted > allowed and not expected:
        often = [value for value, count in counts.others.most_common(3) if count >= MIN_SHOWN]
        named = f": {', '.join(often)}" if often and not item.sensitive else ""
        found.append(
            ("categories", f"{_share(counts.unlisted, counts)} are not in the schema{named}")
        )
    if item.missing is Missing.REJECT and counts.missing > allowed:
        found.append(("missing", f"{_share(counts.missing, counts)} are missing, which rejects"))
    if item.name == schema.roles.target:
        goods = sum(counts.bins[place] for place in range(len(item.good)))
        bads = sum(counts.bins.values()) - goods
        if not (goods and bads):
            text = "no loan has an outcome" if not goods + bads else "all loans are "
            text += "" if not goods + bads else "good" if goods else "bad"
            found.append(("outcome", text))
    return found


def _dates(counts: FieldCounts, every: np.ndarray) -> list[tuple[str, str]]:
    """Compare the middle of a bank's dates with the range of all other banks' dates."""
    own = dense(counts.bins, _DATES)
    others = every - own
    if min(own.sum(), others.sum()) < MIN_VALUES:
        return []
    middle = _quantile(own, 0.5)
    first, last = _quantile(others, 0.01), _quantile(others, 0.99)
    if first <= middle <= last:
        return []
    text = f"typically {_month(middle)}, at the others {_month(first)} to {_month(last)}"
    return [("dates", text)]


def _quantile(histogram: np.ndarray, share: float) -> int:
    total = np.cumsum(histogram)
    return int(np.searchsorted(total, share * (total[-1] - 1), side="right"))


def _month(place: int) -> str:
    return str(np.datetime64(place + FIRST_MONTH, "M"))


def _share(count: int, counts: FieldCounts) -> str:
    return f"{count:,} of {counts.rows:,} values ({count / counts.rows:.1%})"


def _article(kind: Kind) -> str:
    return {Kind.NUMERIC: "numbers", Kind.DATE: "dates"}.get(kind, f"of kind {kind}")


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
