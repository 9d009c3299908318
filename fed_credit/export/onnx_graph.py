"""A graph of ONNX operators in the making, and the few idioms that scoring needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

ML = "ai.onnx.ml"
OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
"""Old enough for the runtimes in use, new enough for double precision throughout."""


@dataclass(frozen=True)
class Words:
    """Categories in a graph.

    Parameters
    ----------
    codes : str
        Name of a tensor ``(n, 1) int64``: position in ``words``, ``len(words)`` where missing.
    words : tuple of str
        Each once.
    hashed : bool
        Whether the words are numbers of hash buckets.
    """

    codes: str
    words: tuple[str, ...]
    hashed: bool = False


class Graph:
    """Collects operators, constants and inputs; tensors are known by name.

    Numbers are ``(n, 1) double``, NaN where missing; conditions are the numbers 0 and 1.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.inputs: dict[str, Any] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self.initializers: list[Any] = []
        self._count = 0

    def input(self, name: str, kind: int) -> str:
        """Declare an input ``(n, 1)`` once and return its name."""
        if name not in self.inputs:
            self.inputs[name] = helper.make_tensor_value_info(name, kind, ["n", 1])
        return name

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add an operator of one output and return its name."""
        self._count += 1
        name = f"t{self._count}"
        self.nodes.append(helper.make_node(kind, inputs, [name], domain=domain, **attributes))
        return name

    def rename(self, tensor: str, name: str) -> None:
        """Give a tensor a name that outputs are known by."""
        self.nodes.append(helper.make_node("Identity", [tensor], [name]))

    def constant(self, values: Any, dtype: Any = np.float64) -> str:
        """Return the name of a constant; equal ones are kept once."""
        array = np.asarray(values, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"c{len(self._constants)}"
            self._constants[key] = name
            self.initializers.append(numpy_helper.from_array(array, name))
        return self._constants[key]

    def number(self, value: float) -> str:
        """Return the name of one number."""
        return self.constant([value])

    def cast(self, tensor: str, kind: int) -> str:
        """Convert a tensor."""
        return self.op("Cast", tensor, to=kind)

    def truth(self, condition: str) -> str:
        """Turn a tensor of bool into the numbers 0 and 1."""
        return self.cast(condition, TensorProto.DOUBLE)

    def choose(self, condition: str, one: str, other: str) -> str:
        """Choose by a tensor of bool."""
        return self.op("Where", condition, one, other)

    def missing(self, number: str) -> str:
        """Tell where a number is missing, bool."""
        return self.op("IsNaN", number)

    def unless(self, condition: str, number: str) -> str:
        """Make a number missing where a condition holds."""
        return self.choose(condition, self.number(np.nan), number)

    def finite(self, number: str) -> str:
        """Make infinities missing."""
        return self.unless(self.op("IsInf", number), number)

    def any_of(self, conditions: list[str]) -> str:
        """Tell where one of several conditions holds, bool."""
        found = conditions[0]
        for condition in conditions[1:]:
            found = self.op("Or", found, condition)
        return found

    def total(self, numbers: list[str]) -> str:
        """Add numbers up, from the first to the last."""
        found = numbers[0]
        for number in numbers[1:]:
            found = self.op("Add", found, number)
        return found

    def words(self, text: str, words: tuple[str, ...]) -> Words:
        """Code a tensor of text; what is not listed, and empty text, is missing."""
        coded = self.op(
            "LabelEncoder",
            text,
            domain=ML,
            keys_strings=list(words),
            values_int64s=list(range(len(words))),
            default_int64=len(words),
        )
        return Words(coded, words)

    def look_up(self, table: Any, codes: str, dtype: Any = np.float64) -> str:
        """Return the entries of a table, ``(k,)`` or ``(k, m)``, for codes ``(n, 1)``."""
        array = np.asarray(table, dtype)
        found = self.op("Gather", self.constant(array, dtype), codes, axis=0)
        if array.ndim == 2:  # (n, 1, m)
            return self.op("Squeeze", found, self.constant([1], np.int64))
        return found

    def steps(self, number: str, cuts: np.ndarray, levels: np.ndarray) -> str:
        """Return ``levels[k]`` for numbers with ``k`` cuts at or below them; exact for integers.

        Parameters
        ----------
        number : str
            Without missing values, or they are dealt with afterwards.
        cuts, levels : numpy.ndarray
            ``(k,)`` and ``(k + 1,) float64``.
        """
        changed = np.flatnonzero(np.diff(levels) != 0.0)
        if not len(changed):
            return self.op("Add", self.op("Mul", number, self.number(0.0)), self.number(levels[0]))
        above = self.truth(self.op("GreaterOrEqual", number, self.constant(cuts[changed][None, :])))
        weights = np.diff(levels)[changed][:, None]
        return self.op(
            "Add", self.op("MatMul", above, self.constant(weights)), self.number(levels[0])
        )
