"""Portfolios are aggregates: counts that add up, gaps, distances; nothing of sensitive fields."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fed_credit.data.book import Dataset, Part
from fed_credit.reporting.html.portfolio import portfolio, stability_index


def test_counts_add_up_and_gaps_are_shares(dataset: Dataset, parts: np.ndarray) -> None:
    body = portfolio(dataset, parts)
    assert sum(bank["loans"] for bank in body["banks"]) == len(dataset)
    for k, bank in enumerate(body["banks"]):
        assert sum(bank[part.name.lower()] for part in Part) == bank["loans"]
        book = dataset.book(k)
        assert bank["bad_rate"] == pytest.approx(book.y.mean())
        assert bank["missing"]["firm_age"] == pytest.approx(
            book.features["firm_age"].isna().mean(), abs=1e-6
        )


def test_exposure_is_told_only_where_the_data_have_one(dataset: Dataset, parts: np.ndarray) -> None:
    assert {bank["exposure"] for bank in portfolio(dataset, parts)["banks"]} == {None}


def test_no_value_of_a_sensitive_field_is_told(dataset: Dataset, parts: np.ndarray) -> None:
    secret = dataset.fields[0]
    fields = (replace(secret, sensitive=True), *dataset.fields[1:])
    body = portfolio(replace(dataset, fields=fields), parts)
    told = {item["name"]: item["typical"] for item in body["features"]}
    assert told[secret.name] is None
    assert told["firm_age"] == pytest.approx(dataset.features["firm_age"].median())
    assert f"{dataset.features[secret.name].median():.6f}"[:6] not in json.dumps(body)


def test_equal_banks_are_alike_and_a_shifted_one_is_not() -> None:
    rng = np.random.default_rng(5)
    bank = np.repeat([0, 1, 2], 4000)
    values = rng.normal(size=12_000) + 1.5 * (bank == 2)
    values[rng.random(12_000) < 0.1] = np.nan
    psi = stability_index(pd.Series(values), bank, 3)
    assert psi[2] > 0.25 and psi[2] > 2 * max(psi[:2])
    alike = stability_index(pd.Series(rng.normal(size=12_000)), bank, 3)
    assert alike.max() < 0.01


def test_index_by_hand() -> None:
    """Two categories, two banks of two loans: shares with half a loan added to each cell."""
    values = pd.Series(pd.Categorical(["a", "a", "a", "b"]))
    psi = stability_index(values, np.array([0, 0, 1, 1]), 2)
    q = np.array([0.5, 3.5, 1.5]) / 5.5
    for k, counts in enumerate(([0.5, 2.5, 0.5], [0.5, 1.5, 1.5])):
        p = np.array(counts) / 3.5
        assert psi[k] == pytest.approx(((p - q) * np.log(p / q)).sum())


def test_rare_categories_share_a_cell_and_empty_columns_do_no_harm() -> None:
    bank = np.arange(400) % 2
    many = pd.Series(pd.Categorical([f"c{k % 200}" for k in range(400)]))
    assert np.isfinite(stability_index(many, bank, 2)).all()
    nothing = pd.Series(np.full(400, np.nan))
    np.testing.assert_allclose(stability_index(nothing, bank, 2), 0.0, atol=1e-12)
