"""What the formula language computes on categories."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from fed_credit.data.formula_values import (
    NUMBER,
    ArgumentError,
    Arguments,
    Text,
    Type,
    Value,
    ValueType,
    choose,
    join,
    missing,
)
from fed_credit.data.reference import ReferenceTable

_MOST_CATEGORIES = 4096


def bucket_labels(arguments: Sequence[object]) -> tuple[list[float], list[str]]:
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


def bucket(x: np.ndarray, *limits: float | str) -> Text:
    """Return the label of the bucket a number lies in; a limit belongs to the bucket above."""
    edges, labels = bucket_labels(limits)
    codes = np.searchsorted(np.array(edges), x, side="right").astype(np.int64)
    return Text(np.where(np.isnan(x), -1, codes), tuple(labels))


def bucket_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Return the labels as values."""
    return Type(ValueType.TEXT, tuple(bucket_labels(arguments[1:])[1]))


def bucket_index(x: np.ndarray, *edges: float) -> np.ndarray:
    """Return the number of the bucket a number lies in, from 0."""
    codes = np.searchsorted(np.array(edges), x, side="right").astype(np.float64)
    return np.where(np.isnan(x), np.nan, codes)


def bucket_index_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Refuse limits in the wrong order."""
    bucket_labels(arguments[1:])
    return NUMBER


def prefix(text: Text, length: float) -> Text:
    """Return the first characters."""
    return text.map(lambda word: prefix_of(word, length))


def prefix_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Refuse a length that is no small whole number."""
    length = arguments[1]
    if not isinstance(length, float) or not length.is_integer() or not 1 <= length <= 100:
        raise ArgumentError("the length must be a whole number from 1 to 100", 1)
    return _mapped(types[0], lambda word: prefix_of(word, length))


def prefix_of(word: str, length: float) -> str | None:
    """Return the first characters of one category; None where only blanks are left."""
    # Categories have no blanks around them, wherever they come from.
    return word[: int(length)].strip() or None


def digits_of(word: str) -> str | None:
    """Return the digits of one category; None where it has none."""
    return "".join(letter for letter in word if letter in "0123456789") or None


def digits(text: Text) -> Text:
    """Return the digits alone; missing where there are none."""
    return text.map(digits_of)


def digits_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Return the digits of the values."""
    return _mapped(types[0], digits_of)


def _mapped(text: Type, change: Callable[[str], str | None]) -> Type:
    if text.values is None:
        return text
    changed = dict.fromkeys(change(word) for word in text.values)
    return Type(ValueType.TEXT, tuple(word for word in changed if word is not None))


def interact(*texts: Text) -> Text:
    """Return the combination of categories; missing where one is."""

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


def interact_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Return the combinations, unless there are very many."""
    words = [item.values for item in types]
    count = np.prod([float(len(values or ())) for values in words])
    if None in words or count > _MOST_CATEGORIES:
        return Type(ValueType.TEXT)
    product = itertools.product(*(values or () for values in words))
    return Type(ValueType.TEXT, tuple(dict.fromkeys(" & ".join(parts) for parts in product)))


def lookup(table: ReferenceTable, code: Text, default: Value | None = None) -> Value:
    """Return what a table says of a code; the default is for codes it does not have."""
    rows = table.by_code
    found: Value
    if table.is_numeric:
        found = code.numbers(lambda word: float(rows.get(word, np.nan)))
    else:
        found = code.map(lambda word: None if word not in rows else str(rows[word]))
    if default is None:
        return found
    return choose(missing(found) & ~missing(code), default, found)


def lookup_type(types: Sequence[Type], arguments: Arguments) -> Type:
    """Return the type of the table's values."""
    table = arguments[0]
    assert isinstance(table, ReferenceTable)
    of = [NUMBER]
    if not table.is_numeric:
        of = [Type(ValueType.TEXT, tuple(dict.fromkeys(str(value) for _, value in table.rows)))]
    return join([*of, *types[2:]])
