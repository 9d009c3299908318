"""A configuration over another one: what it does not say is as in the other."""

from __future__ import annotations

from typing import Any


def merged(common: Any, own: Any) -> Any:
    """Merge a section into the common one, name by name at every depth; the own word wins.

    Parameters
    ----------
    common : object
        Plain values: what holds where nothing is said.
    own : object
        Plain values. A section of nothing but comments, which YAML reads as null, says nothing; a
        null in place of a single value is a value. What is no section where ``common`` has one is
        kept, for the typed reading to refuse.

    Returns
    -------
    object
        New where both are mappings, names of ``common`` first.
    """
    if own is None and isinstance(common, dict):
        return common
    if not isinstance(common, dict) or not isinstance(own, dict):
        return own
    return {
        name: merged(common[name], own[name])
        if name in common and name in own
        else own.get(name, common.get(name))
        for name in [*common, *(name for name in own if name not in common)]
    }
