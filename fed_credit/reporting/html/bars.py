"""Lying bars under their labels: figures of things that have names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from fed_credit.reporting.html.svg import WIDTH, document, svg_text
from fed_credit.reporting.html.texts import Text

_COLOUR = "#0072B2"
_LINE = 30.0
_MOST = 46  # characters of a label beside its figure; a Chinese one takes the room of two


def bars(
    rows: Sequence[tuple[Text, float]], name: Text, axis: Text, show: Callable[[float], str]
) -> Markup:
    """Draw one bar per row from zero.

    Parameters
    ----------
    rows : sequence of (Text, float)
        Label and value, 0 or more, from top to bottom.
    name, axis : Text
        Accessible name, and what the bars measure.
    show : callable
        Writes a value.

    Returns
    -------
    markupsafe.Markup
    """
    top = max((value for _, value in rows), default=0.0) or 1.0
    left, right = 8.0, WIDTH - 8.0
    body = []
    for k, (label, value) in enumerate(rows):
        y = 6 + _LINE * k
        shown = Text(_short(label.en), _short(label.zh))
        body.append(svg_text(left, y + 12, shown, "start"))
        body.append(svg_text(right, y + 12, show(value), "end", ' class="n"'))
        width = max((right - left) * value / top, 0.5)
        body.append(
            f'<rect x="{left:g}" y="{y + 17:.1f}" width="{width:.1f}" height="7" fill="{_COLOUR}"/>'
        )
    foot = 6 + _LINE * len(rows)
    body.append(svg_text((left + right) / 2, foot + 14, axis, extra=' class="t"'))
    return document(body, WIDTH, foot + 22, name)


def _short(label: str) -> str:
    taken = 0
    for place, sign in enumerate(label):
        taken += 2 if ord(sign) > 0x2E7F else 1
        if taken > _MOST:
            return label[: place - 1].rstrip() + "…"
    return label
