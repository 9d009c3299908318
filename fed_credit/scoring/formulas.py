"""Engineered fields of one application: formulas as plain functions of single values.

A formula's tree becomes nested functions, once per model; nothing is run as code. Additions,
multiplications and divisions of Python's floats are those of NumPy's; logarithms are NumPy's own,
of a single number; so the bits are those of :meth:`fed_credit.data.recipe.Recipe.compute`. What is
rare (powers, dates) is computed there, on columns of one row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fed_credit.data.formula_functions import FUNCTIONS, LITERALS, Takes
from fed_credit.data.formula_tree import Call, FieldName, Literal, Node, TableName
from fed_credit.data.formula_values import Text, ValueType
from fed_credit.data.formula_values import Value as Column
from fed_credit.data.recipe import Derivation
from fed_credit.data.reference import ReferenceTable
from fed_credit.scoring.cells import Value
from fed_credit.scoring.formula_calls import CALLS, Compute, Values

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
    return CALLS[node.function](parts, fixed)


def _takes(node: Call) -> list[Takes]:
    function = FUNCTIONS[node.function]
    further = len(node.arguments) - len(function.takes)
    rest = [function.rest] * max(0, further) if function.rest else []
    return [*function.takes, *rest][: len(node.arguments)]
