from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fed_credit.data.book import Dataset, LoanBook
from fed_credit.data.recipe import Recipe
from fed_credit.data.reference import ReferenceTable
from fed_credit.data.schema import Field, Kind, Schema
from fed_credit.data.store import load_book, save_book
from fed_credit.errors import DataError, FedCreditError
from fed_credit.features.preprocessor import fit_pooled
from fed_credit.features.spec import feature_specs


def book() -> tuple[LoanBook, np.ndarray]:
    features = pd.DataFrame(
        {
            "turnover": [0.1 + 0.2, np.nan, -0.0, 1e300],
            "guaranteed": [1.0, 0.0, np.nan, 1.0],
            "sector": pd.Categorical(["b", None, "b", "广州"], ["z", "b", "广州", "a"]),
            "unknown": pd.Categorical([None] * 4, ["q", "r"]),
        },
        index=[7, 3, 9, 1],
    )
    made = LoanBook(
        "Bänk 北京", features, np.array([0, 1, 0, 1], np.int8), np.array([1.5, 2, 1 / 3, 0])
    )
    return made, np.array([0, 1, 2, 3], np.int8)


def test_a_book_and_its_split_come_back(tmp_path):
    made, parts = book()
    save_book(tmp_path / "bank" / "book.parquet", made, parts)
    read, read_parts = load_book(tmp_path / "bank" / "book.parquet")
    assert read.institution == made.institution and len(read) == 4
    pd.testing.assert_frame_equal(
        read.features, made.features.reset_index(drop=True), check_exact=True
    )
    numbers = ["turnover", "guaranteed"]
    assert (
        read.features[numbers].to_numpy().tobytes() == made.features[numbers].to_numpy().tobytes()
    )
    for one, other in ((read.y, made.y), (read.exposure, made.exposure), (read_parts, parts)):
        assert one.dtype == other.dtype and np.array_equal(one, other)


def test_how_features_were_computed_comes_back(tmp_path):
    fields = {
        "code": Field("code", Kind.CATEGORICAL),
        "sector": Field("sector", Kind.CATEGORICAL, formula='lookup(t, prefix(code, 1), "?")'),
    }
    table = ReferenceTable.of("t", [("1", "广州"), ("2", "b")])
    recipe = Recipe.of(Schema("s", fields, tables={"t": table}), ["sector"])
    made, parts = book()
    save_book(tmp_path / "b", replace(made, recipes={"sector": recipe}), parts)
    assert load_book(tmp_path / "b")[0].recipes == {"sector": recipe}


def test_saving_leaves_the_book_as_it_was(tmp_path):
    made, parts = book()
    save_book(tmp_path / "b", made, parts)
    assert made.features.attrs == {} and list(made.features) == list(book()[0].features)


def test_a_stored_book_is_prepared_to_the_same_bits(tmp_path, dataset: Dataset, make_run_spec):
    spec, made = make_run_spec(), dataset.book(1)
    save_book(tmp_path / "b", made, np.zeros(len(made), np.int8))
    read, _ = load_book(tmp_path / "b")
    features = feature_specs(dataset.fields, dataset.schema)
    one, other = (fit_pooled(features, b.features, b.y, spec.preprocessing) for b in (made, read))
    assert one.json_text == other.json_text
    assert one.transform(made.features).tobytes() == other.transform(read.features).tobytes()


def test_a_book_without_loans_comes_back(tmp_path):
    made, parts = book()
    nothing = LoanBook("Empty", made.features.iloc[:0], made.y[:0], made.exposure[:0])
    save_book(tmp_path / "b", nothing, parts[:0])
    read, read_parts = load_book(tmp_path / "b")
    assert read.institution == "Empty" and len(read) == len(read_parts) == 0
    assert list(read.features) == list(made.features) and read.y.dtype == np.int8


def test_a_missing_or_foreign_file_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"none.parquet is not a stored loan book"):
        load_book(tmp_path / "none.parquet")
    book()[0].features.to_parquet(tmp_path / "foreign")
    with pytest.raises(DataError, match="store it again"):
        load_book(tmp_path / "foreign")
    frame = book()[0].features
    frame.attrs = {"institution": "x"}
    frame.to_parquet(tmp_path / "half")
    with pytest.raises(DataError, match="store it again"):
        load_book(tmp_path / "half")


def test_a_damaged_file_is_one_sentence(tmp_path):
    made, parts = book()
    save_book(tmp_path / "b", made, parts)
    whole = (tmp_path / "b").read_bytes()
    for size in (0, 3, len(whole) // 2, len(whole) - 1):
        (tmp_path / "b").write_bytes(whole[:size])
        with pytest.raises(DataError, match="store it again"):
            load_book(tmp_path / "b")


def test_a_full_disk_leaves_the_book_before(tmp_path, monkeypatch):
    made, parts = book()
    save_book(tmp_path / "b", made, parts)

    def full(frame: pd.DataFrame, path, **options: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(FedCreditError, match="No space left"):
        save_book(tmp_path / "b", made, parts)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert len(load_book(tmp_path / "b")[0]) == 4
