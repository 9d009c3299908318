"""The table on the terminal: worst difference first, losers named, nothing hidden."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from fed_credit.reporting.table import difference, number, print_results, verdict


def _shown(results: dict[str, Any], width: int = 160) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_results(results, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def _row(lines: list[str], start: str) -> list[str]:
    (line,) = [line for line in lines if line.startswith(f"│ {start}")]
    return [cell.strip() for cell in line.strip("│ ").split("│")]


def test_banks_stand_in_the_order_of_the_results_worst_first(results: dict[str, Any]) -> None:
    lines = _shown(results)
    names = [bank["name"] for bank in results["institutions"]]
    places = [next(i for i, line in enumerate(lines) if name in line) for name in names]
    assert places == sorted(places)


def test_a_row_tells_figures_and_the_difference(results: dict[str, Any]) -> None:
    lines = _shown(results)
    assert _row(lines, "Winner Bank")[1:] == [
        *("1,200", "300", "10.0%"),
        *["0.700"] * 4,
        "+0.060 [+0.030, +0.090]",
    ]
    assert _row(lines, "Small Bank")[4:] == ["-"] * 4 + ["not assessable"]
    assert _row(lines, "mean of assessable banks")[4:] == [
        *("0.700", "0.720", "0.730", "0.800"),
        "+0.003 [-0.010, +0.016]",
    ]
    assert _row(lines, "all test loans")[2] == "1,200"


def test_names_and_warnings_are_no_markup(results: dict[str, Any]) -> None:
    text = "\n".join(_shown(results))
    assert "Loser [red]|Bank" in text
    assert "Warning: Leakage: '[bold]Term' is known only at outcome." in text


def test_the_verdict_names_the_losers(results: dict[str, Any]) -> None:
    first, second = verdict(results)
    assert first == (
        "Federated against alone, 95% intervals: worse for 1 (Loser [red]|Bank), better for 1,"
        " undecided for 1, not assessable 1 of 4 banks."
    )
    assert "0.720" in second and "0.800" in second
    for bank in results["institutions"]:
        if bank["name"].startswith("Loser"):
            bank["delta"]["federated_minus_local"]["hi"] = 0.001
    results["overall"]["federated_minus_local"]["lose"] = 0
    assert "worse for 0, better" in verdict(results)[0]


def test_without_banks_alone_there_is_no_difference(
    without_local: Callable[[], dict[str, Any]],
) -> None:
    results = without_local()
    text = "\n".join(_shown(results))
    assert "alone" not in text
    assert len(verdict(results)) == 1  # what could be reached is still said


@pytest.mark.parametrize(
    ("confidence", "shown"), [(0.95, "95%"), (0.9, "90%"), (0.975, "97.5%"), (0.999, "99.9%")]
)
def test_the_level_is_not_rounded(results: dict[str, Any], confidence: float, shown: str) -> None:
    results["evaluation"]["confidence"] = confidence
    assert f"alone ({shown})" in "\n".join(_shown(results))
    assert f"{shown} intervals" in verdict(results)[0]


def test_what_is_not_known_is_a_dash() -> None:
    assert number(None) == "-"
    assert number(0.12345) == "0.123"
    assert number(0.12345, 4) == "0.1235"
    assert difference({"value": 0.1, "lo": None, "hi": None}) == "-"
    assert difference({"value": 0.1, "lo": -0.05, "hi": 0.25}) == "+0.100 [-0.050, +0.250]"
