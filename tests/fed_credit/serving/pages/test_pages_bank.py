"""The bank's pages as the service sends them, without a browser."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pandas as pd
import pytest

from fed_credit.model_file.archive import Opened
from fed_credit.model_file.card import CARDS
from fed_credit.registry.registry import Registry
from fed_credit.scoring.scorer import Explain, Scorer
from fed_credit.serving.pages.scale import scale_of
from fed_credit.serving.pages.speech import Speech, catalogue, speech

PAGES = ("/login", "/", "/monitoring", "/model", "/history")


@pytest.fixture
def client(bank: Any) -> Iterator[httpx.Client]:
    key = {"Authorization": f"Bearer {bank.home.secrets['admin']}"}
    with httpx.Client(base_url=bank.url, headers=key) as client:
        yield client


def _text(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_nothing_that_runs_and_load_from_themselves_alone(
    client: httpx.Client, path: str, language: str
) -> None:
    answer = client.get(path, params={"lang": language})
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'self';")
    page = answer.text
    assert re.search(r"\sstyle=|<style|\son\w+=|javascript:", page) is None
    assert all("src=" in tag or "json" in tag for tag in re.findall(r"<script[^>]*>", page))
    for address in re.findall(r'(?:src|href|action)="([^"]+)"', page):
        assert address.startswith(("/", "?", "#")) and not address.startswith("//"), address
    for name in set(re.findall(r'"(/static/[^"]+)"', page)):
        found = client.get(name)
        assert found.status_code == 200
        assert "immutable" in found.headers["cache-control"]
    # No placeholder is left; what scripts fill in stands in their data.
    assert not re.search(r"\{\w+\}", _text(re.sub(r"<script.*?</script>", "", page, flags=re.S)))
    assert f'<html lang="{"zh-CN" if language == "zh" else "en"}">' in page


def test_nobody_sees_a_page_without_signing_in(bank: Any) -> None:
    for path in PAGES[1:]:
        answer = httpx.get(bank.url + path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    refused = httpx.post(f"{bank.url}/login", data={"key": "fck_00000000_wrong"})
    assert refused.headers["location"] == "/login?failed=1"
    assert "not known" in httpx.get(f"{bank.url}/login?failed=1").text


def test_signing_in_needs_no_script(bank: Any) -> None:
    with httpx.Client(base_url=bank.url) as client:
        answer = client.post("/login", data={"user": "x", "key": bank.home.secrets["read"]})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "override-dialog" not in client.get("/").text
        assert client.get("/history").status_code == 200
        left = client.post("/logout", headers={"Accept": "text/html"})
        assert left.headers["location"] == "/login"
        assert client.get("/history").status_code == 303


def test_the_form_is_the_schema(client: httpx.Client, champion: Opened) -> None:
    page = client.get("/", params={"lang": "zh"}).text
    schema = champion.model.schema
    inputs = {field["name"] for field in client.get("/v1/schema").json()["fields"]}
    assert set(re.findall(r'data-field="(\w+)"', page)) == inputs
    for name in inputs:
        assert schema.fields[name].label["zh"] in page
    sector = re.search(r'id="f-sector".*?</select>', page, re.S)
    assert sector is not None
    found = re.findall(r'value="(\w+)">(\S+?)<', sector.group())
    labels = schema.fields["sector"].value_labels
    assert found == [(value, labels[value]["zh"]) for value in schema.fields["sector"].values]


def test_the_example_is_an_application_that_the_service_takes(client: httpx.Client) -> None:
    block = re.search(r'id="fields">(.*?)</script>', client.get("/").text, re.S)
    assert block is not None
    fields = json.loads(block.group(1))
    loan = {
        one["name"]: float(one["example"]) if one["numeric"] else one["example"] for one in fields
    }
    assert client.post("/v1/score", json={"loan": loan}).status_code == 200


def test_the_scale_says_what_scores_are_approved(champion: Opened, loans: pd.DataFrame) -> None:
    scale = scale_of(champion.model)
    found = Scorer(champion.model).table(loans.head(800), Explain.NONE).scores
    approved = found.score[found.verdict == 0]
    declined = found.score[found.verdict == 2]
    assert scale.approve_from is not None and scale.decline_to is not None
    assert scale.low <= found.score.min() and found.score.max() <= scale.high
    assert approved.min() >= scale.approve_from > scale.decline_to >= declined.max()
    names = champion.model.policy.scale.names
    by_grade = {name: (low, high) for name, low, high in scale.grades}
    for score, grade in zip(found.score, found.grade, strict=True):
        low, high = by_grade[names[grade]]
        assert low <= score <= high


def test_monitoring_shows_the_report(client: httpx.Client, bank: Any) -> None:
    report = json.loads((bank.home.path / "monitoring" / "latest.json").read_text())
    text = _text(client.get("/monitoring").text)
    assert report["alerts"], "the applicants of these loans change"
    for alert in report["alerts"]:
        assert alert["en"] in text
    for vintage in report["vintages"]:
        assert f"{vintage['default_rate']:.1%}" in text
    chinese = client.get("/monitoring", params={"lang": "zh"}).text
    assert report["alerts"][0]["zh"] in unescape(chinese)
    assert "申请漂移" in chinese


def test_monitoring_counts_what_the_log_holds(client: httpx.Client) -> None:
    before = re.search(r"Decisions</dt><dd>([\d,]+)", client.get("/monitoring").text)
    loan = client.get("/v1/schema").json()["example"]
    assert client.post("/v1/score", json={"loan": loan}).status_code == 200
    after = re.search(r"Decisions</dt><dd>([\d,]+)", client.get("/monitoring").text)
    assert before is not None and after is not None
    assert int(after.group(1)) == int(before.group(1)) + 1 > 160


def test_monitoring_says_when_there_is_no_report_or_none_that_can_be_read(
    client: httpx.Client, bank: Any
) -> None:
    path = bank.home.path / "monitoring" / "latest.json"
    kept = path.with_suffix(".kept")
    shutil.move(path, kept)
    try:
        text = _text(client.get("/monitoring").text)
        assert "There is no report yet" in text
        assert f"fed-credit monitor --home {bank.home.path}" in text
        path.write_text('{"format": 99}')
        text = _text(client.get("/monitoring").text)
        assert "has format 99, and this version reads 1" in text
        path.write_text("{")
        assert "cannot be read" in _text(client.get("/monitoring").text)
    finally:
        shutil.move(kept, path)


def test_the_model_s_page_is_its_card(client: httpx.Client, champion: Opened) -> None:
    from fed_credit.model_file.card import sections

    for language in ("en", "zh"):
        text = _text(client.get("/model", params={"lang": language}).text)
        for section in sections(champion.model):
            assert section.title[language] in text
            for paragraph in section.paragraphs:
                assert " ".join(paragraph[language].replace("`", "").split()) in text
        card = client.get(f"/model/card.{language}.md")
        assert card.content == champion.parts[CARDS[language]]
        assert "attachment" in card.headers["content-disposition"]
    assert client.get("/model/card.fr.md").status_code == 404


def test_history_tells_who_did_what_and_what_the_gate_found(
    client: httpx.Client, bank: Any
) -> None:
    with Registry.open(bank.home.path / "registry.db") as registry:
        events = registry.history()
    text = _text(client.get("/history", params={"lang": "zh"}).text)
    assert "版本 1 由候选晋升为冠军" in text
    assert "Credit Committee" in text
    (gate,) = [one.details["retraining"] for one in events if "retraining" in one.details]
    for reason in gate["reasons"]:
        assert reason["zh"] in text
    assert f"{gate['gate']['overall']['gain']['auc']['value']:+.4f}" in text


def test_texts_are_whole_in_both_languages() -> None:
    for key, entry in catalogue().items():
        assert set(entry) == {"en", "zh"}, key
        held = [set(re.findall(r"\{(\w+)\}", entry[language])) for language in ("en", "zh")]
        assert held[0] == held[1], key
        assert all(text.strip() for text in entry.values()), key


def test_figures_and_times_are_written_as_a_language_has_them() -> None:
    english, chinese = Speech("en"), Speech("zh")
    assert english.moment("2024-06-03T08:05:59.123456Z") == "3 Jun 2024 08:05"
    assert chinese.moment("2024-06-03T08:05:59.123456Z") == "2024年6月3日 08:05"
    assert (english.period("2024-06"), chinese.period("2024-Q2")) == ("Jun 2024", "2024年2季")
    assert (english.number(1234.5678, 2), english.percent(0.0123)) == ("1,234.57", "1.2%")
    assert english.number(None) == "–"
    assert (english.seconds(3.21), chinese.seconds(600)) == ("3.2 s", "10 分钟")


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "found"),
    [
        ("zh", "en", "en", "zh"),
        (None, "zh", "en-GB,en", "zh"),
        ("fr", None, "fr-FR,zh-CN;q=0.8", "zh"),
        (None, None, "", "en"),
    ],
)
def test_the_language_is_the_one_asked_for_else_remembered_else_accepted(
    asked: str | None, remembered: str | None, accepted: str, found: str
) -> None:
    assert speech(asked, remembered, accepted).language == found
