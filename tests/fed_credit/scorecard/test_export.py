from __future__ import annotations

import csv
import json
import sqlite3
import zlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fed_credit.data.schema import Kind, KnownAt
from fed_credit.errors import ArtefactError
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.spec import FeatureSpec, feature_specs
from fed_credit.scorecard.binning import bin_feature
from fed_credit.scorecard.export import FILES, csv_text, export_scorecard, markdown_text
from fed_credit.scorecard.fit import fit_scorecard
from fed_credit.scorecard.points import make_scorecard
from fed_credit.scorecard.rule import ScoringRule
from fed_credit.scorecard.sql import sql_query


def run_sql(card, frame: pd.DataFrame) -> pd.DataFrame:
    """Score loans with the exported query in a database of its own."""
    table = frame.copy()
    for one in card.characteristics:
        feature = one.binning.fine.feature
        column = table[feature.name].astype(object)
        table[feature.name] = column.where(column.notna(), None)
        if feature.kind is Kind.CATEGORICAL and not feature.values:
            table[f"{feature.name}_bucket"] = [
                None if v is None else zlib.crc32(str(v).encode()) % feature.hash_buckets
                for v in table[feature.name]
            ]
    with sqlite3.connect(":memory:") as database:
        table.to_sql("loans", database, index=False)
        return pd.read_sql(sql_query(card, "loans"), database)


def check_sql(card, frame: pd.DataFrame) -> None:
    found = run_sql(card, frame)
    points = found[[f"points_{name}" for name in card.names]].to_numpy()
    assert np.array_equal(points, card.points(frame))
    assert np.array_equal(found["score"].to_numpy(), card.score(frame))


def at_the_cuts(card, frame: pd.DataFrame) -> pd.DataFrame:
    """Loans whose numeric values lie on each cut, or next to it."""
    rows = frame.iloc[np.zeros(300, int)].copy()
    for one in card.characteristics:
        if one.binning.fine.feature.kind is Kind.NUMERIC:
            cuts = np.array(one.binning.fine.cuts)
            near = np.r_[cuts, np.nextafter(cuts, -np.inf), np.nextafter(cuts, np.inf)]
            rows[one.name] = np.resize(near, 300)
    return rows


def test_sql_gives_every_loan_the_same_points(synthetic, fitted, edge_cases):
    check_sql(fitted.card, synthetic.features)
    check_sql(fitted.card, edge_cases)
    check_sql(fitted.card, at_the_cuts(fitted.card, synthetic.features))


def test_sql_of_the_sba_card_too(sba, fitted_sba):
    check_sql(fitted_sba.card, sba.features)
    check_sql(fitted_sba.card, at_the_cuts(fitted_sba.card, sba.features))


def test_sql_of_buckets_and_special_values(dataset, scorecard_spec, divide):
    frame = dataset.features.copy()
    frame.loc[frame.index[::9], "firm_age"] = -1.0
    banks = divide(dataset)
    for books in (banks.train, banks.validation):
        books[:] = [(frame.loc[book.index], y) for book, y in books]
    spec = replace(
        scorecard_spec,
        cuts=replace(scorecard_spec.cuts, special_values={"firm_age": [-1.0]}),
        binning=replace(scorecard_spec.binning, min_goods=3, min_bads=3, min_cell=5),
        selection=replace(scorecard_spec.selection, min_iv=0.0, max_correlation=1.0, max_vif=99.0),
    )
    card = fit_scorecard(feature_specs(dataset.fields, dataset.schema), spec, banks).card
    assert {"branch", "firm_age"} <= set(card.names)
    check_sql(card, frame)


def test_sql_survives_quotes(scorecard_spec):
    trades = ("cobbler's", "-- mill", "inn")
    feature = FeatureSpec('the "trade"', Kind.CATEGORICAL, KnownAt.APPLICATION, "bank", trades)
    counts = np.array([[500, 900, 400, 0, 200], [300, 100, 80, 0, 8]])
    binning = bin_feature(FineBins(feature), counts, scorecard_spec.binning)
    card = make_scorecard([binning], [-1.0, -0.9], scorecard_spec.points)
    assert len(set(card.characteristics[0].points)) == 4
    check_sql(card, pd.DataFrame({feature.name: [*feature.values, "zoo", None]}))


def test_csv_holds_the_points_table(fitted):
    rows = list(csv.DictReader(csv_text(fitted.card).splitlines()))
    assert len(rows) == sum(len(one.points) for one in fitted.card.characteristics)
    points = [row["points"] for row in rows if row["feature"] == fitted.card.names[0]]
    assert points == [str(p) for p in fitted.card.characteristics[0].points]
    first = fitted.card.characteristics[0].binning.classes[0]
    assert float(rows[0]["woe"]) == first.woe and int(rows[0]["loans"]) == first.loans


def test_the_page_says_what_the_card_is(fitted, scorecard_spec):
    page = markdown_text(fitted, scorecard_spec)
    for word in (
        "# Scorecard",
        "50 good to 1 bad",
        "The fit converged.",
        "95%",
        *fitted.card.names,
    ):
        assert word in page
    assert "its information value" in page  # why features were left out
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert not [line for line in table if "nan" in line]


def test_files_are_written_and_the_rule_comes_back(
    tmp_path, synthetic, fitted, edge_cases, scorecard_spec
):
    export_scorecard(tmp_path, fitted, scorecard_spec)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    rule = ScoringRule.from_json((tmp_path / "scorecard.json").read_text())
    assert rule == fitted.rule
    for frame in (synthetic.features, edge_cases):
        assert np.array_equal(
            rule.default_probability(frame), fitted.rule.default_probability(frame)
        )
    grades = rule.grades(synthetic.features.iloc[:50])
    limits = dict(zip(rule.scale.names, rule.scale.limits, strict=True))
    probability = rule.default_probability(synthetic.features.iloc[:50])
    assert all(p < limits[grade] for p, grade in zip(probability, grades, strict=True))


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: {**body, "format": 99},
        lambda body: {key: value for key, value in body.items() if key != "card"},
        lambda body: {**body, "grades": {"A": 0.5}},
        lambda body: {**body, "calibration": {"shift": 1}},
        lambda body: [],
    ],
)
def test_a_damaged_file_is_refused_in_a_sentence(fitted, damage):
    text = json.dumps(damage(json.loads(fitted.rule.json_text)))
    with pytest.raises(ArtefactError, match=r"(restore|install)"):
        ScoringRule.from_json(text)
    with pytest.raises(ArtefactError, match="restore"):
        ScoringRule.from_json("no JSON")
