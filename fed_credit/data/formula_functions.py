"""The functions of the formula language: what each takes, gives and computes.

Everything is element-wise: a result depends on its own row alone, and its bits do not depend on
which rows are computed together. A function of a missing value is missing unless it says otherwise,
and so is a number outside a function's domain (``log(0)``, ``1 / 0``) or out of range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fed_credit.data import formula_categories as categories
from fed_credit.data import formula_operations as ops
from fed_credit.data.formula_values import NUMBER, TRUTH, ResultType, Type, Value, missing


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


FUNCTIONS: Mapping[str, Function] = {
    # Operators; the parser writes them as calls.
    "+": Function("a + b", (Takes.NUMBER,) * 2, ops.number(np.add)),
    "-": Function("a - b", (Takes.NUMBER,) * 2, ops.number(np.subtract)),
    "*": Function("a * b", (Takes.NUMBER,) * 2, ops.number(np.multiply)),
    "/": Function("a / b", (Takes.NUMBER,) * 2, ops.number(np.divide)),
    "negative": Function("-a", (Takes.NUMBER,), ops.number(np.negative)),
    "**": Function(
        "a ** 2", (Takes.NUMBER, Takes.LITERAL_NUMBER), ops.number(np.power), ops.power_type
    ),
    "<": Function("a < b", (Takes.SAME,) * 2, ops.compare(np.less), ops.order_type),
    "<=": Function("a <= b", (Takes.SAME,) * 2, ops.compare(np.less_equal), ops.order_type),
    ">": Function("a > b", (Takes.SAME,) * 2, ops.compare(np.greater), ops.order_type),
    ">=": Function("a >= b", (Takes.SAME,) * 2, ops.compare(np.greater_equal), ops.order_type),
    "==": Function("a == b", (Takes.SAME,) * 2, ops.compare(np.equal), ops.comparison_type),
    "!=": Function("a != b", (Takes.SAME,) * 2, ops.compare(np.not_equal), ops.comparison_type),
    "and": Function("a and b", (Takes.TRUTH,) * 2, ops.all_hold, TRUTH, Takes.TRUTH),
    "or": Function("a or b", (Takes.TRUTH,) * 2, ops.any_holds, TRUTH, Takes.TRUTH),
    "not": Function("not a", (Takes.TRUTH,), lambda a: 1.0 - a, TRUTH),
    # Numbers.
    "log": Function("log(x)", (Takes.NUMBER,), ops.number(np.log)),
    "log1p": Function("log1p(x)", (Takes.NUMBER,), ops.number(np.log1p)),
    "exp": Function("exp(x)", (Takes.NUMBER,), ops.number(np.exp)),
    "sqrt": Function("sqrt(x)", (Takes.NUMBER,), ops.number(np.sqrt)),
    "abs": Function("abs(x)", (Takes.NUMBER,), ops.number(np.abs)),
    "min": Function(
        "min(a, b, ...)",
        (Takes.NUMBER,) * 2,
        ops.number(ops.fold(np.minimum)),
        NUMBER,
        Takes.NUMBER,
    ),
    "max": Function(
        "max(a, b, ...)",
        (Takes.NUMBER,) * 2,
        ops.number(ops.fold(np.maximum)),
        NUMBER,
        Takes.NUMBER,
    ),
    "clip": Function(
        "clip(x, low, high)",
        (Takes.NUMBER, Takes.LITERAL_NUMBER, Takes.LITERAL_NUMBER),
        ops.number(np.clip),
        ops.clip_type,
    ),
    "ratio": Function("ratio(a, b)", (Takes.NUMBER,) * 2, ops.number(np.divide)),
    "signed_power": Function(
        "signed_power(x, 0.5)",
        (Takes.NUMBER, Takes.LITERAL_NUMBER),
        ops.number(ops.signed_power),
        ops.power_type,
    ),
    # Conditions.
    "is_missing": Function(
        "is_missing(x)", (Takes.ANY,), lambda x: missing(x).astype(np.float64), TRUTH
    ),
    "one_of": Function(
        'one_of(category, "A", ...)',
        (Takes.TEXT, Takes.LITERAL_TEXT),
        ops.one_of,
        ops.one_of_type,
        Takes.LITERAL_TEXT,
    ),
    "where": Function(
        "where(condition, a, b)",
        (Takes.TRUTH, Takes.SAME, Takes.SAME),
        ops.where,
        ops.where_type,
        optional=1,
    ),
    "coalesce": Function(
        "coalesce(a, b, ...)", (Takes.SAME,) * 2, ops.coalesce, ops.coalesce_type, Takes.SAME
    ),
    # Dates.
    "months_between": Function("months_between(start, end)", (Takes.DATE,) * 2, ops.months_between),
    "days_between": Function("days_between(start, end)", (Takes.DATE,) * 2, ops.days_between),
    "year": Function("year(date)", (Takes.DATE,), ops.year),
    "month": Function("month(date)", (Takes.DATE,), ops.month),
    "date": Function('date("2020-01-31")', (Takes.LITERAL_TEXT,), ops.date, ops.date_type),
    # Categories.
    "bucket": Function(
        "bucket(x, 10, 20, ...)",
        (Takes.NUMBER, Takes.LABEL_OR_EDGE),
        categories.bucket,
        categories.bucket_type,
        Takes.LABEL_OR_EDGE,
    ),
    "bucket_index": Function(
        "bucket_index(x, 10, 20, ...)",
        (Takes.NUMBER, Takes.LITERAL_NUMBER),
        categories.bucket_index,
        categories.bucket_index_type,
        Takes.LITERAL_NUMBER,
    ),
    "prefix": Function(
        "prefix(code, 2)",
        (Takes.TEXT, Takes.LITERAL_NUMBER),
        categories.prefix,
        categories.prefix_type,
    ),
    "digits": Function("digits(code)", (Takes.TEXT,), categories.digits, categories.digits_type),
    "interact": Function(
        "interact(a, b, ...)",
        (Takes.TEXT,) * 2,
        categories.interact,
        categories.interact_type,
        Takes.TEXT,
    ),
    "lookup": Function(
        "lookup(table, code, default)",
        (Takes.TABLE, Takes.TEXT, Takes.SAME),
        categories.lookup,
        categories.lookup_type,
        optional=1,
    ),
}
OPERATORS = frozenset(name for name in FUNCTIONS if not name.isidentifier()) | {
    "negative",
    "and",
    "or",
    "not",
}
