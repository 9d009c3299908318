"""Charts as inline SVG: scales, axes and marks, sized to be read on a phone without zooming.

Text stays text, in both languages where they differ. Colours are Okabe and Ito's, which readers
who are colour-blind tell apart; each series has a dash and a mark of its own besides, for paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest

from markupsafe import Markup, escape

from fed_credit.reporting.html.texts import Text

WIDTH = 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 10, 42


@dataclass(frozen=True)
class Style:
    """How a series is told from the others.

    Parameters
    ----------
    colour : str
        Of line and marks.
    dash : str
        SVG dash array; empty for a solid line.
    mark : str
        ``circle``, ``square``, ``diamond`` or ``triangle``.
    width : float
        Of the line, in pixels.
    """

    colour: str
    dash: str = ""
    mark: str = "circle"
    width: float = 2.0


STYLES = {
    "federated": Style("#0072B2", width=2.6),
    "local": Style("#D55E00", "7 3", "square"),
    "pooled": Style("#009E73", "2 3", "triangle"),
    "best_reachable": Style("#777777", "9 3 2 3", "diamond", 1.4),
    "goods": Style("#009E73", "7 3"),
    "bads": Style("#D55E00"),
    "reference": Style("#999999", "3 4", width=1.0),
    "faint": Style("#9DC3DC", width=1.0),
}
GAIN, LOSE, OPEN = "#0072B2", "#D55E00", "#666666"


def ticks(lo: float, hi: float, most: int = 6) -> list[float]:
    """Return round numbers within ``lo`` and ``hi``, at most about ``most``."""
    if not hi > lo:
        return [lo]
    raw = (hi - lo) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * k for k in (1, 2, 2.5, 5, 10) if power * k >= raw * (1 - 1e-9))
    first = math.ceil(lo / step - 1e-9)
    last = math.floor(hi / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def tick_label(value: float, step: float, percent: bool = False) -> str:
    """Write a tick with as many decimals as its step needs."""
    scale = 100 if percent else 1
    decimals = max(0, -math.floor(math.log10(step * scale) + 1e-9)) if step else 2
    if abs(step * scale * 10**decimals - round(step * scale * 10**decimals)) > 1e-6:
        decimals += 1  # steps of 2.5
    text = f"{abs(value) * scale:,.{decimals}f}" + ("%" if percent else "")
    return f"−{text}" if value < 0 and float(text.rstrip("%").replace(",", "")) else text


def svg_text(
    x: float, y: float, content: Text | str, anchor: str = "middle", extra: str = ""
) -> str:
    """Return a text element; two where the languages differ, of which the page shows one."""
    head = f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}'
    if isinstance(content, Text) and content.en != content.zh:
        return (
            f'{head} lang="en">{escape(content.en)}</text>'
            f'{head} lang="zh">{escape(content.zh)}</text>'
        )
    return f"{head}>{escape(str(content))}</text>"


_CORNERS = {
    "square": ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)),
    "diamond": ((0.0, -1.4), (1.4, 0.0), (0.0, 1.4), (-1.4, 0.0)),
    "triangle": ((0.0, -1.2), (1.15, 0.9), (-1.15, 0.9)),
}


def mark(kind: str, x: float, y: float, colour: str, size: float = 4.0) -> str:
    """Return a mark in its own shape."""
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:g}" fill="{colour}"/>'
    points = " ".join(f"{x + dx * size:.1f},{y + dy * size:.1f}" for dx, dy in _CORNERS[kind])
    return f'<polygon points="{points}" fill="{colour}"/>'


def rule(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1.0, dash: str = ""
) -> str:
    """Return a straight line."""
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"'
        f' stroke-width="{width:g}"{dashed}/>'
    )


def document(body: Sequence[str], width: float, height: float, name: Text) -> Markup:
    """Wrap elements into an SVG with an accessible name.

    Parameters
    ----------
    body : sequence of str
        Elements, already markup.
    width, height : float
        Of the drawing; the page scales it to its column.
    name : Text
        Read out instead of the drawing.

    Returns
    -------
    markupsafe.Markup
    """
    label = escape(name.en if name.en == name.zh else f"{name.en} / {name.zh}")
    return Markup(
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}">'
        + "".join(body)
        + "</svg>"
    )


@dataclass
class Plot:
    """A chart with two axes; marks are added, then it is rendered.

    Parameters
    ----------
    name, x_title, y_title : Text
        Accessible name and titles of the axes.
    x, y : (float, float)
        Range of each axis.
    x_percent, y_percent : bool
        Whether ticks are shown in percent.
    x_ticks : sequence of float or None
        Instead of those found.
    x_labels : sequence of Text or None
        What stands at ``x_ticks`` where these are places, not numbers: months.
    height : float
        In pixels of a chart :data:`WIDTH` wide.
    """

    name: Text
    x_title: Text
    y_title: Text
    x: tuple[float, float]
    y: tuple[float, float]
    x_percent: bool = False
    y_percent: bool = False
    x_ticks: Sequence[float] | None = None
    x_labels: Sequence[Text] | None = None
    height: float = 290
    _body: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.x, self.y = _wide(*self.x), _wide(*self.y)

    def at_x(self, value: float) -> float:
        """Return the abscissa of a value in pixels."""
        return _LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - _LEFT - _RIGHT)

    def at_y(self, value: float) -> float:
        """Return the ordinate of a value in pixels."""
        share = (value - self.y[0]) / (self.y[1] - self.y[0])
        return self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM)

    def line(
        self,
        xs: Sequence[float],
        ys: Sequence[float | None],
        style: Style,
        *,
        marks: bool = False,
    ) -> None:
        """Draw a line; where a value is None, it is interrupted."""
        pieces: list[list[str]] = [[]]
        for x, y in zip(xs, ys, strict=True):
            if y is None:
                pieces.append([])
            else:
                pieces[-1].append(f"{self.at_x(x):.1f},{self.at_y(y):.1f}")
        dash = f' stroke-dasharray="{style.dash}"' if style.dash else ""
        self._body += [
            f'<polyline points="{" ".join(points)}" fill="none" stroke="{style.colour}"'
            f' stroke-width="{style.width:g}" stroke-linejoin="round"{dash}/>'
            for points in pieces
            if len(points) > 1
        ]
        if marks or all(len(points) < 2 for points in pieces):
            for x, y in zip(xs, ys, strict=True):
                if y is not None:
                    self.mark(x, y, style, 3.2)

    def band(
        self, xs: Sequence[float], lo: Sequence[float], hi: Sequence[float], colour: str
    ) -> None:
        """Fill the room between two lines."""
        there = [f"{self.at_x(x):.1f},{self.at_y(y):.1f}" for x, y in zip(xs, hi, strict=True)]
        back = [f"{self.at_x(x):.1f},{self.at_y(y):.1f}" for x, y in zip(xs, lo, strict=True)]
        points = " ".join([*there, *reversed(back)])
        self._body.append(f'<polygon points="{points}" fill="{colour}"/>')

    def mark(self, x: float, y: float, style: Style, size: float = 4.5) -> None:
        """Draw one mark with a light rim."""
        shape = mark(style.mark, self.at_x(x), self.at_y(y), style.colour, size)
        self._body.append(shape.replace("/>", ' stroke="#fff" stroke-width="1.2"/>'))

    def spread(self, x: float, lo: float, hi: float, style: Style) -> None:
        """Draw an upright interval."""
        at = self.at_x(x)
        self._body.append(rule(at, self.at_y(lo), at, self.at_y(hi), style.colour, 1.2))

    def rule(self, x1: float, y1: float, x2: float, y2: float, style: Style) -> None:
        """Draw a straight line between two points of the axes."""
        ends = self.at_x(x1), self.at_y(y1), self.at_x(x2), self.at_y(y2)
        self._body.append(rule(*ends, style.colour, style.width, style.dash))

    def bar(self, x: float, y: float, width: float, colour: str) -> None:
        """Draw a bar from zero, ``width`` wide in units of the abscissa."""
        left, right = self.at_x(x - width / 2), self.at_x(x + width / 2)
        top, foot = sorted((self.at_y(y), self.at_y(max(self.y[0], 0.0))))
        self._body.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}"'
            f' height="{foot - top:.1f}" fill="{colour}"/>'
        )

    def render(self) -> Markup:
        """Return the chart as SVG."""
        return document([*self._axes(), *self._body], WIDTH, self.height, self.name)

    def _axes(self) -> list[str]:
        left, right = _LEFT, WIDTH - _RIGHT
        foot, top = self.height - _BOTTOM, _TOP
        xs = list(self.x_ticks) if self.x_ticks is not None else ticks(*self.x)
        ys = ticks(*self.y)
        parts = [rule(left, self.at_y(y), right, self.at_y(y), "#e6e6e6") for y in ys]
        parts += [rule(self.at_x(x), top, self.at_x(x), foot, "#f0f0f0") for x in xs]
        parts += [rule(left, foot, right, foot, "#666"), rule(left, top, left, foot, "#666")]
        for values, percent, is_x in ((xs, self.x_percent, True), (ys, self.y_percent, False)):
            step = min((b - a for a, b in pairwise(values)), default=1.0)
            for place, value in enumerate(values):
                label = tick_label(value, step, percent)
                if is_x and self.x_labels is not None:
                    # A word is wider than a number, and stays within the drawing.
                    late = self.at_x(value) > WIDTH - 34
                    at = WIDTH - 1 if late else self.at_x(value)
                    anchor = "end" if late else "middle"
                    parts.append(svg_text(at, foot + 15, self.x_labels[place], anchor))
                elif is_x:
                    # The last label must not run over the edge.
                    anchor = "end" if self.at_x(value) > WIDTH - 18 else "middle"
                    at = min(self.at_x(value), WIDTH - 2) if anchor == "end" else self.at_x(value)
                    parts.append(
                        svg_text(at + (8 if anchor == "end" else 0), foot + 15, label, anchor)
                    )
                else:
                    parts.append(svg_text(left - 5, self.at_y(value) + 4, label, "end"))
        middle = (top + foot) / 2
        turned = f' transform="rotate(-90 11 {middle:.1f})" class="t"'
        parts.append(
            svg_text((left + right) / 2, self.height - 7, self.x_title, extra=' class="t"')
        )
        parts.append(svg_text(11, middle, self.y_title, extra=turned))
        return parts


def _wide(lo: float, hi: float) -> tuple[float, float]:
    """Widen a range that holds one value only."""
    if hi > lo:
        return lo, hi
    pad = abs(lo) * 0.1 or 0.1
    return lo - pad, hi + pad


def swatch(style: Style, *, marked: bool = False) -> Markup:
    """Return the sample of a series in a legend."""
    body = rule(1, 7, 29, 7, style.colour, style.width, style.dash)
    if marked:
        body += mark(style.mark, 15, 7, style.colour, 3.5)
    return Markup(f'<svg class="swatch" viewBox="0 0 30 14" aria-hidden="true">{body}</svg>')


@dataclass(frozen=True)
class Row:
    """A line of a forest plot.

    Parameters
    ----------
    label : Text
        What is compared.
    value, lo, hi : float
        Estimate and interval.
    diamond : bool
        A summary instead of a single item.
    """

    label: Text
    value: float
    lo: float
    hi: float
    diamond: bool = False


def forest(
    rows: Sequence[Row], name: Text, axis: Text, *, decimals: int = 3, good: int = 1
) -> Markup:
    """Draw estimates with their intervals about zero, each under its label.

    Parameters
    ----------
    rows : sequence of Row
        From top to bottom.
    name, axis : Text
        Accessible name, and title of the axis.
    decimals : int
        Of the figures.
    good : int
        1 where above zero is a gain, -1 where below is.

    Returns
    -------
    markupsafe.Markup
    """
    lo = min(0.0, *(row.lo for row in rows))
    hi = max(0.0, *(row.hi for row in rows))
    pad = (hi - lo) * 0.04 or 0.01
    lo, hi = lo - pad, hi + pad
    left, right, top = 8.0, WIDTH - 8.0, 6.0
    labels = [(_lines(row.label.en), _lines(row.label.zh)) for row in rows]
    heights = [35.0 + 14.0 * (max(map(len, both)) - 1) for both in labels]
    foot = top + sum(heights) + 4

    def at(value: float) -> float:
        return left + (value - lo) / (hi - lo) * (right - left)

    marks = ticks(lo, hi, 5)
    step = marks[1] - marks[0] if len(marks) > 1 else 0.01
    body = []
    y = top
    for row, (en, zh), height in zip(rows, labels, heights, strict=True):
        colour = _colour(row, good)
        ends = f"[{signed(row.lo, decimals)}, {signed(row.hi, decimals)}]"
        weight = ' font-weight="600"' if row.diamond else ""
        for k, pair in enumerate(zip_longest(en, zh, fillvalue="")):
            body.append(svg_text(left, y + 13 + 14 * k, Text(*pair), "start", weight))
        figures = f"{signed(row.value, decimals)} {ends}"
        body.append(svg_text(right, y + 13, figures, "end", f' class="n"{weight}'))
        y += height
        # Under the text a line would turn a minus into a plus.
        body += [rule(at(value), y - 19, at(value), y - 3, "#e4e4e4") for value in marks]
        body.append(rule(at(0.0), y - 19, at(0.0), y - 3, "#444", 1.4))
        body.append(rule(at(row.lo), y - 11, at(row.hi), y - 11, colour, 2.4))
        shape = "diamond" if row.diamond else "circle"
        body.append(mark(shape, at(row.value), y - 11, colour, 5.0 if row.diamond else 4.5))
    body.append(rule(left, foot, right, foot, "#666"))
    for value in marks:
        anchor = "middle" if left + 14 < at(value) < right - 14 else None
        place = min(max(at(value), left), right)
        side = anchor or ("start" if at(value) <= left + 14 else "end")
        body.append(svg_text(place, foot + 15, tick_label(value, step), side))
    body.append(svg_text((left + right) / 2, foot + 33, axis, extra=' class="t"'))
    return document(body, WIDTH, foot + 40, name)


def signed(value: float, decimals: int) -> str:
    """Write a difference with its sign; a rounded zero has none."""
    text = f"{abs(value):.{decimals}f}"
    if not float(text):
        return text
    return f"−{text}" if value < 0 else f"+{text}"


def _colour(row: Row, good: int) -> str:
    if row.lo > 0:
        return GAIN if good > 0 else LOSE
    if row.hi < 0:
        return LOSE if good > 0 else GAIN
    return OPEN


def _lines(label: str) -> list[str]:
    """Break a label into at most two lines of the room beside the figures."""
    first = _fits(label)
    if first == len(label):
        return [label]
    place = label.rfind(" ", 0, first + 1)
    place = place if place > 0 else first
    rest = label[place:].strip()
    fits = _fits(rest)
    return [label[:place].rstrip(), rest if fits == len(rest) else rest[: fits - 1] + "…"]


def _fits(label: str, room: float = 28.0) -> int:
    """Return how many characters fit; a Chinese one takes the room of two, a capital more."""
    taken = 0.0
    for place, sign in enumerate(label):
        taken += 1.85 if ord(sign) > 0x2E7F else 1.22 if sign.isupper() else 0.98
        if taken > room:
            return place
    return len(label)
