from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fed_credit.config.spec import SplitKind, SplitSpec
from fed_credit.data.book import DataReport, Dataset, Part
from fed_credit.data.firms import at_several, firm_codes, uniform_keys
from fed_credit.data.schema import KnownAt, Schema
from fed_credit.data.split import assign_parts, cut_date, split_warnings
from fed_credit.data.target import add_months
from fed_credit.errors import ConfigurationError, DataError

RANDOM = SplitSpec(SplitKind.RANDOM, 0.2, 0.25, None, None, True)
IN_TIME = SplitSpec(SplitKind.OUT_OF_TIME, 0.25, 0.2, None, None, True)


def dataset(
    bank: np.ndarray,
    firm: np.ndarray,
    y: np.ndarray,
    decided: np.ndarray | None = None,
    shared: np.ndarray | None = None,
) -> Dataset:
    order = np.argsort(bank, kind="stable")
    names, counts = np.unique(bank, return_counts=True)
    n = len(bank)
    dates = np.full(n, "NaT", dtype="datetime64[D]") if decided is None else decided[order]
    return Dataset(
        schema=Schema("none", {}),
        decision_point=KnownAt.APPLICATION,
        fields=(),
        names=tuple(f"bank {name}" for name in names),
        offsets=np.r_[0, np.cumsum(counts)],
        features=pd.DataFrame(index=range(n)),
        y=y[order].astype(np.int8),
        exposure=np.ones(n),
        loan_id=np.arange(n)[order].astype(str).astype(object),
        firm=firm[order].astype(np.int64),
        decided=dates,
        true_pd=None,
        report=DataReport(),
        rejected=pd.DataFrame(),
        shared_firm=None if shared is None else shared[order],
    )


def loans(
    n: int = 1200, banks: int = 4, seed: int = 0, firms: float = 0.7
) -> dict[str, np.ndarray]:
    """Loans of firms with up to several loans, some of them at several banks."""
    rng = np.random.default_rng(seed)
    bank = rng.integers(0, banks, n)
    firm = rng.integers(0, int(n * firms), n)
    month = np.datetime64("2015-01", "M") + rng.integers(0, 96, n)
    return {
        "bank": bank,
        "firm": firm,
        "y": rng.random(n) < 0.15 + 0.05 * bank,
        "decided": month.astype("datetime64[D]") + rng.integers(0, 28, n),
        "shared": at_several(firm, bank),
    }


def by_loan(data: Dataset, parts: np.ndarray) -> pd.Series:
    return pd.Series(parts, index=data.loan_id)


ALONE = SplitSpec(SplitKind.RANDOM, 0.2, 0.25, None, False, True)
ALONE_IN_TIME = SplitSpec(SplitKind.OUT_OF_TIME, 0.25, 0.2, "2020-06-01", False, True)


@pytest.mark.parametrize("spec", [ALONE, ALONE_IN_TIME])
def test_a_bank_alone_divides_its_loans_as_the_consortium_would(spec: SplitSpec) -> None:
    arrays = loans()
    data = dataset(**arrays)
    together = assign_parts(data, spec, 12, 5)
    for k, name in enumerate(data.names):
        own = arrays["bank"] == int(name.removeprefix("bank "))
        alone = dataset(**{key: value[own] for key, value in arrays.items()})
        found = assign_parts(alone, spec, 12, 5, at_one_bank=True)
        np.testing.assert_array_equal(found, together[data.rows(k)])
    shares = [np.mean(together[together != Part.SET_ASIDE] == part) for part in Part][:3]
    assert min(shares) > 0.1


def test_by_key_a_shared_firm_has_one_part_at_all_banks() -> None:
    data = dataset(**loans())
    parts = pd.Series(assign_parts(data, ALONE, None, 5)).groupby(data.firm)
    assert (parts.min() == parts.max()).all()


def test_a_bank_without_bads_can_divide_its_loans() -> None:
    few = {key: value[:3] for key, value in loans().items()} | {"y": np.zeros(3, dtype=bool)}
    assert len(assign_parts(dataset(**few), ALONE, None, 5, at_one_bank=True)) == 3


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        (RANDOM, "data.split.stratified must be false"),
        (
            SplitSpec(SplitKind.OUT_OF_TIME, 0.25, 0.2, None, False, True),
            "data.split.test_from=YYYY-MM-DD has to be given",
        ),
    ],
)
def test_a_split_that_needs_the_others_loans_is_refused_at_one_bank(
    spec: SplitSpec, named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        assign_parts(dataset(**loans()), spec, None, 5, at_one_bank=True)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from([RANDOM, IN_TIME]))
