"""Values that a person would propose for a field that an applicant can change."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fed_credit.artefact import Artefact
from fed_credit.data.schema import Field, Kind
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.steps import NumericStep
from fed_credit.scoring.cells import Value

_WHOLE = frozenset({"months", "years", "days", "persons"})
_MOST_WHOLE = 600  # whole numbers up to which all are proposed, and not round ones alone
_FACTOR = 20.0  # how many times as much, or as little, of an amount is looked at
_DECADES = 8  # of a number that is 0 or missing


def feature_ranges(artefact: Artefact) -> dict[str, tuple[float, float]]:
    """Return between which values of each numeric feature a model tells loans apart.

    The limits that a preprocessor clips to, or the outermost cuts of bins; features without a range
    are left out.
    """
    model = artefact.model
    family = artefact.spec.family
    ranges: dict[str, tuple[float, float]] = {}
    if family == "scorecard":
        from fed_credit.families.card import ScorecardModel

        assert isinstance(model, ScorecardModel)
        ranges = _of_bins([one.binning.fine for one in model.rule.card.characteristics])
    elif family in ("gbdt", "tree"):
        from fed_credit.families.boosted import TreesModel

        assert isinstance(model, TreesModel)
        ranges = _of_bins([column.fine for column in model.made_of.columns])
    else:
        from fed_credit.families.logistic import LogisticModel
        from fed_credit.families.network import NetworkModel

        assert isinstance(model, LogisticModel | NetworkModel)
        for step in model.preprocessor.steps:
            if isinstance(step, NumericStep):
                ranges[step.feature.name] = (step.low, step.high)
    return {name: limits for name, limits in ranges.items() if limits[0] < limits[1]}


def _of_bins(bins: list[FineBins]) -> dict[str, tuple[float, float]]:
    return {
        fine.feature.name: (min(values), max(values))
        for fine in bins
        if fine.feature.kind is Kind.NUMERIC and (values := (*fine.cuts, *fine.specials))
    }


def proposals(
    field: Field, value: Value, ranges: Mapping[str, tuple[float, float]]
) -> list[float | str]:
    """Return what a field could be instead.

    Parameters
    ----------
    field : Field
        Numeric, boolean or categorical.
    value : float, str or None
        What it is.
    ranges : mapping of str to (float, float)
        See :func:`feature_ranges`.

    Returns
    -------
    list of float or str
        Other values within the schema's bounds: the other answer, the other listed categories; of
        months, persons and the like whole numbers; of other numbers those of two digits.
    """
    found: list[float | str]
    if field.kind is Kind.CATEGORICAL:
        found = list(field.values)
    elif field.kind is Kind.BOOLEAN:
        found = [1.0, 0.0]
    else:
        number = None if value is None else float(value)
        found = list(_numbers(field, number, ranges.get(field.name)))
    return [other for other in found if other != value]


def _numbers(field: Field, value: float | None, known: tuple[float, float] | None) -> list[float]:
    low = -math.inf if field.min is None else field.min
    high = math.inf if field.max is None else field.max
    if known is not None:
        low, high = max(low, known[0]), min(high, known[1])
    elif value is not None and value > 0.0:
        low, high = max(low, value / _FACTOR), min(high, value * _FACTOR)
    else:
        reach = high if math.isfinite(high) else 10.0**_DECADES
        low, high = max(low, 0.0), reach
    if field.unit in _WHOLE:
        first, last = math.ceil(low), math.floor(high)
        if last - first <= _MOST_WHOLE:
            return [float(number) for number in range(first, last + 1)]
    whole = field.unit in _WHOLE
    return [
        number
        for number in _round_numbers(low, high)
        if low <= number <= high and (number.is_integer() or not whole)
    ]


def _round_numbers(low: float, high: float) -> list[float]:
    """Return numbers of two digits over some decades, and 0."""
    found = {0.0}
    largest = max(abs(low), abs(high))
    if largest > 0.0:
        top = math.floor(math.log10(largest))
        signs = [sign for sign, there in ((1, high > 0.0), (-1, low < 0.0)) if there]
        for power in range(top - _DECADES, top + 1):
            # Through text, so that 0.3 is 0.3.
            found.update(
                sign * float(f"{digits}e{power - 1}") for digits in range(10, 100) for sign in signs
            )
    return sorted(found)
