"""The functions of the formula language: what each takes, gives and computes.

Everything is element-wise: a result depends on its own row alone, and its bits do not depend on
which rows are computed together. A function of a missing value is missing unless it says otherwise,
and so is a number outside a function's domain (``log(0)``, ``1 / 0``) or out of range.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce

import numpy as np

from fed_credit.data.formula_values import (
    DATE,
    NUMBER,
    TRUTH,
    Text,
    Type,
    Value,
    ValueType,
    aligned,
    choose,
    finite,
    missing,
    truth,
)
from fed_credit.data.reference import ReferenceTable
from fed_credit.errors import suggestion

Argument = Value | ReferenceTable | float | str
"""Of a call: a column, a table, or the literal itself where the function asks for one."""

_MOST_CATEGORIES = 4096


class Takes(StrEnum):
    """What a parameter of a function takes."""

    NUMBER = "a number"
    TRUTH = "a condition (true or false)"
    TEXT = "a category"
    DATE = "a date"
    ANY = "any value"
    SAME = "a value of the same type as the others"
    LITERAL_NUMBER = "a plain number such as 10 or 0.5"
    LITERAL_TEXT = 'a text in quotes such as "A"'
    LABEL_OR_EDGE = "a plain number or a text in quotes"
    TABLE = "the name of a table"


LITERALS = frozenset({Takes.LITERAL_NUMBER, Takes.LITERAL_TEXT, Takes.LABEL_OR_EDGE})


class ArgumentError(Exception):
    """What is wrong with a call's arguments, and which of them (-1 for the call itself)."""

    def __init__(self, message: str, argument: int = -1) -> None:
        super().__init__(message)
        self.argument = argument


Arguments = Sequence[Argument | None]
"""When types are checked: literals and tables as they are, None for anything computed."""

ResultType = Callable[[Sequence[Type], Arguments], Type]


@dataclass(frozen=True)
class Function:
    """One function or operator.

    Parameters
    ----------
    form : str
        How a call is written, for messages.
    takes : tuple of Takes
        The parameters.
    compute : callable
        From the arguments to the result.
    gives : Type or callable
        Type of the result, or how it follows from types and literals of the arguments; raises
        :class:`ArgumentError` if they do not go together.
    rest : Takes or None
        What any further argument must be; None if there may be none.
    optional : int
        How many of the last parameters may be left out.
    """

    form: str
    takes: tuple[Takes, ...]
    compute: Callable[..., Value]
    gives: Type | ResultType = NUMBER
    rest: Takes | None = None
    optional: int = 0


# --- numbers -------------------------------------------------------------------------------------