def test_a_firm_is_on_one_side_only(seed: int, kind: SplitSpec) -> None:
    data = dataset(**loans(seed=seed % 7))
    parts = assign_parts(data, kind, 12, seed)
    frame = pd.DataFrame({"firm": data.firm, "part": parts})
    used = frame[frame["part"] != Part.SET_ASIDE]
    assert used.groupby("firm")["part"].nunique().max() == 1
    assert parts.dtype == np.int8


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from([RANDOM, IN_TIME]))
def test_the_order_of_rows_does_not_matter(seed: int, kind: SplitSpec) -> None:
    data = dataset(**loans())
    order = np.random.default_rng(seed).permutation(len(data))
    bank = np.repeat(np.arange(len(data.names)), np.diff(data.offsets))
    shuffled = dataset(bank[order], data.firm[order], data.y[order], data.decided[order])
    shuffled.loan_id[:] = data.loan_id[order][np.argsort(bank[order], kind="stable")]
    before, after = (by_loan(d, assign_parts(d, kind, 12, seed)) for d in (data, shuffled))
    pd.testing.assert_series_equal(before.sort_index(), after.sort_index())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), banks=st.integers(2, 4))
def test_who_else_takes_part_does_not_change_a_loans_part(seed: int, banks: int) -> None:
    everyone = loans(banks=5, seed=seed % 5)
    some = everyone["bank"] < banks
    few = dataset(**{name: values[some] for name, values in everyone.items()})
    few.loan_id[:] = np.flatnonzero(some)[few.loan_id.astype(int)].astype(str)
    many = dataset(**everyone)
    alone = by_loan(few, assign_parts(few, RANDOM, None, seed))
    together = by_loan(many, assign_parts(many, RANDOM, None, seed))
    pd.testing.assert_series_equal(alone, together.reindex(alone.index))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_firm_known_to_be_shared_keeps_its_part_without_the_whole_source(seed: int) -> None:
    everyone = loans(banks=5)
    everyone.pop("shared")
    some = everyone["bank"] < 3
    few = dataset(**{name: values[some] for name, values in everyone.items()})
    many = dataset(**everyone)
    bank = np.repeat(np.arange(3), np.diff(few.offsets))
    shared = np.unique(few.firm[at_several(few.firm, bank)])
    a = dict(zip(few.firm, assign_parts(few, RANDOM, None, seed), strict=True))
    b = dict(zip(many.firm, assign_parts(many, RANDOM, None, seed), strict=True))
    assert [a[firm] for firm in shared] == [b[firm] for firm in shared]


def test_a_random_split_is_exact_by_bank_and_outcome_where_firms_have_one_loan() -> None:
    everyone = loans(2000)
    everyone["firm"] = np.arange(2000)
    everyone.pop("shared")
    data = dataset(**everyone)
    parts = assign_parts(data, RANDOM, None, 5)
    for k in range(len(data.names)):
        for outcome in (0, 1):
            of = parts[data.rows(k)][data.y[data.rows(k)] == outcome]
            assert abs((of == Part.TEST).sum() - 0.2 * len(of)) <= 0.5
            assert abs((of == Part.VALIDATION).sum() - 0.25 * len(of)) <= 0.5


def test_a_random_split_is_nearly_exact_where_firms_are_shared() -> None:
    data = dataset(**loans(8000, firms=0.95))
    bank = np.repeat(np.arange(len(data.names)), np.diff(data.offsets))
    assert at_several(data.firm, bank).mean() > 0.3
    parts = assign_parts(data, RANDOM, None, 5)
    for k in range(len(data.names)):
        for outcome in (0, 1):
            of = parts[data.rows(k)][data.y[data.rows(k)] == outcome]
            assert abs((of == Part.TEST).sum() - 0.2 * len(of)) <= 3


