"""The pages in a real browser, over the real services."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

# A weak firm: declined by the model of these tests.
WEAK = {
    "margin": "-0.2",
    "arrears_days": "120",
    "tax_on_time": "0.4",
    "inquiries": "12",
    "firm_age": "8",
    "cash_flow_volatility": "1.2",
}
BANK_PAGES = ("/", "/monitoring", "/model", "/history")
OPERATOR_PAGES = ("/", "/runs/2024-spring", "/runs/2024-summer", "/runs/2024-winter", "/monitoring")
PHONE = (390, 844)

Visits = Callable[..., Any]


def _decide(page: Any) -> None:
    with page.expect_response("**/v1/score"):
        page.click("#decide")
    page.wait_for_selector("#decide:not([disabled])")


def _weak(page: Any) -> None:
    page.click("#example")
    for name, value in WEAK.items():
        if page.locator(f"#f-{name}").count():
            page.fill(f"#f-{name}", value)


def _api(service: Any, path: str) -> Any:
    headers = {"Authorization": f"Bearer {service.home.secrets['admin']}"}
    return httpx.get(service.url + path, headers=headers).raise_for_status().json()


def _nearly_approved(service: Any) -> str:
    """Return the id of a declined application that some change would have approved."""
    headers = {"Authorization": f"Bearer {service.home.secrets['admin']}"}
    declined = _api(service, "/v1/decisions?most=200&verdict=decline")["decisions"]
    for one in declined:
        whole = _api(service, f"/v1/decisions/{one['id']}")
        asked = httpx.post(
            f"{service.url}/v1/what-if", headers=headers, json={"loan": whole["inputs"]}
        )
        if asked.raise_for_status().json()["alternatives"] and not whole["overrides"]:
            return str(one["id"])
    raise AssertionError("no declined application could have been approved")


def test_an_application_is_entered_decided_explained_changed_and_overridden(
    visit: Visits, bank: Any
) -> None:
    page = visit(bank).page
    page.click("#example")
    page.fill("#application-id", "Desk 7")
    _decide(page)
    assert page.inner_text("#verdict strong") == "Approve"
    approved = _api(bank, f"/v1/decisions/{page.inner_text('#decision-id')}")
    assert approved["application_id"] == "Desk 7"
    assert page.inner_text("#figures .tile:nth-child(2) dd") == str(approved["score"])

    _weak(page)
    _decide(page)
    assert page.inner_text("#verdict strong") == "Decline"
    id = page.inner_text("#decision-id")
    declined = _api(bank, f"/v1/decisions/{id}")
    told = page.locator("#reasons li > span").all_inner_texts()
    assert told == [reason["en"] for reason in declined["reasons"]]
    assert len(told) >= 2

    page.wait_for_selector("#changes h3")
    for place in range(page.locator("#changes li").count()):
        assert "Approve" in page.locator("#changes .then").nth(place).inner_text()

    page.click("#override")
    page.select_option("#override-verdict", "approve")
    page.click("#override-form button.main")
    assert "reason" in page.inner_text("#override-problem")
    page.fill("#override-reason", "The owner brings property as collateral")
    page.click("#override-form button.main")
    page.wait_for_selector("#overrides li")
    assert page.inner_text("#verdict strong") == "Approve"
    (override,) = _api(bank, f"/v1/decisions/{id}")["overrides"]
    assert (override["verdict"], override["reason"]) == (
        "approve",
        "The owner brings property as collateral",
    )


def test_what_would_change_a_decision_does_change_it(visit: Visits, bank: Any) -> None:
    page = visit(bank).page
    page.fill("#find-id", _nearly_approved(bank))
    page.press("#find-id", "Enter")
    page.wait_for_selector("#changes li")
    assert page.inner_text("#verdict strong") == "Decline"
    promised = page.locator("#changes .then").first.inner_text()
    page.locator("#changes button").first.click()
    _decide(page)
    assert page.inner_text("#verdict strong") == "Approve"
    assert f"score {page.inner_text('#figures .tile:nth-child(2) dd')}" in promised


@pytest.mark.parametrize("way", ["json", "lines", "sheet"])
def test_an_application_is_pasted(visit: Visits, bank: Any, way: str) -> None:
    page = visit(bank).page
    text = {
        "json": json.dumps(
            {"application_id": "P-1", "loan": {"sector": "transport", "turnover": 1250000}}
        ),
        "lines": "Sector: Transport\n年营业收入：1,250,000\nShoe size: 44",
        "sheet": "sector\tAnnual turnover\nTransport\t1,250,000",
    }[way]
    page.click("#paste summary")
    page.fill("#pasted", text)
    page.click("#read")
    assert page.input_value("#f-sector") == "transport"
    assert page.input_value("#f-turnover") == "1250000"
    said = page.inner_text("#paste-said")
    assert "Filled in 2 of" in said
    assert ("Shoe size" in said) == (way == "lines")
    assert page.input_value("#application-id") == ("P-1" if way == "json" else "")
    assert page.input_value("#f-region") == ""


def test_what_is_wrong_is_said_beside_its_field(visit: Visits, bank: Any) -> None:
    page = visit(bank).page
    page.click("#example")
    page.fill("#f-firm_age", "-5")
    page.fill("#f-employees", "eight")
    page.press("#f-employees", "Enter")
    page.wait_for_selector("#f-employees[aria-invalid]")
    assert "number" in page.inner_text("#f-employees-problem")
    page.fill("#f-employees", "8")
    page.press("#f-employees", "Enter")
    page.wait_for_selector("#f-firm_age[aria-invalid]")
    assert "0" in page.inner_text("#f-firm_age-problem")
    assert page.evaluate("document.activeElement.id") == "f-firm_age"
    assert page.locator("#f-employees[aria-invalid]").count() == 0
    assert page.locator("#result").is_hidden()


def test_the_language_is_remembered_and_reaches_what_scripts_say(visit: Visits, bank: Any) -> None:
    page = visit(bank).page
    page.click(".langs a:not([aria-current])")
    assert page.get_attribute("html", "lang") == "zh-CN"
    page.goto(f"{bank.url}/")
    assert page.inner_text("h1") == "信贷审批"
    _weak(page)
    _decide(page)
    assert page.inner_text("#verdict strong") == "拒绝"
    id = page.inner_text("#decision-id")
    reasons = _api(bank, f"/v1/decisions/{id}")["reasons"]
    assert page.locator("#reasons li > span").all_inner_texts() == [one["zh"] for one in reasons]


def test_decisions_are_found_again(visit: Visits, bank: Any) -> None:
    page = visit(bank).page
    page.wait_for_selector("#recent tr:nth-child(10)")
    page.click("#more")
    page.wait_for_selector("#recent tr:nth-child(20)")
    page.fill("#find-id", f"{3:032x}")
    page.press("#find-id", "Enter")
    page.wait_for_selector("#result:not([hidden])")
    known = _api(bank, f"/v1/decisions/{3:032x}")
    assert page.inner_text("#decision-id") == known["id"]
    assert page.input_value("#f-sector") == (known["inputs"]["sector"] or "")
    page.fill("#find-id", "no such")
    page.press("#find-id", "Enter")
    page.wait_for_selector("#find-problem:not(:empty)")
    assert page.inner_text("#find-problem") == "There is no decision with this id."


def test_a_key_that_may_only_score_has_the_desk_alone(visit: Visits, bank: Any) -> None:
    page = visit(bank, "score").page
    assert page.locator("header nav a").all_inner_texts() == ["Lending desk"]
    page.click("#example")
    _decide(page)
    assert page.locator("#override, #recent").count() == 0


def test_a_run_under_way_is_followed_without_being_asked(visit: Visits, operator: Any) -> None:
    page = visit(operator, "read").page
    page.clock.install()
    page.goto(f"{operator.url}/runs/2024-winter")
    rounds = "dl.tiles .tile:first-child dd"
    assert page.inner_text(rounds) == "3 / 6"
    runs = operator.home.path / "runs"
    shutil.copy(runs / "2024-spring" / "metrics.jsonl", runs / "2024-winter")
    with page.expect_response("**/runs/2024-winter"):
        page.clock.run_for(11_000)
    page.locator(rounds, has_text="6 / 6").wait_for()


@pytest.mark.parametrize("language", ["en", pytest.param("zh", marks=pytest.mark.slow)])
def test_no_page_is_wider_than_a_phone(
    visit: Visits, bank: Any, operator: Any, language: str
) -> None:
    tab = visit(bank, size=PHONE)
    _weak(tab.go(f"/?lang={language}"))
    _decide(tab.page)
    assert tab.width() == 0
    for path in BANK_PAGES[1:]:
        tab.go(path)
        assert tab.width() == 0, path
    tab = visit(operator, size=PHONE)
    tab.go(f"/?lang={language}")
    for path in OPERATOR_PAGES:
        tab.go(path)
        assert tab.width() == 0, path


# Returns what is said in less than 4.5:1, or 3:1 where it is large (WCAG 2.2, 1.4.3).
_FAINT = """() => {
  const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const found = rgb(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")].filter((element) =>
    !element.closest("svg") && element.checkVisibility()
    && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
  ).filter((element) => {
    const style = getComputedStyle(element);
    const [a, b] = [light(rgb(style.color)), light(ground(element))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 ||
      (parseFloat(style.fontSize) >= 18.6 && Number(style.fontWeight) >= 700);
    return (a + 0.05) / (b + 0.05) < (large ? 3 : 4.5);
  }).map((element) => element.outerHTML.slice(0, 120));
}"""
_UNNAMED = """() => [...document.querySelectorAll("input, select, textarea, button, a, summary")]
  .filter((element) => element.checkVisibility() && element.getAttribute("aria-hidden") !== "true")
  .filter((element) => !(element.labels && element.labels.length) && !element.innerText.trim()
    && !element.getAttribute("aria-label")).map((element) => element.outerHTML.slice(0, 120))"""
_JUMPS = """() => {
  const levels = [...document.querySelectorAll("h1, h2, h3, h4")]
    .filter((element) => element.checkVisibility()).map((element) => Number(element.tagName[1]));
  return levels[0] !== 1 || levels.filter((level) => level === 1).length !== 1
    || levels.some((level, k) => k && level > levels[k - 1] + 1);
}"""


def test_everything_has_a_name_contrast_and_its_place(
    visit: Visits, bank: Any, operator: Any
) -> None:
    for service, pages in ((bank, BANK_PAGES), (operator, OPERATOR_PAGES)):
        tab = visit(service)
        for path in pages:
            page = tab.go(path)
            if service is bank and path == "/":
                _weak(page)
                _decide(page)
            assert page.evaluate(_FAINT) == [], path
            assert page.evaluate(_UNNAMED) == [], path
            assert page.evaluate(_JUMPS) is False, path


@pytest.mark.slow
def test_the_desk_works_by_keyboard_alone(visit: Visits, bank: Any) -> None:
    page = visit(bank).page
    page.goto(f"{bank.url}/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.focus("#example")
    page.keyboard.press("Enter")
    page.focus("#f-firm_age")
    with page.expect_response("**/v1/score"):
        page.keyboard.press("Enter")
    page.wait_for_selector("#result:not([hidden])")
    page.focus("#override")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "override-reason"
    page.keyboard.press("Escape")
    assert page.locator("#override-dialog").is_hidden()
    assert page.evaluate("document.activeElement.id") == "override"


@pytest.mark.slow
def test_paper_has_the_decision_and_no_menu(visit: Visits, bank: Any, tmp_path: Path) -> None:
    page = visit(bank).page
    _weak(page)
    _decide(page)
    page.emulate_media(media="print")
    assert page.locator("header nav").is_hidden()
    assert page.locator("#decide").is_hidden()
    assert page.locator("#verdict").is_visible()
    page.pdf(path=str(tmp_path / "decision.pdf"), format="A4")
    assert (tmp_path / "decision.pdf").stat().st_size > 10_000
