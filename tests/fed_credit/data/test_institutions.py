from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.config.spec import PartitionKind, PartitionSpec
from fed_credit.data.institutions import choose, draw
from fed_credit.errors import ConfigurationError, DataError

DRAWN = [PartitionKind.IID, PartitionKind.DIRICHLET, PartitionKind.QUANTITY]


def outcomes(n: int, share: float, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random(n) < share).astype(np.int8)


def default_rates(y: np.ndarray, names: pd.Series) -> np.ndarray:
    return pd.Series(y).groupby(names).mean().to_numpy()


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(DRAWN),
    parts=st.integers(2, 12),
    extra=st.integers(0, 80),
    share=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
    alpha=st.sampled_from([1e-300, 1e-3, 0.1, 1.0, 1e6]),
    seed=st.integers(0, 50),
)
def test_every_institution_gets_a_loan_and_a_seed_repeats_itself(
    kind: PartitionKind, parts: int, extra: int, share: float, alpha: float, seed: int
) -> None:
    y = outcomes(parts + extra, share, seed)
    spec = PartitionSpec(kind, parts, alpha)
    names = draw(y, spec, seed)
    assert len(names) == len(y)
    assert names.nunique() == parts
    pd.testing.assert_series_equal(names, draw(y, spec, seed))


def test_another_seed_draws_otherwise() -> None:
    y, spec = outcomes(500, 0.2), PartitionSpec(PartitionKind.IID, 5, 1.0)
    assert (draw(y, spec, 1) != draw(y, spec, 2)).any()


def test_iid_institutions_are_alike() -> None:
    y = outcomes(20_000, 0.2)
    names = draw(y, PartitionSpec(PartitionKind.IID, 10, 1.0), 3)
    assert names.value_counts().tolist() == [2000] * 10
    assert np.ptp(default_rates(y, names)) < 0.05  # five standard errors of .009


def test_dirichlet_skews_outcomes_and_not_sizes() -> None:
    y = outcomes(20_000, 0.2)
    spread = []
    for alpha in (0.5, 5.0, 1e5):
        names = draw(y, PartitionSpec(PartitionKind.DIRICHLET, 20, alpha), 3)
        assert names.value_counts().tolist() == [1000] * 20
        spread.append(default_rates(y, names).std())
    assert spread[0] > 2 * spread[1] > 4 * spread[2]


def test_quantity_skews_sizes_and_not_outcomes() -> None:
    y = outcomes(20_000, 0.2)
    names = draw(y, PartitionSpec(PartitionKind.QUANTITY, 10, 0.5), 3)
    sizes = names.value_counts()
    assert sizes.max() > 3 * sizes.median()
    large = sizes.index[sizes > 1000]
    rates = pd.Series(y).groupby(names).mean()[large]
    assert (rates - y.mean()).abs().max() < 0.05


@pytest.mark.parametrize(
    ("spec", "loans", "error", "words"),
    [
        (PartitionSpec(PartitionKind.IID, 1, 1.0), 10, ConfigurationError, "num_parts=1"),
        (PartitionSpec(PartitionKind.IID, 2, 0.0), 10, ConfigurationError, "alpha=0.0"),
        (PartitionSpec(PartitionKind.IID, 11, 1.0), 10, DataError, "from 10 labelled loans"),
    ],
)
def test_a_draw_that_cannot_be(
    spec: PartitionSpec, loans: int, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        draw(outcomes(loans, 0.5), spec, 1)


NAMES = pd.Series(["c"] * 3 + ["b"] * 5 + ["a"] * 3 + ["d"], dtype="str")


def test_the_largest_take_part_and_ties_go_by_name() -> None:
    everyone = choose(NAMES, min_loans=1, num_institutions=None)
    assert everyone.names == ("b", "a", "c", "d")
    assert [everyone.names[k] for k in everyone.member] == NAMES.tolist()
    assert everyone.left_out == 0

    two = choose(NAMES, min_loans=2, num_institutions=2)
    assert two.names == ("b", "a")
    assert (two.member >= 0).tolist() == NAMES.isin(["a", "b"]).tolist()
    assert two.left_out == 2


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(12)))
def test_who_takes_part_does_not_depend_on_the_order_of_rows(order: list[int]) -> None:
    shuffled = NAMES.iloc[order].reset_index(drop=True)
    assert choose(shuffled, min_loans=2, num_institutions=2).names == ("b", "a")


@pytest.mark.parametrize(
    ("min_loans", "count", "error", "words"),
    [
        (2, 4, ConfigurationError, "only 3 of 4 institutions.*num_institutions to 3 or fewer"),
        (1, 0, ConfigurationError, "federation.num_institutions=0 must be at least 1"),
        (1, -2, ConfigurationError, "federation.num_institutions=-2"),
        (0, None, ConfigurationError, "data.min_loans=0"),
        (1, 1, DataError, "leaves one bank"),
        (4, None, DataError, "Only 1 of 4"),
        (99, None, DataError, "Only 0 of 4"),
    ],
)
def test_who_cannot_take_part(
    min_loans: int, count: int | None, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        choose(NAMES, min_loans=min_loans, num_institutions=count)
