"""Loans on common cuts, and how trees are grown on them, for the tests of trees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from fed_credit.trees.binned import BinnedLoans, Bins
from fed_credit.trees.spec import BoostingSpec

N_COLUMNS = 6


@dataclass(frozen=True)
class Sample:
    """Loans as a matrix, and the same loans binned."""

    matrix: np.ndarray
    bins: Bins
    loans: BinnedLoans


@pytest.fixture(scope="session")
def make_sample() -> Callable[..., Sample]:
    """Draw loans: smooth, rounded, binary and rarely known columns, with missing values."""
    return _sample


def _sample(n: int = 3000, seed: int = 0, cuts: int = 31) -> Sample:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, N_COLUMNS))
    x[:, 1] = np.round(x[:, 1] * 2)
    x[:, 2] = x[:, 2] > 0.4
    log_odds = 0.8 * x[:, 0] - 0.5 * x[:, 1] + 0.9 * x[:, 2] * (x[:, 3] > 0) - 1.6
    x[rng.random(n) < 0.1, 0] = np.nan
    x[rng.random(n) < 0.6, 4] = np.nan
    log_odds += 0.7 * np.isnan(x[:, 4])
    y = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(np.int8)
    shares = np.linspace(0, 1, cuts + 2)[1:-1]
    bins = Bins.of({f"x{k}": np.nanquantile(x[:, k], shares) for k in range(N_COLUMNS)})
    keys = rng.integers(0, 2**63, size=n, dtype=np.int64).astype(np.uint64)
    return Sample(x, bins, BinnedLoans(bins.codes(x), y, keys))


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., BoostingSpec]:
    """Say how trees are grown: plainly, but for what is given."""
    return _spec


def _spec(**changes: object) -> BoostingSpec:
    plain: dict[str, object] = {
        "rounds": 4,
        "trees_per_round": 1,
        "max_depth": 3,
        "learning_rate": 0.3,
        "l2": 1.0,
        "min_gain": 0.0,
        "min_child_weight": 1.0,
        "min_child_loans": 1,
        "row_share": 1.0,
        "column_share": 1.0,
        "monotone": {},
        "bad_weight": 1.0,
        "bad_rates": False,
        "patience": 0,
        "subtract_siblings": True,
        "seed": 11,
    }
    return BoostingSpec(**{**plain, **changes})  # type: ignore[arg-type]
