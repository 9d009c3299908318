"""The page of a run: whole, alone, in both languages, and with the figures of the results."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from fed_credit.errors import ConfigurationError
from fed_credit.reporting.html.run_page import render_run
from fed_credit.reporting.html.svg import signed


def _render(run: Any, language: str = "en") -> str:
    return render_run(run.results, run.data, run.config, language)


def test_the_page_is_well_formed_and_its_links_stay_within(run: Any, page: Any) -> None:
    found = page(_render(run))
    assert {"html", "head", "body", "main", "svg", "table", "figure"} <= found.tags
    assert len(found.ids) == len(set(found.ids))
    targets = [value for _, name, value in found.attributes if name == "href"]
    inner = [target for target in targets if target.startswith("#")]
    assert len(inner) >= 8
    assert [target for target in inner if target[1:] not in found.ids] == []
    assert [target for target in targets if target not in inner] == ["data:,"]


def test_the_page_needs_no_host(run: Any, page: Any) -> None:
    text = _render(run)
    found = page(text)
    loaded = [value for _, name, value in found.attributes if name in ("src", "href", "action")]
    assert [value for value in loaded if "//" in value] == []
    assert not re.search(r"url\(|@import|https?://", text)
    assert not {"link", "img", "iframe", "object", "form"} & (found.tags - {"link"})


def test_each_language_is_whole(run: Any, page: Any) -> None:
    found = page(_render(run))
    english, chinese = found.read("en"), found.read("zh")
    assert "Is the federation worth it" in english and "Is the federation" not in chinese
    assert "联合建模值得吗" in chinese and "联合建模值得吗" not in english
    # The names of the languages themselves are the only Chinese for an English reader.
    assert set(re.findall(r"[\u4e00-\u9fff]+", english)) == {"中文"}
    labels = run.data["labels"]
    for name in run.results["data"]["features"]:
        assert labels[name]["en"] in english
        assert labels[name]["zh"] in chinese


def test_the_switch_opens_on_the_language_asked_for(run: Any) -> None:
    for language, other in (("en", "zh"), ("zh", "en")):
        text = _render(run, language)
        assert re.search(rf'id="lang-{language}" checked', text)
        assert not re.search(rf'id="lang-{other}" checked', text)
    with pytest.raises(ConfigurationError, match="choose one of en, zh"):
        _render(run, "fr")


def test_figures_are_those_of_the_results(run: Any, page: Any) -> None:
    said = page(_render(run)).read("en")
    results = run.results
    for bank in results["institutions"]:
        delta = bank["delta"]["federated_minus_local"]
        if bank["assessable"]:
            row = (
                f"{bank['name']} {bank['n_train']:,.0f} {bank['n_test']:,.0f}"
                f" {bank['bad_rate']:.1%}"
            )
            ends = f"[{signed(delta['lo'], 3)}, {signed(delta['hi'], 3)}]"
            assert row in said
            assert f"{signed(delta['value'], 3)} {ends}" in said
    for test in results["test"].values():
        for key in ("auc", "ks", "brier", "ece"):
            assert f"{test[key]:.3f}" in said
    for chosen in results["decision"].values():
        assert f"{chosen['cut_off']:.3f} {chosen['approval_rate']:.1%}" in said
    assert results["model"]["sha256"] in said
    assert results["data"]["fingerprint"] in said
    assert f"{results['data']['rows']:,} 100.0%" in said


def test_the_same_files_give_the_same_page(run: Any) -> None:
    assert _render(run) == _render(run)


def test_hostile_names_stay_text(
    run: Any, page: Any, bank: Callable[..., Any], told: Callable[..., Any]
) -> None:
    name = "<script>alert(1)</script>\"'&{{ 7*7 }}"
    results = told([bank(name, -0.04, -0.06, -0.02)], -0.04, -0.06, -0.02)
    results["warnings"] = [f"Leakage: '{name}' is known only at outcome, but"]
    run.data["portfolio"]["banks"][0]["name"] = name
    run.data["labels"]["sector"] = {"en": name, "zh": name}
    results["data"]["rejected_reasons"] = {f"{name} is missing": 3}
    text = render_run(results, run.data, run.config)
    assert "<script>alert" not in text
    assert text.count("<script>") == 1  # our own
    said = page(text).read("en")
    assert name in said and "49" not in re.findall(r"alert\(1\)</script>\"'&(\S+)", said)


def test_warnings_stand_before_the_charts(run: Any, page: Any) -> None:
    run.results["warnings"] = ["Something that a reader has to know."]
    run.results["data"]["immature"] = 40
    said = page(_render(run)).read("en")
    place = said.index("Something that a reader has to know.")
    assert said.index("How sure") < place < said.index("Difference in AUC, federated minus alone")
    assert "40 loans" in said


@pytest.mark.parametrize("left_out", [("local",), ("pooled",), ("local", "pooled")])
def test_contenders_that_did_not_run_are_not_drawn(run: Any, page: Any, left_out: Any) -> None:
    results = run.results
    for name in left_out:
        results["test"].pop(name)
        results["decision"].pop(name)
        run.data["curves"].pop(name)
        for bank in results["institutions"]:
            bank["auc"].pop(name)
            bank["delta"] = {k: v for k, v in bank["delta"].items() if name not in k}
        results["overall"] = {k: v for k, v in results["overall"].items() if name not in k}
    said = page(_render(run)).read("en")
    assert ("Each bank alone" in said) == ("local" not in left_out)
    assert ("Pooled data" in said) == ("pooled" not in left_out)


def test_what_is_not_defined_breaks_nothing(run: Any, page: Any) -> None:
    """A run whose test loans hold one class only, and whose rounds were never measured."""
    for test in run.results["test"].values():
        test.update(dict.fromkeys(test, None))
    for bank in run.results["institutions"]:
        bank["assessable"] = False
        bank["bad_rate"] = None
        for found in (*bank["auc"].values(), *bank["delta"].values()):
            found.update(dict.fromkeys(found, None))
    for pair in run.results["overall"].values():
        pair.update(dict.fromkeys(("value", "lo", "hi"), None))
    for chosen in run.results["decision"].values():
        chosen["bad_rate_approved"] = chosen["profit_per_loan"] = None
    for curve in run.data["curves"].values():
        for key in ("tpr", "goods", "bads", "bad_rate", "profit"):
            curve[key] = [None] * len(curve[key])
        curve["lift"] = {key: [None] * len(v) for key, v in curve["lift"].items()}
    for repeat in run.data["learning"]:
        repeat["rounds"] = [[number, None, None] for number, _, _ in repeat["rounds"]]
    run.results["from_sums"]["auc"] = {"value": None, "bound": None}
    said = page(_render(run)).read("en")
    assert "This run cannot say" in said
    assert not re.search(r"\b(nan|None|null)\b", said.partition("The whole configuration")[0])


def test_many_banks_are_cut_in_the_chart_not_in_the_table(
    run: Any, page: Any, bank: Callable[..., Any], told: Callable[..., Any]
) -> None:
    banks = [bank(f"Bank {k:03d}", k / 1000, k / 1000 - 0.01, k / 1000 + 0.01) for k in range(90)]
    told(banks, 0.04, 0.03, 0.05)
    text = _render(run)
    assert "The 50 banks in the middle are left out of the chart" in page(text).read("en")
    drawing = text[text.index("<svg viewBox") : text.index("</svg>", text.index("<svg viewBox"))]
    assert "Bank 019" in drawing and "Bank 070" in drawing and "Bank 045" not in drawing
    assert ">Bank 045<" in text


def test_the_command_repeats_the_run(run: Any, page: Any) -> None:
    said = page(_render(run)).read("en")
    assert "fed-credit simulate" in said and "data.generator.num_loans=1500" in said
    run.data["overrides"] = None
    assert "no single command says it" in page(_render(run)).read("en")
    assert yaml.safe_load(run.config)["seed"] == 7
