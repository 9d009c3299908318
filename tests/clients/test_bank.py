"""A bank's view of its own loans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from clients.bank import Bank
from fed_credit.data.book import Dataset, Part
from fed_credit.data.recipe import Recipe
from fed_credit.data.schema import Field, Kind, Schema
from fed_credit.errors import ReleaseError
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.training.run_spec import RunSpec


def test_parts_divide_the_book(banks: list[Bank]) -> None:
    for bank in banks:
        rows = np.concatenate([bank.rows(part) for part in Part])
        assert sorted(rows.tolist()) == list(range(len(bank.book)))
        for part in Part:
            assert len(bank.frame(part)) == len(bank.labels(part)) == len(bank.rows(part))
        assert sum(bank.exposure(part) for part in Part) == pytest.approx(bank.book.exposure.sum())


def test_a_matrix_is_made_once_for_each_preprocessor(
    banks: list[Bank], pooled_preprocessor: Preprocessor
) -> None:
    bank = banks[0]
    first = bank.matrix(pooled_preprocessor, Part.TRAIN)
    assert bank.matrix(pooled_preprocessor, Part.TRAIN) is first
    np.testing.assert_array_equal(first, pooled_preprocessor.transform(bank.frame(Part.TRAIN)))
    other = Preprocessor(pooled_preprocessor.steps[1:])
    changed = bank.matrix(other, Part.TRAIN)
    assert changed.shape[1] < first.shape[1]
    np.testing.assert_array_equal(changed, other.transform(bank.frame(Part.TRAIN)))
    assert bank.matrix(other, Part.TEST).shape == (len(bank.rows(Part.TEST)), changed.shape[1])


def test_a_feature_that_the_book_does_not_offer_is_refused(
    banks: list[Bank], make_run_spec: Callable[..., RunSpec]
) -> None:
    spec = make_run_spec()
    secret = replace(spec.features[0], name="owner_income")
    banks[0].check(spec)
    with pytest.raises(ReleaseError, match="North Bank's loan book does not offer 'owner_income'"):
        banks[0].check(replace(spec, features=(*spec.features, secret)))


def test_a_feature_that_the_book_computed_otherwise_is_refused(
    dataset: Dataset, parts: np.ndarray, make_run_spec: Callable[..., RunSpec]
) -> None:
    def recipe(formula: str) -> Recipe:
        made = Field("turnover", Kind.NUMERIC, formula=formula)
        schema = Schema("s", {"sales": Field("sales", Kind.NUMERIC), "turnover": made})
        return Recipe.of(schema, ["turnover"])

    spec = make_run_spec()
    feature = replace(spec.features[0], recipe=recipe("log(sales)"))
    asked = replace(spec, features=(feature, *spec.features[1:]))
    asked = RunSpec.from_json(asked.json_text)
    assert asked.features[0] == feature, "recipes travel"
    rows = dataset.rows(0)
    for held, agrees in (("log( sales )", True), ("log1p(sales)", False), (None, False)):
        recipes = {} if held is None else {"turnover": recipe(held)}
        bank = Bank(replace(dataset.book(0), recipes=recipes), parts[rows])
        if agrees:
            bank.check(asked)
        else:
            with pytest.raises(ReleaseError, match="'turnover' computed otherwise than the run"):
                bank.check(asked)


def test_what_is_no_feature_is_refused(
    banks: list[Bank], make_run_spec: Callable[..., RunSpec]
) -> None:
    spec = make_run_spec()
    odd = replace(spec.features[0], kind=Kind.IDENTIFIER)
    with pytest.raises(ReleaseError, match="does not offer 'turnover'"):
        banks[0].check(replace(spec, features=(odd,)))
