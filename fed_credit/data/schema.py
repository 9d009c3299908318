"""The schema: what each field of a loan record is, and when it is known.

A schema is a YAML file. It names the *fields* a bank's record may hold, with their kind, unit,
bounds, allowed values and labels, and the *roles* some of them play (institution, decision date,
event date, exposure, ...). ``known_at`` says when a field's value exists: a model that decides at
``application`` cannot use what is known only at ``booking`` or after the ``outcome``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from fed_credit.data.derived import resolve
from fed_credit.data.reference import ReferenceTable, read_tables
from fed_credit.errors import SchemaError, suggestion


class Kind(StrEnum):
    """What a field is."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    BOOLEAN = "boolean"
    DATE = "date"
    IDENTIFIER = "identifier"
    TARGET = "target"
    INSTITUTION = "institution"


class KnownAt(StrEnum):
    """When a field's value is first known, in the order of a loan's life."""

    APPLICATION = "application"
    BOOKING = "booking"
    OUTCOME = "outcome"

    @property
    def rank(self) -> int:
        """Position in the order of a loan's life: application 0, booking 1, outcome 2."""
        return list(KnownAt).index(self)


class Missing(StrEnum):
    """What a missing value means for the row."""

    ALLOW = "allow"
    REJECT = "reject"


class Outside(StrEnum):
    """What a value outside the bounds or the allowed values means."""

    REJECT = "reject"
    MISSING = "missing"


class Group(StrEnum):
    """What part of an application a field belongs to, for forms and reports."""

    FIRM = "firm"
    HISTORY = "history"
    APPLICATION = "application"


FEATURE_KINDS = frozenset({Kind.NUMERIC, Kind.CATEGORICAL, Kind.BOOLEAN})


@dataclass(frozen=True)
class Field:
    """One field of a loan record.

    Parameters
    ----------
    name : str
        Column name.
    kind : Kind
        What the field is.
    known_at : KnownAt
        When its value is first known.
    label : Mapping[str, str]
        Label by language (``en``, ``zh``).
    unit : str
        Unit of a numeric field (``months``, ``USD``, ``persons``, ``1`` for a ratio).
    min, max : float or None
        Inclusive bounds of a numeric field.
    values : tuple of str
        Allowed values of a categorical field; empty means "not listed": values are then counted
        in ``hash_buckets`` fixed buckets.
    true_values, false_values : tuple of str
        How a boolean field is spelled in the source.
    good, bad : tuple of str
        How the final status of a target field is spelled in the source.
    missing : Missing
        Whether a missing value is allowed or rejects the row.
    missing_codes : tuple of str
        Spellings that mean "unknown" in the source (for instance ``0``).
    strip : tuple of str
        What is taken out of the text of a numeric field before it is read: thousands separators,
        currency and percent signs. ``12.5%`` then reads 12.5, so the unit is ``%``.
    date_formats : tuple of str
        How a date field is spelled in the source besides ``YYYY-MM-DD``, in the directives of
        :meth:`datetime.datetime.strptime` (``%Y%m%d``), tried in this order; the time of day is
        cut off before.
    outside : Outside
        Whether a value outside the bounds or values rejects the row or becomes missing.
    sensitive : bool
        Values never appear in logs, reports or the file of rejected rows.
    feature : bool
        Whether a model may use the field at all.
    source : str
        Kind of institution that holds the field (``bank``, later ``tax_office``, ``utility``).
    hash_buckets : int
        Number of hash buckets of a categorical field without listed values.
    changeable : bool
        Whether an applicant can change it (amount, term, collateral): what a declined application
        could be instead is searched for among these.
    formula : str
        How an engineered field is computed from others (``log1p(turnover)``); a column of that name
        in the data is then not looked at.
    derived_from : tuple of str
        Fields this one is computed from; it cannot be known before they are. Found from the
        formula; stated only for a field that the data hold already computed.
    group : Group or None
        What part of an application it belongs to.
    example : str
        A value as the source spells it, of a made-up loan.
    value_labels : mapping of str to mapping of str to str
        Labels by listed value and language, as ``label`` has them.
    """

    name: str
    kind: Kind
    known_at: KnownAt = KnownAt.APPLICATION
    label: Mapping[str, str] = field(default_factory=dict)
    unit: str = ""
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] = ()
    true_values: tuple[str, ...] = ()
    false_values: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    missing: Missing = Missing.ALLOW
    missing_codes: tuple[str, ...] = ()
    strip: tuple[str, ...] = ()
    date_formats: tuple[str, ...] = ()
    outside: Outside = Outside.REJECT
    sensitive: bool = False
    feature: bool = True
    source: str = "bank"
    hash_buckets: int = 64
    changeable: bool = False
    formula: str = ""
    derived_from: tuple[str, ...] = ()
    group: Group | None = None
    example: str = ""
    value_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def is_feature(self) -> bool:
        """Whether a model may use the field, leaving aside when it is known."""
        return self.feature and self.kind in FEATURE_KINDS


