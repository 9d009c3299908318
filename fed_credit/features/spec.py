"""The part of a schema's field that a preprocessor needs, and that travels to the banks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fed_credit.data.schema import Field, Kind, KnownAt


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
    """

    name: str
    kind: Kind
    known_at: KnownAt
    source: str
    values: tuple[str, ...] = ()
    hash_buckets: int = 0

    @classmethod
    def of(cls, field: Field) -> FeatureSpec:
        """Take a feature's specification from its schema field."""
        listed = field.kind is not Kind.CATEGORICAL or bool(field.values)
        return cls(
            field.name,
            field.kind,
            field.known_at,
            field.source,
            field.values,
            0 if listed else field.hash_buckets,
        )

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> FeatureSpec:
        """Read what :func:`dataclasses.asdict` wrote, also after a detour through JSON."""
        return cls(
            name=raw["name"],
            kind=Kind(raw["kind"]),
            known_at=KnownAt(raw["known_at"]),
            source=raw["source"],
            values=tuple(raw["values"]),
            hash_buckets=raw["hash_buckets"],
        )

    @property
    def num_categories(self) -> int:
        """Number of listed values or hash buckets."""
        return len(self.values) or self.hash_buckets


def feature_specs(fields: Sequence[Field]) -> tuple[FeatureSpec, ...]:
    """Take the specifications of several fields, in their order."""
    return tuple(FeatureSpec.of(field) for field in fields)
