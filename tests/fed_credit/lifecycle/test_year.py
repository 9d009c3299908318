"""A short year: what it does is what the commands do, and what it says is what came."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fed_credit.cli import main
from fed_credit.data.synthetic import generate
from fed_credit.data.target import add_months
from fed_credit.evaluation.metrics import auc
from fed_credit.lifecycle.scenarios import LAUNCH, Scenario, YearSettings, month_ends, year_spec
from fed_credit.lifecycle.year import Year, play
from fed_credit.lifecycle.year_page import render_year
from fed_credit.registry.registry import Registry
from fed_credit.scoring.scorer import Scorer

FEATURES = "data.features=[firm_age,margin,log_arrears_days,inquiries,requested_term,guarantee]"
SETTINGS = YearSettings(Scenario.POPULATION, 3, 2, 2, 12, "scorecard", 3, 11_000, 2, (FEATURES,))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Year, Path]:
    folder = tmp_path_factory.mktemp("year")
    return play(SETTINGS, folder), folder


def test_months_are_whole_and_end_where_they_should() -> None:
    ends = [str(day) for day in month_ends(SETTINGS)]
    assert ends == ["2022-01-31", "2022-02-28", "2022-03-31"]


def test_each_application_of_the_year_is_scored_once_by_the_model_in_use(
    played: tuple[Year, Path],
) -> None:
    year, folder = played
    frame = generate(year_spec(SETTINGS).data.generator)
    decided = frame["application_date"].to_numpy().astype("datetime64[D]")
    of_year = (decided > LAUNCH) & (decided <= np.datetime64("2022-03-31"))
    assert sum(month.applications for month in year.months) == of_year.sum() == year.year.loans
    assert year.after.loans == (decided > np.datetime64("2022-03-31")).sum()
    # The first month by hand.
    event = frame["default_date"].to_numpy().astype("datetime64[D]")
    bad = ~np.isnat(event) & (event <= add_months(decided, 12))
    january = (decided > LAUNCH) & (decided <= np.datetime64("2022-01-31"))
    assert year.months[0].default_rate == bad[january].mean()
    with Registry.open(folder / "registry.db") as registry:
        scorer = Scorer(registry.model(1).model)
        assert not registry.verify()
    pd_ = scorer.scores(scorer.validated(frame[january].reset_index(drop=True)).frame).pd
    assert year.months[0].mean_pd == pd_.mean()
    of_all = scorer.scores(scorer.validated(frame[of_year].reset_index(drop=True)).frame).pd
    assert year.year.auc_first == pytest.approx(auc(bad[of_year].astype(np.int8), of_all))


def test_the_monitor_sees_the_break_in_its_month_and_not_before(
    played: tuple[Year, Path],
) -> None:
    year, folder = played
    first, second, _ = year.months
    assert not first.alerts
    assert "csi:inquiries" in (*second.alerts, *second.watches)
    latest = json.loads((folder / "monitoring" / "latest.json").read_text())
    assert latest["as_of"] == "2022-03-31" and latest["model"]["version"] == year.months[-1].version


def test_an_attempt_is_told_with_what_came_of_it(played: tuple[Year, Path]) -> None:
    year, folder = played
    attempts = [month.attempt for month in year.months if month.attempt]
    assert attempts
    with Registry.open(folder / "registry.db") as registry:
        for attempt in attempts:
            record = registry.history(attempt.version)[0].details["retraining"]
            assert record["gate"]["overall"]["gain"]["auc"]["value"] == attempt.gain.value
            assert attempt.hindsight is not None and attempt.hindsight.loans > 100
    if not any(attempt.passed for attempt in attempts):
        assert year.after.auc.value == 0 and year.promoted.loans == 0


def test_the_page_says_it_in_both_languages(played: tuple[Year, Path]) -> None:
    page = render_year(played[0])
    for word in ("<svg", "申请人群体突变", "other applicants come", "csi:inquiries", "2022-02"):
        assert word in page
    assert "None" not in page and "nan" not in page.replace("lang=", "")


def test_what_cannot_be_played(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    for words, said in (
        (["--out", str(tmp_path / "full")], "not an empty folder"),
        (["--out", str(tmp_path / "new"), "--months", "0"], "--months 0"),
        (["--out", str(tmp_path / "new"), "--seeds", "0"], "--seeds 0"),
    ):
        assert main(["lifecycle", "year", *words]) == 2
        assert said in capsys.readouterr().err
