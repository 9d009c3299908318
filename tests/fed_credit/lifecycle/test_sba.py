"""The SBA sample, where its file is at hand."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from fed_credit.cli import main
from fed_credit.lifecycle.sba import SbaSettings, drifted, first_day, look_back
from fed_credit.lifecycle.sba_page import render_sba

PATH = os.environ.get("FED_CREDIT_SBA_PATH")


def test_fiscal_years_begin_in_october() -> None:
    assert first_day(1997) == np.datetime64("1996-10-01")


def test_years_out_of_order_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["lifecycle", "sba", "--path", "gone.csv", "--train-until", "2010"]
    assert main(words) == 2 and "must lie between" in capsys.readouterr().err
    assert main(["lifecycle", "sba", "--path", "gone.csv", "--out", "unused"]) == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(PATH is None, reason="FED_CREDIT_SBA_PATH names no SBA file")
def test_ten_years_under_one_model(tmp_path: Path) -> None:
    assert PATH is not None
    settings = SbaSettings(Path(PATH), 1997, 1997, 2006, 60, "scorecard", ())
    history = look_back(settings, tmp_path)
    assert history.available == "2002-09-30" and history.banks == 45
    years = {year.year: year for year in history.years}
    assert years[1997].held_out and not years[2004].held_out
    assert years[2005].loans == 5886 and years[2005].bads == 1001
    assert not drifted(years[1997])  # what was held out is the same population
    assert years[2005].default_rate > 5 * years[2005].mean_pd
    assert years[2005].auc.value < 0.55
    assert "amount_band" in [name for name, _, _ in drifted(years[2005])]
    # No label of 2004 was there when 2006 began, and what came later would have helped.
    assert years[2006].matured < 4500
    assert years[2005].hindsight is not None and years[2005].hindsight.lo > 0.1
    assert "SBA" in render_sba(history)
