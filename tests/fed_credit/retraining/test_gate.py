"""What passes the gate, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fed_credit.config.retrain import RetrainSpec
from fed_credit.config.spec import SimulationSpec
from fed_credit.evaluation.intervals import difference_interval
from fed_credit.retraining.gate import GateResult, Judged, judge

Settings = Callable[..., RetrainSpec]
Spec = Callable[..., SimulationSpec]


def loans(
    sizes: tuple[int, ...], champion_noise: tuple[float, ...], challenger_noise: tuple[float, ...]
) -> Judged:
    """Make banks whose models see the true log-odds through noise of their own."""
    rng = np.random.default_rng(3)
    bank = np.repeat(np.arange(len(sizes)), sizes)
    odds = rng.normal(-1.5, 1.5, len(bank))
    y = (rng.random(len(bank)) < 1 / (1 + np.exp(-odds))).astype(np.int8)

    def seen(noise: tuple[float, ...]) -> np.ndarray:
        blurred = odds + np.array(noise)[bank] * rng.standard_normal(len(bank))
        return np.asarray(1 / (1 + np.exp(-blurred)))

    names = tuple(f"Bank {chr(65 + k)}" for k in range(len(sizes)))
    return Judged(names, bank, y, seen(champion_noise), seen(challenger_noise))


@pytest.fixture
def stand(
    settings: Settings, make_spec: Callable[..., SimulationSpec]
) -> Callable[..., GateResult]:
    def call(judged: Judged, **gate: object) -> GateResult:
        return judge(judged, settings(gate=gate).gate, make_spec().evaluation)

    return call


def test_a_better_challenger_passes_and_a_worse_one_does_not(stand) -> None:
    better = loans((900, 700), (1.5, 1.5), (0.3, 0.3))
    found = stand(better)
    assert found.passed
    gain = found.overall.gain["auc"]
    expected = difference_interval(better.y, better.challenger, better.champion, 0.9)
    assert (gain.value, gain.lo, gain.hi) == (expected.value, expected.lo, expected.hi)
    assert "+0.0" in found.reasons[0].en and "挑战者更好" in found.reasons[0].zh

    worse = stand(replace(better, champion=better.challenger, challenger=better.champion))
    assert not worse.passed
    assert "not shown to be better" in worse.reasons[0].en
    assert worse.overall.gain["auc"].value == pytest.approx(-gain.value)
    for measure in ("brier", "log_loss"):  # a fall of a loss is a gain
        assert found.overall.gain[measure].value > 0 > worse.overall.gain[measure].value
        assert stand(better, measure=measure).passed


def test_equal_models_do_not_pass_at_a_margin_of_zero(stand) -> None:
    same = loans((900,), (0.5,), (0.5,))
    same = replace(same, challenger=same.champion)
    for by in ("estimate", "interval"):
        assert not stand(same, by=by, margin=0.0).passed


def test_the_margin_counts_by_estimate_or_by_the_lower_end(stand) -> None:
    judged = loans((900, 700), (1.2, 1.2), (0.6, 0.6))
    gain = stand(judged).overall.gain["auc"]
    between = (gain.lo + gain.value) / 2
    assert stand(judged, margin=between, by="estimate").passed
    assert not stand(judged, margin=between, by="interval").passed
    assert not stand(judged, margin=gain.value + 1e-6, by="estimate").passed
    assert stand(judged, margin=gain.lo - 1e-6, by="interval").passed


def test_a_vintage_with_few_bads_judges_nothing(stand) -> None:
    judged = loans((900, 700), (1.5, 1.5), (0.3, 0.3))
    bads = int(judged.y.sum())
    assert stand(judged, min_bads=bads).passed
    found = stand(judged, min_bads=bads + 1)
    assert not found.passed and f"has {bads} bad" in found.reasons[0].en


def test_no_bank_may_lose_more_than_the_limit_and_the_worst_is_named_first(stand) -> None:
    judged = loans((2500, 900), (1.5, 0.3), (0.3, 1.5))
    found = stand(judged, small_bank_bads=50)
    assert found.overall.gain["auc"].lo > 0
    assert not found.passed
    assert [bank.name for bank in found.banks] == ["Bank B", "Bank A"]
    assert [bank.state for bank in found.banks] == ["hurt", "fine"]
    loss = -found.banks[0].gain.gain["auc"].value
    assert f"Bank B would lose {loss:.4f}" in found.reasons[0].en
    assert stand(judged, max_bank_loss=loss + 1e-9).passed
    assert not stand(judged, max_bank_loss=loss - 1e-9).passed


def test_a_small_banks_loss_counts_only_where_its_whole_interval_is_one(stand) -> None:
    judged = loans((2500, 120), (1.5, 0.55), (0.3, 0.95))
    small = stand(judged).banks[0]
    interval = small.gain.gain["auc"]
    assert small.name == "Bank B" and interval.value < -0.01 < 0 < interval.hi
    assert small.state == "unsure"
    found = stand(judged)
    assert found.passed
    assert "Bank B may lose more than 0.01" in found.reasons[1].en
    # The same bank, were it not called small.
    assert not stand(judged, small_bank_bads=small.gain.bads).passed
    # A loss beyond doubt counts, however small the bank.
    sure = loans((2500, 120), (1.5, 0.1), (0.3, 4.0))
    assert stand(sure).banks[0].gain.gain["auc"].hi < 0
    assert not stand(sure).passed


def test_banks_that_cannot_be_assessed_are_named_and_do_not_decide(stand) -> None:
    judged = loans((2500, 20), (1.5, 0.1), (0.3, 9.0))
    few = int(judged.y[judged.bank == 1].sum())
    found = stand(judged, bank_min_bads=few + 1)
    assert found.passed
    assert found.banks[-1].state == "not assessable"
    assert found.reasons[-1].en.endswith("Bank B.")
    body = found.as_dict()
    assert body["banks"][-1]["gain"]["gain"]["auc"]["value"] is None
    assert body["passed"] is True and body["measure"] == "auc"