@dataclass(frozen=True)
class Roles:
    """Which field plays which part; ``None`` where the data have no such field.

    Parameters
    ----------
    institution, loan_id, firm_id : str or None
        The lender, the loan and the borrowing firm.
    decision_date : str or None
        Date field of the application or approval; months on book count from it.
    event_date : str or None
        Date field of the default or charge-off.
    target : str or None
        Target field with a final status.
    exposure : str or None
        Numeric field with the amount at risk.
    true_pd : str or None
        Known only in synthetic data, kept aside, never a feature.
    """

    institution: str | None = None
    loan_id: str | None = None
    firm_id: str | None = None
    decision_date: str | None = None
    event_date: str | None = None
    target: str | None = None
    exposure: str | None = None
    true_pd: str | None = None


@dataclass(frozen=True)
class Schema:
    """A named set of fields and the roles some of them play.

    Parameters
    ----------
    name : str
        Name of the schema.
    fields : mapping of str to Field
        By name. What follows from a formula (``derived_from``, values, secrecy) is filled in.
    roles : Roles
        Which field plays which part.
    currency, description : str
        Of the amounts, and of the data.
    tables : mapping of str to ReferenceTable
        Reference tables that formulas look into.

    Raises
    ------
    SchemaError
        If a role names an unknown field, a formula cannot be used, or an engineered field claims to
        be known before the fields it is computed from.
    """

    name: str
    fields: Mapping[str, Field]
    roles: Roles = field(default_factory=Roles)
    currency: str = ""
    description: str = ""
    tables: Mapping[str, ReferenceTable] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for role in fields(Roles):
            named = getattr(self.roles, role.name)
            if named is not None and named not in self.fields:
                raise SchemaError(
                    f"Schema '{self.name}': role '{role.name}' names the field '{named}', which is"
                    f" not among its fields.{suggestion(named, self.fields)}"
                )
        played = {name: role for role, name in vars(self.roles).items() if name is not None}
        resolved = resolve(self.name, self.fields, played, self.tables)
        object.__setattr__(self, "fields", resolved)
        for item in self.fields.values():
            for parent in item.derived_from:
                known = self.fields.get(parent)
                if known is None:
                    raise SchemaError(
                        f"Schema '{self.name}': field '{item.name}' is derived from '{parent}',"
                        f" which is not among its fields.{suggestion(parent, self.fields)}"
                    )
                if known.known_at.rank > item.known_at.rank:
                    raise SchemaError(
                        f"Schema '{self.name}': field '{item.name}' claims to be known at"
                        f" {item.known_at}, but is derived from '{parent}', known at"
                        f" {known.known_at}; set its known_at to {known.known_at}."
                    )

    def features(
        self,
        decision_point: KnownAt,
        *,
        allow_late: Sequence[str] = (),
        exclude: Sequence[str] = (),
        only: Sequence[str] = (),
    ) -> tuple[Field, ...]:
        """Return the fields that a model deciding at ``decision_point`` may use.

        Parameters
        ----------
        decision_point : KnownAt
            When the model decides.
        allow_late : sequence of str
            Fields used although they are known only later (leakage, on the run's own word).
        exclude : sequence of str
            Fields left out.
        only : sequence of str
            If not empty, exactly these fields are asked for.

        Returns
        -------
        tuple of Field
            In the order of the schema.

        Raises
        ------
        SchemaError
            If a named field does not exist, cannot be a feature, or is known too late.
        """
        for key, names in (
            ("allow_late_fields", allow_late),
            ("exclude_fields", exclude),
            ("features", only),
        ):
            for name in names:
                if name not in self.fields:
                    raise SchemaError(
                        f"data.{key} names '{name}', which schema '{self.name}' does not have."
                        f"{suggestion(name, self.fields)}"
                    )
                if key != "exclude_fields" and not self.fields[name].is_feature:
                    raise SchemaError(
                        f"data.{key} names '{name}', a field of kind"
                        f" '{self.fields[name].kind}' that schema '{self.name}' does not admit as"
                        " a feature; leave it out."
                    )
        for name in only:
            known = self.fields[name].known_at
            if known.rank > decision_point.rank and name not in allow_late:
                raise SchemaError(
                    f"'{name}' is known only at {known}, but the model decides at"
                    f" {decision_point}: leave it out of data.features, or name it in"
                    f" data.allow_late_fields=[{name}] and accept the leakage warning."
                )
        return tuple(
            item
            for item in self.fields.values()
            if item.is_feature
            and item.name not in exclude
            and (not only or item.name in only)
            and (item.known_at.rank <= decision_point.rank or item.name in allow_late)
        )


