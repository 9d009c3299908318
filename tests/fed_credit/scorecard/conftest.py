from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fed_credit.config.load import compose
from fed_credit.config.scorecard import (
    BinningSpec,
    CutsSpec,
    NewtonSpec,
    PointsSpec,
    RatingSpec,
    ScorecardSpec,
    SelectionSpec,
    Trend,
)
from fed_credit.data.book import Dataset, Part
from fed_credit.data.load import load_dataset
from fed_credit.data.split import assign_parts
from fed_credit.features.spec import feature_specs
from fed_credit.scorecard.at_hand import Loans, LoansAtHand
from fed_credit.scorecard.fit import FittedScorecard, fit_scorecard

ROOT = Path(__file__).parents[3]
SAMPLE = Path(
    os.environ.get("FED_CREDIT_SBA_PATH")
    or ROOT.parent / "shared" / "data" / "sba" / "sba_7a_national_sample.csv.gz"
)


@pytest.fixture(scope="session")
def scorecard_spec() -> ScorecardSpec:
    """A scorecard of the trade."""
    return ScorecardSpec(
        cuts=CutsSpec(32, 0.002, 10, {}),
        binning=BinningSpec(6, 0.05, 20, 20, 10, 0.01, Trend.AUTO, {}, 0.05, 0.5),
        selection=SelectionSpec(0.02, None, 0.75, 5.0),
        newton=NewtonSpec(0.0, 1e-6, 25, 0.95),
        points=PointsSpec(20.0, 600.0, 50.0, True),
        rating=RatingSpec(0.0005, {"A": 0.02, "B": 0.05, "C": 0.1, "D": 0.2, "E": 0.4, "F": 1.0}),
    )


def _load(*overrides: str) -> Dataset:
    spec = compose([*overrides, "run_dir=unused"])
    return load_dataset(
        spec.data, num_institutions=None, schema_dir=ROOT / "conf" / "schemas", seed=1
    )


@pytest.fixture(scope="session")
def synthetic() -> Dataset:
    """Some thousand loans of the built-in generator, with gaps."""
    return _load("data=synthetic", "data.generator.num_loans=12000")


@pytest.fixture(scope="session")
def sba() -> Dataset:
    """The sample of SBA loans, with the loan's term."""
    if not SAMPLE.is_file():
        pytest.skip(f"no SBA sample at {SAMPLE}; set FED_CREDIT_SBA_PATH")
    return _load("data=sba", f"data.path='{SAMPLE}'", "data.allow_late_fields=[Term]")


@pytest.fixture(scope="session")
def part_of() -> Callable[[Dataset], np.ndarray]:
    """Assign every loan of a data set to train, validation or test."""

    def parts(dataset: Dataset) -> np.ndarray:
        return assign_parts(dataset, compose(["run_dir=unused"]).data.split, None, 3)

    return parts


@pytest.fixture(scope="session")
def divide(part_of: Callable[[Dataset], np.ndarray]) -> Callable[..., LoansAtHand]:
    """Divide a data set over banks: of like size, or skewed in size and outcome."""

    def divided(dataset: Dataset, banks: int = 1, skewed: bool = False) -> LoansAtHand:
        rng = np.random.default_rng(banks)
        n, parts = len(dataset), part_of(dataset)
        shares = rng.dirichlet(np.full(banks, 0.3 if skewed else 1000.0))
        owner = rng.choice(banks, n, p=shares)
        if skewed:  # one bank has most of the bads, and one has hardly a loan
            owner[(dataset.y == 1) & (rng.random(n) < 0.8)] = 0
            owner[owner == banks - 1] = 0
            owner[rng.integers(0, n, 3)] = banks - 1

        def loans(part: Part) -> list[Loans]:
            rows = [np.flatnonzero((parts == part) & (owner == k)) for k in range(banks)]
            return [(dataset.features.iloc[row], dataset.y[row]) for row in rows]

        return LoansAtHand(loans(Part.TRAIN), loans(Part.VALIDATION))

    return divided


@pytest.fixture(scope="session")
def fitted(
    synthetic: Dataset, scorecard_spec: ScorecardSpec, divide: Callable[..., LoansAtHand]
) -> FittedScorecard:
    """A scorecard of the built-in loans, pooled."""
    features = feature_specs(synthetic.fields, synthetic.schema)
    return fit_scorecard(features, scorecard_spec, divide(synthetic))


@pytest.fixture(scope="session")
def fitted_sba(
    sba: Dataset, scorecard_spec: ScorecardSpec, divide: Callable[..., LoansAtHand]
) -> FittedScorecard:
    """A scorecard of the SBA loans, pooled."""
    features = feature_specs(sba.fields, sba.schema)
    return fit_scorecard(features, scorecard_spec, divide(sba))


@pytest.fixture(scope="session")
def edge_cases(synthetic: Dataset) -> pd.DataFrame:
    """Loans whose values are missing, never seen, or far out, feature by feature."""
    frame = synthetic.features.iloc[:40].copy()
    for k, name in enumerate(frame.columns):
        column = frame[name].astype(object)
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        column.iloc[k % 40] = np.nan if numeric else None
        column.iloc[(k + 1) % 40] = (
            1e12 if numeric and frame[name].nunique() > 2 else column.iloc[0]
        )
        frame[name] = column.astype(float) if numeric else column
    return frame
