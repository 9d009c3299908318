"""Charts: round ticks, marks where the values are, text within the drawing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fed_credit.reporting.html.svg import (
    GAIN,
    LOSE,
    OPEN,
    STYLES,
    WIDTH,
    Plot,
    Row,
    forest,
    signed,
    tick_label,
    ticks,
)
from fed_credit.reporting.html.texts import Text, same

RANGES = st.tuples(
    st.floats(-1e4, 1e4, allow_nan=False), st.floats(1e-4, 1e4, allow_nan=False)
).map(lambda pair: (pair[0], pair[0] + pair[1]))


@given(RANGES)
def test_ticks_lie_within_and_are_few(ends: tuple[float, float]) -> None:
    found = ticks(*ends)
    slack = 1e-6 * (ends[1] - ends[0]) + 1e-9
    assert 1 <= len(found) <= 8
    assert all(ends[0] - slack <= value <= ends[1] + slack for value in found)


@pytest.mark.parametrize(
    ("value", "step", "percent", "label"),
    [
        (0.25, 0.05, True, "25%"),
        (0.025, 0.025, True, "2.5%"),
        (-0.2, 0.1, False, "−0.2"),
        (-0.0, 0.1, False, "0.0"),
        (0.0025, 0.0025, False, "0.0025"),
        (1500.0, 500.0, False, "1,500"),
    ],
)
def test_tick_labels_have_the_decimals_of_their_step(
    value: float, step: float, percent: bool, label: str
) -> None:
    assert tick_label(value, step, percent) == label


def test_a_rounded_zero_has_no_sign() -> None:
    assert [signed(v, 3) for v in (-0.0001, 0.0, 0.0021, -0.5)] == [
        "0.000",
        "0.000",
        "+0.002",
        "−0.500",
    ]


def test_lines_break_where_nothing_is_known() -> None:
    plot = Plot(same("n"), same("x"), same("y"), (0, 4), (0, 1))
    plot.line([0, 1, 2, 3, 4], [0.0, 0.5, None, 0.5, 1.0], STYLES["federated"])
    assert str(plot.render()).count("<polyline") == 2
    assert plot.at_y(1.0) < plot.at_y(0.0) and plot.at_x(4) > plot.at_x(0)


def _forest(*rows: Row) -> str:
    return str(forest(rows, same("name"), Text("axis", "轴")))


def test_intervals_are_coloured_by_what_they_decide() -> None:
    text = _forest(
        Row(same("up"), 0.02, 0.01, 0.03),
        Row(same("down"), -0.02, -0.03, -0.01),
        Row(same("open"), 0.0, -0.01, 0.01),
    )
    dots = re.findall(r'<circle [^>]*fill="(#\w+)"', text)
    assert dots == [GAIN, LOSE, OPEN]
    assert "+0.020 [+0.010, +0.030]" in text


def test_long_labels_take_two_lines_and_nothing_leaves_the_drawing() -> None:
    name = "AGRICULTURAL AND COMMERCIAL BANK OF THE NORTH WESTERN PROVINCES AND ISLANDS LIMITED"
    text = _forest(Row(same(name), 0.1, -0.3, 0.5), Row(Text("x", "很" * 60), 0.0, -0.1, 0.1))
    labels = re.findall(r">([^<>]*)</text>", text)
    assert labels[0] == "AGRICULTURAL AND"
    assert any(label.endswith("…") for label in labels)
    height = float(re.findall(r'viewBox="0 0 \d+ ([\d.]+)"', text)[0])
    for x, y in re.findall(r'<text x="([\d.-]+)" y="([\d.-]+)"', text):
        assert 0 <= float(x) <= WIDTH and 0 <= float(y) <= height


def test_both_languages_stand_in_the_chart() -> None:
    text = _forest(Row(same("a"), 0.1, 0.0, 0.2))
    assert re.search(r'lang="en">axis<', text) and re.search(r'lang="zh">轴<', text)
