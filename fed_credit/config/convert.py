"""From plain values to the dataclasses of the configuration, strictly by their types."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from fed_credit.errors import ConfigurationError, suggestion

T = TypeVar("T")

MISSING = "???"
_EXPECTED: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    list[int]: "a list of whole numbers, as in [64,32]",
    list[float]: "a list of numbers, as in [0.1,0.2]",
    list[str]: "a list of names, as in [a,b]",
}


def build(kind: type[T], values: Mapping[str, Any]) -> T:
    """Build a configuration dataclass from plain values.

    Parameters
    ----------
    kind : type
        A dataclass whose fields are scalars, optional scalars, enumerations (given by value),
        lists of scalars or of such dataclasses, mappings from names, or such dataclasses.
    values : mapping of str to object
        One entry per field, as YAML gives them.

    Returns
    -------
    object of type ``kind``

    Raises
    ------
    ConfigurationError
        If a key is unknown or missing, or a value has another type; names the full key.
    """
    return _section(kind, values, "", kind)


def plain(spec: Any) -> Any:
    """Return a configuration dataclass as plain values, the inverse of :func:`build`."""
    if is_dataclass(spec) and not isinstance(spec, type):
        return {item.name: plain(getattr(spec, item.name)) for item in fields(spec)}
    if isinstance(spec, Enum):
        return spec.value
    if isinstance(spec, dict):
        return {name: plain(item) for name, item in spec.items()}
    return [plain(item) for item in spec] if isinstance(spec, list) else spec


def is_known(key: str) -> bool:
    """Return whether a dotted key of a run exists, or is the user's own name in a mapping."""
    return key in known_keys() or is_own_name(key)


def is_own_name(key: str) -> bool:
    """Return whether a dotted key is a name of the user's own in a mapping."""
    return any(key.startswith(f"{section}.") for section in _open_keys())


def is_open(key: str) -> bool:
    """Return whether a dotted key's value maps names of the user's own."""
    return key in _open_keys()


@cache
def _open_keys(root: type | None = None) -> tuple[str, ...]:
    """Return the keys whose value maps names of the user's own."""

    def walk(kind: type, within: str) -> list[str]:
        keys: list[str] = []
        for name, hint in get_type_hints(kind).items():
            key, inner = _join(within, name), _section_type(hint)
            if inner is not None:
                keys += walk(inner, key)
            elif get_origin(hint) is dict:
                keys.append(key)
        return keys

    return tuple(walk(root or _simulation(), ""))


@cache
def known_keys(root: type | None = None) -> tuple[str, ...]:
    """Return every dotted key of a configuration, sections included.

    Parameters
    ----------
    root : type or None
        Its dataclass; None for :class:`~fed_credit.config.spec.SimulationSpec`.

    Returns
    -------
    tuple of str
    """

    def walk(kind: type, within: str) -> list[str]:
        keys: list[str] = []
        for name, hint in get_type_hints(kind).items():
            keys.append(_join(within, name))
            if (inner := _section_type(hint)) is not None:
                keys += walk(inner, keys[-1])
        return keys

    return tuple(walk(root or _simulation(), ""))


def unknown_key(key: str, root: type | None = None) -> ConfigurationError:
    """Return the error for a key that does not exist, with the nearest one that does.

    Parameters
    ----------
    key : str
        The dotted key.
    root : type or None
        As for :func:`known_keys`.

    Returns
    -------
    ConfigurationError
        To be raised.
    """
    section, _, leaf = key.rpartition(".")
    if "[" in section:  # of a list's item
        leaves = list(get_type_hints(_kind_at(section, root or _simulation())))
        hint = suggestion(leaf, leaves) or f" The keys of {section} are {', '.join(leaves)}."
        return ConfigurationError(f"The configuration has no key '{key}'.{hint}")
    known_here = known_keys(root)
    same_leaf = [known for known in known_here if known.rpartition(".")[2] == leaf]
    siblings = [known for known in known_here if known.rpartition(".")[0] == section]
    if len(same_leaf) == 1:
        hint = f" Did you mean '{same_leaf[0]}'?"
    elif section and siblings:
        leaves = [known.rpartition(".")[2] for known in siblings]
        hint = suggestion(leaf, leaves) or f" The keys of {section} are {', '.join(leaves)}."
    else:
        hint = suggestion(key, known_here)
    return ConfigurationError(f"The configuration has no key '{key}'.{hint}")


