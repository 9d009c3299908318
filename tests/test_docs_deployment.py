"""The pages on deployments are held to the code: commands, options, defaults, paths, faults."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_TOLERANCE

from fed_credit.cli import main
from fed_credit.config.location import deploy_dir
from fed_credit.deploy import kits
from fed_credit.deploy.submit import check_run

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["deployment", "threat-model", "faults", "bank"]


def text_of(page: str) -> str:
    return (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8").replace("\\\n", " ")


def commands(page: str) -> list[list[str]]:
    """Return the words of each command of ours that a page shows, in blocks and in lines."""
    text = text_of(page)
    shown = [
        line.strip()
        for block in re.findall(r"^ *```\w*\n(.*?)^ *```", text, flags=re.M | re.S)
        for line in block.splitlines()
    ]
    shown += re.findall(r"`(fed-credit [^`]+)`", text)
    found = [shlex.split(line, comments=True) for line in shown if line.startswith("fed-credit ")]
    return [words[1:] for words in found if not words[1].startswith("<")]


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_their_options_exist(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands(page)
    for words in commands(page):
        nested = words[0] in ("bank", "deploy", "ledger", "schema")
        head = words[: 2 if nested else 1]
        if nested and len(words) == 1:
            continue
        try:
            main([*head, "--help"])
        except SystemExit as end:
            assert end.code in (0, None), words
        told = capsys.readouterr().out
        options = [word.partition("=")[0] for word in words if word.startswith("--")]
        assert [option for option in options if option not in told] == [], words


def test_shown_runs_are_taken() -> None:
    runs = [
        words[2:]
        for page in PAGES
        for words in commands(page)
        if words[:2] == ["deploy", "run"] and any("=" in word for word in words)
    ]
    assert len(runs) >= 2
    for words in runs:
        overrides = [word for word in words if "=" in word and not word.startswith("--")]
        check_run([word for word in overrides if not word.startswith("data.schema=")])


def test_shown_numbers_are_the_defaults() -> None:
    text = text_of("deployment")
    consortium, bank = (
        yaml.safe_load((deploy_dir() / name).read_text(encoding="utf-8"))
        for name in ("consortium.yaml", "bank.yaml")
    )
    ports = (
        consortium["operator"]["port"],
        consortium["operator"]["superlink_port"],
        consortium["every_bank"]["runtime_port"],
    )
    assert f"changes {ports[0]}, {ports[1]} and {ports[2]}" in text
    days = consortium["validity_days"]
    assert days["server"] == days["operator"] and days["ca"] == 3650
    assert f"Certificates last {days['server']} days, those of authorities ten years" in text
    assert f"warns {days['renew_before']} days" in text
    assert f"`min_loans` ({bank['policy']['min_loans']})" in text_of("threat-model")
    assert f"`node.poll_s: {bank['node']['poll_s']}`" in text


def test_the_tolerance_of_clocks_is_flower_s() -> None:
    late = TIMESTAMP_TOLERANCE + SYSTEM_TIME_TOLERANCE
    for page in ("deployment", "faults"):
        assert f"{SYSTEM_TIME_TOLERANCE} s ahead" in text_of(page)
        assert f"{late} s behind" in text_of(page)
    assert f"holds for {late} s" in text_of("threat-model")


def test_the_paths_through_the_proxy_are_as_many_as_told() -> None:
    template = Path(kits.__file__).parent / "templates" / "nginx.conf.j2"
    groups = re.findall(r"\^/v1/(\w+)/\(\?:([a-z|-]+)\)\$", template.read_text(encoding="utf-8"))
    counts = {area: len(names.split("|")) for area, names in groups}
    assert counts == {"fleet": 10, "control": 7}
    assert "ten paths for banks. Seven control paths" in text_of("threat-model").replace("\n", " ")


def test_sentences_of_faults_are_said_as_the_page_has_them() -> None:
    told = re.sub(r"\s+", " ", text_of("faults"))
    sentences = re.findall(r"(?<!\*)\*(?!\*)([^*|]+)\*(?!\*)", told)
    code = " ".join(
        re.sub(r'"\s*\n\s*f?"', "", (ROOT / name).read_text(encoding="utf-8"))
        for name in (
            "clients/adapter.py",
            "clients/policy.py",
            "strategies/exchange.py",
            "fed_credit/node/task.py",
            "fed_credit/node/children.py",
            "fed_credit/node/bundle.py",
            "fed_credit/deploy/follow.py",
        )
    )
    # Three dots and {} stand for what differs; so does the name of a limit.
    code = re.sub(r"\{[^{}\n]*\}", "{}", code)
    for sentence in sentences:
        said = sentence.replace("a problem", "{}").replace("an unexpected problem", "{}")
        said = said.replace("policy.min_loans", "policy.{}")
        assert all(part.strip(" ;,") in code for part in said.split("...")), sentence
    assert len(sentences) > 10
