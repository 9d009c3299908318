"""The operator's pages: sums, who answered, and nothing of a bank that it did not let out."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from fed_credit.serving.pages.run_folder import read_run, run_folders
from fed_credit.serving.pages.runs import status_of
from fed_credit.serving.superlink import Standing, Watch


@pytest.fixture
def client(operator: Any) -> Iterator[httpx.Client]:
    key = {"Authorization": f"Bearer {operator.home.secrets['read']}"}
    with httpx.Client(base_url=operator.url, headers=key) as client:
        yield client


@pytest.fixture
def runs(operator: Any) -> Path:
    path: Path = operator.home.path / "runs"
    return path


def _text(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def _results(runs: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((runs / name / "results.json").read_text(encoding="utf-8"))
    return found


def test_runs_are_listed_with_pooled_figures_and_their_bounds(
    client: httpx.Client, runs: Path
) -> None:
    text = _text(client.get("/").text)
    auc = _results(runs, "2024-spring")["test"]["from_sums"]["auc"]
    assert f"{auc['value']:.3f} ± {auc['bound']:.3f}" in text
    assert "no operator's kit" in text
    for name, status in (("2024-autumn", "without results"), ("2024-spring", "complete")):
        assert re.search(rf"{name} {status}", text)


def test_a_run_says_who_answered_and_why_others_did_not(client: httpx.Client, runs: Path) -> None:
    page = client.get("/runs/2024-summer").text
    lines = (runs / "2024-summer" / "exchanges.jsonl").read_text(encoding="utf-8").splitlines()
    exchanges = [json.loads(line) for line in lines]
    crosses = sum(len(one["missing"]) for one in exchanges)
    assert crosses == len(exchanges) > 0
    assert page.count("✓</td>") == sum(len(one["answered"]) for one in exchanges)
    assert page.count("✕</td>") == crosses
    assert next(iter(exchanges[0]["missing"].values())) in unescape(page)


def test_a_bank_s_own_figures_are_shown_only_where_it_let_them_out(
    client: httpx.Client, runs: Path
) -> None:
    own = _results(runs, "2024-spring")["own_metrics"]
    assert len(own) == 1, "one bank's policy lets its figures out"
    text = _text(client.get("/runs/2024-spring").text)
    ((bank, figures),) = own.items()
    assert re.search(rf"{re.escape(bank)} \d+ \d+ {figures['auc']:.4f}", text)


def test_figures_of_banks_in_a_simulated_run_are_not_shown(
    client: httpx.Client, runs: Path, champion_folder: Path
) -> None:
    shutil.copytree(champion_folder, runs / "simulated", ignore=shutil.ignore_patterns("*.html"))
    try:
        results = _results(runs, "simulated")
        text = _text(client.get("/runs/simulated").text)
        assert f"{results['from_sums']['auc']['value']:.4f}" in text
        for bank in results["institutions"]:
            assert bank["name"] not in text
            value = bank["auc"]["federated"]["value"]
            assert value is None or f"{value:.4f}" not in text
    finally:
        shutil.rmtree(runs / "simulated")


def test_drift_is_shown_of_pooled_reports_alone(client: httpx.Client, operator: Any) -> None:
    path = operator.home.path / "monitoring" / "latest.json"
    kept = path.read_text(encoding="utf-8")
    report = json.loads(kept)
    assert f"{report['vintages'][-1]['auc']:.3f}" in _text(client.get("/monitoring").text)
    try:
        path.write_text(json.dumps({**report, "pooled": False}), encoding="utf-8")
        text = _text(client.get("/monitoring").text)
        assert "shows pooled ones alone" in text
        assert f"{report['vintages'][-1]['auc']:.3f}" not in text
    finally:
        path.write_text(kept, encoding="utf-8")


@pytest.mark.parametrize("name", ["%2e%2e", "..%2fbank", "2024-spring%2f..", "none", "a" * 90])
def test_only_runs_are_shown(client: httpx.Client, name: str) -> None:
    answer = client.get(f"/runs/{name}")
    assert answer.status_code == 404
    assert "root:" not in answer.text


def test_keys_of_the_operator_s_home_may_read_and_others_nothing(operator: Any) -> None:
    assert httpx.get(operator.url).headers["location"] == "/login"
    key = {"Authorization": f"Bearer {operator.home.secrets['score']}"}
    assert httpx.get(operator.url, headers=key).status_code == 403
    assert httpx.post(f"{operator.url}/v1/score", headers=key, json={}).status_code == 404


@pytest.mark.slow
def test_a_superlink_tells_who_is_there_and_how_runs_ended(deployed: Any) -> None:
    key = {"Authorization": f"Bearer {deployed.home.secrets['read']}"}
    until = time.monotonic() + 60
    # A page does not wait for the SuperLink; the next one has its answer.
    while "Banks online 3 of 3 banks" not in (
        text := _text(httpx.get(deployed.url, headers=key, timeout=30).text)
    ):
        assert time.monotonic() < until, text
        time.sleep(1)
    for bank in ("Harbour Savings", "Riverside Bank", "城市商业银行"):
        assert f"{bank} yes online now" in text
    assert "first complete Logistic regression, by rounds 3 / 3 3 0" in text


def test_half_a_line_and_a_folder_that_is_no_run_do_no_harm(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "config.yaml").write_text("model: [")
    (tmp_path / "runs" / "empty").mkdir()
    found = run_folders(tmp_path / "runs")
    assert {run.name for run in found} == {
        f"2024-{season}" for season in ("spring", "summer", "autumn", "winter")
    }
    whole, half = (read_run(runs, f"2024-{name}") for name in ("spring", "winter"))
    assert whole is not None and half is not None
    assert half.exchanges == whole.exchanges[:5]
    assert status_of(half, Standing.unknown("no_kit")) == "running"
    assert run_folders(tmp_path / "nowhere") == []


def test_the_superlink_s_word_counts_more_than_the_folder(runs: Path) -> None:
    run = read_run(runs, "2024-winter")
    assert run is not None
    told = Standing(True, "", "", (), {run.name: {"status": "failed", "reason": "Too few."}})
    assert status_of(run, told) == "failed"


def test_a_superlink_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    from fed_credit.commands.provision import run_command

    consortium = tmp_path / "consortium.yaml"
    consortium.write_text(
        "name: Circle\noperator: {hosts: [127.0.0.1], port: 1}\nschema: synthetic\n"
        "banks: [{name: Riverside Bank}]\n",
        encoding="utf-8",
    )
    run_command([str(consortium), "--out", str(tmp_path / "kits")])
    watch = Watch(tmp_path / "kits" / "operator")
    try:
        found = watch.standing(patience_s=20)
        assert (found.known, found.trouble_key) == (False, "away")
        assert "127.0.0.1:1" in found.trouble
        assert watch.name() == "Circle"
        assert watch.runs() == tmp_path / "kits" / "operator" / "runs"
    finally:
        watch.close()
