"""A bank alone finds the loans, labels and parts that one place with all banks' sources finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fed_credit.bank.loans import load_own
from fed_credit.config.spec import SplitKind
from fed_credit.data.book import Part
from fed_credit.data.records import RejectedRowsError
from fed_credit.data.schema import KnownAt
from fed_credit.data.split import assign_parts
from fed_credit.errors import DataError, ReleaseError
from fed_credit.features.preprocessor import fit_pooled
from fed_credit.features.statistics import count
from fed_credit.training.run_spec import RunSpec

OUT_OF_TIME = [
    "data.split.kind=out_of_time",
    "data.split.test_from=2021-07-01",
    "data.approved_from=2018-03-01",
]


def as_values(frame: pd.DataFrame) -> pd.DataFrame:
    """Take categories by their text: which others other banks hold is no concern of a bank."""
    return frame.astype({name: object for name in frame.select_dtypes("category")}).reset_index(
        drop=True
    )


@pytest.mark.parametrize("overrides", [[], OUT_OF_TIME], ids=["random", "out_of_time"])
def test_a_bank_alone_loads_what_one_place_with_all_sources_loads(
    homes: Any, overrides: list[str]
) -> None:
    spec, run = homes.central(overrides), homes.run_spec(overrides)
    dataset = homes.dataset(spec.data)
    parts = assign_parts(dataset, spec.data.split, spec.data.target.window_months, spec.seed)
    assert set(dataset.names) == {homes.spec(k).name for k in range(3)}
    preprocessor = fit_pooled(
        run.features,
        dataset.features[parts == Part.TRAIN],
        dataset.y[parts == Part.TRAIN],
        run.preprocessing,
    )
    firms = [set(dataset.firm[dataset.rows(k)]) for k in range(3)]
    assert firms[0] & firms[1] and firms[1] & firms[2], "firms are shared"
    for k in range(3):
        bank = homes.spec(k)
        place = dataset.names.index(bank.name)
        central, rows = dataset.book(place), dataset.rows(place)
        own = load_own(bank, run)
        assert own.book.institution == bank.name
        np.testing.assert_array_equal(own.parts, parts[rows])
        assert {Part.TRAIN, Part.VALIDATION, Part.TEST} <= set(own.parts)
        np.testing.assert_array_equal(own.book.y, central.y)
        assert own.book.exposure.tobytes() == central.exposure.tobytes()
        pd.testing.assert_frame_equal(
            as_values(own.book.features), as_values(central.features), check_exact=True
        )
        assert own.book.recipes == central.recipes and len(central.recipes) == 3
        matrix = preprocessor.transform(own.book.features)
        assert matrix.tobytes() == preprocessor.transform(central.features).tobytes()
        mine, theirs = (count(run.features, b.features, b.y) for b in (own.book, central))
        for name, value in theirs.items():
            np.testing.assert_array_equal(mine[name], value)
        assert own.report.rejected == 2 and set(own.rejected["row"]) == {6, 18}
        assert own.report.used == len(own.book.y)


def test_loans_without_firm_and_loan_identifiers_need_no_other_bank_s_rows(homes: Any) -> None:
    """Such a loan is its own firm, by its row; other banks' rows must not move it."""
    spec, run = homes.central(), homes.run_spec()
    dataset = homes.dataset(spec.data)
    parts = assign_parts(dataset, spec.data.split, 12, spec.seed)
    shorter = replace(spec.data, institutions=spec.data.institutions[1:])
    fewer = homes.dataset(shorter)
    for k in (1, 2):
        name = homes.spec(k).name
        rows, again = (d.rows(d.names.index(name)) for d in (dataset, fewer))
        nameless = dataset.loan_id[rows]
        assert sum(text.isdigit() for text in nameless) > 10
        np.testing.assert_array_equal(fewer.firm[again], dataset.firm[rows])
        np.testing.assert_array_equal(fewer.loan_id[again], nameless)
        np.testing.assert_array_equal(load_own(homes.spec(k), run).parts, parts[rows])
    assert len(np.intersect1d(*(dataset.firm[dataset.rows(k)] for k in (0, 1)))) < 300


