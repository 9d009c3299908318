"""The part of a schema's field that a preprocessor needs, and that travels to the banks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fed_credit.data.recipe import Recipe
from fed_credit.data.schema import Field, Kind, KnownAt, Schema


@dataclass(frozen=True)
class FeatureSpec:
    """One feature of a run.

    Parameters
    ----------
    name : str
        Field name, the same at every bank.
    kind : Kind
        Numeric, boolean or categorical.
    known_at : KnownAt
        When the value is first known.
    source : str
        Kind of institution that holds the field.
    values : tuple of str
        Allowed values of a categorical field; empty if they are not listed.
    hash_buckets : int
        Buckets of a categorical field whose values are not listed.
    recipe : Recipe or None
        How an engineered feature is computed from raw fields; None for one that the data hold.
    """

    name: str
    kind: Kind
    known_at: KnownAt
    source: str
    values: tuple[str, ...] = ()
    hash_buckets: int = 0
    recipe: Recipe | None = None

    @classmethod
    def of(cls, field: Field, schema: Schema) -> FeatureSpec:
        """Take a feature's specification from its field and schema."""
        listed = field.kind is not Kind.CATEGORICAL or bool(field.values)
        return cls(
            field.name,
            field.kind,
            field.known_at,
            field.source,
            field.values,
            0 if listed else field.hash_buckets,
            Recipe.of(schema, [field.name]) if field.formula else None,
        )

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> FeatureSpec:
        """Read what :func:`dataclasses.asdict` wrote, also after a detour through JSON.

        Raises
        ------
        SchemaError
            If the recipe's formulas cannot be used.
        """
        return cls(
            name=raw["name"],
            kind=Kind(raw["kind"]),
            known_at=KnownAt(raw["known_at"]),
            source=raw["source"],
            values=tuple(raw["values"]),
            hash_buckets=raw["hash_buckets"],
            recipe=None if raw.get("recipe") is None else Recipe.from_dict(raw["recipe"]),
        )

    @property
    def num_categories(self) -> int:
        """Number of listed values or hash buckets."""
        return len(self.values) or self.hash_buckets


def feature_specs(fields: Sequence[Field], schema: Schema) -> tuple[FeatureSpec, ...]:
    """Take the specifications of several fields of a schema, in their order."""
    return tuple(FeatureSpec.of(field, schema) for field in fields)
