from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fed_credit.config.spec import EvaluationSpec, ProfitSpec
from fed_credit.evaluation.comparison import PAIRS, RepeatScores, compare
from fed_credit.evaluation.intervals import delong_paired, difference_interval
from fed_credit.evaluation.metrics import measure

NAMES = ("Alder", "Birch", "Cedar", "Dogwood")
SIZES = (400, 300, 200, 60)


def spec(**changes: object) -> EvaluationSpec:
    values = {
        "repeats": 1,
        "confidence": 0.95,
        "min_bads": 10,
        "histogram_bins": 256,
        "calibration_bins": 10,
        "baselines": ["local", "pooled"],
        "profit": ProfitSpec(1.0, 5.0),
    }
    return EvaluationSpec(**{**values, **changes})


def repeat(
    seed: int, contenders: tuple[str, ...] = ("local", "federated", "pooled")
) -> RepeatScores:
    """Cedar loses by the federation, Birch gains, Dogwood has five bads."""
    rng = np.random.default_rng(seed)
    bank = np.repeat(np.arange(4), SIZES)
    y = np.concatenate([(np.arange(n) < (5 if n == 60 else n // 5)) for n in SIZES]).astype(np.int8)
    strength = {
        "local": np.array([1.2, 0.1, 2.5, 1.0]),
        "federated": np.array([1.2, 1.8, 0.2, 1.0]),
        "pooled": np.array([1.2, 1.8, 0.3, 1.0]),
    }
    order = rng.permutation(len(y))
    scores = {
        name: (1 / (1 + np.exp(2.0 - strength[name][bank] * y - 0.8 * rng.normal(size=len(y)))))[
            order
        ]
        for name in contenders
    }
    return RepeatScores(bank[order], y[order], scores, 4 * np.array(SIZES, np.int64))


def test_one_split_agrees_with_the_parts_it_is_made_of():
    r = repeat(0)
    result = compare([r], NAMES, spec())
    exact = measure(r.y, r.scores["federated"], calibration_bins=10)
    assert result.test["federated"].metrics == exact
    assert result.test["federated"].auc.value == exact.auc
    assert result.test["federated"].auc.lo < exact.auc < result.test["federated"].auc.hi

    rows = [r.institution == k for k in range(3)]  # Dogwood is not assessable
    aucs = [roc_auc_score(r.y[mine], r.scores["local"][mine]) for mine in rows]
    assert result.test["local"].auc_mean_banks.value == pytest.approx(np.mean(aucs))
    assert result.test["local"].banks == 3

    birch = next(bank for bank in result.institutions if bank.name == "Birch")
    a, b = (r.scores[name][rows[1]] for name in ("federated", "local"))
    assert birch.delta["federated_minus_local"] == difference_interval(r.y[rows[1]], a, b, 0.95)
    assert (birch.n_train, birch.n_test, birch.n_bad, birch.bad_rate) == (1200, 300, 60, 0.2)

    parts = [delong_paired(r.y[m], r.scores["federated"][m], r.scores["local"][m]) for m in rows]
    overall = result.overall["federated_minus_local"].mean
    half = 1.959964 * math.sqrt(sum(variance for _, variance in parts)) / 3
    assert overall.value == pytest.approx(np.mean([delta for delta, _ in parts]))
    assert (overall.lo, overall.hi) == pytest.approx((overall.value - half, overall.value + half))


def test_the_bank_that_loses_comes_first_and_the_one_that_cannot_be_assessed_last():
    # Alder neither gains nor loses, so one seed in twenty shows it as decided; this one does not.
    result = compare([repeat(1)], NAMES, spec())
    assert [bank.name for bank in result.institutions] == ["Cedar", "Alder", "Birch", "Dogwood"]
    assert result.institutions[0].delta["federated_minus_local"].hi < 0
    overall = result.overall["federated_minus_local"]
    assert (overall.gain, overall.lose, overall.undecided, overall.not_assessable) == (1, 1, 1, 1)
    last = result.institutions[-1]
    assert not last.assessable and last.n_test == 60 and last.n_bad == 5
    assert set(last.auc) == {"local", "federated", "pooled"} and set(last.delta) == set(PAIRS)
    assert all(value is None for value in (*last.auc.values(), *last.delta.values()))


def test_too_few_bads_in_one_repeat_of_several_leave_a_bank_out_of_every_mean():
    repeats = [repeat(seed) for seed in range(4)]
    # Alder has 80 bads; in one repeat all but nine turn good.
    r = repeats[2]
    cured = np.flatnonzero((r.institution == 0) & (r.y == 1))[9:]
    y = r.y.copy()
    y[cured] = 0
    repeats[2] = RepeatScores(r.institution, y, r.scores, r.n_train)
    result = compare(repeats, NAMES, spec(repeats=4))
    assert [bank.assessable for bank in result.institutions] == [True, True, False, False]
    assert [bank.name for bank in result.institutions[2:]] == ["Alder", "Dogwood"]
    assert result.test["local"].banks == 2
    expected = np.mean(
        [
            roc_auc_score(q.y[q.institution == k], q.scores["local"][q.institution == k])
            for q in repeats
            for k in (1, 2)
        ]
    )
    assert result.test["local"].auc_mean_banks.value == pytest.approx(expected)
    assert result.institutions[2].n_bad == pytest.approx((3 * 80 + 9) / 4)


def test_too_few_goods_count_as_well():
    r = repeat(0)
    y = np.where(r.institution == 2, 1 - (np.cumsum(r.institution == 2) <= 9), r.y).astype(np.int8)
    result = compare([RepeatScores(r.institution, y, r.scores, r.n_train)], NAMES, spec())
    assert {bank.name for bank in result.institutions if not bank.assessable} == {
        "Cedar",
        "Dogwood",
    }


def test_several_splits_use_the_corrected_t_interval_of_their_values():
    from scipy.stats import t

    repeats = [repeat(seed) for seed in range(6)]
    result = compare(repeats, NAMES, spec(repeats=6))

    def delta(r: RepeatScores, k: int) -> float:
        mine = r.institution == k
        a, b = (roc_auc_score(r.y[mine], r.scores[name][mine]) for name in ("federated", "local"))
        return float(a - b)

    by_split = np.array([[delta(r, k) for k in range(3)] for r in repeats])
    for values, interval in (
        (by_split[:, 2], result.institutions[0].delta["federated_minus_local"]),
        (by_split.mean(axis=1), result.overall["federated_minus_local"].mean),
    ):
        half = t.ppf(0.975, 5) * values.std(ddof=1) * math.sqrt(1 / 6 + 1 / 4)
        assert interval.value == pytest.approx(values.mean())
        assert (interval.lo, interval.hi) == pytest.approx(
            (values.mean() - half, values.mean() + half)
        )
    brier = [measure(r.y, r.scores["pooled"], calibration_bins=10).brier for r in repeats]
    assert result.test["pooled"].metrics.brier == pytest.approx(np.mean(brier))


@pytest.mark.parametrize("repeats", [1, 3])
def test_codes_of_banks_and_order_of_loans_do_not_matter(repeats):
    plain = [repeat(seed) for seed in range(repeats)]
    to_new = np.array([2, 0, 3, 1])
    names = [NAMES[int(np.flatnonzero(to_new == k)[0])] for k in range(4)]
    shuffled = [
        RepeatScores(
            to_new[r.institution][::-1],
            r.y[::-1],
            {name: p[::-1] for name, p in r.scores.items()},
            r.n_train[np.argsort(to_new)],
        )
        for r in plain
    ]
    a, b = compare(plain, NAMES, spec()), compare(shuffled, names, spec())
    assert [bank.name for bank in a.institutions] == [bank.name for bank in b.institutions]
    for one, other in zip(a.institutions, b.institutions, strict=True):
        assert (one.n_train, one.n_test, one.n_bad) == (other.n_train, other.n_test, other.n_bad)
        for key, interval in one.delta.items():
            twin = other.delta[key]
            assert (interval is None) == (twin is None)
            if interval is not None and twin is not None:
                assert (interval.value, interval.lo, interval.hi) == pytest.approx(
                    (twin.value, twin.lo, twin.hi)
                )
    one, other = (c.overall["federated_minus_pooled"].mean for c in (a, b))
    assert (one.value, one.lo, one.hi) == pytest.approx((other.value, other.lo, other.hi))


def test_only_the_pairs_at_hand_are_compared():
    alone = compare([repeat(0, ("federated",))], NAMES, spec())
    assert set(alone.test) == {"federated"} and not alone.overall
    values = [bank.auc["federated"].value for bank in alone.institutions[:3]]
    assert values == sorted(values)
    two = compare([repeat(0, ("federated", "pooled"))], NAMES, spec())
    assert set(two.overall) == {"federated_minus_pooled"}
    deltas = [bank.delta["federated_minus_pooled"].value for bank in two.institutions[:3]]
    assert deltas == sorted(deltas)


def test_no_assessable_bank_leaves_no_mean():
    result = compare([repeat(0)], NAMES, spec(min_bads=10_000))
    assert result.test["local"].auc_mean_banks is None
    assert result.overall["pooled_minus_local"].mean is None
    assert result.overall["pooled_minus_local"].not_assessable == 4
    assert result.test["local"].auc.value > 0.5


def test_a_bank_without_test_loans_is_listed():
    r = repeat(0)
    train = np.append(r.n_train, 7)
    result = compare([RepeatScores(r.institution, r.y, r.scores, train)], [*NAMES, "Elm"], spec())
    assert result.institutions[-1].name == "Elm"
    assert result.institutions[-1].bad_rate is None and result.institutions[-1].n_train == 7


def test_input_that_does_not_fit_is_refused():
    r = repeat(0)
    with pytest.raises(ValueError, match="at least one repeat"):
        compare([], NAMES, spec())
    with pytest.raises(ValueError, match="same contenders"):
        compare([r, repeat(1, ("federated",))], NAMES, spec())
    with pytest.raises(ValueError, match="unknown contenders"):
        compare([RepeatScores(r.institution, r.y, {"mine": r.y / 2}, r.n_train)], NAMES, spec())
    with pytest.raises(ValueError, match="codes must lie"):
        compare([RepeatScores(r.institution + 1, r.y, r.scores, r.n_train)], NAMES, spec())
    with pytest.raises(ValueError, match="one per bank"):
        compare([r], NAMES[:3], spec())
