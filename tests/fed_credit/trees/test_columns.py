from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fed_credit.data.schema import Kind, KnownAt
from fed_credit.errors import ArtefactError, DataError
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.spec import FeatureSpec
from fed_credit.trees.columns import Columns, tree_columns

SECTORS = ("farm", "shop", "inn", "mine")
AGE = FineBins(
    FeatureSpec("age", Kind.NUMERIC, KnownAt.APPLICATION, "bank"), (2.0, 5.0), (-1.0, 999.0)
)
OWNER = FineBins(FeatureSpec("owner", Kind.BOOLEAN, KnownAt.APPLICATION, "bank"))
SECTOR = FineBins(FeatureSpec("sector", Kind.CATEGORICAL, KnownAt.APPLICATION, "bank", SECTORS))
HASHED = FineBins(
    FeatureSpec("code", Kind.CATEGORICAL, KnownAt.APPLICATION, "bank", hash_buckets=4)
)
# Goods and bads of the four sectors, of what is not listed, of what is missing.
COUNTS = {"sector/counts": np.array([[50, 90, 70, 2, 0, 30], [50, 10, 30, 0, 0, 20]])}
FRAME = pd.DataFrame(
    {
        "age": [1.0, 5.0, np.nan, -1.0, 999.0],
        "owner": [0.0, 1.0, np.nan, 1.0, 0.0],
        "sector": pd.Categorical(["farm", "shop", None, "inn", "mine"], categories=SECTORS),
    }
)


def _columns(most_apart: int, rare_share: float = 0.02) -> Columns:
    return tree_columns((AGE, OWNER, SECTOR), COUNTS, most_apart, rare_share)


def test_numbers_and_booleans_stay_as_they_are() -> None:
    matrix = _columns(9).matrix(FRAME)
    assert matrix.dtype == np.float32
    assert np.array_equal(matrix[:, 0], FRAME["age"].to_numpy(), equal_nan=True)
    assert np.array_equal(matrix[:, 1], FRAME["owner"].to_numpy(), equal_nan=True)


def test_a_special_value_has_a_bin_of_its_own() -> None:
    columns = _columns(9)
    values = [-1.5, -1.0, -0.9, 2.0, 998.9, 999.0, 999.1, np.nan]
    frame = FRAME.iloc[[0] * len(values)].assign(age=values)
    codes = columns.bins.codes(columns.matrix(frame))[:, 0].tolist()
    assert codes == [0, 1, 2, 3, 4, 5, 6, 7]


def test_few_categories_have_a_column_each() -> None:
    columns = _columns(9)
    assert [column.name for column in columns.columns[2:]] == [
        "sector = farm",
        "sector = shop",
        "sector = inn",
        "sector is missing",
    ]
    matrix = columns.matrix(FRAME)[:, 2:]
    assert matrix.tolist() == [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 0, 1],
        [0, 0, 1, 0],
        [0, 0, 0, 0],  # rare
    ]
    assert columns.features[2:] == ["sector"] * 4


def test_many_categories_stand_in_the_order_of_their_bad_rates() -> None:
    columns = _columns(3)
    assert [column.name for column in columns.columns] == ["age", "owner", "sector"]
    # shop 10 %, inn 30 %, farm 50 %; a rare one stands with inn, which is nearest to all loans.
    values = columns.matrix(FRAME)[:, 2]
    assert np.array_equal(values, [2.0, 0.0, np.nan, 1.0, 1.0], equal_nan=True)
    assert columns.columns[2].cuts.tolist() == [0.5, 1.5]


@pytest.mark.parametrize("most_apart", [3, 9])
def test_columns_are_read_back_from_json(most_apart: int) -> None:
    columns = _columns(most_apart)
    read = Columns.from_list(json.loads(json.dumps(columns.to_list())))
    assert read == columns
    assert np.array_equal(read.matrix(FRAME), columns.matrix(FRAME), equal_nan=True)
    with pytest.raises(ArtefactError, match="Not the columns of trees"):
        Columns.from_list([{"name": "x"}])


def test_a_row_does_not_depend_on_other_loans() -> None:
    columns = _columns(3)
    whole = columns.matrix(FRAME)
    parts = [columns.matrix(FRAME.iloc[k : k + 1]) for k in range(len(FRAME))]
    assert np.array_equal(np.concatenate(parts), whole, equal_nan=True)


def test_a_split_is_said_in_words() -> None:
    age, owner, *_ = _columns(9).columns
    sector = _columns(3).columns[2]
    one = _columns(9).columns[3]
    above = float(np.finfo(np.float32).max)
    assert age.says(5.0, True, False) == "age < 5"
    assert age.says(5.0, False, True) == "age is missing or >= 5"
    assert age.says(above, True, False) == "age is known"
    assert age.says(above, False, True) == "age is missing"
    assert owner.says(0.5, True, True) == "owner is missing or is no"
    assert owner.says(0.5, False, False) == "owner is yes"
    assert one.says(0.5, False, False) == "sector is shop"
    assert one.says(0.5, True, True) == "sector is not shop"
    assert sector.says(0.5, True, False) == "sector is shop"
    assert sector.says(0.5, False, True) == "sector is missing or is not shop"
    wide = tree_columns((HASHED,), {"code/counts": np.array([[9] * 6, range(6)])}, 0, 0.0).columns[
        0
    ]
    assert wide.says(1.5, True, False) == "code in bucket 0, bucket 1"
    assert wide.says(1.5, False, True) == "code is missing or not in bucket 0, bucket 1"
    assert sector.says(1.5, True, False) == "sector is not farm"
    assert sector.says(1.5, False, True) == "sector is missing or is farm"


def test_loans_without_a_feature_are_refused() -> None:
    with pytest.raises(DataError, match="lack owner, sector"):
        _columns(3).matrix(FRAME[["age"]])