def _otherwise(**changes: Any) -> Callable[[RunSpec], RunSpec]:
    def change(run: RunSpec) -> RunSpec:
        first = replace(run.features[0], **changes)
        return replace(run, features=(first, *run.features[1:]))

    return change


def _population(**changes: Any) -> Callable[[RunSpec], RunSpec]:
    return lambda run: replace(run, population=replace(run.population, **changes))


def _split(**changes: Any) -> Callable[[RunSpec], RunSpec]:
    return lambda run: _population(split=replace(run.population.split, **changes))(run)


def _target(**changes: Any) -> Callable[[RunSpec], RunSpec]:
    return lambda run: _population(target=replace(run.population.target, **changes))(run)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_otherwise(name="owner_income"), "does not offer 'owner_income' as a feature"),
        (_otherwise(name="firm"), "does not offer 'firm' as a feature"),
        (_otherwise(name="turnover"), "does not offer 'turnover' as a feature"),
        (_otherwise(name="sector"), "names each of its features once"),
        (_otherwise(hash_buckets=4), "another number of hash buckets for 'age'"),
        (_otherwise(name="rate"), "'rate' is known only at booking, after the decision at appl"),
        (_otherwise(name="paid_late"), "'paid_late' is known only at outcome"),
        (lambda run: replace(run, features=()), "at least one"),
        (lambda run: replace(run, decision_point=KnownAt.OUTCOME), "predicts nothing"),
        (
            lambda run: replace(
                run,
                features=tuple(
                    replace(item, recipe=None) if item.name == "debt" else item
                    for item in run.features
                ),
            ),
            "another formula for 'debt' than the run",
        ),
        (_population(schema="sba"), "by the schema 'small business', and the run asks for 'sba'"),
        (_split(stratified=None), "data.split.stratified must be false"),
        (_split(stratified=True), "data.split.stratified must be false"),
        (_split(kind=SplitKind.OUT_OF_TIME), "data.split.test_from=YYYY-MM-DD has to be given"),
        (_target(as_of=None), "data.target.as_of=YYYY-MM-DD has to be given"),
    ],
)
def test_a_run_about_something_else_than_the_bank_s_schema_is_refused(
    homes: Any, change: Callable[[RunSpec], RunSpec], sentence: str
) -> None:
    (homes.path(0) / "loans.csv").unlink()  # so it is refused before anything is read
    with pytest.raises(ReleaseError, match=sentence) as refused:
        load_own(homes.spec(0), change(homes.run_spec()))
    assert str(refused.value).endswith("; refused.")


def test_a_late_field_is_used_where_the_bank_agrees(homes: Any) -> None:
    homes.change(0, allow_late_fields=["paid_late", "rate"])
    run = homes.run_spec()
    schema_field = next(
        item
        for item in homes.run_spec(["data.decision_point=booking"], ("rate",)).features
        if item.name == "rate"
    )
    own = load_own(homes.spec(0), replace(run, features=(*run.features, schema_field)))
    assert "rate" in own.book.columns and "paid_late" not in own.book.columns
    assert any("Leakage: 'rate'" in text for text in own.warnings)


def test_a_bank_without_bads_in_a_part_or_at_all_takes_part(homes: Any) -> None:
    own = pd.read_parquet(homes.path(1) / "loans.parquet")
    own["defaulted"] = pd.NaT
    own.to_parquet(homes.path(1) / "loans.parquet")
    loans = load_own(homes.spec(1), homes.run_spec())
    assert not loans.book.y.any() and len(loans.book.y) > 100
    assert any("one outcome only" in text for text in loans.warnings)


def test_what_cannot_be_read_is_for_the_bank_alone(homes: Any) -> None:
    run = homes.run_spec()
    homes.change(2, max_rejected_share=0.001)
    with pytest.raises(RejectedRowsError, match=r"bank\.yaml's max_rejected_share") as rejected:
        load_own(homes.spec(2), run)
    assert list(rejected.value.rejected["row"]) == [6, 18]
    (homes.path(0) / "loans.csv").unlink()
    with pytest.raises(DataError, match=r"bank\.yaml's source\.path=.*loans\.csv does not exist"):
        load_own(homes.spec(0), run)
