"""Formulas of engineered features as ONNX operators.

Numbers and conditions are computed as they are; categories are codes into the words that they can
be, so that only those of listed fields can be followed. Dates, and codes that are not listed, have
no form in ONNX: such a feature is an input of the graph itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from onnx import TensorProto

from fed_credit.data.formula_categories import bucket_labels, digits_of, prefix_of
from fed_credit.data.formula_functions import FUNCTIONS, LITERALS
from fed_credit.data.formula_tree import Call, FieldName, Literal, Node, TableName
from fed_credit.data.recipe import Derivation
from fed_credit.data.reference import ReferenceTable
from fed_credit.export.onnx_graph import Graph, Words

Tensor = str | Words


class Unsayable(Exception):
    """What a formula needs that ONNX has no operator for."""


class FormulaGraph:
    """Writes formulas into a graph.

    Parameters
    ----------
    graph : Graph
        The graph.
    field : callable
        Returns the tensor of a field by name; raises :class:`Unsayable`.
    tables : mapping of str to ReferenceTable
        Tables that formulas look into.
    """

    def __init__(
        self,
        graph: Graph,
        field: Callable[[str], Tensor],
        tables: Mapping[str, ReferenceTable],
    ) -> None:
        self._graph, self._field, self._tables = graph, field, tables

    def derived(self, item: Derivation) -> Tensor:
        """Write an engineered field, with its bounds where those make a value missing.

        Raises
        ------
        Unsayable
            Naming what cannot be said.
        """
        found, g = self._tensor(item.read.root), self._graph
        if item.outside != "missing":
            return found
        if isinstance(found, Words):
            return self._mapped(found, lambda w: w if not item.values or w in item.values else None)
        outside = []
        if item.min is not None:
            outside.append(g.op("Less", found, g.number(item.min)))
        if item.max is not None:
            outside.append(g.op("Greater", found, g.number(item.max)))
        return g.unless(g.any_of(outside), found) if outside else found

    def _tensor(self, node: Node) -> Tensor:
        g = self._graph
        if isinstance(node, Literal):
            if isinstance(node.value, str):
                return Words(g.constant([[0]], np.int64), (node.value,))
            return g.constant([[float(node.value)]])
        if isinstance(node, FieldName):
            return self._field(node.name)
        assert isinstance(node, Call)
        write = getattr(self, f"_{_NAMES.get(node.function, node.function)}", None)
        if write is None:
            raise Unsayable(f"the function {node.function}")
        function = FUNCTIONS[node.function]
        further = [function.rest] * (len(node.arguments) - len(function.takes))
        parts: list[Any] = []
        fixed: list[Any] = []
        for argument, takes in zip(node.arguments, [*function.takes, *further], strict=False):
            if isinstance(argument, TableName):
                fixed.append(self._tables[argument.name])
            elif takes in LITERALS and isinstance(argument, Literal):
                fixed.append(argument.value)
            else:
                parts.append(self._tensor(argument))
        found: Tensor = write(parts, fixed)
        return found

    # --- numbers ---------------------------------------------------------------------------------

    def _arithmetic(self, kind: str, parts: list[str]) -> str:
        return self._graph.finite(self._graph.op(kind, *parts))

    def _add(self, parts: list[str], fixed: list[Any]) -> str:
        return self._arithmetic("Add", parts)

    def _subtract(self, parts: list[str], fixed: list[Any]) -> str:
        return self._arithmetic("Sub", parts)

    def _multiply(self, parts: list[str], fixed: list[Any]) -> str:
        return self._arithmetic("Mul", parts)

    def _ratio(self, parts: list[str], fixed: list[Any]) -> str:
        return self._arithmetic("Div", parts)

    def _negative(self, parts: list[str], fixed: list[Any]) -> str:
        return self._arithmetic("Neg", parts)

    def _abs(self, parts: list[str], fixed: list[Any]) -> str:
        return self._arithmetic("Abs", parts)

    def _exp(self, parts: list[str], fixed: list[Any]) -> str:
        return self._arithmetic("Exp", parts)

    def _sqrt(self, parts: list[str], fixed: list[Any]) -> str:
        return self._arithmetic("Sqrt", parts)

    def _log(self, parts: list[str], fixed: list[Any]) -> str:
        return self._arithmetic("Log", parts)

    def _log1p(self, parts: list[str], fixed: list[Any]) -> str:
        return self._arithmetic("Log", [self._graph.op("Add", parts[0], self._graph.number(1.0))])

    def _power(self, parts: list[str], fixed: list[Any]) -> str:
        return self._arithmetic("Pow", [parts[0], self._graph.number(fixed[0])])

    def _signed_power(self, parts: list[str], fixed: list[Any]) -> str:
        g = self._graph
        size = g.op("Pow", g.op("Abs", parts[0]), g.number(fixed[0]))
        return self._arithmetic("Mul", [g.op("Sign", parts[0]), size])

    def _min(self, parts: list[str], fixed: list[Any]) -> str:
        return self._extreme("Min", parts)

    def _max(self, parts: list[str], fixed: list[Any]) -> str:
        return self._extreme("Max", parts)

    def _extreme(self, kind: str, parts: list[str]) -> str:
        g = self._graph
        return g.unless(g.any_of([g.missing(part) for part in parts]), g.op(kind, *parts))

    def _clip(self, parts: list[str], fixed: list[Any]) -> str:
        g = self._graph
        low, high = (g.number(limit) for limit in fixed)
        return g.unless(g.missing(parts[0]), g.op("Min", g.op("Max", parts[0], low), high))

    def _bucket_index(self, parts: list[str], fixed: list[Any]) -> str:
        return self._stepped(parts[0], fixed)

    def _stepped(self, number: str, edges: list[float]) -> str:
        g = self._graph
        found = g.steps(number, np.array(edges), np.arange(len(edges) + 1.0))
        return g.unless(g.missing(number), found)

    # --- conditions ------------------------------------------------------------------------------

    def _missing(self, value: Tensor) -> str:
        g = self._graph
        if isinstance(value, Words):
            return g.op("Equal", value.codes, g.constant([len(value.words)], np.int64))
        return g.missing(value)

    def _compared(self, kind: str, parts: list[Tensor]) -> str:
        g = self._graph
        absent = g.any_of([self._missing(part) for part in parts])
        one, other = parts
        if isinstance(one, Words) and isinstance(other, Words):
            one, other = (part.codes for part in self._aligned([one, other]))
        return g.unless(absent, g.truth(g.op(kind, str(one), str(other))))

    def _less(self, parts: list[Tensor], fixed: list[Any]) -> str:
        return self._compared("Less", parts)

    def _less_equal(self, parts: list[Tensor], fixed: list[Any]) -> str:
        return self._compared("LessOrEqual", parts)

    def _greater(self, parts: list[Tensor], fixed: list[Any]) -> str:
        return self._compared("Greater", parts)

    def _greater_equal(self, parts: list[Tensor], fixed: list[Any]) -> str:
        return self._compared("GreaterOrEqual", parts)

    def _equal(self, parts: list[Tensor], fixed: list[Any]) -> str:
        return self._compared("Equal", parts)

    def _not_equal(self, parts: list[Tensor], fixed: list[Any]) -> str:
        return self._not([self._compared("Equal", parts)], fixed)

    def _not(self, parts: list[str], fixed: list[Any]) -> str:
        return self._graph.op("Sub", self._graph.number(1.0), parts[0])

    def _and(self, parts: list[str], fixed: list[Any]) -> str:
        return self._decided(0.0, parts)

    def _or(self, parts: list[str], fixed: list[Any]) -> str:
        return self._decided(1.0, parts)

    def _decided(self, decides: float, parts: list[str]) -> str:
        g = self._graph
        decided = g.any_of([g.op("Equal", part, g.number(decides)) for part in parts])
        absent = g.any_of([g.missing(part) for part in parts])
        undecided = g.unless(absent, g.number(1.0 - decides))
        return g.choose(decided, g.number(decides), undecided)

    def _is_missing(self, parts: list[Tensor], fixed: list[Any]) -> str:
        return self._graph.truth(self._missing(parts[0]))

    def _one_of(self, parts: list[Words], fixed: list[Any]) -> str:
        table = [*(float(word in fixed) for word in parts[0].words), np.nan]
        return self._graph.look_up(table, parts[0].codes)

    def _where(self, parts: list[Tensor], fixed: list[Any]) -> Tensor:
        g = self._graph
        holds = g.op("Equal", str(parts[0]), g.number(1.0))
        fails = g.op("Equal", str(parts[0]), g.number(0.0))
        if isinstance(parts[1], Words):
            one, *rest = self._aligned([p for p in parts[1:] if isinstance(p, Words)])
            none = g.constant([len(one.words)], np.int64)
            other = g.choose(fails, rest[0].codes, none) if rest else none
            return Words(g.choose(holds, one.codes, other), one.words)
        numbers = [str(part) for part in parts[1:]]
        other = g.unless(g.op("Not", fails), numbers[1]) if len(numbers) > 1 else g.number(np.nan)
        return g.choose(holds, numbers[0], other)

    def _coalesce(self, parts: list[Tensor], fixed: list[Any]) -> Tensor:
        g = self._graph
        words = [part for part in parts if isinstance(part, Words)]
        if words:
            first, *rest = self._aligned(words)
            codes = first.codes
            for other in rest:
                there = g.op("Equal", codes, g.constant([len(first.words)], np.int64))
                codes = g.choose(there, other.codes, codes)
            return Words(codes, first.words)
        number = str(parts[0])
        for part in parts[1:]:
            number = g.choose(g.missing(number), str(part), number)
        return number

    # --- categories ------------------------------------------------------------------------------

    def _mapped(self, text: Words, change: Callable[[str], str | None]) -> Words:
        changed = [change(word) for word in text.words]
        words = tuple(dict.fromkeys(word for word in changed if word is not None))
        table = [len(words) if word is None else words.index(word) for word in changed]
        codes = self._graph.look_up([*table, len(words)], text.codes, np.int64)
        return Words(codes, words)

    def _aligned(self, texts: list[Words]) -> list[Words]:
        """Code several texts by the words of all."""
        words = tuple(dict.fromkeys(word for text in texts for word in text.words))
        return [
            Words(
                self._graph.look_up(
                    [*(words.index(word) for word in text.words), len(words)], text.codes, np.int64
                ),
                words,
            )
            for text in texts
        ]

    def _bucket(self, parts: list[str], fixed: list[Any]) -> Words:
        g, (edges, labels) = self._graph, bucket_labels(fixed)
        absent, codes = g.missing(parts[0]), self._stepped(parts[0], edges)
        codes = g.choose(absent, g.number(float(len(labels))), codes)
        return Words(g.cast(codes, TensorProto.INT64), tuple(labels))

    def _prefix(self, parts: list[Words], fixed: list[Any]) -> Words:
        return self._mapped(parts[0], lambda word: prefix_of(word, fixed[0]))

    def _digits(self, parts: list[Words], fixed: list[Any]) -> Words:
        return self._mapped(parts[0], digits_of)

    def _interact(self, parts: list[Words], fixed: list[Any]) -> Words:
        g, found = self._graph, parts[0]
        for other in parts[1:]:
            n, m = len(found.words), len(other.words)
            words = [f"{one} & {two}" for one in found.words for two in other.words]
            absent = g.any_of([self._missing(found), self._missing(other)])
            codes = g.op("Add", g.op("Mul", found.codes, g.constant([m], np.int64)), other.codes)
            pair = Words(g.choose(absent, g.constant([n * m], np.int64), codes), tuple(words))
            found = self._mapped(pair, str)
        return found

    def _lookup(self, parts: list[Any], fixed: list[Any]) -> Tensor:
        g, table, code = self._graph, fixed[0], parts[0]
        assert isinstance(code, Words)
        rows = table.by_code
        found: Tensor = code
        if table.is_numeric:
            numbers = [*(float(rows.get(word, np.nan)) for word in code.words), np.nan]
            found = g.look_up(numbers, code.codes)
        else:
            found = self._mapped(code, lambda w: None if w not in rows else str(rows[w]))
        if len(parts) == 1:
            return found
        filled = self._coalesce([found, parts[1]], [])
        if isinstance(filled, Words):
            none = g.constant([len(filled.words)], np.int64)
            return Words(g.choose(self._missing(code), none, filled.codes), filled.words)
        return g.unless(self._missing(code), filled)


_NAMES = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "ratio",
    "**": "power",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
    "==": "equal",
    "!=": "not_equal",
}
