"""The documentation is held to the code: keys, figures' names, targets, links, examples."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fed_credit.config.convert import plain
from fed_credit.config.load import compose
from fed_credit.config.location import groups
from fed_credit.config.names import EXACT_FAMILIES
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.schema import Field, KnownAt, Roles, Schema, load_schema
from fed_credit.simulate import simulate

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
READMES = sorted(ROOT.glob("README*.md"))


def read(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def leaves(values: dict[str, Any], within: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value


def anchors(text: str) -> set[str]:
    """Names that a heading can be linked by: lower case, without signs, dashes for spaces."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def test_every_configuration_key_is_documented_with_its_default() -> None:
    found = re.findall(r"^\| `([\w.]+)` \| `(.*?)` \|", read("configuration.md"), flags=re.M)
    rows = dict(reversed(found))  # the first row of a key counts; other sources' defaults follow
    composed = dict(leaves(plain(compose([]))))
    assert composed.keys() - rows.keys() == set()
    del composed["run_dir"]  # holds the time
    stale = {
        key: (rows[key], value)
        for key, value in composed.items()
        # A date and its text are the same default.
        if value != (said := yaml.safe_load(rows[key])) and str(value) != str(said)
    }
    assert stale == {}


def test_every_key_of_an_exact_model_is_documented() -> None:
    text = read("configuration.md")
    for family in EXACT_FAMILIES:
        keys = leaves({"model": plain(compose([f"model={family}"]).model)})
        named = {key.partition(".grades.")[0] + ".grades" * (".grades." in key) for key, _ in keys}
        assert sorted(key for key in named if f"`{key}`" not in text) == []


def test_every_group_and_option_is_documented() -> None:
    text = read("configuration.md")
    for group, options in groups().items():
        (row,) = re.findall(rf"^\| `{group}` \| .*\|$", text, flags=re.M)
        assert [name for name in options if f"`{name}`" not in row] == [], group


def test_every_key_of_the_results_is_documented(tiny_run: Callable[..., SimulationSpec]) -> None:
    text = read("results.md")
    headings = " ".join(re.findall(r"^### (.+)$", text, flags=re.M))
    results = simulate(tiny_run()).results
    assert [key for key in results if f"`{key}`" not in headings] == []
    inner = {key for name in ("model", "data", "timing", "evaluation") for key in results[name]}
    inner |= set(results["institutions"][0]) | set(results["test"]["federated"])
    inner |= set(results["decision"]["federated"]) | set(results["overall"]["pooled_minus_local"])
    assert sorted(key for key in inner if f"`{key}`" not in text) == []


def test_every_key_of_a_schema_is_documented() -> None:
    text = read("data.md")
    keys = [field.name for kind in (Schema, Field, Roles) for field in dataclasses.fields(kind)]
    assert [key for key in keys if f"`{key}`" not in text] == []


def test_the_worked_schema_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(name: my_loans.*?)^```", read("data.md"), re.M | re.S)
    (tmp_path / "schema.yaml").write_text(example, encoding="utf-8")
    schema = load_schema(tmp_path / "schema.yaml")
    early = [field.name for field in schema.features(KnownAt.APPLICATION)]
    assert early == ["turnover_cny", "debt_to_turnover", "trade", "district", "guaranteed"]
    booked = [field.name for field in schema.features(KnownAt.BOOKING)]
    assert booked == [*early, "granted", "rate"]


@pytest.mark.parametrize("page", [*PAGES, *READMES], ids=lambda page: page.name)
def test_named_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.M))
    text = page.read_text(encoding="utf-8")
    # In code only: prose may make other things.
    code = re.findall(r"^```.*?^```", text, flags=re.M | re.S) + re.findall(r"`make [^`]+`", text)
    named = {name for part in code for name in re.findall(r"(?:^|`)make ([a-z-]+)", part, re.M)}
    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_shown_overrides_are_taken(page: Path) -> None:
    """Each single-run command in a page composes, where it needs no file of the reader's."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for block in re.findall(r"^```\n(.*?)^```", text, flags=re.M | re.S):
        for line in re.findall(r"^fed-credit simulate (.+)$", block, flags=re.M):
            words = line.partition("  #")[0].split()
            if any(word.startswith(("resume=", "--", "data.schema=")) for word in words):
                continue
            # Of a sweep, the first run.
            compose(
                [
                    word.partition(",")[0] if "-m" in words else word
                    for word in words
                    if word != "-m"
                ]
            )
