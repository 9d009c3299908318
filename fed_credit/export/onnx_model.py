"""The scoring function of a model's file as an ONNX graph: inputs to PDs and score."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper

from fed_credit import __version__
from fed_credit.artefact import Artefact
from fed_credit.data.schema import Kind
from fed_credit.data.schema_text import schema_text
from fed_credit.export.onnx_features import FeatureGraph, Input, described
from fed_credit.export.onnx_graph import IR_VERSION, ML, ML_OPSET, OPSET, Graph, Words
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.features.spec import FeatureSpec
from fed_credit.features.steps import NumericStep
from fed_credit.model_file.archive import Opened
from fed_credit.scoring.plan_columns import step_table

MODEL_PD, PD, SCORE = OUTPUTS = ("model_pd", "pd", "score")
_SMALLEST = 1e-15  # as in fed_credit.decision.calibration


@dataclass(frozen=True)
class Exported:
    """An ONNX model.

    Parameters
    ----------
    body : bytes
        The file.
    inputs : tuple of Input
        What it takes, ``(n, 1)`` each.
    """

    body: bytes
    inputs: tuple[Input, ...]


def to_onnx(opened: Opened) -> Exported:
    """Write a model's scoring function as an ONNX graph.

    Parameters
    ----------
    opened : Opened
        The model's file.

    Returns
    -------
    Exported
        Its outputs, ``(n, 1)`` each: ``model_pd`` and ``pd`` in double precision, and ``score`` as
        int64. It reads values as a checked application has them: what the schema rejects is for the
        caller to reject.
    """
    model = opened.model
    graph = Graph()
    features = FeatureGraph(graph, model.schema, list(model.artefact.model.features))
    writer = _Writer(graph, features)
    score: str | None = None
    family = model.artefact.spec.family
    if family == "scorecard":
        score, model_pd = writer.card(model.artefact)
    elif family == "logreg_exact":
        model_pd = writer.regression(model.artefact)
    elif family in ("gbdt", "tree"):
        model_pd = writer.trees(model.artefact)
    else:
        model_pd = writer.network(model.artefact)
    calibration, policy = model.calibration, model.policy
    pd = model_pd
    if calibration.shift != 0.0 or calibration.slope != 1.0:
        pd = writer.sigmoid(writer.line(calibration.shift, calibration.slope, writer.logit(pd)))
    pd = graph.op("Max", pd, graph.number(calibration.floor))
    if score is None:
        factor, offset = policy.factor_and_offset
        score = graph.op("Round", writer.line(offset, -factor, writer.logit(pd)))
    for name, tensor in ((MODEL_PD, model_pd), (PD, pd)):
        graph.rename(tensor, name)
    graph.rename(graph.cast(score, TensorProto.INT64), SCORE)
    inputs = tuple(features.inputs.values())
    return Exported(_body(graph, opened, inputs), inputs)


class _Writer:
    """Writes the families of models."""

    def __init__(self, graph: Graph, features: FeatureGraph) -> None:
        self._g, self._features = graph, features

    def line(self, constant: float, slope: float, x: str) -> str:
        g = self._g
        return g.op("Add", g.op("Mul", x, g.number(slope)), g.number(constant))

    def sigmoid(self, log_odds: str) -> str:
        """Return PDs, ``1 / (1 + exp(-x))``; exact at both ends, as Sigmoid need not be."""
        g = self._g
        near = g.op("Exp", g.op("Neg", g.op("Abs", log_odds)))
        below = g.op("Less", log_odds, g.number(0.0))
        above = g.choose(below, near, g.number(1.0))
        return g.op("Div", above, g.op("Add", near, g.number(1.0)))

    def logit(self, pd: str) -> str:
        g = self._g
        clipped = g.op("Min", g.op("Max", pd, g.number(_SMALLEST)), g.number(1.0 - _SMALLEST))
        return g.op("Sub", g.op("Log", clipped), g.op("Log", g.op("Sub", g.number(1.0), clipped)))

    def card(self, artefact: Artefact) -> tuple[str, str]:
        """Return score and PD."""
        from fed_credit.families.card import ScorecardModel
        from fed_credit.scorecard.points import factor_and_offset

        assert isinstance(artefact.model, ScorecardModel)
        rule = artefact.model.rule
        points = [
            self._by_code(one.binning.fine, np.array(one.points, np.float64)[one.binning.class_of])
            for one in rule.card.characteristics
        ]
        g = self._g
        score = g.op("Add", g.total(points), g.number(float(rule.card.base_points)))
        factor, offset = factor_and_offset(rule.card.scaling)
        odds = g.op("Div", g.op("Sub", g.number(offset), score), g.number(factor))
        calibration = rule.calibration
        pd = self.sigmoid(self.line(calibration.shift, calibration.slope, odds))
        return score, g.op("Max", pd, g.number(calibration.floor))

    def regression(self, artefact: Artefact) -> str:
        """Return the PD."""
        from fed_credit.families.logistic import LogisticModel

        model = artefact.model
        assert isinstance(model, LogisticModel)
        weights = model.design.columns.coefficients(
            model.slopes.tolist(), len(model.preprocessor.columns)
        )
        g, terms, first = self._g, [self._g.number(model.intercept)], 0
        for own, matrix in self._columns(model.preprocessor):
            slopes = weights[first : first + own]
            first += own
            terms += [g.op("Mul", matrix[0], g.number(float(slopes[0])))] if matrix[0] else []
            if matrix[1] is not None:
                table, codes = matrix[1]
                terms.append(g.look_up(table @ slopes[own - table.shape[1] :], codes))
        return self.sigmoid(g.total(terms))

    def network(self, artefact: Artefact) -> str:
        """Return the PD; the network itself in single precision, as it is trained."""
        from fed_credit.families.network import NetworkModel

        model = artefact.model
        assert isinstance(model, NetworkModel)
        g, parts = self._g, []
        for _, (number, coded) in self._columns(model.preprocessor):
            parts += [g.cast(number, TensorProto.FLOAT)] if number else []
            if coded is not None:
                parts.append(g.look_up(coded[0], coded[1], np.float32))
        x = g.op("Concat", *parts, axis=1)
        layers = list(zip(model.weights[::2], model.weights[1::2], strict=True))
        for k, (weight, bias) in enumerate(layers):
            tensors = [g.constant(array, np.float32) for array in (weight, bias)]
            x = g.op("Gemm", x, *tensors, transB=1)
            if k < len(layers) - 1:
                x = g.op("Relu", x)
        odds = g.cast(x, TensorProto.DOUBLE)
        return self.sigmoid(g.op("Add", odds, g.number(model.log_odds_offset)))

    def trees(self, artefact: Artefact) -> str:
        """Return the PD; leaves are exact in single precision, and so is their sum."""
        from fed_credit.export.onnx_trees import tree_attributes
        from fed_credit.families.boosted import TreesModel
        from fed_credit.trees.spec import MARGIN_UNIT

        model = artefact.model
        assert isinstance(model, TreesModel)
        g, parts = self._g, []
        for column in model.made_of.columns:
            tensor = self._features.tensor(column.fine.feature.name)
            if column.levels:
                levels = [np.nan if level is None else level for level in column.levels]
                assert isinstance(tensor, Words)
                parts.append(
                    g.look_up(levels, self._codes(column.fine.feature, tensor), np.float32)
                )
            else:
                parts.append(g.cast(str(tensor), TensorProto.FLOAT))
        base = model.ensemble.base * MARGIN_UNIT
        if not model.ensemble.trees:
            first = g.op("Mul", g.truth(g.op("IsNaN", parts[0])), g.number(0.0))
            return self.sigmoid(g.op("Add", first, g.number(base)))
        x = g.op("Concat", *parts, axis=1)
        sums = g.op(
            "TreeEnsembleRegressor", x, domain=ML, n_targets=1, **tree_attributes(model.ensemble)
        )
        odds = g.op("Add", g.cast(sums, TensorProto.DOUBLE), g.number(base))
        return self.sigmoid(odds)

    def _columns(
        self, preprocessor: Preprocessor
    ) -> list[tuple[int, tuple[str, tuple[np.ndarray, str] | None]]]:
        """Return each step's number of columns, its number, and table and codes of the others.

        A number is rounded to single precision, as the matrix is that models are trained on.
        """
        g, found = self._g, []
        for step in preprocessor.steps:
            tensor = self._features.tensor(step.feature.name)
            table = np.array(step_table(step), np.float64)
            if isinstance(step, NumericStep):
                x = g.choose(g.missing(str(tensor)), g.number(step.median), str(tensor))
                x = g.op("Min", g.op("Max", x, g.number(step.low)), g.number(step.high))
                x = g.op("Div", g.op("Sub", x, g.number(step.mean)), g.number(step.scale))
                x = g.cast(g.cast(x, TensorProto.FLOAT), TensorProto.DOUBLE)
                absent = g.cast(g.missing(str(tensor)), TensorProto.INT64)
                coded = (table[:, 1:], absent) if step.indicator else None
                found.append((len(step.columns), (x, coded)))
                continue
            if step.feature.kind is Kind.BOOLEAN:
                absent = g.missing(str(tensor))
                codes = g.cast(g.choose(absent, g.number(2.0), str(tensor)), TensorProto.INT64)
            else:
                assert isinstance(tensor, Words)
                codes = self._codes(step.feature, tensor)
            found.append((len(step.columns), ("", (table, codes))))
        return found

    def _codes(self, feature: FeatureSpec, words: Words) -> str:
        """Turn codes into those of a model: its values or buckets, not listed, missing."""
        size = feature.num_categories
        if words.hashed:
            table = list(range(size))
        elif feature.values:
            places = {word: k for k, word in enumerate(feature.values)}
            table = [places.get(word, size) for word in words.words]
        else:
            table = [zlib.crc32(word.encode()) % size for word in words.words]
        return self._g.look_up([*table, size + 1], words.codes, np.int64)

    def _by_code(self, fine: FineBins, values: np.ndarray) -> str:
        """Return ``values[code]`` for the fine code of a feature."""
        g, tensor = self._g, self._features.tensor(fine.feature.name)
        if isinstance(tensor, Words):
            return g.look_up(values, self._codes(fine.feature, tensor))
        cuts = np.array(fine.cuts if fine.feature.kind is Kind.NUMERIC else (5e-324,))
        found = g.steps(tensor, cuts, values[: fine.num_values])
        for k, special in enumerate(fine.specials):
            same = g.op("Equal", tensor, g.number(special))
            found = g.choose(same, g.number(float(values[fine.num_values + k])), found)
        return g.choose(g.missing(tensor), g.number(float(values[fine.missing])), found)


def _body(graph: Graph, opened: Opened, inputs: Sequence[Input]) -> bytes:
    outputs = [
        helper.make_tensor_value_info(
            name, TensorProto.INT64 if name == SCORE else TensorProto.DOUBLE, ["n", 1]
        )
        for name in OUTPUTS
    ]
    made = helper.make_model(
        helper.make_graph(
            graph.nodes, "fed_credit", list(graph.inputs.values()), outputs, graph.initializers
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)],
        ir_version=IR_VERSION,
        producer_name="fed-credit",
        producer_version=__version__,
    )
    facts: dict[str, Any] = {
        "sha256": opened.sha256,
        "family": opened.model.artefact.spec.family,
        "schema": schema_text(opened.model.schema),
        "inputs": json.dumps(described({each.name: each for each in inputs}), ensure_ascii=False),
    }
    helper.set_model_props(made, {f"fed_credit.{key}": value for key, value in facts.items()})
    checker.check_model(made, full_check=True)
    body: bytes = made.SerializeToString(deterministic=True)
    return body
