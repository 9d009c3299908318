"""Texts in two languages: a catalogue of sentences, and markup that holds both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from markupsafe import Markup, escape

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Text:
    """One text in both languages.

    Parameters
    ----------
    en, zh : str
        Plain text; it is escaped where it becomes markup.
    """

    en: str
    zh: str

    def __html__(self) -> Markup:
        """Return markup of both, of which the page's switch shows one; of one where they agree."""
        if self.en == self.zh:
            return escape(self.en)
        return Markup('<span lang="en">{}</span><span lang="zh">{}</span>').format(self.en, self.zh)

    def __str__(self) -> str:
        return self.en

    def in_(self, language: str) -> str:
        """Return the text in one language."""
        return self.zh if language == "zh" else self.en


def same(text: object) -> Text:
    """Return a text that reads alike in both languages: a name, a figure."""
    return Text(str(text), str(text))


def joined(items: Iterable[Text | str], most: int = 0) -> Text:
    """Return an enumeration; beyond ``most`` items (0: any) the number of the rest."""
    texts = [item if isinstance(item, Text) else same(item) for item in items]
    shown = texts[:most] if most else texts
    rest = len(texts) - len(shown)
    en, zh = ", ".join(text.en for text in shown), "、".join(text.zh for text in shown)
    return Text(f"{en} and {rest} more", f"{zh}等") if rest else Text(en, zh)


def sentences(items: Iterable[Text]) -> Text:
    """Return sentences as one paragraph."""
    texts = list(items)
    return Text(" ".join(text.en for text in texts), "".join(text.zh for text in texts))


def text(key: str, /, **values: Any) -> Text:
    """Return a text of the catalogue with its values filled in.

    Parameters
    ----------
    key : str
        As in ``catalogue/*.yaml``.
    **values
        By placeholder; a :class:`Text` fills in its own language.

    Returns
    -------
    Text

    Raises
    ------
    KeyError
        If the catalogue has no such text, or a placeholder has no value.
    """
    entry = catalogue()[key]
    return Text(*(_filled(entry[language], language, values) for language in LANGUAGES))


def _filled(template: str, language: str, values: Mapping[str, Any]) -> str:
    return template.format_map(
        {
            name: value.in_(language) if isinstance(value, Text) else value
            for name, value in values.items()
        }
    )


def has_text(key: str) -> bool:
    """Return whether the catalogue has a text."""
    return key in catalogue()


def word(group: str, value: str) -> Text:
    """Return the word for a configuration value (``random``), or the value where there is none."""
    key = f"{group}.{value}"
    return text(key) if has_text(key) else same(value)


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Return all texts by key, each with one entry per language."""
    found: dict[str, dict[str, str]] = {}
    for name in ("common", "run", "explain", "sweep", "bank"):
        for group, entries in _read(name).items():
            found |= {f"{group}.{key}": entry for key, entry in entries.items()}
    return found


def _read(name: str) -> Any:
    path = files(__package__).joinpath("catalogue", f"{name}.yaml")
    return yaml.load(path.read_text(encoding="utf-8"), _LOADER)


# The same texts, read ten times as fast where PyYAML comes with its C parser.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def translated(sentence: str, labels: Mapping[str, Mapping[str, str]] | None = None) -> Text:
    """Return a sentence that the library wrote in English, in both languages.

    Parameters
    ----------
    sentence : str
        As in ``results.json``: a warning, a reason for rejection, a target.
    labels : mapping of str to mapping of str to str, optional
        Labels of fields by language, for sentences that begin with a field's name.

    Returns
    -------
    Text
        In English twice where no translation fits.
    """
    for pattern, chinese in _sentences():
        if match := pattern.fullmatch(sentence):
            values = match.groupdict()
            if labels and "field" in values:
                values["field"] = field_label(values["field"], labels).zh
            if "reason" in values:
                values["reason"] = translated(values["reason"], labels).zh
            for key in ("known", "point"):
                if key in values:
                    values[key] = word("when", values[key]).zh
            if "part" in values:
                values["part"] = word("part", values["part"]).zh
            return Text(sentence, chinese.format_map(values))
    return same(sentence)


def field_label(name: str, labels: Mapping[str, Mapping[str, str]]) -> Text:
    """Return a field's label, or its name where the schema has none in a language."""
    label = labels.get(name, {})
    return Text(label.get("en") or name, label.get("zh") or label.get("en") or name)


@cache
def _sentences() -> list[tuple[re.Pattern[str], str]]:
    return [(_pattern(entry["en"]), entry["zh"]) for entry in _read("sentences")]


def _pattern(template: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", template)
    return re.compile(
        "".join(
            f"(?P<{piece}>.+?)" if place % 2 else re.escape(piece)
            for place, piece in enumerate(pieces)
        ),
        re.DOTALL,
    )