def test_seeds_give_other_splits_and_the_same_seed_the_same() -> None:
    data = dataset(**loans())
    first, again, other = (assign_parts(data, RANDOM, None, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    # Two independent splits agree on test in .2 * .2 of the loans.
    both = ((first == Part.TEST) & (other == Part.TEST)).mean()
    assert 0.02 < both < 0.07


def test_out_of_time_trains_on_what_was_known_at_the_cut() -> None:
    data = dataset(**loans(4000, firms=30))  # few firms with two loans
    spec = SplitSpec(SplitKind.OUT_OF_TIME, 0.25, 0.2, "2021-03-15", None, True)
    parts = assign_parts(data, spec, 24, 1)
    cut = np.datetime64("2021-03-15")
    assert ((parts == Part.TEST) == (data.decided >= cut)).all()
    mature = add_months(data.decided, 24) <= cut
    train_side = (parts == Part.TRAIN) | (parts == Part.VALIDATION)
    assert mature[train_side].all()
    on_both = np.isin(data.firm, data.firm[data.decided >= cut])
    assert (train_side == (mature & ~on_both & (data.decided < cut))).all()
    assert on_both[mature].any()
    assert (parts == Part.VALIDATION).sum() == pytest.approx(0.2 * train_side.sum(), abs=4)

    open_ended = assign_parts(data, replace(spec, embargo=False), 24, 1)
    assert ((open_ended == Part.TEST) == (parts == Part.TEST)).all()
    assert ((open_ended == Part.SET_ASIDE) == ((data.decided < cut) & on_both)).all()

    without_window = assign_parts(data, spec, None, 1)
    aside = without_window == Part.SET_ASIDE
    assert (aside == ((data.decided < cut) & on_both)).all()


def test_the_cut_is_the_month_that_leaves_the_share() -> None:
    counts = {"2020-01": 50, "2020-02": 20, "2020-04": 20, "2020-05": 10}
    decided = np.repeat(
        np.array([f"{month}-17" for month in counts], dtype="datetime64[D]"), list(counts.values())
    )
    for share, cut in ((0.1, "2020-05-01"), (0.3, "2020-04-01"), (0.45, "2020-02-01")):
        spec = SplitSpec(SplitKind.OUT_OF_TIME, share, 0.2, None, None, True)
        if share == 0.3:  # March has no loans: its start and April's leave the same share
            cut = "2020-03-01"
        assert cut_date(decided, spec) == np.datetime64(cut)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            SplitSpec(SplitKind.RANDOM, 0.0, 0.2, None, None, True),
            "test_share=0.0 must lie between",
        ),
        (
            SplitSpec(SplitKind.RANDOM, 0.2, 1.0, None, None, True),
            "validation_share=1.0 must lie between",
        ),
        (SplitSpec(SplitKind.RANDOM, 0.6, 0.4, None, None, True), "leave no loans for training"),
        (SplitSpec(SplitKind.RANDOM, float("nan"), 0.4, None, None, True), "test_share=nan"),
        (
            SplitSpec(SplitKind.OUT_OF_TIME, 0.2, 0.2, "2020", None, True),
            "data.split.test_from=2020",
        ),
    ],
)
def test_settings_that_make_no_split(spec: SplitSpec, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        assign_parts(dataset(**loans()), spec, None, 1)


def test_out_of_time_needs_dates() -> None:
    undated = loans()
    undated["decided"] = np.full(1200, "NaT", dtype="datetime64[D]")
    with pytest.raises(DataError, match="1200 of 1200 loans have none"):
        assign_parts(dataset(**undated), IN_TIME, None, 1)


def test_a_part_without_both_outcomes_is_refused() -> None:
    few = loans(60)
    few["y"] = np.arange(60) == 0
    with pytest.raises(DataError, match="0 bad"):
        assign_parts(dataset(**few), RANDOM, None, 1)
    late = SplitSpec(SplitKind.OUT_OF_TIME, 0.2, 0.2, "2040-01-01", None, True)
    with pytest.raises(DataError, match=r"0 good and 0 bad test loans.*the cut is 2040-01-01"):
        assign_parts(dataset(**loans()), late, None, 1)
    with pytest.raises(DataError, match="train loans"):
        assign_parts(dataset(**loans()), IN_TIME, 120, 1)


def test_banks_without_bads_in_a_part_are_named() -> None:
    some = loans(1200)
    some["y"] = some["y"] & (some["bank"] != 2)
    data = dataset(**some)
    sentences = split_warnings(data, assign_parts(data, RANDOM, None, 1))
    assert [sentence.count("bank 2") for sentence in sentences] == [1, 1, 1]
    assert (
        split_warnings(*(lambda d: (d, assign_parts(d, RANDOM, None, 1)))(dataset(**loans()))) == ()
    )


def test_firms_are_known_by_their_identifier_alone() -> None:
    firm = pd.Series(["x", None, "y", "x", None], dtype="str")
    loan = pd.Series(["1", "2", "3", "4", "5"], dtype="str")

    def key(own: np.ndarray) -> pd.Series:
        return loan[own]

    codes = firm_codes(firm, key, 5)
    assert codes[0] == codes[3]
    assert len(set(codes)) == 4
    backwards = firm_codes(firm[::-1], lambda own: loan[::-1][own], 5)
    assert (backwards[::-1] == codes).all()
    assert codes[2] == firm_codes(pd.Series(["y"], dtype="str"), key, 1)[0]
    assert len(set(firm_codes(None, key, 5))) == 5


def test_keys_are_uniform_and_differ_by_firm_and_seed() -> None:
    keys = uniform_keys(np.arange(100_000), 3)
    assert len(np.unique(keys)) == 100_000
    cells = np.bincount((keys >> np.uint64(60)).astype(int), minlength=16)
    assert ((cells - 6250) ** 2 / 6250).sum() < 45  # chi-squared, 15 degrees, p = 1e-4
    assert (keys != uniform_keys(np.arange(100_000), 4)).all()


def test_shared_firms() -> None:
    firm = np.array([1, 2, 1, 3, 3, 2])
    bank = np.array([0, 0, 1, 2, 2, 0])
    assert at_several(firm, bank).tolist() == [True, False, True, False, False, False]
    assert at_several(firm[:0], bank[:0]).shape == (0,)