def _number(compute: Callable[..., np.ndarray]) -> Callable[..., Value]:
    """Make whatever is not a finite number missing."""

    def finite_only(*arguments: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return finite(np.asarray(compute(*arguments), dtype=np.float64))

    return finite_only


def _fold(compute: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda *arguments: reduce(compute, arguments)


def _power_type(types: Sequence[Type], arguments: Arguments) -> Type:
    exponent = arguments[1]
    if not isinstance(exponent, float) or not abs(exponent) <= 10:
        raise ArgumentError("the exponent must be a plain number from -10 to 10", 1)
    return NUMBER


def _signed_power(x: np.ndarray, exponent: float) -> np.ndarray:
    signed: np.ndarray = np.sign(x) * np.abs(x) ** exponent
    return signed


def _clip_type(types: Sequence[Type], arguments: Arguments) -> Type:
    low, high = arguments[1:]
    if isinstance(low, float) and isinstance(high, float) and low > high:
        raise ArgumentError("the lower limit is above the upper one", 1)
    return NUMBER


# --- conditions ----------------------------------------------------------------------------------


def _compare(
    compute: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[Value, Value], Value]:
    def compared(one: Value, other: Value) -> np.ndarray:
        if isinstance(one, Text) and isinstance(other, Text):
            (first, second), _ = aligned((one, other))
            return truth(compute(first, second), one, other)
        assert isinstance(one, np.ndarray) and isinstance(other, np.ndarray)
        return truth(compute(one, other), one, other)

    return compared


def _comparison_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Refuse an order of categories, and a category that the other side never is."""
    join(types)
    for position, argument in enumerate(arguments):
        if isinstance(argument, str):
            _known(types[1 - position], argument, position)
    return TRUTH


def _order_type(types: Sequence[Type], arguments: Arguments) -> Type:
    if join(types).of is ValueType.TEXT:
        raise ArgumentError("categories have no order; compare them with == or one_of", 0)
    return TRUTH


def _all(*conditions: np.ndarray) -> np.ndarray:
    unknown = truth(np.array(True), *conditions)
    no = reduce(np.logical_or, [condition == 0.0 for condition in conditions])
    return np.where(no, 0.0, unknown)


def _any(*conditions: np.ndarray) -> np.ndarray:
    unknown = truth(np.array(False), *conditions)
    yes = reduce(np.logical_or, [condition == 1.0 for condition in conditions])
    return np.where(yes, 1.0, unknown)


def _one_of(text: Text, *words: str) -> np.ndarray:
    return text.numbers(lambda word: float(word in words))


def _one_of_type(types: Sequence[Type], arguments: Arguments) -> Type:
    for position, word in enumerate(arguments[1:], start=1):
        _known(types[0], str(word), position)
    return TRUTH


def _known(category: Type, word: str, argument: int) -> None:
    if category.values is not None and word not in category.values:
        hint = suggestion(word, category.values)
        raise ArgumentError(f"'{word}' is not among the category's values.{hint}", argument)


def _where(condition: np.ndarray, one: Value, other: Value | None = None) -> Value:
    if other is None:
        other = _nothing_like(one)
    chosen = choose(condition == 1.0, one, other)
    return choose(np.isnan(condition), _nothing_like(one), chosen)


def _nothing_like(value: Value) -> Value:
    if isinstance(value, Text):
        return Text(np.array(-1, dtype=np.int64), ())
    return np.array("NaT" if value.dtype.kind == "M" else np.nan, dtype=value.dtype)


def _where_type(types: Sequence[Type], arguments: Arguments) -> Type:
    return join(types[1:])


def _coalesce(*values: Value) -> Value:
    return reduce(lambda found, other: choose(missing(found), other, found), values)


def _coalesce_type(types: Sequence[Type], arguments: Arguments) -> Type:
    return join(types)


def join(types: Sequence[Type]) -> Type:
    """Return the common type of several values; a truth value counts as the number 0 or 1."""
    of = {item.of for item in types}
    if of == {ValueType.NUMBER, ValueType.TRUTH}:
        return NUMBER
    if len(of) > 1:
        nouns = " and ".join(dict.fromkeys(item.of.noun for item in types))
        raise ArgumentError(f"{nouns} do not go together")
    if of == {ValueType.TEXT}:
        known = [item.values for item in types]
        if None in known:
            return Type(ValueType.TEXT)
        words = dict.fromkeys(word for values in known for word in values or ())
        return Type(ValueType.TEXT, tuple(words))
    return types[0]


# --- dates ---------------------------------------------------------------------------------------


def _months_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Count completed months, negative where the end lies before the start."""
    first, last = start.astype("datetime64[M]"), end.astype("datetime64[M]")
    months = (last - first).astype(np.int64)
    day = (end - last).astype(np.int64) - (start - first).astype(np.int64)
    months = months - ((months > 0) & (day < 0)) + ((months < 0) & (day > 0))
    return np.where(np.isnat(start) | np.isnat(end), np.nan, months)


def _days_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    days = (end - start).astype("timedelta64[D]").astype(np.int64)
    return np.where(np.isnat(start) | np.isnat(end), np.nan, days)


def _year(date: np.ndarray) -> np.ndarray:
    years = date.astype("datetime64[Y]").astype(np.int64) + 1970
    return np.where(np.isnat(date), np.nan, years)


def _month(date: np.ndarray) -> np.ndarray:
    months = date.astype("datetime64[M]").astype(np.int64) % 12 + 1
    return np.where(np.isnat(date), np.nan, months)


def _date(text: str) -> np.ndarray:
    return np.array(text, dtype="datetime64[D]")


def _date_type(types: Sequence[Type], arguments: Arguments) -> Type:
    text = str(arguments[0])
    try:
        if len(text) != 10 or not text.isascii():
            raise ValueError
        np.datetime64(text, "D")
    except ValueError:
        raise ArgumentError('a date is written as date("2020-01-31")', 0) from None
    return DATE


# --- categories ----------------------------------------------------------------------------------


def _edges_and_labels(arguments: Sequence[object]) -> tuple[list[float], list[str]]:
    """Read ``10, 20`` or ``"low", 10, "middle", 20, "high"``."""
    edges = [argument for argument in arguments if isinstance(argument, float)]
    labels = [argument for argument in arguments if isinstance(argument, str)]
    if not edges or any(low >= high for low, high in itertools.pairwise(edges)):
        raise ArgumentError("the limits must be plain numbers, each above the one before")
    if labels:
        alternate = [*itertools.islice(itertools.cycle((str, float)), len(arguments))]
        if len(labels) != len(edges) + 1 or alternate != [type(a) for a in arguments]:
            raise ArgumentError(
                'labels and limits must alternate and begin and end with a label, as in "low", 10,'
                ' "middle", 20, "high"'
            )
        if len(set(labels)) != len(labels):
            raise ArgumentError("two buckets have the same label")
        return edges, labels
    shown = [str(int(edge)) if edge.is_integer() else repr(edge) for edge in edges]
    between = [f"{low} to {high}" for low, high in itertools.pairwise(shown)]
    return edges, [f"below {shown[0]}", *between, f"{shown[-1]} and more"]


def _bucket(x: np.ndarray, *limits: float | str) -> Text:
    edges, labels = _edges_and_labels(limits)
    codes = np.searchsorted(np.array(edges), x, side="right").astype(np.int64)
    return Text(np.where(np.isnan(x), -1, codes), tuple(labels))


def _bucket_type(types: Sequence[Type], arguments: Arguments) -> Type:
    return Type(ValueType.TEXT, tuple(_edges_and_labels(arguments[1:])[1]))


def _bucket_index(x: np.ndarray, *edges: float) -> np.ndarray:
    codes = np.searchsorted(np.array(edges), x, side="right").astype(np.float64)
    return np.where(np.isnan(x), np.nan, codes)


def _bucket_index_type(types: Sequence[Type], arguments: Arguments) -> Type:
    _edges_and_labels(arguments[1:])
    return NUMBER


def _prefix(text: Text, length: float) -> Text:
    return text.map(lambda word: word[: int(length)])


def _prefix_type(types: Sequence[Type], arguments: Arguments) -> Type:
    length = arguments[1]
    if not isinstance(length, float) or not length.is_integer() or not 1 <= length <= 100:
        raise ArgumentError("the length must be a whole number from 1 to 100", 1)
    return _mapped(types[0], lambda word: word[: int(length)])


def _digits_of(word: str) -> str | None:
    return "".join(letter for letter in word if letter in "0123456789") or None


def _digits_type(types: Sequence[Type], arguments: Arguments) -> Type:
    return _mapped(types[0], _digits_of)


def _mapped(text: Type, change: Callable[[str], str | None]) -> Type:
    if text.values is None:
        return text
    changed = dict.fromkeys(change(word) for word in text.values)
    return Type(ValueType.TEXT, tuple(word for word in changed if word is not None))


def _interact(*texts: Text) -> Text:
    def pair(one: Text, other: Text) -> Text:
        absent = (one.codes < 0) | (other.codes < 0)
        size = len(other.words)
        met, codes = np.unique(
            np.where(absent, -1, one.codes * size + other.codes), return_inverse=True
        )
        there = met[met >= 0]
        words = [f"{one.words[code // size]} & {other.words[code % size]}" for code in there]
        # Where a part is missing the code sorts first, as -1.
        return Text(codes.reshape(absent.shape) - (len(met) - len(there)), tuple(words)).map(str)

    return reduce(pair, texts)


def _interact_type(types: Sequence[Type], arguments: Arguments) -> Type:
    words = [item.values for item in types]
    count = np.prod([float(len(values or ())) for values in words])
    if None in words or count > _MOST_CATEGORIES:
        return Type(ValueType.TEXT)
    product = itertools.product(*(values or () for values in words))
    return Type(ValueType.TEXT, tuple(dict.fromkeys(" & ".join(parts) for parts in product)))


def _lookup(table: ReferenceTable, code: Text, default: Value | None = None) -> Value:
    rows = table.by_code
    found: Value
    if table.is_numeric:
        found = code.numbers(lambda word: float(rows.get(word, np.nan)))
    else:
        found = code.map(lambda word: None if word not in rows else str(rows[word]))
    if default is None:
        return found
    return choose(missing(found) & ~missing(code), default, found)


def _lookup_type(types: Sequence[Type], arguments: Arguments) -> Type:
    table = arguments[0]
    assert isinstance(table, ReferenceTable)
    of = [NUMBER]
    if not table.is_numeric:
        of = [Type(ValueType.TEXT, tuple(dict.fromkeys(str(value) for _, value in table.rows)))]
    return join([*of, *types[2:]])


FUNCTIONS: Mapping[str, Function] = {
    # Operators; the parser writes them as calls.
    "+": Function("a + b", (Takes.NUMBER,) * 2, _number(np.add)),
    "-": Function("a - b", (Takes.NUMBER,) * 2, _number(np.subtract)),
    "*": Function("a * b", (Takes.NUMBER,) * 2, _number(np.multiply)),
    "/": Function("a / b", (Takes.NUMBER,) * 2, _number(np.divide)),
    "negative": Function("-a", (Takes.NUMBER,), _number(np.negative)),
    "**": Function("a ** 2", (Takes.NUMBER, Takes.LITERAL_NUMBER), _number(np.power), _power_type),
    "<": Function("a < b", (Takes.SAME,) * 2, _compare(np.less), _order_type),
    "<=": Function("a <= b", (Takes.SAME,) * 2, _compare(np.less_equal), _order_type),
    ">": Function("a > b", (Takes.SAME,) * 2, _compare(np.greater), _order_type),
    ">=": Function("a >= b", (Takes.SAME,) * 2, _compare(np.greater_equal), _order_type),
    "==": Function("a == b", (Takes.SAME,) * 2, _compare(np.equal), _comparison_type),
    "!=": Function("a != b", (Takes.SAME,) * 2, _compare(np.not_equal), _comparison_type),
    "and": Function("a and b", (Takes.TRUTH,) * 2, _all, TRUTH, Takes.TRUTH),
    "or": Function("a or b", (Takes.TRUTH,) * 2, _any, TRUTH, Takes.TRUTH),
    "not": Function("not a", (Takes.TRUTH,), lambda a: 1.0 - a, TRUTH),
    # Numbers.
    "log": Function("log(x)", (Takes.NUMBER,), _number(np.log)),
    "log1p": Function("log1p(x)", (Takes.NUMBER,), _number(np.log1p)),
    "exp": Function("exp(x)", (Takes.NUMBER,), _number(np.exp)),
    "sqrt": Function("sqrt(x)", (Takes.NUMBER,), _number(np.sqrt)),
    "abs": Function("abs(x)", (Takes.NUMBER,), _number(np.abs)),
    "min": Function(
        "min(a, b, ...)", (Takes.NUMBER,) * 2, _number(_fold(np.minimum)), NUMBER, Takes.NUMBER
    ),
    "max": Function(
        "max(a, b, ...)", (Takes.NUMBER,) * 2, _number(_fold(np.maximum)), NUMBER, Takes.NUMBER
    ),
    "clip": Function(
        "clip(x, low, high)",
        (Takes.NUMBER, Takes.LITERAL_NUMBER, Takes.LITERAL_NUMBER),
        _number(np.clip),
        _clip_type,
    ),
    "ratio": Function("ratio(a, b)", (Takes.NUMBER,) * 2, _number(np.divide)),
    "signed_power": Function(
        "signed_power(x, 0.5)",
        (Takes.NUMBER, Takes.LITERAL_NUMBER),
        _number(_signed_power),
        _power_type,
    ),
    # Conditions.
    "is_missing": Function(
        "is_missing(x)", (Takes.ANY,), lambda x: missing(x).astype(np.float64), TRUTH
    ),
    "one_of": Function(
        'one_of(category, "A", ...)',
        (Takes.TEXT, Takes.LITERAL_TEXT),
        _one_of,
        _one_of_type,
        Takes.LITERAL_TEXT,
    ),
    "where": Function(
        "where(condition, a, b)",
        (Takes.TRUTH, Takes.SAME, Takes.SAME),
        _where,
        _where_type,
        optional=1,
    ),
    "coalesce": Function(
        "coalesce(a, b, ...)", (Takes.SAME,) * 2, _coalesce, _coalesce_type, Takes.SAME
    ),
    # Dates.
    "months_between": Function("months_between(start, end)", (Takes.DATE,) * 2, _months_between),
    "days_between": Function("days_between(start, end)", (Takes.DATE,) * 2, _days_between),
    "year": Function("year(date)", (Takes.DATE,), _year),
    "month": Function("month(date)", (Takes.DATE,), _month),
    "date": Function('date("2020-01-31")', (Takes.LITERAL_TEXT,), _date, _date_type),
    # Categories.
    "bucket": Function(
        "bucket(x, 10, 20, ...)",
        (Takes.NUMBER, Takes.LABEL_OR_EDGE),
        _bucket,
        _bucket_type,
        Takes.LABEL_OR_EDGE,
    ),
    "bucket_index": Function(
        "bucket_index(x, 10, 20, ...)",
        (Takes.NUMBER, Takes.LITERAL_NUMBER),
        _bucket_index,
        _bucket_index_type,
        Takes.LITERAL_NUMBER,
    ),
    "prefix": Function(
        "prefix(code, 2)", (Takes.TEXT, Takes.LITERAL_NUMBER), _prefix, _prefix_type
    ),
    "digits": Function("digits(code)", (Takes.TEXT,), lambda t: t.map(_digits_of), _digits_type),
    "interact": Function(
        "interact(a, b, ...)", (Takes.TEXT,) * 2, _interact, _interact_type, Takes.TEXT
    ),
    "lookup": Function(
        "lookup(table, code, default)",
        (Takes.TABLE, Takes.TEXT, Takes.SAME),
        _lookup,
        _lookup_type,
        optional=1,
    ),
}
OPERATORS = frozenset(name for name in FUNCTIONS if not name.isidentifier()) | {
    "negative",
    "and",
    "or",
    "not",
}
