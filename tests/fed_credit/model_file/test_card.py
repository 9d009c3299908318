"""The card says what the file holds, in both languages, and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from fed_credit.config.names import EXACT_FAMILIES, FAMILIES
from fed_credit.errors import ArtefactError
from fed_credit.model_file.card import CardSection, card_page, cards, sections
from fed_credit.model_file.card_origin import FAMILY_WORDS
from fed_credit.model_file.card_parts import said
from fed_credit.model_file.card_use import EXPLAINED
from fed_credit.model_file.change import Edit, edit
from fed_credit.model_file.contents import ModelFile

KEYS = {
    "purpose",
    "data",
    "target",
    "population",
    "features",
    "training",
    "performance",
    "calibration_curve",
    "segments",
    "comparison",
    "calibration",
    "policy",
    "grades",
    "explanations",
    "monitoring",
    "oversight",
    "limits",
    "protection",
    "rules",
    "identity",
}


def by_key(model: ModelFile) -> dict[str, CardSection]:
    return {one.key: one for one in sections(model)}


def text(one: CardSection, language: str = "en") -> str:
    cells = [] if one.table is None else [c for row in one.table.rows for c in row]
    words = [said(cell, language) for cell in cells]
    words += [part[language] for part in (*one.paragraphs, *one.points)]
    return " ".join([one.title[language], *words])


def numbers(words: str) -> list[str]:
    """Figures with a decimal point, or of more than a thousand."""
    return sorted(re.findall(r"\d+\.\d+%?|\d{1,3}(?:,\d{3})+", words))


def test_every_section_is_there_in_both_languages(model_run: Any) -> None:
    found = by_key(model_run.opened.model)
    assert set(found) == KEYS
    for one in found.values():
        tabled = () if one.table is None else one.table.header
        for words in (one.title, *one.paragraphs, *one.points, *tabled):
            assert set(words) == {"en", "zh"} and words["en"] and words["zh"]
        assert one.paragraphs or one.points or one.table
        if one.table is not None:
            assert {len(row) for row in one.table.rows} == {len(one.table.header)}
    assert any("\u4e00" <= sign <= "\u9fff" for sign in text(found["limits"], "zh"))


def test_both_languages_give_the_same_figures(model_run: Any) -> None:
    for one in sections(model_run.opened.model):
        if one.key != "identity":
            assert numbers(text(one, "en")) == numbers(text(one, "zh")), one.key


def test_figures_are_the_file_s(model_run: Any) -> None:
    model = model_run.opened.model
    found, test = by_key(model), model.evaluation["test"]
    performance = text(found["performance"])
    auc = test["pd"]["auc"]
    assert f"{auc['value']:.3f} [{auc['lo']:.3f}, {auc['hi']:.3f}]" in performance
    for value in (test["default_rate"], test["pd"]["mean"], test["model_pd"]["mean"]):
        assert f"{value:.1%}" in performance
    assert f"decided from {test['first_month']} to {test['last_month']}" in performance
    assert f"PDs below {model.policy.approve_below:.2%} are approved" in text(found["policy"])
    assert f"Shift {model.calibration.shift:.4f}" in text(found["calibration"])
    assert f"{len(model.artefact.model.features)} features" in text(found["features"])
    assert model.artefact.sha256 in text(found["identity"])
    assert found["grades"].table is not None and len(found["grades"].table.rows) == 7
    segments = found["segments"].table
    assert segments is not None and len(segments.rows) == len(model.evaluation["segments"])
    assert "not assessable" in text(found["segments"])


def test_banks_stand_worst_first_and_the_losing_ones_are_named(model_run: Any) -> None:
    model = model_run.opened.model
    found = by_key(model)["comparison"]
    assert found.table is not None
    banks = model.evaluation["comparison"]["institutions"]
    assert [row[0] for row in found.table.rows] == [bank["name"] for bank in banks]
    losing = {**banks[0], "assessable": True}
    losing["delta"] = {"federated_minus_local": {"value": -0.04, "lo": -0.06, "hi": -0.02}}
    compared = {**model.evaluation["comparison"], "institutions": [losing, *banks[1:]]}
    changed = replace(model, evaluation={**model.evaluation, "comparison": compared})
    assert f"whole interval: {losing['name']}" in text(by_key(changed)["comparison"])


def test_another_figure_in_the_file_is_another_one_in_the_card(model_run: Any) -> None:
    model = model_run.opened.model
    evaluation = dict(model.evaluation)
    test = {**evaluation["test"], "loans": 123_456}
    changed = replace(model, evaluation={**evaluation, "test": test})
    assert "123,456" in cards(changed)["en"] and "123,456" in cards(changed)["zh"]
    assert "123,456" not in cards(model)["en"]


def test_what_it_does_not_know_it_says(model_run: Any) -> None:
    bare = replace(model_run.opened.model, evaluation={}, provenance={}, reference=None)
    found = by_key(bare)
    assert "not measured" in text(found["performance"])
    assert "cannot be told" in text(found["monitoring"])
    assert "not in this file" in text(found["comparison"])
    for language in ("en", "zh"):
        assert not re.search(r"\b(None|nan|NaN|null)\b", cards(bare)[language])


@pytest.mark.parametrize(
    "evaluation",
    [{"test": {}}, {"test": 3}, {"segments": [{}]}, {"comparison": {"institutions": 1}}],
)
def test_an_evaluation_of_another_kind_is_one_sentence(
    model_run: Any, evaluation: dict[str, Any]
) -> None:
    odd = replace(model_run.opened.model, evaluation=evaluation)
    with pytest.raises(ArtefactError, match="no card can be made"):
        sections(odd)


def test_limits_that_the_run_has_are_named(model_run: Any) -> None:
    model = model_run.opened.model
    assert "Reject inference" in text(by_key(model)["limits"])
    assert "Final status" not in text(by_key(model)["limits"])
    origin = {
        **model.provenance,
        "target": {"text": "final status", "window_months": None, "approved_from": None},
        "late_fields": ["interest_rate"],
        "warnings": ["Leakage: 'interest_rate' is known only at booking."],
    }
    late = by_key(replace(model, provenance=origin))
    assert "Final status" in text(late["limits"])
    assert "interest_rate" in text(late["limits"]) and "Leakage" in text(late["features"])
    assert "Leakage" in text(late["training"])


def test_no_compliance_is_claimed(model_run: Any) -> None:
    rules = text(by_key(model_run.opened.model)["rules"])
    assert "claims no compliance" in rules
    for name in ("SR 11-7", "Annex III 5(b)", "Art. 10", "Art. 14", "PIPL, Art. 24"):
        assert name in rules
    assert not re.search(r"\b(compliant|certified|complies)\b", cards(model_run.opened.model)["en"])


@pytest.mark.parametrize(
    ("family", "hidden", "en"),
    [
        ("loan_risk", [32, 16], "A neural network (hidden layers of 32, 16)"),
        ("loan_risk", [], "A logistic regression, trained step by step"),
        ("logreg_exact", None, "A logistic regression"),
        ("scorecard", None, "A scorecard"),
        ("gbdt", None, "An ensemble of boosted trees"),
        ("tree", None, "A decision tree"),
    ],
)
def test_every_family_is_named_and_explained(
    model_run: Any, family: str, hidden: list[int] | None, en: str
) -> None:
    model = model_run.opened.model
    spec = replace(model.artefact.spec, family=family, hidden=hidden)
    found = by_key(replace(model, artefact=replace(model.artefact, spec=spec)))
    assert text(found["purpose"]).removeprefix("Purpose ").startswith(f"{en} that estimates")
    approximate = "approximate" in text(found["explanations"])
    assert approximate is (family == "loan_risk")


def test_every_family_has_words() -> None:
    assert set(FAMILIES) == {"loan_risk", *FAMILY_WORDS} and set(EXACT_FAMILIES) == set(EXPLAINED)


def test_an_owner_and_changes_are_told(model_run: Any) -> None:
    made = edit(model_run.opened, Edit(approve_below=0.1, owner="Wei | Bank"))
    found = by_key(made)
    assert "Wei | Bank" in text(found["identity"])
    assert model_run.opened.sha256 in text(found["changes"])
    assert "Wei \\| Bank" in cards(made)["en"]


class Page(HTMLParser):
    """Collects tags and addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_is_whole_and_asks_no_host(model_run: Any, language: str) -> None:
    model = model_run.opened.model
    name = "<script>alert(1)</script>"
    made = replace(model, provenance={**model.provenance, "owner": name})
    page = card_page(sections(made), language)
    seen = Page()
    seen.feed(page)
    assert seen.open == [] and seen.addresses == [] and "script" not in seen.tags
    assert "&lt;script&gt;" in page and page.startswith("<!doctype html>")
    assert page.count("<h2") == len(sections(made))
