"""The search for changes that lead to approval: single fields, then pairs, then triples."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fed_credit.data.schema import Field, Kind
from fed_credit.scoring.cells import Value, reader
from fed_credit.scoring.proposals import feature_ranges, proposals
from fed_credit.scoring.record import RecordScorer
from fed_credit.scoring.variants import Variants

_STEPS = {2: 24, 3: 8}  # values of each field that are tried together with others'
_CATEGORY = 0.5  # size of another category or answer; numbers are measured by their range
_WORTH = 0.8  # share of a set's size from which on it is not worth changing more fields
_FURTHER = 0.05  # what each further field of an alternative counts for when they are ranked


@dataclass(frozen=True, eq=False)
class _Way:
    """What one field could be instead: smaller changes first, each with less risk than those
    before.
    """

    field: str
    values: list[Value]
    sizes: np.ndarray
    approved: np.ndarray


@dataclass(frozen=True)
class Found:
    """Values of some fields that lead to approval, and how large the change is."""

    values: Mapping[str, Value]
    size: float

    @property
    def rank(self) -> float:
        """What alternatives are ordered by."""
        return self.size + _FURTHER * (len(self.values) - 1)


class Search:
    """Tries values of one application's changeable fields.

    Parameters
    ----------
    scorer : RecordScorer
        What decides.
    record : mapping of str to object
        The application, which is not approved.
    fields : mapping of str to Field
        What may be changed.
    """

    def __init__(
        self, scorer: RecordScorer, record: Mapping[str, Any], fields: Mapping[str, Field]
    ) -> None:
        self._limit = scorer.model.policy.approve_below
        self._raw = scorer.raw_values(record)
        self._variants = Variants(scorer, self._raw)
        ranges = feature_ranges(scorer.model.artefact)
        self._ways: list[_Way] = []
        proposed: dict[str, list[Value]] = {}
        for name, field in fields.items():
            read = reader(field)
            # A number may be the code of a missing one.
            proposed[name] = [
                value
                for value in proposals(field, self._raw[name], ranges)
                if read(given(value, field)) == value
            ]
        # One table of all: the application as it is, then each field's values.
        ends = np.cumsum([1, *(len(values) for values in proposed.values())]).tolist()
        changed: dict[str, list[Value]] = {name: [self._raw[name]] * ends[-1] for name in fields}
        for (name, values), start in zip(proposed.items(), ends, strict=False):
            changed[name][start : start + len(values)] = values
        features, rejected = self._variants.features(changed)
        pds = self._variants.pds(features, rejected)
        widths = {name: high - low for name, (low, high) in ranges.items()}
        sizes = self._variants.sizes(features, widths, _CATEGORY)
        for (name, values), start in zip(proposed.items(), ends, strict=False):
            own = slice(start, start + len(values))
            self._add(name, values, sizes[own], pds[own], float(pds[0]))

    def _add(
        self, name: str, values: list[Value], sizes: np.ndarray, pds: np.ndarray, now: float
    ) -> None:
        """Keep the values that lower the PD, and no larger change with a PD as high."""
        own: Any = self._raw[name]
        # Of changes that the model takes for equal, that of the nearest number.
        apart = [abs(v - (own or 0.0)) if isinstance(v, float) else 0.0 for v in values]
        kept, lowest = [], now
        for k in np.lexsort((pds, np.array(apart), sizes)).tolist():
            if pds[k] < lowest:
                kept.append(k)
                lowest = float(pds[k])
        if kept:
            self._ways.append(
                _Way(name, [values[k] for k in kept], sizes[kept], pds[kept] < self._limit)
            )

    def singles(self) -> list[Found]:
        """Return the smallest change of each field that suffices alone."""
        found = []
        for way in self._ways:
            enough = np.flatnonzero(way.approved)
            if len(enough):
                k = int(enough[0])
                found.append(Found({way.field: way.values[k]}, float(way.sizes[k])))
        return found

    def combined(self, count: int) -> list[Found]:
        """Return the smallest joint change of each set of so many fields; none suffices alone."""
        sets = []
        for ways in itertools.combinations(self._ways, count):
            # What suffices alone needs no other change.
            short = [np.flatnonzero(~way.approved) for way in ways]
            if all(len(steps) for steps in short):
                picked = [steps[_spread(len(steps), _STEPS[count])] for steps in short]
                sets.append((ways, np.stack([g.ravel() for g in np.meshgrid(*picked)])))
        if not sets:
            return []
        n = sum(grid.shape[1] for _, grid in sets)
        changed = {way.field: [self._raw[way.field]] * n for way in self._ways}
        sizes, start = np.zeros(n), 0
        for ways, grid in sets:
            own = slice(start, start + grid.shape[1])
            for way, steps in zip(ways, grid, strict=True):
                changed[way.field][own] = [way.values[k] for k in steps.tolist()]
                sizes[own] += way.sizes[steps]
            start = own.stop
        approved = self._variants.pds(*self._variants.features(changed)) < self._limit
        cost = np.where(approved, sizes, np.inf)
        found, start = [], 0
        for ways, grid in sets:
            k = start + int(np.argmin(cost[start : start + grid.shape[1]]))
            if approved[k]:
                values = {way.field: changed[way.field][k] for way in ways}
                found.append(Found(values, float(sizes[k])))
            start += grid.shape[1]
        return found


def _spread(n: int, most: int) -> np.ndarray:
    """Return at most so many positions of ``n``, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def chosen(found: Sequence[Found]) -> list[Found]:
    """Rank what was found; a set of fields that holds another one comes last, or not at all."""
    ranked = sorted(found, key=lambda each: (each.rank, tuple(each.values)))
    first: list[Found] = []
    later: list[Found] = []
    for each in ranked:
        own = set(each.values)
        parts = [other for other in found if set(other.values) < own]
        if any(each.size > _WORTH * other.size for other in parts):
            continue
        related = any(own < set(kept.values) or set(kept.values) < own for kept in first)
        (later if related else first).append(each)
    return first + later


def given(value: Value, field: Field) -> Any:
    """Return a field's value as an application gives it."""
    if field.kind is Kind.BOOLEAN:
        return field.true_values[0] if value else field.false_values[0]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
