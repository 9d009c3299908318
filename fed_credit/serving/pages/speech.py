"""One language of the pages: texts, and numbers, amounts and dates as they are read there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from fed_credit.reporting.html import texts as report
from fed_credit.reporting.html.tables import amount
from fed_credit.reporting.html.texts import LANGUAGES, Text, same

NONE = "–"
_CATALOGUES = ("common", "desk", "monitoring", "model", "history", "operator")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Speech:
    """What a page says, in one language.

    Parameters
    ----------
    language : str
        One of :data:`~fed_credit.reporting.html.texts.LANGUAGES`.
    """

    language: str

    @property
    def tag(self) -> str:
        """The language's tag for HTML."""
        return "zh-CN" if self.language == "zh" else "en"

    def __call__(self, key: str, /, **values: Any) -> str:
        """Return a text of the pages' catalogue, else of the reports', with its values filled in.

        Raises
        ------
        KeyError
            If neither has it, or a placeholder has no value.
        """
        entry = catalogue().get(key) or report.catalogue()[key]
        return entry[self.language].format_map(values)

    def has(self, key: str) -> bool:
        """Return whether there is such a text."""
        return key in catalogue() or report.has_text(key)

    def word(self, group: str, value: str) -> str:
        """Return the word for a value, or the value where there is none."""
        key = f"{group}.{value}"
        return self(key) if self.has(key) else value

    def text(self, key: str, /, **values: Any) -> Text:
        """Return a text of the catalogue as drawings take it, alike in both languages."""
        return same(self(key, **values))

    def pick(self, texts: Mapping[str, str] | Text | str, default: str = "") -> str:
        """Return this language's text of several, the English one where it is missing."""
        if isinstance(texts, str):
            return texts
        if isinstance(texts, Text):
            return texts.in_(self.language)
        return texts.get(self.language) or texts.get("en") or default

    def group(self, name: str) -> dict[str, str]:
        """Return all texts of a group by key, for a page's script."""
        start = f"{name}."
        return {
            key.removeprefix(start): entry[self.language]
            for key, entry in catalogue().items()
            if key.startswith(start)
        }

    def listed(self, items: list[str]) -> str:
        """Return an enumeration."""
        return ("、" if self.language == "zh" else ", ").join(items)

    def number(self, value: float | None, decimals: int = 3) -> str:
        """Write a figure; a dash where there is none."""
        return NONE if value is None else f"{value:,.{decimals}f}"

    def count(self, value: float | None) -> str:
        """Write a number of things; a dash where there is none."""
        return self.number(value, 0)

    def percent(self, value: float | None, decimals: int = 1) -> str:
        """Write a share in percent; a dash where there is none."""
        return NONE if value is None else f"{value:.{decimals}%}"

    def amount(self, value: float | None) -> str:
        """Write a sum short, in the language's own units (million; 万)."""
        return amount(value).in_(self.language)

    def value(self, value: object) -> str:
        """Write a plain value of a record: numbers with as many digits as they need."""
        if value is None:
            return NONE
        if isinstance(value, bool):
            return self("common.yes" if value else "common.no")
        if isinstance(value, int | float):
            return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"
        return str(value)

    def seconds(self, value: float | None) -> str:
        """Write a duration."""
        if value is None:
            return NONE
        for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
            if value >= 2 * size:
                return self(f"common.span_{unit}", n=f"{value / size:.0f}")
        return self("common.span_s", n=f"{value:.0f}" if value >= 10 else f"{value:.1f}")

    def moment(self, iso: str | None) -> str:
        """Write an ISO 8601 time of day, in UTC, to the minute."""
        if not iso:
            return NONE
        try:
            time = datetime.fromisoformat(iso)
        except ValueError:
            return iso
        return f"{self.day(iso[:10])} {time:%H:%M}"

    def day(self, iso: str) -> str:
        """Write a day ``YYYY-MM-DD``."""
        try:
            at = datetime.fromisoformat(iso[:10])
        except ValueError:
            return iso
        if self.language == "zh":
            return f"{at.year}年{at.month}月{at.day}日"
        return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"

    def period(self, name: str) -> str:
        """Write a month ``YYYY-MM`` or a quarter ``YYYY-Qn`` short."""
        year, _, rest = name.partition("-")
        if rest.startswith("Q"):
            return f"{year}年{rest[1:]}季" if self.language == "zh" else f"{rest} {year}"
        if rest.isdigit() and 1 <= int(rest) <= 12:
            if self.language == "zh":
                return f"{year}年{int(rest)}月"
            return f"{_MONTHS[int(rest) - 1]} {year}"
        return name


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Return the pages' texts by key, each with one entry per language."""
    found: dict[str, dict[str, str]] = {}
    for name in _CATALOGUES:
        path = files(__package__).joinpath("catalogue", f"{name}.yaml")
        for group, entries in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            found |= {f"{group}.{key}": entry for key, entry in entries.items()}
    return found


def speech(asked: str | None, remembered: str | None, accepted: str) -> Speech:
    """Choose the language of a page.

    Parameters
    ----------
    asked : str or None
        ``?lang=``.
    remembered : str or None
        Cookie of an earlier choice.
    accepted : str
        The browser's ``Accept-Language``.

    Returns
    -------
    Speech
        English where nothing fits.
    """
    wishes = [asked, remembered, *(part.strip()[:2].lower() for part in accepted.split(","))]
    return Speech(next((wish for wish in wishes if wish in LANGUAGES), LANGUAGES[0]))
