"""The score as a scale: where grades and cut-offs lie, and how it is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from fed_credit.families.card import ScorecardModel
from fed_credit.model_file.contents import ModelFile
from fed_credit.reporting.html.svg import document, rule, svg_text
from fed_credit.reporting.html.texts import same
from fed_credit.serving.pages.speech import Speech

WIDTH, LEFT, RIGHT = 640.0, 16.0, 16.0
_TOP, _HEIGHT = 40.0, 18.0
_UNMARKED_TOP = 6.0
_LOWEST_PD = 0.0005  # where a scale without points of its own ends
_HIGHEST_PD = 0.75


@dataclass(frozen=True)
class Scale:
    """Scores from the lowest to the highest that is shown, and what they mean.

    Parameters
    ----------
    low, high : int
        Ends.
    approve_from : int or None
        Lowest score that is approved; None if none is.
    decline_to : int or None
        Highest score that is declined; None if none is.
    grades : tuple of (str, int, int)
        Name, lowest and highest score of the grades that occur, worst first.
    """

    low: int
    high: int
    approve_from: int | None
    decline_to: int | None
    grades: tuple[tuple[str, int, int], ...]

    def place(self, score: float) -> float:
        """Return the abscissa of a score in the drawing; what lies beyond stands at an end."""
        share = (score - self.low) / max(self.high - self.low, 1)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)


def scale_of(model: ModelFile) -> Scale:
    """Read the scale off a model: PD falls as the score rises, in every family.

    Parameters
    ----------
    model : ModelFile
        The model.

    Returns
    -------
    Scale
    """
    scores, pd = _scores(model)
    verdicts, grades = model.policy.verdicts(pd), model.policy.grades(pd)
    approved, declined = scores[verdicts == 0], scores[verdicts == 2]
    names = model.policy.scale.names
    bands = tuple(
        (names[code], int(within.min()), int(within.max()))
        for code in sorted(set(grades.tolist()), reverse=True)
        for within in (scores[grades == code],)
    )
    return Scale(
        int(scores[0]),
        int(scores[-1]),
        int(approved.min()) if len(approved) else None,
        int(declined.max()) if len(declined) else None,
        bands,
    )


def _scores(model: ModelFile) -> tuple[np.ndarray, np.ndarray]:
    """Return whole scores, rising, and their calibrated PDs."""
    trained = model.artefact.model
    if isinstance(trained, ScorecardModel):
        card = trained.rule.card
        scores = np.arange(card.range[0], card.range[1] + 1)
        pd = trained.rule.calibration.default_probability(card, scores)
        return scores, model.calibration.apply(pd)
    points = model.policy.points
    factor = points.pdo / math.log(2.0)
    offset = points.base_score - factor * math.log(points.base_odds)
    ends = [offset - factor * math.log(p / (1 - p)) for p in (_HIGHEST_PD, _LOWEST_PD)]
    scores = np.arange(math.floor(ends[0]), math.ceil(ends[1]) + 1)
    return scores, 1.0 / (1.0 + np.exp((scores - offset) / factor))


def drawn(scale: Scale, say: Speech, *, marked: bool = False) -> Markup:
    """Draw the scale with its grades and cut-offs.

    Parameters
    ----------
    scale : Scale
        What is drawn.
    say : Speech
        The language.
    marked : bool
        Whether there is a mark ``#mark``, which a script moves to a score.

    Returns
    -------
    markupsafe.Markup
    """
    top = _TOP if marked else _UNMARKED_TOP
    foot = top + _HEIGHT
    body = [_zone(scale, top, say)]
    for place, (name, low, high) in enumerate(scale.grades):
        left, right = scale.place(low - 0.5), scale.place(high + 0.5)
        shade = "grade-even" if place % 2 else "grade-odd"
        body.append(
            f'<rect class="{shade}" x="{left:.1f}" y="{foot:.1f}" width="{right - left:.1f}"'
            ' height="18"/>'
        )
        if right - left > 12:
            body.append(svg_text((left + right) / 2, foot + 13, name, extra=' class="grade"'))
        if place and right - left > 30:
            body.append(svg_text(left, foot + 33, str(low), "middle", ' class="n"'))
    body.append(svg_text(LEFT, foot + 33, str(scale.low), "start", ' class="n"'))
    body.append(svg_text(WIDTH - RIGHT, foot + 33, str(scale.high), "end", ' class="n"'))
    for cut in {scale.approve_from, (scale.decline_to or 0) + 1 if scale.decline_to else None}:
        if cut is not None and scale.low < cut <= scale.high:
            at = scale.place(cut - 0.5)
            body.append(rule(at, top - 4, at, foot + 18, "#1b1f24", 1.6, "4 2"))
    if marked:
        body.append(_mark(scale))
    return document(body, WIDTH, foot + 40, same(say("desk.scale")))


def _mark(scale: Scale) -> str:
    return (
        f'<g id="mark" class="mark" data-low="{scale.low}" data-high="{scale.high}"'
        f' data-left="{LEFT:g}" data-right="{WIDTH - RIGHT:g}">'
        f'<path d="M0 {_TOP:g} l-8 -11 h16 z"/>'
        f'<text id="mark-score" x="0" y="{_TOP - 16:g}" text-anchor="middle"></text></g>'
    )


def _zone(scale: Scale, top: float, say: Speech) -> str:
    """Colour the stretches of the three verdicts, each with its word."""
    cuts = [scale.low - 0.5]
    decline_to = scale.low - 1 if scale.decline_to is None else scale.decline_to
    approve_from = scale.high + 1 if scale.approve_from is None else scale.approve_from
    cuts += [decline_to + 0.5, approve_from - 0.5, scale.high + 0.5]
    parts = []
    for verdict, low, high in zip(("decline", "refer", "approve"), cuts, cuts[1:], strict=False):
        left, right = scale.place(low), scale.place(high)
        if right - left < 0.5:
            continue
        parts.append(
            f'<rect class="zone {verdict}" x="{left:.1f}" y="{top:g}"'
            f' width="{right - left:.1f}" height="{_HEIGHT:g}"/>'
        )
        word = say(f"zone.{verdict}")
        if right - left > 62:
            middle = (left + right) / 2
            parts.append(svg_text(middle, top + 13, word, extra=' class="zone-word"'))
    return "".join(parts)
