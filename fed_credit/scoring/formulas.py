"""Engineered fields of one application: formulas as plain functions of single values.

A formula's tree becomes nested functions, once per model; nothing is run as code. Additions,
multiplications and divisions of Python's floats are those of NumPy's; logarithms are NumPy's own,
of a single number; so the bits are those of :meth:`fed_credit.data.recipe.Recipe.compute`. What is
rare (powers, dates) is computed there, on columns of one row.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fed_credit.data.formula_categories import bucket_labels, digits_of, prefix_of
from fed_credit.data.formula_functions import FUNCTIONS, LITERALS, Takes
from fed_credit.data.formula_tree import Call, FieldName, Literal, Node, TableName
from fed_credit.data.formula_values import Text, ValueType
from fed_credit.data.formula_values import Value as Column
from fed_credit.data.recipe import Derivation
from fed_credit.data.reference import ReferenceTable
from fed_credit.scoring.cells import Value

Values = Sequence[Any]
"""The fields' values, each at its place: :data:`~fed_credit.scoring.cells.Value`."""

Compute = Callable[[Values], Any]

_LARGEST = float(np.finfo(np.float64).max)
_DATES = frozenset({"months_between", "days_between", "year", "month", "date"})


def single(
    derivation: Derivation,
    places: Mapping[str, int],
    kinds: Mapping[str, ValueType],
    tables: Mapping[str, ReferenceTable],
) -> Callable[[Values], Value]:
    """Return what computes an engineered field of one application.

    Parameters
    ----------
    derivation : Derivation
        The field.
    places : mapping of str to int
        Where the value of each field stands that the formula may look at.
    kinds : mapping of str to ValueType
        What they are.
    tables : mapping of str to ReferenceTable
        Those that the formula looks into.

    Returns
    -------
    callable
        From the values to the field's, None where missing: also where it lies outside the bounds
        or values of a field that says ``outside: missing``.
    """
    root = derivation.read.root
    if _functions(root) & _DATES:
        compute = _by_columns(derivation, places, kinds, tables)
    else:
        compute = _compiled(root, places, tables)
    if derivation.outside != "missing":
        return compute
    if derivation.kind == ValueType.TEXT:
        return _among(compute, frozenset(derivation.values)) if derivation.values else compute
    if derivation.kind == ValueType.NUMBER:
        return _between(compute, derivation.min, derivation.max)
    return compute


def _among(compute: Compute, values: frozenset[str]) -> Compute:
    def listed(v: Values) -> str | None:
        word: str | None = compute(v)
        return word if word in values else None

    return listed


def _between(compute: Compute, low: float | None, high: float | None) -> Compute:
    least = -math.inf if low is None else low
    most = math.inf if high is None else high

    def bounded(v: Values) -> float | None:
        value: float | None = compute(v)
        return value if value is not None and least <= value <= most else None

    return bounded


def _functions(node: Node) -> set[str]:
    if not isinstance(node, Call):
        return set()
    return {node.function}.union(*(_functions(argument) for argument in node.arguments))


def _by_columns(
    derivation: Derivation,
    places: Mapping[str, int],
    kinds: Mapping[str, ValueType],
    tables: Mapping[str, ReferenceTable],
) -> Compute:
    """Compute a formula on columns of one row."""
    formula, asked = derivation.read, {name: places[name] for name in derivation.read.fields}

    def compute(v: Values) -> Value:
        columns = {name: _column(v[place], kinds[name]) for name, place in asked.items()}
        return _only(formula.compute(columns.__getitem__, tables, 1))

    return compute


def _column(value: Value, kind: ValueType) -> Column:
    if kind is ValueType.TEXT:
        return Text(np.array([-1 if value is None else 0]), () if value is None else (str(value),))
    if kind is ValueType.DATE:
        days = np.iinfo(np.int64).min if value is None else value
        return np.array([days], np.int64).view("datetime64[D]")
    return np.array([np.nan if value is None else value], np.float64)


def _only(column: Column) -> Value:
    """Return the value of a column of one row."""
    if isinstance(column, Text):
        code = int(column.codes[0])
        return None if code < 0 else column.words[code]
    if column.dtype.kind == "M":
        return None if np.isnat(column[0]) else int(column[0].astype("datetime64[D]").astype(int))
    number = float(column[0])
    return None if number != number else number


def _compiled(
    node: Node, places: Mapping[str, int], tables: Mapping[str, ReferenceTable]
) -> Compute:
    if isinstance(node, Literal):
        value = node.value if isinstance(node.value, str) else float(node.value)
        return lambda v: value
    if isinstance(node, FieldName):
        place = places[node.name]
        return lambda v: v[place]
    assert isinstance(node, Call)
    parts: list[Compute] = []
    fixed: list[Any] = []
    for argument, takes in zip(node.arguments, _takes(node), strict=True):
        if isinstance(argument, TableName):
            fixed.append(tables[argument.name])
        elif takes in LITERALS and isinstance(argument, Literal):
            fixed.append(argument.value)
        else:
            parts.append(_compiled(argument, places, tables))
    return _CALLS[node.function](parts, fixed)


def _takes(node: Call) -> list[Takes]:
    function = FUNCTIONS[node.function]
    further = len(node.arguments) - len(function.takes)
    rest = [function.rest] * max(0, further) if function.rest else []
    return [*function.takes, *rest][: len(node.arguments)]


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


_CALLS: Mapping[str, Make] = {
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
