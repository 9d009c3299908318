"""The functions of formulas on single values, each with the bits of its column's function."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fed_credit.data.formula_categories import bucket_labels, digits_of, prefix_of
from fed_credit.data.formula_functions import FUNCTIONS
from fed_credit.scoring.cells import Value

Values = Sequence[Any]
"""The fields' values, each at its place: :data:`~fed_credit.scoring.cells.Value`."""

Compute = Callable[[Values], Any]

_LARGEST = float(np.finfo(np.float64).max)

Make = Callable[[list[Compute], list[Any]], Compute]
"""From computed arguments, and literals and tables, to the call."""


def _binary(compute: Callable[[float, float], float]) -> Make:
    """Make a function of two numbers: missing where one is, or the result is not finite."""

    def make(parts: list[Compute], fixed: list[Any]) -> Compute:
        first, second = parts

        def call(v: Values) -> float | None:
            a, b = first(v), second(v)
            if a is None or b is None:
                return None
            found = compute(a, b)
            return found if -_LARGEST <= found <= _LARGEST else None

        return call

    return make


def _divide(a: float, b: float) -> float:
    return a / b if b != 0.0 else math.nan


def _unary(compute: Callable[[float], float], above: float = -math.inf) -> Make:
    """Make a function of one number: missing outside its domain, or if the result is not finite."""

    def make(parts: list[Compute], fixed: list[Any]) -> Compute:
        (first,) = parts

        def call(v: Values) -> float | None:
            a = first(v)
            if a is None or not a > above:
                return None
            found = float(compute(a))
            return found if -_LARGEST <= found <= _LARGEST else None

        return call

    return make


def _by_array(name: str) -> Make:
    """Make a function of numbers that is rare: NumPy's, on arrays of one number."""
    compute: Callable[..., Any] = FUNCTIONS[name].compute

    def make(parts: list[Compute], fixed: list[Any]) -> Compute:
        def call(v: Values) -> float | None:
            values = [part(v) for part in parts]
            arrays = [np.array([np.nan if a is None else a]) for a in values]
            found = float(compute(*arrays, *fixed)[0])
            return None if found != found else found

        return call

    return make


def _folded(compute: Callable[[Sequence[float]], float]) -> Make:
    """Make a function of some numbers, such as the least of them: missing where one is."""

    def make(parts: list[Compute], fixed: list[Any]) -> Compute:
        def call(v: Values) -> float | None:
            values = [part(v) for part in parts]
            return None if None in values else compute(values)

        return call

    return make


def _clip(parts: list[Compute], fixed: list[Any]) -> Compute:
    (first,), (low, high) = parts, fixed

    def call(v: Values) -> float | None:
        a: float | None = first(v)
        return None if a is None else min(max(a, low), high)

    return call


def _compared(holds: Callable[[Any, Any], bool]) -> Make:
    def make(parts: list[Compute], fixed: list[Any]) -> Compute:
        first, second = parts

        def call(v: Values) -> float | None:
            a, b = first(v), second(v)
            if a is None or b is None:
                return None
            return 1.0 if holds(a, b) else 0.0

        return call

    return make


def _decided(decides: float) -> Make:
    """Make ``and``, which a false part decides, or ``or``; else a missing part leaves it so."""

    def make(parts: list[Compute], fixed: list[Any]) -> Compute:
        def call(v: Values) -> float | None:
            values = [part(v) for part in parts]
            if decides in values:
                return decides
            return None if None in values else 1.0 - decides

        return call

    return make


def _not(parts: list[Compute], fixed: list[Any]) -> Compute:
    (first,) = parts

    def call(v: Values) -> float | None:
        a = first(v)
        return None if a is None else 1.0 - a

    return call


def _is_missing(parts: list[Compute], fixed: list[Any]) -> Compute:
    (first,) = parts
    return lambda v: 1.0 if first(v) is None else 0.0


