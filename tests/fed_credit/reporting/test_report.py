"""The report in Markdown: whole tables, whatever is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fed_credit.reporting.report import render_report


def _tables(report: str) -> list[list[list[str]]]:
    """Cells by table and line; a bar inside a cell is escaped."""
    tables = []
    for block in report.split("\n\n"):
        lines = block.strip().splitlines()
        if lines and lines[0].startswith("|"):
            tables.append([re.split(r"(?<!\\)\|", line.strip("|")) for line in lines])
    return tables


def test_every_table_is_whole(results: dict[str, Any]) -> None:
    tables = _tables(render_report(results))
    assert len(tables) == 5
    for table in tables:
        assert {len(line) for line in table} == {len(table[0])}


def test_banks_stand_worst_first_and_losers_are_named(results: dict[str, Any]) -> None:
    report = render_report(results)
    banks = [line[0].strip() for line in _tables(report)[0][2:]]
    assert banks == ["Loser [red]\\|Bank", "Undecided Bank", "Winner Bank", "Small Bank"]
    assert "worse for 1 (Loser [red]|Bank)" in report.split("## ")[0]
    assert "not assessable" in _tables(report)[0][-1][-1]
    assert "- Leakage: '[bold]Term'" in report


def test_what_is_not_defined_is_a_dash(results: dict[str, Any]) -> None:
    results["from_sums"]["auc"] = {"value": None, "bound": None}
    results["institutions"][3]["bad_rate"] = None
    tables = _tables(render_report(results))
    assert [cell.strip() for cell in tables[3][-1]] == ["2", "-", "-"]
    assert tables[0][-1][3].strip() == "-"
    assert "nan" not in render_report(results).lower().replace("finance", "")


def test_without_banks_alone_the_column_goes(
    without_local: Callable[[], dict[str, Any]],
) -> None:
    results = without_local()
    report = render_report(results)
    assert "federated - alone" not in report and "each bank alone" not in report
    assert all(len({len(line) for line in table}) == 1 for table in _tables(report))


def test_sums_are_of_the_first_split_only(results: dict[str, Any]) -> None:
    assert "on the first split" not in render_report(results)
    results["evaluation"]["repeats"] = 20
    report = render_report(results)
    assert "± 0.0012 on the first split" in report
    assert "over 20 split(s)" in report


def test_contenders_stand_in_the_same_order_everywhere(results: dict[str, Any]) -> None:
    tables = _tables(render_report(results))
    overall = [line[0].strip() for line in tables[1][2:]]
    decided = [line[0].strip() for line in tables[2][2:]]
    assert overall == [
        "each bank alone",
        "federated",
        "pooled data",
        "best reachable (true PD)",
    ]
    assert decided == overall[:3]
