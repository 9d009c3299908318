"""In what two model files differ: part by part, and in parts of keys and values key by key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from fed_credit.model_file.unpack import MANIFEST, SIGNATURE

_MOST = 20  # keys told of one part
# What follows from the other parts is told last.
_LAST = ("evaluation.json", "card.en.md", "card.zh.md")
_LONGEST = 60


def differences(parts: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    """Say in what a model's file differs from another one.

    Parameters
    ----------
    parts, other : mapping of str to bytes
        Parts by name. Manifest and signature are left aside: they follow from the others.

    Returns
    -------
    list of str
        A phrase for each part, and for each key within parts of keys and values, with the other
        file's value first.
    """
    found = []
    names = sorted({*parts, *other} - {MANIFEST, SIGNATURE}, key=lambda name: (name in _LAST, name))
    for name in names:
        if name not in parts:
            found.append(f"'{name}' is only in the other")
        elif name not in other:
            found.append(f"'{name}' is not in the other")
        elif parts[name] != other[name]:
            found += _part(name, other[name], parts[name])
    return found


def _part(name: str, before: bytes, after: bytes) -> list[str]:
    if name.endswith((".json", ".yaml")):
        try:
            pairs = list(_changed(_read(name, before), _read(name, after), ""))
        except (RecursionError, UnicodeDecodeError, ValueError, yaml.YAMLError):
            pairs = []
        if pairs:
            told = [f"'{name}': {key} was {old} and is {new}" for key, old, new in pairs[:_MOST]]
            more = len(pairs) - len(told)
            return [*told, f"'{name}': {more} more keys differ"] if more else told
    if name.endswith((".md", ".csv", ".sql", ".html")):
        old, new = before.splitlines(), after.splitlines()
        same = sum(a == b for a, b in zip(old, new, strict=False))
        return [f"'{name}': {max(len(old), len(new)) - same} of {len(new)} lines differ"]
    return [f"'{name}' differs ({len(before):,} bytes and {len(after):,})"]


def _read(name: str, body: bytes) -> Any:
    return json.loads(body) if name.endswith(".json") else yaml.safe_load(body.decode())


def _changed(before: Any, after: Any, within: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            key = f"{within}.{name}" if within else str(name)
            if name not in after or name not in before:
                absent = name not in before
                yield (
                    key,
                    "absent" if absent else _said(before[name]),
                    (_said(after[name]) if absent else "absent"),
                )
            else:
                yield from _changed(before[name], after[name], key)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _changed(old, new, f"{within}[{place}]")
    elif before != after or type(before) is not type(after):
        yield within or "all of it", _said(before), _said(after)


def _said(value: Any) -> str:
    if isinstance(value, list | dict):
        return f"{len(value)} {'items' if isinstance(value, list) else 'keys'}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
