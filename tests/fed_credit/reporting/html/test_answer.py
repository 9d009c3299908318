"""The answer in words follows the intervals, names losers first, and admits what is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fed_credit.reporting.html.answer import answer

PROFIT = {"gain_good": 1.0, "loss_bad": 5.0}
Make = Callable[..., dict[str, Any]]


def test_a_clear_gain(bank: Make, told: Make) -> None:
    banks = [bank("Low", 0.02, 0.01, 0.03), bank("High", 0.05, 0.02, 0.08)]
    found = answer(told(banks, 0.035, 0.02, 0.05), PROFIT)
    assert found.tone == "gain"
    assert found.headline.en.startswith("Yes: on average")
    assert found.headline.zh.startswith("值得")
    points = [point.en for point in found.points]
    assert points[0] == "Shown to be worse for none."
    assert points[1].startswith("Better for 2: High (+0.050 [+0.020, +0.080]), Low")
    assert "0.035 higher" in points[2] and "+0.020 to +0.050" in points[2]
    assert "about 35 more" in points[2] and "could be" not in points[2]


def test_a_clear_loss_for_one_bank_comes_first(bank: Make, told: Make) -> None:
    banks = [bank("Loser", -0.04, -0.06, -0.02), bank("Winner", 0.05, 0.02, 0.08)]
    found = answer(told(banks, 0.005, -0.02, 0.03), PROFIT)
    assert found.tone == "mixed"
    assert found.headline.en == "Not for every bank: worse for Loser, better for Winner."
    assert found.headline.zh.index("Loser受损") < found.headline.zh.index("Winner获益")
    assert found.points[0].en == "Worse for 1: Loser (−0.040 [−0.060, −0.020])."
    average = next(point.en for point in found.points if point.en.startswith("On average"))
    assert average.endswith("the average could be a gain or a loss.")


def test_only_losers_and_open_banks_is_no_yes(bank: Make, told: Make) -> None:
    banks = [bank("Loser", -0.04, -0.06, -0.02), bank("Open", 0.01, -0.02, 0.04)]
    found = answer(told(banks, -0.01, -0.04, 0.02), PROFIT)
    assert found.tone == "lose"
    assert found.headline.en.startswith("Not shown to be worth it: worse for Loser")
    worse = answer(told(banks, -0.03, -0.05, -0.01), PROFIT)
    assert worse.headline.en == "No: worse for Loser, and shown to be better for none."


def test_undecided_says_so_and_how_far_it_sees(bank: Make, told: Make) -> None:
    banks = [bank("A", -0.01, -0.05, 0.03), bank("B", 0.02, -0.02, 0.06), bank("C")]
    found = answer(told(banks, 0.005, -0.02, 0.03), PROFIT)
    assert found.tone == "open"
    assert found.headline.en.startswith("Undecided")
    assert found.headline.zh.startswith("尚无定论")
    said = " ".join(point.en for point in found.points)
    assert "Undecided for 2: A, B." in said
    assert "Not assessable, with fewer than 3 bad or good test loans: 1 (C)." in said
    assert "reaches ±0.040" in said
    assert "Of 2 banks that do not differ at all, 0.1 on average" in said


def test_nothing_assessable_gives_no_verdict(bank: Make, told: Make) -> None:
    found = answer(told([bank("A"), bank("B")]), PROFIT)
    assert found.tone == "open"
    assert found.headline.en.startswith("This run cannot say: no bank has the 3 bad")
    assert not any(word in found.headline.en for word in ("Yes", "gain", "lose"))


def test_without_banks_alone_there_is_nothing_to_compare(run: Any) -> None:
    run.results["overall"] = {}
    assert answer(run.results, PROFIT).headline.en.startswith("This run cannot say: no bank was")


@pytest.mark.parametrize(
    ("intervals", "mean", "start"),
    [
        ([(0.02, -0.01, 0.05), (0.02, -0.01, 0.05)], (0.02, 0.001, 0.04), "On average yes, but"),
        ([(0.02, 0.01, 0.05), (-0.02, -0.05, 0.01)], (0.0, -0.02, 0.02), "For some banks: 1 of 2"),
        ([(-0.02, -0.05, 0.01)], (-0.02, -0.04, -0.001), "No: on average"),
    ],
)
def test_the_mean_and_the_banks_are_told_apart(
    bank: Make, told: Make, intervals: list[Any], mean: tuple[float, ...], start: str
) -> None:
    banks = [bank(f"Bank {k}", *interval) for k, interval in enumerate(intervals)]
    assert answer(told(banks, *mean), PROFIT).headline.en.startswith(start)


def test_one_split_fixed_test_loans_and_many_splits_are_sure_of_other_things(
    bank: Make, told: Make
) -> None:
    results = told([bank("A", 0.02, 0.01, 0.03)], 0.02, 0.01, 0.03)

    def sure(repeats: int, split: str) -> str:
        results["evaluation"] |= {"repeats": repeats, "split": split}
        points = answer(results, PROFIT).points
        return next(point.en for point in points if point.en.startswith("How sure"))

    assert "not what another seed" in sure(1, "random")
    assert "over 5 splits" in sure(5, "random")
    assert "too narrow" in sure(5, "out_of_time")
