"""The engineered fields of a schema: their formulas read, checked, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from fed_credit.data.formula import Formula, parse
from fed_credit.data.formula_tree import FormulaError
from fed_credit.data.formula_values import Type, ValueType
from fed_credit.data.reference import ReferenceTable
from fed_credit.errors import SchemaError, suggestion

if TYPE_CHECKING:
    from fed_credit.data.schema import Field

_KINDS = frozenset(map(str, ValueType))


def resolve(
    schema: str,
    fields: Mapping[str, Field],
    roles: Mapping[str, str],
    tables: Mapping[str, ReferenceTable],
) -> dict[str, Field]:
    """Read and check the formulas of a schema and fill in what follows from them.

    An engineered field is derived from the fields its formula looks at, is sensitive if one of them
    is, and a category has the values that the formula can give if the schema lists none.

    Parameters
    ----------
    schema : str
        Name of the schema.
    fields : mapping of str to Field
        All its fields.
    roles : mapping of str to str
        Role of each field that plays one.
    tables : mapping of str to ReferenceTable
        Its reference tables.

    Returns
    -------
    dict of str to Field
        In the order given.

    Raises
    ------
    SchemaError
        If a formula cannot be read, looks at something it must not, goes in a circle, or gives
        something else than its field holds; names the field and the character.
    """
    resolver = _Resolver(schema, fields, roles, tables)
    for name, field in fields.items():
        if field.formula:
            resolver.visit(name)
    return {name: resolver.done.get(name, field) for name, field in fields.items()}


class _Resolver:
    def __init__(
        self,
        schema: str,
        fields: Mapping[str, Field],
        roles: Mapping[str, str],
        tables: Mapping[str, ReferenceTable],
    ) -> None:
        self._schema, self._fields, self._roles, self._tables = schema, fields, roles, tables
        self.done: dict[str, Field] = {}
        self._path: list[str] = []

    def visit(self, name: str) -> None:
        """Resolve a field after those it is computed from."""
        if name in self.done:
            return
        if name in self._path:
            circle = " from ".join(
                f"'{step}'" for step in [*self._path[self._path.index(name) :], name]
            )
            raise SchemaError(
                f"Schema '{self._schema}': formulas go in a circle, {circle}; let one of them use"
                " fields of the data alone."
            )
        field = self._fields[name]
        try:
            formula = parse(field.formula)
            self._path.append(name)
            for parent in formula.fields:
                if parent in self._fields and self._fields[parent].formula:
                    self.visit(parent)
            self._path.pop()
            self.done[name] = self._checked(field, formula)
        except FormulaError as error:
            raise SchemaError(
                f"Schema '{self._schema}': formula of field '{name}', {error.sentence}"
            ) from None

    def _type(self, name: str) -> Type:
        """Return the type of a field that a formula looks at."""
        field = self.done.get(name, self._fields.get(name))
        if field is None:
            if name in self._tables:
                raise FormulaError(f"'{name}' is a table; write lookup({name}, code)")
            raise FormulaError(f"there is no field '{name}'.{suggestion(name, self._fields)}")
        role = self._roles.get(name)
        if role in _NO_OPERANDS or str(field.kind) not in _KINDS:
            raise FormulaError(
                f"a formula must not look at '{name}', which is"
                f" {_NO_OPERANDS.get(role or '') or f'of the kind {field.kind}'}; leave it out"
            )
        return Type(ValueType(str(field.kind)), field.values or None)

    def _checked(self, field: Field, formula: Formula) -> Field:
        role = self._roles.get(field.name)
        if role is not None and role != "exposure":
            raise FormulaError(f"the field plays the role '{role}' and must come from the data")
        if str(field.kind) not in _KINDS:
            raise FormulaError(
                f"a field of the kind {field.kind} cannot be computed; set its kind to one of"
                f" {', '.join(ValueType)}"
            )
        found, kind = formula.check(self._type, self._tables), ValueType(str(field.kind))
        if found.of is not kind and (found.of, kind) != (ValueType.TRUTH, ValueType.NUMBER):
            raise FormulaError(
                f"the formula gives {found.of.noun}, but the field is {field.kind}; set its kind to"
                f" {found.of}, or change the formula"
            )
        values = field.values
        if kind is ValueType.TEXT and found.values is not None:
            values = values or found.values
            strange = [value for value in found.values if value not in values]
            if strange and field.outside == "reject":
                raise FormulaError(
                    f"it can give '{strange[0]}', which is not among the field's values; list it,"
                    f" or set outside: missing.{suggestion(strange[0], values)}"
                )
        return replace(
            field,
            values=values,
            derived_from=formula.fields,
            sensitive=field.sensitive or any(self._of(n).sensitive for n in formula.fields),
            true_values=("1",) if kind is ValueType.TRUTH else (),
            false_values=("0",) if kind is ValueType.TRUTH else (),
        )

    def _of(self, name: str) -> Field:
        return self.done.get(name, self._fields[name])


_NO_OPERANDS = {
    "institution": "the institution",
    "loan_id": "the loan's identifier",
    "firm_id": "the firm's identifier",
    "target": "the target",
    "event_date": "the date of the event to predict",
    "true_pd": "the true PD",
}
