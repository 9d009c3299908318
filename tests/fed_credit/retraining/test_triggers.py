"""When a retraining is due."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fed_credit.config.retrain import RetrainSpec
from fed_credit.errors import ArtefactError, DataError
from fed_credit.model_file.archive import Opened
from fed_credit.retraining.alerts import Alerts, alerts_of, read_alerts
from fed_credit.retraining.champion import champion_of
from fed_credit.retraining.triggers import Due, due
from fed_credit.retraining.vintage import NewLabels

Settings = Callable[..., RetrainSpec]
FEW = NewLabels(10, 1)


def report(sha256: str, **alert: str) -> dict[str, Any]:
    raised = {
        "id": "1",
        "level": "alert",
        "kind": "csi",
        "subject": "margin",
        "period": "2022-03",
        "value": 0.4,
        "threshold": 0.25,
        "en": "It moved.",
        "zh": "已变化。",
    }
    return {
        "format": 1,
        "as_of": "2022-03-31",
        "model": {"version": 1, "sha256": sha256},
        "alerts": [raised | alert],
    }


@pytest.fixture
def ask(settings: Settings, champion: Opened) -> Callable[..., Due]:
    def call(
        as_of: str,
        new: NewLabels = FEW,
        alerts: Alerts | None = None,
        last: str | None = None,
        **triggers: Any,
    ) -> Due:
        return due(
            settings(triggers=triggers).triggers,
            champion_of(1, champion),
            np.datetime64(as_of),
            new,
            alerts,
            None if last is None else np.datetime64(last),
        )

    return call


def test_the_schedule_counts_months_since_the_champions_day(ask) -> None:
    assert not ask("2022-12-30").fired  # the champion is of 2021-12-31
    assert [item.kind for item in ask("2022-12-31").fired] == ["schedule"]
    assert not ask("2023-12-31", schedule={"enabled": False}).fired
    assert len(ask("2022-12-30").quiet) == 3


def test_labels_must_be_enough_of_both_kinds(ask) -> None:
    assert [item.kind for item in ask("2022-03-31", NewLabels(1000, 100)).fired] == ["labels"]
    assert not ask("2022-03-31", NewLabels(999, 100)).fired
    assert not ask("2022-03-31", NewLabels(1000, 99)).fired
    assert not ask("2022-03-31", NewLabels(1000, 100), labels={"enabled": False}).fired


@pytest.mark.parametrize(
    ("alert", "as_of", "drift", "fires"),
    [
        ({}, "2022-03-31", {}, True),
        ({}, "2022-05-15", {}, True),
        ({}, "2022-05-16", {}, False),  # older than 45 days
        ({}, "2022-03-30", {}, False),  # of a day to come
        ({"level": "watch"}, "2022-03-31", {}, False),
        ({"level": "watch"}, "2022-03-31", {"level": "watch"}, True),
        ({"kind": "missing"}, "2022-03-31", {"kinds": ["psi"]}, False),
        ({}, "2022-03-31", {"enabled": False}, False),
    ],
)
def test_drift_counts_by_level_kind_and_age(
    ask,
    champion: Opened,
    alert: dict[str, str],
    as_of: str,
    drift: dict[str, Any],
    fires: bool,
) -> None:
    alerts = alerts_of(report(champion.sha256, **alert))
    found = ask(as_of, alerts=alerts, drift=drift)
    assert [item.kind for item in found.fired] == (["drift"] if fires else [])
    if fires:
        assert "of margin in 2022-03" in found.fired[0].why.en


def test_alerts_about_another_model_do_not_count(ask) -> None:
    found = ask("2022-03-31", alerts=alerts_of(report("f" * 64)))
    assert not found.fired and any("another model" in text.en for text in found.quiet)


def test_after_an_attempt_nothing_fires_for_a_while(ask) -> None:
    assert ask("2023-06-30", NewLabels(9999, 999), last="2023-03-30").fired
    resting = ask("2023-06-29", NewLabels(9999, 999), last="2023-03-30")
    assert not resting.fired and "2023-03-30" in resting.quiet[0].en


def test_reports_are_read_from_the_file_or_refused(tmp_path: Path, champion: Opened) -> None:
    path = tmp_path / "latest.json"
    assert read_alerts(path) is None
    path.write_text(json.dumps(report(champion.sha256)))
    assert read_alerts(path) == alerts_of(report(champion.sha256))
    for body in ("[]", "{}", "no", json.dumps(report("x", level="loud"))):
        path.write_text(body)
        with pytest.raises(DataError, match="no report of the monitor"):
            read_alerts(path)


def test_a_champion_without_a_time_is_refused(champion: Opened) -> None:
    from dataclasses import replace

    timeless = replace(champion, model=replace(champion.model, provenance={"as_of": "2021-12-31"}))
    with pytest.raises(ArtefactError, match="up to when it knows"):
        champion_of(4, timeless)
