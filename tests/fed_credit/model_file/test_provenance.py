"""Where a model comes from, and that every key of it is documented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from fed_credit.model_file.fingerprints import code_sha256, configuration_sha256

DOCS = Path(__file__).resolve().parents[3] / "docs" / "model-file.md"
# Whose keys are names of the user's own, or documented elsewhere.
ELSEWHERE = ("comparison", "libraries", "loans", "label", "value_label", "rejected_reasons")
ROWS = ("rows", "rejected", "unlabelled", "immature", "out_of_scope", "left_out", "used")
PARTS = ("train", "validation", "test", "set_aside", "left_out_institutions")


def keys(body: Any) -> Iterator[str]:
    if isinstance(body, dict):
        for key, value in body.items():
            yield key
            if key not in ELSEWHERE:
                yield from keys(value)
    elif isinstance(body, list) and body:
        yield from keys(body[0])


def test_every_key_is_documented(model_run: Any) -> None:
    text = DOCS.read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", text)) | {*ROWS, *PARTS, "rejected_reasons"}
    model = model_run.opened.model
    for body in (model.evaluation, model.provenance):
        assert sorted(set(keys(body)) - named) == []


def test_it_says_where_the_model_comes_from(model_run: Any) -> None:
    origin, results = model_run.opened.model.provenance, model_run.result.results
    assert origin["run"]["seed"] == model_run.spec.seed and origin["run"]["kind"] == "simulation"
    assert origin["model"]["sha256"] == results["model"]["sha256"]
    assert origin["data"]["fingerprint"] == results["data"]["fingerprint"]
    assert origin["data"]["train"] == results["data"]["train"]
    assert origin["institutions"]["number"] == len(results["institutions"])
    assert sum(origin["institutions"]["loans"].values()) == results["data"]["used"]
    assert origin["as_of"] == "2024-12-31" and origin["target"]["window_months"] == 24
    assert origin["seen_until"] < model_run.opened.model.evaluation["test"]["first_month"]
    assert [item["name"] for item in origin["features"]] == results["data"]["features"]
    assert {item["source"] for item in origin["features"]} == {"bank", "tax_office", "utility"}
    assert origin["late_fields"] == [] and origin["warnings"] == results["warnings"]
    assert origin["code"]["sha256"] == code_sha256() and len(code_sha256()) == 64


def test_the_configuration_s_hash_is_of_what_makes_the_model(model_run: Any) -> None:
    spec = model_run.spec
    same = replace(spec, run_dir="elsewhere", progress=True, resume="x")
    assert configuration_sha256(same) == configuration_sha256(spec)
    assert configuration_sha256(replace(spec, seed=8)) != configuration_sha256(spec)


def test_no_folder_and_no_time_of_day_is_in_the_file(model_run: Any) -> None:
    folder = str(model_run.result.run_dir).encode()
    for name, part in model_run.opened.parts.items():
        assert folder not in part, name
        assert not re.search(rb"\d{2}:\d{2}:\d{2}", part), name
