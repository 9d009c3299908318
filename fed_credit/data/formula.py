"""Formulas: a small language in which a schema says how a field is computed from others.

A formula is read with Python's own parser and turned into a tree of four kinds of node: literals,
fields, tables, and calls of the functions in :mod:`fed_credit.data.formula_functions`. Whatever
else Python knows (attributes, subscripts, comprehensions, lambdas, assignments) is refused, nothing
is ever run as code, and length, depth and exponents are limited, so that a formula from elsewhere
can do no more than compute a column. ``docs/features.md`` describes the language.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fed_credit.data.formula_functions import FUNCTIONS, LITERALS, Function, Takes
from fed_credit.data.formula_tree import (
    Call,
    FieldName,
    FormulaError,
    Literal,
    Node,
    TableName,
    read_tree,
)
from fed_credit.data.formula_values import (
    NUMBER,
    TRUTH,
    Argument,
    ArgumentError,
    Text,
    Type,
    Value,
    ValueType,
)
from fed_credit.data.reference import ReferenceTable
from fed_credit.errors import suggestion


@dataclass(frozen=True)
class Formula:
    """A formula that was read.

    Parameters
    ----------
    text : str
        In the parser's own spelling, so that formulas that differ in blanks or brackets are equal.
    root : Literal, FieldName, TableName or Call
        The tree.
    """

    text: str
    root: Node

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields it looks at, in the order in which they appear."""
        found = [node.name for node in _nodes(self.root) if isinstance(node, FieldName)]
        return tuple(dict.fromkeys(found))

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables it looks into."""
        found = [node.name for node in _nodes(self.root) if isinstance(node, TableName)]
        return tuple(dict.fromkeys(found))

    def check(self, fields: Callable[[str], Type], tables: Mapping[str, ReferenceTable]) -> Type:
        """Check types and return that of the result.

        Parameters
        ----------
        fields : callable
            Returns the type of a field, or raises :class:`FormulaError` if there is none.
        tables : mapping of str to ReferenceTable
            The tables there are.

        Returns
        -------
        Type

        Raises
        ------
        FormulaError
            Naming the character and what is expected there.
        """
        return _type_of(self.root, fields, tables)

    def compute(
        self, fields: Callable[[str], Value], tables: Mapping[str, ReferenceTable], n: int
    ) -> Value:
        """Compute the formula of checked types over columns.

        Every element depends on its own row alone.

        Parameters
        ----------
        fields : callable
            Returns the column of a field, ``(n,)``.
        tables : mapping of str to ReferenceTable
            The tables.
        n : int
            Number of rows.

        Returns
        -------
        numpy.ndarray or Text
            ``(n,)``: float64 numbers and truth values, ``datetime64[D]`` dates, or a text column.
        """
        value = _compute(self.root, fields, tables)
        if isinstance(value, Text):
            return Text(np.broadcast_to(value.codes, (n,)), value.words)
        return np.broadcast_to(value, (n,))


def parse(text: str) -> Formula:
    """Read a formula.

    Parameters
    ----------
    text : str
        For instance ``log1p(turnover)``.

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        If it is not in the language, looks at no field, or is too long or too deep.
    """
    formula = Formula(*read_tree(text))
    if not formula.fields:
        raise FormulaError("the formula looks at no field; name at least one")
    return formula


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, Call):
        for argument in node.arguments:
            yield from _nodes(argument)


_ACCEPTS: Mapping[Takes, tuple[ValueType, ...]] = {
    Takes.NUMBER: (ValueType.NUMBER, ValueType.TRUTH),
    Takes.TRUTH: (ValueType.TRUTH,),
    Takes.TEXT: (ValueType.TEXT,),
    Takes.DATE: (ValueType.DATE,),
    Takes.ANY: tuple(ValueType),
    Takes.SAME: tuple(ValueType),
}
_FALSE_FRIENDS = {
    (Takes.NUMBER, ValueType.TEXT): "; turn a category into a number with lookup or one_of",
    (Takes.NUMBER, ValueType.DATE): "; turn dates into a number with months_between or year",
    (Takes.TEXT, ValueType.NUMBER): "; turn a number into a category with bucket",
    (Takes.TEXT, ValueType.TRUTH): '; turn a condition into a category with where(c, "A", "B")',
    (Takes.TRUTH, ValueType.NUMBER): "; compare the number, as in x > 0",
    (Takes.TRUTH, ValueType.TEXT): '; compare the category, as in x == "A"',
    (Takes.DATE, ValueType.TEXT): '; write a date as date("2020-01-31")',
}


def _type_of(
    node: Node, fields: Callable[[str], Type], tables: Mapping[str, ReferenceTable]
) -> Type:
    if isinstance(node, Literal):
        if isinstance(node.value, bool):
            return TRUTH
        if isinstance(node.value, str):
            return Type(ValueType.TEXT, (node.value,))
        return NUMBER
    if isinstance(node, FieldName):
        try:
            return fields(node.name)
        except FormulaError as error:
            raise FormulaError(str(error), node.position) from None
    if isinstance(node, TableName):
        if node.name not in tables:
            hint = suggestion(node.name, tables) or " Name it under the schema's tables."
            raise FormulaError(f"there is no table '{node.name}'.{hint}", node.position)
        return NUMBER  # stands in for a value it is not; no parameter takes both
    function = FUNCTIONS[node.function]
    expected = _parameters(function, node)
    types = []
    for argument, takes in zip(node.arguments, expected, strict=True):
        types.append(_type_of(argument, fields, tables))
        _fits(function, argument, takes, types[-1])
    if isinstance(function.gives, Type):
        return function.gives
    known = [_known_value(argument, tables) for argument in node.arguments]
    try:
        return function.gives(types, known)
    except ArgumentError as error:
        at = node if error.argument < 0 else node.arguments[error.argument]
        raise FormulaError(f"{function.form}: {error}", at.position) from None


def _parameters(function: Function, node: Call) -> list[Takes]:
    """Return what each argument of a call must be."""
    most, given = len(function.takes), len(node.arguments)
    least = most - function.optional
    if given < least or (given > most and function.rest is None):
        raise FormulaError(
            f"{function.form} takes {least}{'' if least == most else f' or {most}'}"
            f"{' or more' if function.rest else ''} arguments, not {given}",
            node.position,
        )
    further = [function.rest] * (given - most) if function.rest else []
    return [*function.takes, *further][:given]


def _fits(function: Function, argument: Node, takes: Takes, found: Type) -> None:
    if takes is Takes.TABLE:
        return
    if takes in LITERALS:
        value = argument.value if isinstance(argument, Literal) else None
        number = isinstance(value, float) and takes is not Takes.LITERAL_TEXT
        if not number and not (isinstance(value, str) and takes is not Takes.LITERAL_NUMBER):
            raise FormulaError(f"{function.form} needs {takes} here", argument.position)
    elif found.of not in _ACCEPTS[takes]:
        named = f"'{argument.name}'" if isinstance(argument, FieldName) else "this"
        raise FormulaError(
            f"{function.form} needs {takes}, but {named} is {found.of.noun}"
            f"{_FALSE_FRIENDS.get((takes, found.of), '')}",
            argument.position,
        )


def _known_value(argument: Node, tables: Mapping[str, ReferenceTable]) -> Argument | None:
    if isinstance(argument, TableName):
        return tables[argument.name]
    return argument.value if isinstance(argument, Literal) else None


def _compute(
    node: Node, fields: Callable[[str], Value], tables: Mapping[str, ReferenceTable]
) -> Value:
    if isinstance(node, Literal):
        if isinstance(node.value, str):
            return Text(np.array(0, dtype=np.int64), (node.value,))
        return np.array(float(node.value))
    if isinstance(node, FieldName):
        return fields(node.name)
    assert isinstance(node, Call)
    function = FUNCTIONS[node.function]
    values: list[Argument] = []
    for argument, takes in zip(node.arguments, _parameters(function, node), strict=True):
        if isinstance(argument, TableName):
            values.append(tables[argument.name])
        elif takes in LITERALS and isinstance(argument, Literal):
            values.append(argument.value)
        else:
            values.append(_compute(argument, fields, tables))
    value = function.compute(*values)
    # numpy turns arrays without a dimension into scalars.
    return value if isinstance(value, Text) else np.asarray(value)
