"""Loading equal data once: what counts as equal, and that it is the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.config.spec import DataSpec
from fed_credit.data import cache
from fed_credit.data.book import Dataset
from fed_credit.data.cache import cached_dataset
from fed_credit.data.load import load_dataset
from fed_credit.data.loan_keys import loan_keys

SMALL = [
    "data.generator.num_loans=1500",
    "data.generator.num_institutions=3",
    "data.min_loans=20",
]


@pytest.fixture(autouse=True)
def _empty() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def load(spec: DataSpec, banks: int | None = None, seed: int = 1) -> Dataset:
    return cached_dataset(spec, num_institutions=banks, schema_dir=schema_dir(), seed=seed)


def test_equal_requests_are_loaded_once_and_equal_a_fresh_load() -> None:
    spec = compose(SMALL).data
    first = load(spec)
    assert load(compose(SMALL).data, seed=2) is first, "the seed draws no institutions here"
    split = replace(spec, split=replace(spec.split, test_share=0.4))
    assert load(split) is first, "the split comes later"
    fresh = load_dataset(spec, num_institutions=None, schema_dir=schema_dir(), seed=1)
    assert fresh.report.fingerprint == first.report.fingerprint
    pd.testing.assert_frame_equal(fresh.features, first.features)


def test_other_requests_are_other_data() -> None:
    spec = compose(SMALL).data
    first = load(spec)
    assert len(load(spec, banks=2).names) == 2
    other = compose([*SMALL, "data.generator.seed=5"]).data
    assert load(other).report.fingerprint != first.report.fingerprint
    drawn = compose([*SMALL, "data.partition.kind=dirichlet"]).data
    one, two = load(drawn, seed=1), load(drawn, seed=2)
    assert one.report.fingerprint != two.report.fingerprint


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "loans.csv"
    rows = "\n".join(f"{k},{'AB'[k % 2]},{k % 7},{int(k % 5 == 0)}" for k in range(80))
    path.write_text(f"id,bank,size,bad\n{rows}\n")
    schema = tmp_path / "schema.yaml"
    schema.write_text(
        "name: tiny\nroles: {institution: bank, loan_id: id, target: bad}\nfields:\n"
        "  id: {kind: identifier}\n  bank: {kind: institution}\n"
        "  size: {kind: numeric, min: 0, max: 10}\n"
        "  bad: {kind: target, known_at: outcome, good: ['0'], bad: ['1']}\n"
    )
    given = [f"data.path={path}", f"data.schema={schema}", "data.min_loans=5"]
    spec = compose(["data=table", *given]).data
    first = load(spec)
    assert load(spec) is first
    path.write_text(path.read_text() + "80,A,3,1\n")
    assert len(load(spec)) == len(first) + 1


def test_what_is_kept_is_bounded() -> None:
    specs = [compose([*SMALL, f"data.generator.seed={seed}"]).data for seed in range(9)]
    kept = [load(spec) for spec in specs]
    assert load(specs[-1]) is kept[-1]
    assert load(specs[0]) is not kept[0]


def test_loans_are_known_again_whoever_takes_part() -> None:
    spec = compose(SMALL).data
    all_banks, two = load(spec), load(spec, banks=2)
    keys, fewer = loan_keys(all_banks, spec), loan_keys(two, spec)
    assert len(np.unique(keys)) == len(all_banks)
    assert set(fewer) <= set(keys)
    by_key = dict(zip(keys.tolist(), all_banks.loan_id, strict=True))
    assert [by_key[key] for key in fewer.tolist()] == list(two.loan_id)


@pytest.mark.parametrize(
    "override", ["data.generator.concept_shift=1", "data.target.window_months=12"]
)
def test_other_loans_or_outcomes_are_not_taken_for_the_same(override: str) -> None:
    spec, other = compose(SMALL).data, compose([*SMALL, override]).data
    keys = loan_keys(load(spec), spec)
    assert not set(keys) & set(loan_keys(load(other), other))
