"""The demo's pieces, and the whole of it where there is time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fed_credit.cli import main
from fed_credit.errors import ConfigurationError, ServingError
from fed_credit.lifecycle.demo.data import FIRST_DAY, SECOND_DAY, DemoData
from fed_credit.lifecycle.demo.outcome import DemoSettings
from fed_credit.lifecycle.demo.run import run_demo
from fed_credit.lifecycle.demo.service import Asking, records
from fed_credit.lifecycle.demo.stage import demo_folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DemoData:
    return DemoData.make(tmp_path_factory.mktemp("demo"), 2_000, 6)


def test_a_day_knows_nothing_of_later_ones(data: DemoData) -> None:
    days = (FIRST_DAY, SECOND_DAY)
    counts = [data.write(day) for day in days]
    assert 0 < counts[0] < counts[1] == 2_000
    for day in days:
        data.write(day)
        known = pd.read_parquet(data.loans)
        assert (known["application_date"] <= str(day)).all()
        event = known["default_date"].dropna()
        assert len(event) and (event <= str(day)).all()
    assert "true_pd" not in known.columns and "true_pd" not in data.schema.read_text()


def test_applications_say_nothing_of_what_became_of_them(data: DemoData) -> None:
    month = data.applications(SECOND_DAY, 1)
    assert (month["application_date"] >= "2022-12-01").all() and len(month)
    assert not {"default_date", "approved_amount", "true_pd"} & set(month.columns)


def test_records_leave_out_what_is_missing() -> None:
    frame = pd.DataFrame({"age": [3.0, np.nan], "form": pd.Categorical(["a", None]), "x": [1, 2]})
    assert records(frame, ["age", "form", "other"]) == [{"age": 3.0, "form": "a"}, {}]
    json.dumps(records(frame, ["age", "form", "x"]))


def test_asking_counts_answers_and_failures() -> None:
    class Client:
        asked = 0

        def score(self, loan: dict[str, Any], application: str) -> dict[str, Any]:
            self.asked += 1
            if self.asked == 2:
                raise ServingError("once")
            return {"model": {"version": 1 if self.asked < 5 else 2}}

    with Asking(Client(), [{}]) as asking:  # type: ignore[arg-type]
        assert asking.wait_for(2, 10.0)
        assert not asking.wait_for(3, 0.1)
    assert asking.failures == ["once"] and asking.answers[:3] == [1, 1, 1]


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(ConfigurationError, match="not an empty folder"), demo_folder(tmp_path):
        pass
    with demo_folder(None) as made:
        assert made.is_dir()
    assert not made.exists()
    assert main(["lifecycle", "demo", "--loans", "10"]) == 2


@pytest.mark.slow
def test_the_whole_loop(tmp_path: Path) -> None:
    lines: list[str] = []
    left: list[int] = []

    def stay(demo: Any) -> None:
        left.extend(demo._stage.processes[name].pid for name in ("bank", "operator"))

    settings = DemoSettings(tmp_path / "demo", 20_000, 10, "scorecard", 6)
    outcome = run_demo(settings, lines.append, stay)
    names = [step.name for step in outcome.steps]
    assert names == [line.split()[0] for line in lines]
    assert names[1:6] == ["train", "register", "serve", "score", "batch"]
    assert outcome.versions == (1, 2) and outcome.alerts > 0
    assert outcome.swapped > 10 and outcome.failures == 0 and outcome.reproduced == 2
    for pid in left:  # ended, or no longer ours
        assert (
            not Path(f"/proc/{pid}/cmdline").exists()
            or not Path(f"/proc/{pid}/cmdline").read_bytes()
        )
