"""Reading a formula: from text to a tree of literals, fields, tables and calls.

Python's own parser does the reading; what it finds is taken over node by node, and anything that is
not known here is refused.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from fed_credit.data.formula_functions import FUNCTIONS, OPERATORS, Takes
from fed_credit.errors import suggestion

MAX_LENGTH, MAX_DEPTH, MAX_NODES = 2_000, 50, 400


class FormulaError(Exception):
    """What is wrong with a formula and where; whoever knows the field's name says it to the user.

    Parameters
    ----------
    message : str
        What is wrong and what to do, without a full stop.
    position : int
        Character of the formula, from 1; 0 for the formula as a whole.
    """

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(f"character {position}: {message}" if position else message)

    @property
    def sentence(self) -> str:
        """The message with a full stop."""
        text = str(self)
        return text if text.endswith((".", "?")) else f"{text}."


@dataclass(frozen=True)
class Literal:
    """A number, a truth value or a text."""

    value: float | bool | str
    position: int


@dataclass(frozen=True)
class FieldName:
    """A field of the schema."""

    name: str
    position: int


@dataclass(frozen=True)
class TableName:
    """A reference table."""

    name: str
    position: int


@dataclass(frozen=True)
class Call:
    """A function or operator with its arguments."""

    function: str
    arguments: tuple[Node, ...]
    position: int


Node = Literal | FieldName | TableName | Call


def read_tree(text: str) -> tuple[str, Node]:
    """Read a formula.

    Parameters
    ----------
    text : str
        For instance ``log1p(turnover)``.

    Returns
    -------
    str
        The formula in the parser's own spelling.
    Literal, FieldName, TableName or Call
        The tree.

    Raises
    ------
    FormulaError
        If it is not in the language, or too long or too deep.
    """
    if len(text) > MAX_LENGTH:
        raise FormulaError(
            f"the formula has {len(text)} characters, {MAX_LENGTH} are allowed; compute a part of"
            " it in a field of its own"
        )
    # A formula over several lines of a schema file is one formula.
    text = text.replace("\r", " ").replace("\n", " ").replace("\t", " ").rstrip()
    offset = len(text) - len(text.lstrip())
    text = text.lstrip()
    if not text:
        raise FormulaError("the formula is empty; write an expression, such as log1p(turnover)")
    for place, letter in enumerate(text):
        if not letter.isprintable():
            raise FormulaError(
                f"the character U+{ord(letter):04X} cannot be seen; delete it", offset + place + 1
            )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the parser, about style
            body = ast.parse(text, mode="eval").body
        _refuse_comments(text, body, offset)
        root = _Reader(text, offset).read(body)
    except SyntaxError as error:
        where = 0 if error.offset is None else min(max(error.offset, 1), len(text))
        wide = text[where - 1] if where else ""
        hint = "; write brackets, commas, quotes and signs as on an English keyboard"
        raise FormulaError(
            f"this is not an expression ({_first_line(error)})"
            f"{hint if wide and not wide.isascii() else '; check brackets, quotes and commas'}",
            offset + where if where else 0,
        ) from None
    except (ValueError, MemoryError, RecursionError, OverflowError):
        raise FormulaError("this cannot be read as an expression; make it simpler") from None
    return ast.unparse(body), root


def _refuse_comments(text: str, body: ast.expr, offset: int) -> None:
    """Refuse a comment, which would swallow the lines after it."""
    quoted = sum(
        node.value.count("#")
        for node in ast.walk(body)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    if text.count("#") > quoted:
        raise FormulaError(
            "comments with # are not part of a formula; write them in the schema file, outside of"
            " it",
            offset + text.rindex("#") + 1,
        )


def _first_line(error: SyntaxError) -> str:
    return (error.msg or "invalid syntax").splitlines()[0].rstrip(". ")


_BINARY: Mapping[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
}
_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_INSTEAD: Mapping[type[ast.AST], str] = {
    ast.IfExp: "write where(condition, a, b)",
    ast.In: 'write one_of(category, "A", "B")',
    ast.NotIn: 'write not one_of(category, "A", "B")',
    ast.Is: "write == or is_missing(x)",
    ast.IsNot: "write != or not is_missing(x)",
    ast.BitAnd: "write and",
    ast.BitOr: "write or",
    ast.Invert: "write not",
    ast.BitXor: "write ** for a power",
    ast.JoinedStr: "write a plain text in quotes",
}


class _Reader:
    """Turns the parser's tree into ours; what it does not know is refused."""

    def __init__(self, text: str, offset: int) -> None:
        self._text, self._bytes, self._offset = text, text.encode(), offset
        self._count = 0

    def read(self, body: ast.expr) -> Node:
        return self._node(body, 1)

    def _at(self, node: ast.expr) -> int:
        before = self._bytes[: node.col_offset].decode("utf-8", "ignore")
        return len(before) + 1 + self._offset

    def _node(self, node: ast.expr, depth: int) -> Node:
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_NODES:
            raise FormulaError(
                "the formula is too deep or has too many parts; compute a part of it in a field of"
                " its own",
                self._at(node),
            )
        match node:
            case ast.Constant():
                return self._literal(node)
            case ast.Name():
                return FieldName(self._name(node, "field"), self._at(node))
            case ast.UnaryOp(ast.USub(), ast.Constant(value=int() | float()) as positive):
                return Literal(-float(self._literal(positive).value), self._at(node))
            case ast.UnaryOp(op=ast.USub()):
                return self._call("negative", [node.operand], node, depth)
            case ast.UnaryOp(op=ast.UAdd()):
                return self._node(node.operand, depth + 1)
            case ast.UnaryOp(op=ast.Not()):
                return self._call("not", [node.operand], node, depth)
            case ast.BinOp(op=op) if type(op) in _BINARY:
                return self._call(_BINARY[type(op)], [node.left, node.right], node, depth)
            case ast.BoolOp(op=op):
                word = "and" if isinstance(op, ast.And) else "or"
                return self._call(word, node.values, node, depth)
            case ast.Compare() if all(type(op) in _COMPARISONS for op in node.ops):
                return self._comparison(node, depth)
            case ast.Call(func=ast.Name()):
                return self._function(node, depth)
        part: ast.AST = node
        if isinstance(node, ast.BinOp | ast.UnaryOp):
            part = node.op
        elif isinstance(node, ast.Compare):
            part = next(op for op in node.ops if type(op) not in _COMPARISONS)
        instead = _INSTEAD.get(type(part), "use the functions that docs/features.md lists")
        raise FormulaError(
            f"{type(part).__name__} is not part of the formula language; {instead}", self._at(node)
        )

    def _literal(self, node: ast.Constant) -> Literal:
        value = node.value
        if isinstance(value, bool):
            return Literal(value, self._at(node))
        if isinstance(value, int | float):
            try:
                number = float(value)
            except OverflowError:
                number = math.inf
            if not math.isfinite(number):
                raise FormulaError("the number is too large; write a smaller one", self._at(node))
            return Literal(number, self._at(node))
        if isinstance(value, str) and value.isprintable() and value == value.strip() and value:
            return Literal(value, self._at(node))
        raise FormulaError(
            "only numbers, True, False and texts in quotes can stand here", self._at(node)
        )

    def _name(self, node: ast.Name, what: str) -> str:
        # Python reads look-alike letters as plain ones; nobody should have to guess which.
        if not self._bytes[node.col_offset :].startswith(node.id.encode()):
            raise FormulaError(
                f"this looks like '{node.id}' but is spelled with other characters; write it"
                f"{' plainly' if what == 'function' else ' plainly, or as field(...)'}",
                self._at(node),
            )
        return node.id

    def _call(self, name: str, arguments: list[ast.expr], node: ast.expr, depth: int) -> Call:
        made = tuple(self._node(argument, depth + 1) for argument in arguments)
        return Call(name, made, self._at(node))

    def _comparison(self, node: ast.Compare, depth: int) -> Node:
        """Read ``a < b < c`` as ``a < b and b < c``."""
        sides = [node.left, *node.comparators]
        pairs = [
            self._call(_COMPARISONS[type(op)], sides[k : k + 2], sides[k], depth + 1)
            for k, op in enumerate(node.ops)
        ]
        return pairs[0] if len(pairs) == 1 else Call("and", tuple(pairs), self._at(node))

    def _function(self, node: ast.Call, depth: int) -> Node:
        assert isinstance(node.func, ast.Name)
        name, at = self._name(node.func, "function"), self._at(node)
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise FormulaError(f"arguments of {name} are given by their place alone", at)
        if name == "field":
            match node.args:
                case [ast.Constant(value=str() as quoted)]:
                    return FieldName(quoted, at)
            raise FormulaError('a field is quoted as field("its name")', at)
        known = [word for word in FUNCTIONS if word not in OPERATORS]
        if name not in known:
            hint = suggestion(name, known) or f" The functions are {', '.join(known)}."
            raise FormulaError(f"there is no function '{name}'.{hint}", at)
        first = FUNCTIONS[name].takes[0]
        if first is not Takes.TABLE or not node.args:
            return self._call(name, node.args, node, depth)
        table = node.args[0]
        if not isinstance(table, ast.Name):
            raise FormulaError(f"{name} begins with the name of a table", self._at(table))
        rest = tuple(self._node(argument, depth + 1) for argument in node.args[1:])
        return Call(name, (TableName(self._name(table, "table"), self._at(table)), *rest), at)
