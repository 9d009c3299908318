"""Our trainer against XGBoost's ``hist`` on the same bins."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fed_credit.config.load import compose
from fed_credit.config.location import schema_dir
from fed_credit.config.scorecard import CutsSpec
from fed_credit.data.book import Dataset, Part
from fed_credit.data.load import load_dataset
from fed_credit.data.split import assign_parts
from fed_credit.features.cuts import common_bins
from fed_credit.features.questions import Arrays, FrameQuestion
from fed_credit.features.spec import feature_specs
from fed_credit.scorecard.counts import ClassCountsQuestion
from fed_credit.trees.binned import BinnedLoans, Bins
from fed_credit.trees.central import train
from fed_credit.trees.columns import tree_columns
from fed_credit.trees.nodes import BIN, FEATURE
from fed_credit.trees.spec import BoostingSpec

xgboost = pytest.importorskip("xgboost", reason="XGBoost is not installed (extra 'trees')")


def _theirs(bins: Bins, loans: BinnedLoans, spec: BoostingSpec) -> Any:
    """Train XGBoost on the bins' codes, so that it cuts between them and nowhere else."""
    most = int(bins.last_bins.max()) + 1
    matrix = xgboost.QuantileDMatrix(_numbers(bins, loans), loans.y, max_bin=most)
    parameters = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "max_bin": most,
        "max_depth": spec.max_depth,
        "eta": spec.learning_rate,
        "lambda": spec.l2,
        "min_child_weight": spec.min_child_weight,
        "base_score": float(loans.y.mean()),
        "nthread": 1,
    }
    return xgboost.train(parameters, matrix, spec.rounds)


def _numbers(bins: Bins, loans: BinnedLoans) -> np.ndarray:
    return np.where(loans.codes == bins.last_bins, np.nan, loans.codes).astype(np.float32)


def test_the_first_tree_is_that_of_xgboost(
    make_sample: Callable[..., Any], make_spec: Callable[..., Any]
) -> None:
    sample, spec = make_sample(20_000), make_spec(rounds=1, max_depth=4, min_child_weight=5.0)
    ours = train(sample.bins, [(sample.loans, sample.loans.take(slice(0)))], spec).ensemble
    frame = _theirs(sample.bins, sample.loans, spec).trees_to_dataframe()
    tree, theirs = ours.trees[0], frame[frame["Feature"] != "Leaf"]
    inner = tree.rows[tree.inner]
    found = sorted((f"f{row[FEATURE]}", int(row[BIN]) + 1) for row in inner)
    assert found == sorted(zip(theirs["Feature"], theirs["Split"].astype(int), strict=True))
    gains = np.sort(tree.gains[tree.inner])
    assert np.abs(gains / np.sort(theirs["Gain"]) - 1).max() < 1e-3
    matrix = xgboost.DMatrix(_numbers(sample.bins, sample.loans))
    scores = _theirs(sample.bins, sample.loans, spec).predict(matrix)
    assert np.abs(ours.default_probability(sample.matrix) - scores).max() < 1e-4


@dataclass(frozen=True)
class _Split:
    bins: Bins
    fit: BinnedLoans
    test: BinnedLoans
    matrix: np.ndarray


def _sba(late: str) -> Dataset:
    path = os.environ.get("FED_CREDIT_SBA_PATH")
    if not path or not Path(path).exists():
        pytest.skip("FED_CREDIT_SBA_PATH names no sample of SBA loans")
    spec = compose(["data=sba", f"data.path={path}", f"data.allow_late_fields=[{late}]"])
    return load_dataset(spec.data, num_institutions=None, schema_dir=schema_dir(), seed=7)


def _split(dataset: Dataset, seed: int) -> _Split:
    spec = compose(["data=sba", "data.path=none"]).data.split
    parts = assign_parts(dataset, spec, None, seed)
    fit, test = (np.flatnonzero(parts == part) for part in (Part.TRAIN, Part.TEST))
    frame, y = dataset.features.iloc[fit], dataset.y

    def ask(question: FrameQuestion) -> Arrays:
        layout = question.layout()
        return layout.decode(layout.encode(question.answer(frame, y[fit])))

    cuts = CutsSpec(max_bins=64, rank_tolerance=0.001, min_cell=1, special_values={})
    fine = common_bins(feature_specs(dataset.fields, dataset.schema), cuts, ask)
    columns = tree_columns(fine, ask(ClassCountsQuestion(fine)), most_apart=0, rare_share=0.002)
    matrix = columns.matrix(dataset.features)
    keys = np.arange(len(y), dtype=np.uint64)
    loans = BinnedLoans(columns.bins.codes(matrix), y, keys)
    return _Split(columns.bins, loans.take(fit), loans.take(test), matrix[test])


@pytest.mark.slow
@pytest.mark.parametrize(("late", "within"), [("Term", 0.002), ("", 0.005)])
def test_sba_loans_are_ranked_as_xgboost_ranks_them(
    late: str, within: float, make_spec: Callable[..., Any]
) -> None:
    dataset, differences = _sba(late), []
    spec = make_spec(rounds=100, max_depth=4, learning_rate=0.1)
    for seed in range(5):
        split = _split(dataset, seed)
        none = split.fit.take(slice(0))
        ours = train(split.bins, [(split.fit, none)], spec).ensemble
        theirs = _theirs(split.bins, split.fit, spec)
        scores = theirs.predict(xgboost.DMatrix(_numbers(split.bins, split.test)))
        differences.append(
            roc_auc_score(split.test.y, ours.default_probability(split.matrix))
            - roc_auc_score(split.test.y, scores)
        )
    assert abs(np.mean(differences)) < within
