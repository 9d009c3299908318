"""Which labels count on a day, and that nothing later does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fed_credit.config.retrain import VintageSpec, retrain_spec
from fed_credit.data.book import Part
from fed_credit.data.split import assign_parts
from fed_credit.data.target import add_months
from fed_credit.errors import ConfigurationError
from fed_credit.model_file.archive import Opened, parts_of
from fed_credit.retraining.challenger import known_on, train_challenger
from fed_credit.retraining.vintage import as_of_spec, labels_since, newest_vintage


@pytest.mark.parametrize(
    ("as_of", "months", "first", "end"),
    [
        ("2024-12-31", 6, "2022-07-01", "2023-01-01"),
        ("2024-12-30", 6, "2022-07-01", "2022-12-31"),
        ("2024-01-15", 1, "2022-01-01", "2022-01-16"),
    ],
)
def test_the_newest_vintage_by_hand(as_of: str, months: int, first: str, end: str) -> None:
    found = newest_vintage(np.datetime64(as_of), 24, months)
    assert (str(found.first), str(found.end)) == (first, end)


@given(
    st.dates(min_value=pd.Timestamp("2000-01-01").date()),
    st.integers(1, 60),
    st.integers(-40, 40),
)
def test_a_loan_is_in_the_vintage_or_before_it_only_if_its_window_has_closed(
    day: object, window: int, shift: int
) -> None:
    as_of = np.datetime64(str(day), "D")
    vintage = newest_vintage(as_of, window, 3)
    decided = vintage.end + np.timedelta64(shift, "D")
    closed = add_months(np.array([decided]), window)[0] <= as_of
    # Months of different length: a day at the end of a month may close with the one before it.
    assert closed == (decided < vintage.end) or abs(shift) <= 3


def test_a_final_status_has_no_day(world) -> None:
    spec = world.spec("data.target.window_months=null", "data.exclude_fields=[]")
    with pytest.raises(ConfigurationError, match="does not say since when"):
        as_of_spec(spec, np.datetime64("2022-12-31"), VintageSpec(6, False))


def test_the_challenger_sees_all_that_is_mature_but_the_vintage(world) -> None:
    day = np.datetime64("2022-12-31")
    known = known_on(day, retrain_spec({}), world.spec())
    data = known.dataset
    assert (add_months(data.decided, 24) <= day).all()
    parts = assign_parts(data, known.spec.data.split, 24, known.spec.seed)
    test = data.decided >= known.vintage.first
    assert ((parts == Part.TEST) == test).all()
    of_test_firms = np.isin(data.firm, data.firm[test]) & ~test
    assert ((parts == Part.SET_ASIDE) == of_test_firms).all()
    strict = known_on(day, retrain_spec({"vintage": {"embargo": True}}), world.spec())
    stricter = assign_parts(data, strict.spec.data.split, 24, known.spec.seed)
    open_then = ~test & (add_months(data.decided, 24) > known.vintage.first)
    assert ((stricter == Part.SET_ASIDE) == (of_test_firms | open_then)).all()


def test_labels_since_are_those_that_were_not_mature_then(world) -> None:
    days = [np.datetime64(day) for day in ("2021-12-31", "2022-12-31")]
    then, now = (known_on(day, retrain_spec({}), world.spec()).dataset for day in days)
    new = labels_since(now, days[0], 24)
    assert new.loans == len(now) - len(then)
    assert new.bads == now.y.sum() - then.y.sum()


def test_what_happens_after_the_day_changes_no_bit(
    world,
    champion: Opened,
    tmp_path: Path,
) -> None:
    day = pd.Timestamp("2022-12-31")
    after = world.frame.copy()
    late = after["default_date"] > day
    assert late.sum() > 50
    # Later events move, vanish and appear; later applications change, vanish and double.
    after.loc[late, "default_date"] += pd.Timedelta(days=40)
    after.loc[late & (np.arange(len(after)) % 2 == 0), "default_date"] = pd.NaT
    alive = after["default_date"].isna() & (np.arange(len(after)) % 7 == 0)
    after.loc[alive, "default_date"] = day + pd.Timedelta(days=1)
    young = after["application_date"] > day
    assert young.sum() > 50
    after.loc[young, ["turnover", "margin"]] *= 3.0
    after.loc[young, "sector"] = "hospitality"
    changed = after[~young | (np.arange(len(after)) % 3 == 0)]
    changed.to_parquet(tmp_path / "changed.parquet")
    before = world.frame.copy()
    known_then = before["default_date"] <= day
    before.loc[known_then & (np.arange(len(before)) % 5 == 0), "default_date"] = pd.NaT
    before.to_parquet(tmp_path / "before.parquet")
    as_of, spec = np.datetime64("2022-12-31"), retrain_spec({})
    made = []
    paths = [None, tmp_path / "changed.parquet", tmp_path / "before.parquet"]
    for name, path in zip("abc", paths, strict=True):
        known = known_on(as_of, spec, world.spec(path=path))
        made.append(train_challenger(known, spec, champion, tmp_path / name).opened)
    one, other, control = ({**parts_of(each.model)} for each in made)
    # The manifest hashes the provenance, which counts the rows that were read.
    apart = {"provenance.json", "manifest.json", "card.en.md", "card.zh.md"}
    assert {name for name in one if one[name] != other[name]} <= apart
    # Had an event of before that day been another, the model would be.
    assert one["model/manifest.json"] != control["model/manifest.json"]