def _one_of(parts: list[Compute], fixed: list[Any]) -> Compute:
    (first,), words = parts, frozenset(fixed)

    def call(v: Values) -> float | None:
        word = first(v)
        return None if word is None else float(word in words)

    return call


def _where(parts: list[Compute], fixed: list[Any]) -> Compute:
    condition, one = parts[:2]
    other: Compute = parts[2] if len(parts) > 2 else lambda v: None

    def call(v: Values) -> Value:
        holds = condition(v)
        if holds is None:
            return None
        found: Value = one(v) if holds == 1.0 else other(v)
        return found

    return call


def _coalesce(parts: list[Compute], fixed: list[Any]) -> Compute:
    def call(v: Values) -> Value:
        return next((found for part in parts if (found := part(v)) is not None), None)

    return call


def _bucket(parts: list[Compute], fixed: list[Any]) -> Compute:
    (first,), (edges, labels) = parts, bucket_labels(fixed)

    def call(v: Values) -> str | None:
        a = first(v)
        return None if a is None else labels[bisect_right(edges, a)]

    return call


def _bucket_index(parts: list[Compute], fixed: list[Any]) -> Compute:
    (first,), edges = parts, list(fixed)

    def call(v: Values) -> float | None:
        a = first(v)
        return None if a is None else float(bisect_right(edges, a))

    return call


def _prefix(parts: list[Compute], fixed: list[Any]) -> Compute:
    (first,), (length,) = parts, fixed

    def call(v: Values) -> str | None:
        word = first(v)
        return None if word is None else prefix_of(word, length)

    return call


def _digits(parts: list[Compute], fixed: list[Any]) -> Compute:
    (first,) = parts

    def call(v: Values) -> str | None:
        word = first(v)
        return None if word is None else digits_of(word)

    return call


def _interact(parts: list[Compute], fixed: list[Any]) -> Compute:
    def call(v: Values) -> str | None:
        words = [part(v) for part in parts]
        return None if None in words else " & ".join(words)

    return call


def _lookup(parts: list[Compute], fixed: list[Any]) -> Compute:
    table = fixed[0]
    first, default = parts[0], parts[1] if len(parts) > 1 else None
    rows = {code: value if table.is_numeric else str(value) for code, value in table.rows}

    def call(v: Values) -> Value:
        code = first(v)
        if code is None:
            return None
        found: Value = rows.get(code)
        return default(v) if found is None and default is not None else found

    return call


CALLS: Mapping[str, Make] = {
    "+": _binary(lambda a, b: a + b),
    "-": _binary(lambda a, b: a - b),
    "*": _binary(lambda a, b: a * b),
    "/": _binary(_divide),
    "ratio": _binary(_divide),
    "negative": _unary(lambda a: -a),
    "**": _by_array("**"),
    "signed_power": _by_array("signed_power"),
    "exp": _by_array("exp"),
    "<": _compared(lambda a, b: a < b),
    "<=": _compared(lambda a, b: a <= b),
    ">": _compared(lambda a, b: a > b),
    ">=": _compared(lambda a, b: a >= b),
    "==": _compared(lambda a, b: a == b),
    "!=": _compared(lambda a, b: a != b),
    "and": _decided(0.0),
    "or": _decided(1.0),
    "not": _not,
    "log": _unary(np.log, above=0.0),
    "log1p": _unary(np.log1p, above=-1.0),
    "sqrt": _unary(math.sqrt, above=-5e-324),
    "abs": _unary(abs),
    "min": _folded(min),
    "max": _folded(max),
    "clip": _clip,
    "is_missing": _is_missing,
    "one_of": _one_of,
    "where": _where,
    "coalesce": _coalesce,
    "bucket": _bucket,
    "bucket_index": _bucket_index,
    "prefix": _prefix,
    "digits": _digits,
    "interact": _interact,
    "lookup": _lookup,
}
"""By a function's name in a formula: what makes a call of it."""
