"""A recipe: how engineered fields are computed from raw ones, as configuration that travels.

It holds everything that the values depend on (formulas in their order, bounds, reference tables),
so that a bank, the run and a deployed model compute the same bits from the same raw fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fed_credit.data.convert import as_text
from fed_credit.data.formula import Formula, parse
from fed_credit.data.formula_tree import FormulaError
from fed_credit.data.formula_values import Text, Type, Value, ValueType, finite, missing
from fed_credit.data.reference import ReferenceTable
from fed_credit.errors import DataError, SchemaError

if TYPE_CHECKING:
    from fed_credit.data.schema import Field, Schema


@dataclass(frozen=True)
class Derivation:
    """How one engineered field is computed; everything but the formula as in the schema's field.

    Parameters
    ----------
    name, kind, formula : str
        Name, kind and formula.
    min, max : float or None
        Inclusive bounds of a number.
    values : tuple of str
        Allowed values of a category; empty if they are not listed.
    outside, missing : str
        What a value outside the bounds or values means, and a missing one.
    """

    name: str
    kind: str
    formula: str
    min: float | None
    max: float | None
    values: tuple[str, ...]
    outside: str
    missing: str

    @classmethod
    def of(cls, field: Field) -> Derivation:
        """Take a derivation from its schema field."""
        return cls(
            field.name,
            str(field.kind),
            parse(field.formula).text,
            field.min,
            field.max,
            field.values,
            str(field.outside),
            str(field.missing),
        )

    @cached_property
    def read(self) -> Formula:
        """The formula, read."""
        try:
            return parse(self.formula)
        except FormulaError as error:
            raise SchemaError(f"Formula of '{self.name}', {error.sentence}") from None

    def outliers(self, value: Value) -> np.ndarray:
        """Return which elements lie outside the bounds or values, ``(n,) bool``."""
        if isinstance(value, Text):
            strange = [bool(self.values) and word not in self.values for word in value.words]
            outside: np.ndarray = np.array([*strange, False])[value.codes]
            return outside
        found = np.zeros(len(value), dtype=bool)
        if self.kind == ValueType.NUMBER:
            found |= False if self.min is None else value < self.min
            found |= False if self.max is None else value > self.max
        return found

    def series(self, value: Value, index: pd.Index) -> pd.Series:
        """Return the column as a validated frame holds it."""
        if not isinstance(value, Text):
            if value.dtype.kind == "M":
                value = value.astype("datetime64[s]")
            return pd.Series(np.array(value), index=index, name=self.name)
        used = [value.words[code] for code in np.unique(value.codes) if code >= 0]
        listed = self.values if set(used) <= set(self.values) else sorted(used)
        position = {word: code for code, word in enumerate(listed)}
        table = np.array([*(position.get(word, -1) for word in value.words), -1], dtype=np.int64)
        codes = pd.Categorical.from_codes(table[value.codes], pd.Index(listed, dtype="str"))
        return pd.Series(codes, index=index, name=self.name)


@dataclass(frozen=True)
class Recipe:
    """How some engineered fields are computed, from raw fields on.

    Parameters
    ----------
    inputs : tuple of (str, str)
        Name and kind of each raw field that is needed.
    derivations : tuple of Derivation
        In an order in which each uses raw fields and earlier ones only.
    tables : tuple of ReferenceTable
        Those the formulas look into.
    """

    inputs: tuple[tuple[str, str], ...]
    derivations: tuple[Derivation, ...]
    tables: tuple[ReferenceTable, ...]

    @classmethod
    def of(cls, schema: Schema, names: Sequence[str]) -> Recipe:
        """Take the recipe of some fields from their schema.

        Parameters
        ----------
        schema : Schema
            The fields and tables.
        names : sequence of str
            Fields; those that are not engineered are passed over.

        Returns
        -------
        Recipe
        """
        inputs: dict[str, str] = {}
        made: dict[str, Derivation] = {}

        def visit(name: str, asked: bool) -> None:
            field = schema.fields[name]
            if not field.formula:
                if not asked:
                    inputs[name] = str(field.kind)
            elif name not in made:
                for parent in field.derived_from:
                    visit(parent, False)
                made[name] = Derivation.of(field)

        for name in names:
            visit(name, True)
        used = dict.fromkeys(table for item in made.values() for table in item.read.tables)
        return cls(
            tuple(inputs.items()),
            tuple(made.values()),
            tuple(schema.tables[table] for table in used),
        )

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Recipe:
        """Read what :func:`dataclasses.asdict` wrote, also after a detour through JSON.

        Raises
        ------
        SchemaError
            If a formula cannot be read or its types do not fit.
        KeyError, TypeError, ValueError
            If it is no recipe.
        """
        recipe = cls(
            tuple((str(name), str(ValueType(kind))) for name, kind in raw["inputs"]),
            tuple(
                Derivation(
                    name=str(item["name"]),
                    kind=str(item["kind"]),
                    formula=str(item["formula"]),
                    min=None if item["min"] is None else float(item["min"]),
                    max=None if item["max"] is None else float(item["max"]),
                    values=tuple(map(str, item["values"])),
                    outside=str(item["outside"]),
                    missing=str(item["missing"]),
                )
                for item in raw["derivations"]
            ),
            tuple(
                ReferenceTable.of(table["name"], [(code, value) for code, value in table["rows"]])
                for table in raw["tables"]
            ),
        )
        recipe.check()
        return recipe

    @property
    def names(self) -> list[str]:
        """Names of the engineered fields, in the order in which they are computed."""
        return [item.name for item in self.derivations]

    @cached_property
    def _tables(self) -> dict[str, ReferenceTable]:
        return {table.name: table for table in self.tables}

    def check(self) -> None:
        """Check that every formula uses what is there, with fitting types.

        Raises
        ------
        SchemaError
            Naming the field and the character.
        """
        types = {name: Type(ValueType(kind)) for name, kind in self.inputs}

        def known(name: str) -> Type:
            if name not in types:
                raise FormulaError(f"there is no field '{name}' before it")
            return types[name]

        for item in self.derivations:
            try:
                found, kind = item.read.check(known, self._tables), ValueType(item.kind)
                if found.of is not kind and (found.of, kind) != (ValueType.TRUTH, ValueType.NUMBER):
                    raise FormulaError(f"it gives {found.of.noun}, not {kind.noun}")
            except FormulaError as error:
                raise SchemaError(f"Formula of '{item.name}', {error.sentence}") from None
            types[item.name] = Type(kind)

    def compute(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Compute the engineered fields of validated records.

        Every value depends on its own row alone, so its bits do not depend on which rows are
        computed together. Values outside the bounds of a field that says ``outside: missing`` are
        missing; other checks are the caller's.

        Parameters
        ----------
        frame : pandas.DataFrame
            ``(n, ...)`` validated records with a column for every input.

        Returns
        -------
        pandas.DataFrame
            ``(n, n_derivations)`` typed as validated records are, with the index of ``frame``.

        Raises
        ------
        DataError
            If an input has no column, or one of another kind.
        """
        values = self._compute(frame)
        columns = {
            item.name: item.series(values[item.name], frame.index) for item in self.derivations
        }
        return pd.DataFrame(columns, index=frame.index)

    def compute_or_refuse(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Compute the engineered fields of loans to be scored, which nobody checks afterwards.

        Parameters
        ----------
        frame : pandas.DataFrame
            As for :meth:`compute`.

        Returns
        -------
        pandas.DataFrame
            As from :meth:`compute`.

        Raises
        ------
        DataError
            Also if a loan would have been rejected in training: a value outside the bounds or
            values, or a missing one, of a field that rejects them.
        """
        values = self._compute(frame)
        for item in self.derivations:
            refused = item.outliers(values[item.name])
            why = "outside the schema's bounds or values"
            if not refused.any() and item.missing == "reject":
                refused, why = missing(values[item.name]), "missing"
            if refused.any():
                raise DataError(
                    f"'{item.name}' ({item.formula}) is {why} for {refused.sum()} of {len(frame)}"
                    f" loans, first in row {int(np.argmax(refused)) + 1}; such loans were rejected"
                    " in training, leave them out."
                )
        columns = {
            item.name: item.series(values[item.name], frame.index) for item in self.derivations
        }
        return pd.DataFrame(columns, index=frame.index)

    def _compute(self, frame: pd.DataFrame) -> dict[str, Value]:
        lacking = [name for name, _ in self.inputs if name not in frame]
        if lacking:
            raise DataError(
                f"The loans lack {', '.join(lacking)}, from which {', '.join(self.names)} is"
                " computed; add the columns, empty where unknown."
            )
        typed = {name: _column(frame[name], ValueType(kind)) for name, kind in self.inputs}
        return self.values(typed, len(frame))

    def values(self, inputs: Mapping[str, Value], n: int) -> dict[str, Value]:
        """Compute the engineered fields from typed columns; see :meth:`compute`.

        Parameters
        ----------
        inputs : mapping of str to Value
            ``(n,)`` each, by the name of the raw field.
        n : int
            Rows.

        Returns
        -------
        dict of str to Value
            The inputs, and each engineered field after those it is computed from.
        """
        values = dict(inputs)
        for item in self.derivations:
            value = item.read.compute(values.__getitem__, self._tables, n)
            if item.outside == "missing":
                value = _without(value, item.outliers(value))
            values[item.name] = value
        return values


def _without(value: Value, outliers: np.ndarray) -> Value:
    if isinstance(value, Text):
        return Text(np.where(outliers, -1, value.codes), value.words)
    return np.where(
        outliers, np.array("NaT" if value.dtype.kind == "M" else np.nan, value.dtype), value
    )


def _column(column: pd.Series, kind: ValueType) -> Value:
    """Read a validated column."""
    if kind is ValueType.TEXT:
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes, words = column.cat.codes.to_numpy(dtype=np.int64), column.cat.categories
        else:
            codes, words = pd.factorize(column)
        spelled = as_text(pd.Series(words))
        known = spelled.where(spelled.notna(), "").tolist()
        # Equal spellings of different cells (45 and 45.0) become one word, the empty one missing.
        position = {word: k for k, word in enumerate(dict.fromkeys(filter(None, known)))}
        table = np.array([*(position.get(word, -1) for word in known), -1], dtype=np.int64)
        return Text(table[codes], tuple(position))
    try:
        if kind is ValueType.DATE:
            return column.to_numpy().astype("datetime64[D]")
        return finite(column.to_numpy(dtype=np.float64))
    except (TypeError, ValueError):
        raise DataError(
            f"The column '{column.name}' does not hold {kind.noun} in each row; validate the loans"
            " against the schema first."
        ) from None