def load_schema(path: Path) -> Schema:
    """Read a schema from a YAML file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Schema

    Raises
    ------
    SchemaError
        With one sentence that says which entry of which file is wrong and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(
            f"Schema file {path} cannot be read ({error}); check data.schema."
        ) from None
    return parse_schema(text, path)


def parse_schema(text: str, path: Path | str) -> Schema:
    """Read a schema from the text of a YAML file.

    Parameters
    ----------
    text : str
        The text.
    path : Path or str
        What to call it in messages; tables that name files are looked for beside it.

    Returns
    -------
    Schema

    Raises
    ------
    SchemaError
        As :func:`load_schema`.
    """
    path = Path(path)
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark is not None else ""
        raise SchemaError(f"Schema file {path} is not valid YAML{line}; mend it.") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("fields"), dict) or not raw["fields"]:
        raise SchemaError(f"Schema file {path} needs a mapping 'fields' with at least one field.")
    _known_keys(
        path,
        "the schema",
        raw,
        ("name", "description", "currency", "roles", "fields", "tables"),
    )
    role_names = tuple(item.name for item in fields(Roles))
    roles = raw.get("roles") or {}
    if not isinstance(roles, dict):
        raise SchemaError(f"Schema file {path}: 'roles' must be a mapping of role to field name.")
    _known_keys(path, "roles", roles, role_names)
    return Schema(
        name=str(raw.get("name") or path.stem),
        description=str(raw.get("description") or ""),
        currency=str(raw.get("currency") or ""),
        roles=Roles(**{key: None if value is None else str(value) for key, value in roles.items()}),
        fields={str(name): _field(path, str(name), body) for name, body in raw["fields"].items()},
        tables=read_tables(path, raw.get("tables")),
    )


_TUPLES = (
    "values",
    "true_values",
    "false_values",
    "good",
    "bad",
    "missing_codes",
    "strip",
    "date_formats",
    "derived_from",
)
# What a field that is computed does not need.
SPELLING = tuple(key for key in _TUPLES if key != "values")
_ENUMS = {"kind": Kind, "known_at": KnownAt, "missing": Missing, "outside": Outside, "group": Group}


def _field(path: Path, name: str, body: Any) -> Field:
    if not isinstance(body, dict) or "kind" not in body:
        raise SchemaError(f"Schema file {path}: field '{name}' needs at least a 'kind'.")
    _known_keys(
        path, f"field '{name}'", body, tuple(f.name for f in fields(Field) if f.name != "name")
    )
    values: dict[str, Any] = {}
    for key, value in body.items():
        where = f"Schema file {path}: field '{name}', key '{key}'"
        if key in _ENUMS:
            allowed = [str(member) for member in _ENUMS[key]]
            if str(value) not in allowed:
                raise SchemaError(
                    f"{where}: '{value}' is not one of {', '.join(allowed)}."
                    f"{suggestion(str(value), allowed)}"
                )
            values[key] = _ENUMS[key](str(value))
        elif key in _TUPLES:
            if not isinstance(value, list):
                raise SchemaError(f"{where}: expected a list, got '{value}'.")
            values[key] = tuple(str(item) for item in value)
        elif key in ("min", "max"):
            if value is not None and (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not math.isfinite(value)
            ):
                raise SchemaError(f"{where}: expected a finite number, got '{value}'.")
            values[key] = None if value is None else float(value)
        elif key in ("sensitive", "feature", "changeable"):
            if not isinstance(value, bool):
                raise SchemaError(f"{where}: expected true or false, got '{value}'.")
            values[key] = value
        elif key == "hash_buckets":
            if not isinstance(value, int) or not 2 <= value <= 4096:
                raise SchemaError(
                    f"{where}: expected a whole number from 2 to 4096, got '{value}'."
                )
            values[key] = value
        elif key == "label":
            if not isinstance(value, dict):
                raise SchemaError(f"{where}: expected labels by language (en, zh), got '{value}'.")
            values[key] = {str(lang): str(text) for lang, text in value.items()}
        elif key == "value_labels":
            if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
                raise SchemaError(
                    f"{where}: expected labels by value and language, as in"
                    f" {{retail: {{en: Retail, zh: 零售业}}}}, got '{value}'."
                )
            values[key] = {
                str(name): {str(lang): str(text) for lang, text in labels.items()}
                for name, labels in value.items()
            }
        elif key == "formula":
            if not isinstance(value, str):
                raise SchemaError(f"{where}: expected a formula as text, got '{value}'; quote it.")
            values[key] = value
        else:
            values[key] = str(value)
    made = Field(name=name, **values)
    if made.min is not None and made.max is not None and made.min > made.max:
        raise SchemaError(
            f"Schema file {path}: field '{name}' has min {made.min} above max {made.max}."
        )
    if made.formula:
        idle = next((key for key in SPELLING if getattr(made, key)), None)
        if idle is not None:
            raise SchemaError(
                f"Schema file {path}: field '{name}' has a formula and '{idle}', which says how a"
                " field is spelled in the data or follows from the formula; leave it out."
            )
        if made.changeable:
            raise SchemaError(
                f"Schema file {path}: field '{name}' has a formula and cannot be changeable;"
                " say so of the fields that it is computed from."
            )
        return made
    if made.kind is Kind.BOOLEAN and not (made.true_values and made.false_values):
        raise SchemaError(
            f"Schema file {path}: boolean field '{name}' needs true_values and false_values."
        )
    if made.changeable and made.kind not in FEATURE_KINDS:
        raise SchemaError(
            f"Schema file {path}: field '{name}' of kind {made.kind} cannot be changeable; only"
            " numeric, boolean and categorical fields can."
        )
    _check_spelling(path, made)
    return made


def _check_spelling(path: Path, field: Field) -> None:
    """Refuse keys of a spelling that the field's kind does not have, or that read nothing."""
    where = f"Schema file {path}: field '{field.name}', key"
    if field.strip and field.kind is not Kind.NUMERIC:
        raise SchemaError(f"{where} 'strip': only numeric fields have one; drop it.")
    if field.date_formats and field.kind is not Kind.DATE:
        raise SchemaError(f"{where} 'date_formats': only date fields have them; drop it.")
    for text in field.strip:
        if not text or any(letter.isdigit() or letter in "+-." for letter in text):
            raise SchemaError(
                f"{where} 'strip': '{text}' must be text without digits, signs and points."
            )
    for text in field.date_formats:
        if not (("%Y" in text or "%y" in text) and ("%m" in text or "%b" in text)):
            raise SchemaError(
                f"{where} 'date_formats': '{text}' must name year and month at least, as in"
                " '%Y%m%d'."
            )
        try:
            # A year before 1969 would not come back from two digits.
            datetime.strptime(datetime(2003, 2, 1).strftime(text), text)
        except ValueError:
            raise SchemaError(
                f"{where} 'date_formats': '{text}' is no format of dates; write it as in"
                " '%Y%m%d' or '%Y/%m/%d'."
            ) from None


def _known_keys(path: Path, where: str, body: Mapping[Any, Any], known: Sequence[str]) -> None:
    for key in body:
        if key not in known:
            raise SchemaError(
                f"Schema file {path}: {where} has the unknown key '{key}'."
                f"{suggestion(str(key), known)} Known keys: {', '.join(known)}."
            )
