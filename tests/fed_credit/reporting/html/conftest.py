"""A finished run, its files as values, and how a page is read."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fed_credit.config.load import compose
from fed_credit.simulate import simulate

VOID = {"meta", "input", "link", "br"}


@dataclass
class Page(HTMLParser):
    """A page read strictly: every element that is opened is closed, in order."""

    text: str
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    shown: dict[str, list[str]] = field(default_factory=lambda: {"en": [], "zh": []})
    tags: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)
        self._open: list[tuple[str, str]] = []
        self.feed(self.text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        named = {name: value or "" for name, value in attrs}
        assert len(named) == len(attrs), f"<{tag}> repeats an attribute"
        self.attributes += [(tag, name, value) for name, value in named.items()]
        if "id" in named:
            self.ids.append(named["id"])
        if tag not in VOID:
            # The page's own language is that of the switch, not of a text.
            language = named.get("lang", "") if tag != "html" else ""
            self._open.append((tag, language))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1][0] == tag, f"</{tag}> closes {self._open[-1:]}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if any(tag in ("style", "script") for tag, _ in self._open):
            return
        languages = {language for _, language in self._open if language}
        for name, pieces in self.shown.items():
            if languages <= {name}:
                pieces.append(data)

    def read(self, language: str) -> str:
        """Return what a reader of one language sees, white space collapsed."""
        return " ".join(" ".join(self.shown[language]).split())


@dataclass(frozen=True)
class Files:
    """What a finished run left."""

    folder: Path
    results: dict[str, Any]
    data: dict[str, Any]
    config: str


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory, tiny_overrides: list[str]) -> Files:
    folder = tmp_path_factory.mktemp("page") / "run"
    overrides = [*tiny_overrides, "evaluation.repeats=2", f"run_dir='{folder}'"]
    simulate(compose(overrides))
    return Files(
        folder,
        json.loads((folder / "results.json").read_text(encoding="utf-8")),
        json.loads((folder / "report_data.json").read_text(encoding="utf-8")),
        (folder / "config.yaml").read_text(encoding="utf-8"),
    )


@pytest.fixture
def run(_finished: Files) -> Files:
    """A finished run with two repeats, to be changed at will."""
    return copy.deepcopy(_finished)


@pytest.fixture
def bank() -> Callable[..., dict[str, Any]]:
    """Make a bank of the results from its difference and interval, or one not assessable."""

    def make(name: str, *interval: float) -> dict[str, Any]:
        value, lo, hi = interval or (None, None, None)
        area = {"value": 0.7, "lo": 0.6, "hi": 0.8} if interval else dict.fromkeys(_KEYS)
        return {
            "name": name,
            "n_train": 900,
            "n_test": 300,
            "n_bad": 30 if interval else 4,
            "bad_rate": 0.1,
            "assessable": bool(interval),
            "auc": dict.fromkeys(("local", "federated", "pooled", "best_reachable"), area),
            "delta": {"federated_minus_local": {"value": value, "lo": lo, "hi": hi}},
        }

    return make


_KEYS = ("value", "lo", "hi")


@pytest.fixture
def told(run: Files) -> Callable[..., dict[str, Any]]:
    """Put banks and their mean into the results of the finished run."""

    def make(banks: list[dict[str, Any]], *mean: float) -> dict[str, Any]:
        results = run.results
        results["institutions"] = banks
        deltas = [bank["delta"]["federated_minus_local"] for bank in banks]
        known = [delta for delta in deltas if delta["value"] is not None]
        gain = sum(delta["lo"] > 0 for delta in known)
        lose = sum(delta["hi"] < 0 for delta in known)
        results["overall"]["federated_minus_local"] = {
            **dict(zip(_KEYS, mean or (None, None, None), strict=True)),
            "gain": gain,
            "lose": lose,
            "undecided": len(known) - gain - lose,
            "not_assessable": len(banks) - len(known),
        }
        return results

    return make


@pytest.fixture
def page() -> Iterator[type[Page]]:
    """The strict reader of pages."""
    yield Page