def _simulation() -> type:
    from fed_credit.config.spec import SimulationSpec

    return SimulationSpec


def _kind_at(section: str, root: type) -> type:
    """Return the dataclass of a section, as of ``data.institutions[0].source``."""
    kind: Any = root
    for name in section.split("."):
        kind = get_type_hints(kind)[name.partition("[")[0]]
        if "[" in name:
            (kind,) = get_args(kind)
    return cast(type, kind)


def refused(key: str, value: Any, why: str) -> ConfigurationError:
    """Return the error for a value that a key cannot take, spelled as on the command line."""
    return ConfigurationError(f"{key}={shown(value)} cannot be used: {why}.")


def shown(value: Any) -> str:
    """Spell a value as the command line does."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(shown(item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{name}:{shown(item)}' for name, item in value.items())}}}"
    return str(value)


def _section_type(hint: Any) -> type | None:
    """Return the dataclass of a field's type, also of one that may be None."""
    kinds = get_args(hint) if get_origin(hint) in (types.UnionType, Union) else (hint,)
    return next((kind for kind in kinds if isinstance(kind, type) and is_dataclass(kind)), None)


def _section(kind: type[T], values: Mapping[str, Any], within: str, root: type) -> T:
    hints = get_type_hints(kind)
    for key in values:
        if key not in hints:
            raise unknown_key(_join(within, str(key)), root)
    made = {
        name: _value(hint, values.get(name, MISSING), _join(within, name), root)
        for name, hint in hints.items()
    }
    return kind(**made)


def _value(hint: Any, value: Any, key: str, root: type) -> Any:
    if isinstance(value, str) and value == MISSING:
        raise ConfigurationError(f"{key} has no value; set {key}=VALUE.")
    if get_origin(hint) in (types.UnionType, Union):
        if value is None:
            return None
        hint = next(item for item in get_args(hint) if item is not type(None))
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            inner = _first_keys(key, hint)
            raise refused(key, value, f"it is a section; set one of its keys, {inner}")
        return _section(hint, value, key, root)
    if isinstance(hint, type) and issubclass(hint, Enum):
        members = [str(member.value) for member in hint]
        if value not in members:
            near = suggestion(str(value), members)
            raise ConfigurationError(
                f"{key}={shown(value)} cannot be used: choose one of {', '.join(members)}.{near}"
            )
        return hint(value)
    if get_origin(hint) is dict:
        return _mapping(hint, value, key, root)
    if get_origin(hint) is list:
        (item_hint,) = get_args(hint)
        if is_dataclass(item_hint):
            if not isinstance(value, list):
                raise refused(key, value, "it must be a list of sections, as in [{name: A, ...}]")
            return [
                _value(item_hint, item, f"{key}[{place}]", root) for place, item in enumerate(value)
            ]
        if not isinstance(value, list):
            raise refused(key, value, f"it must be {_EXPECTED[hint]}")
        if not all(_fits(item_hint, item) for item in value):
            raise refused(key, value, f"it must be {_EXPECTED[hint]}")
        return [item_hint(item) for item in value]
    if not _fits(hint, value):
        raise refused(key, value, f"it must be {_EXPECTED[hint]}")
    return hint(value)


def _mapping(hint: Any, value: Any, key: str, root: type) -> dict[str, Any]:
    """Read names with their values; the names are the user's own."""
    _, item_hint = get_args(hint)
    if not isinstance(value, Mapping):
        raise refused(key, value, "it must be names with their values, as in {a: b}")
    return {
        str(name): _value(item_hint, item, f"{key}.{name}", root) for name, item in value.items()
    }


def _fits(hint: Any, value: Any) -> bool:
    if hint is bool or isinstance(value, bool):
        return hint is bool and isinstance(value, bool)
    if hint is float:
        return isinstance(value, int | float)
    # A whole number is a fine name: `data.exclude_fields=[2024]`.
    return isinstance(value, int | str) if hint is str else isinstance(value, hint)


def _first_keys(section: str, kind: type) -> str:
    return f"such as {' or '.join(f'{section}.{name}' for name in list(get_type_hints(kind))[:2])}"


def _join(within: str, name: str) -> str:
    return f"{within}.{name}" if within else name
