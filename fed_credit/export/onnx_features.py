"""From a graph's inputs to a model's features: raw fields, where ONNX can say what follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onnx import TensorProto

from fed_credit.data.recipe import Recipe
from fed_credit.data.schema import Field, Kind, Outside, Schema
from fed_credit.export.onnx_formulas import FormulaGraph, Tensor, Unsayable
from fed_credit.export.onnx_graph import Graph, Words
from fed_credit.features.spec import FeatureSpec

NUMBER, CONDITION, TEXT, BUCKET = "number", "condition", "text", "bucket"
"""What an input holds: double, NaN where missing; 0 and 1, NaN; text, empty; the hash bucket of a
text (CRC-32 of its UTF-8 modulo the number of buckets), which is that number where missing."""


@dataclass(frozen=True)
class Input:
    """One input of the graph.

    Parameters
    ----------
    name : str
        Of a field of the schema.
    holds : str
        ``number``, ``condition``, ``text`` or ``bucket``.
    buckets : int
        Of a hashed category; 0 for others.
    instead_of : str
        For an engineered feature that is an input itself: what ONNX has no operator for; else
        empty.
    """

    name: str
    holds: str
    buckets: int = 0
    instead_of: str = ""


class FeatureGraph:
    """Writes the features of a model into a graph, and decides on its inputs.

    Parameters
    ----------
    graph : Graph
        The graph.
    schema : Schema
        What the fields are.
    features : sequence of FeatureSpec
        The model's.

    Attributes
    ----------
    inputs : dict of str to Input
        By name, as far as they are asked for.
    """

    def __init__(self, graph: Graph, schema: Schema, features: list[FeatureSpec]) -> None:
        self._graph, self._schema = graph, schema
        self._specs = {feature.name: feature for feature in features}
        self._recipe = Recipe.of(schema, list(self._specs))
        self._derivations = {item.name: item for item in self._recipe.derivations}
        tables = {table.name: table for table in self._recipe.tables}
        self._formulas = FormulaGraph(graph, self.tensor, tables)
        self._tensors: dict[str, Tensor] = {}
        self.inputs: dict[str, Input] = {}

    def tensor(self, name: str) -> Tensor:
        """Return the tensor of a feature or of a raw field that a formula looks at.

        Raises
        ------
        Unsayable
            If a formula needs what has no form in ONNX; a feature itself is then an input.
        """
        if name in self._tensors:
            return self._tensors[name]
        field = self._schema.fields[name]
        item = self._derivations.get(name)
        if item is None:
            found = self._raw(field)
        else:
            before = dict(self.inputs), len(self._graph.nodes), dict(self._graph.inputs)
            known = dict(self._tensors)
            try:
                found = self._formulas.derived(item)
            except Unsayable as why:
                if name not in self._specs:
                    raise
                # Take back what the formula has written so far.
                self.inputs, nodes, self._graph.inputs = before[0], before[1], before[2]
                del self._graph.nodes[nodes:]
                self._tensors = known
                found = self._input(field, str(why))
        self._tensors[name] = found
        return found

    def _raw(self, field: Field) -> Tensor:
        if field.kind is Kind.DATE:
            raise Unsayable(f"the date {field.name}")
        if field.kind is Kind.CATEGORICAL and not field.values and field.name not in self._specs:
            raise Unsayable(f"codes that are not listed ({field.name})")
        return self._input(field, "")

    def _input(self, field: Field, instead_of: str) -> Tensor:
        """Declare an input, and read it as a checked application would hold it."""
        g, name = self._graph, field.name
        if field.kind is Kind.CATEGORICAL:
            if not field.values:
                size = field.hash_buckets
                self.inputs[name] = Input(name, BUCKET, size, instead_of)
                codes = g.input(name, TensorProto.INT64)
                return Words(codes, tuple(map(str, range(size))), hashed=True)
            self.inputs[name] = Input(name, TEXT, 0, instead_of)
            listed = tuple(word for word in field.values if word not in field.missing_codes)
            return g.words(g.input(name, TensorProto.STRING), listed)
        boolean = field.kind is Kind.BOOLEAN
        self.inputs[name] = Input(name, CONDITION if boolean else NUMBER, 0, instead_of)
        number = g.input(name, TensorProto.DOUBLE)
        outside = [] if boolean or field.formula else _outside(g, field, number)
        return g.unless(g.any_of(outside), number) if outside else number


def _outside(g: Graph, field: Field, number: str) -> list[str]:
    """Return the conditions under which a checked application has no number."""
    conditions = []
    for code in field.missing_codes:
        try:
            conditions.append(g.op("Equal", number, g.number(float(code))))
        except ValueError:
            continue  # a word, which is no number in the first place
    if field.outside is Outside.MISSING:
        if field.min is not None:
            conditions.append(g.op("Less", number, g.number(field.min)))
        if field.max is not None:
            conditions.append(g.op("Greater", number, g.number(field.max)))
    return conditions


def described(inputs: Mapping[str, Input]) -> list[dict[str, Any]]:
    """Return the inputs as plain data for the file's metadata."""
    return [
        {
            "name": each.name,
            "holds": each.holds,
            **({"buckets": each.buckets} if each.buckets else {}),
            **({"instead_of": each.instead_of} if each.instead_of else {}),
        }
        for each in inputs.values()
    ]
