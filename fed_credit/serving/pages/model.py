"""The model's page: its card, the charts of its evaluation, and what it is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from fed_credit.model_file.archive import Opened
from fed_credit.model_file.card import CardSection, CardTable, sections
from fed_credit.model_file.contents import ModelFile
from fed_credit.reporting.html import tables as report
from fed_credit.reporting.html.curves import wilson
from fed_credit.reporting.html.model_tables import model_tables
from fed_credit.reporting.html.svg import Plot, Style
from fed_credit.serving.pages.parts import Cell, Figure, Table, Tile, key
from fed_credit.serving.pages.scale import drawn, scale_of
from fed_credit.serving.pages.speech import Speech

_PARTS = ("test", "validation")
_STYLES = {
    "test": Style("#0072B2", width=2.2),
    "validation": Style("#009E73", "2 3", "triangle"),
}
_AXES = ("mean_pd", "bad_rate")
_DIAGONAL = Style("#999999", "3 4", width=1.0)


@dataclass(frozen=True)
class Chapter:
    """A section of the card in one language.

    Parameters
    ----------
    key, title : str
        Where it is found, and its title.
    paragraphs, points : tuple of markupsafe.Markup
        What it says.
    table : Table or None
        Figures.
    """

    key: str
    title: str
    paragraphs: tuple[Markup, ...]
    points: tuple[Markup, ...]
    table: Table | None


@dataclass(frozen=True)
class Made:
    """What a model that can be read is made of.

    Parameters
    ----------
    title, read : str
        What it is, and how to read it.
    table : Table or None
        Points, coefficients or rules.
    """

    title: str
    read: str
    table: Table | None


@dataclass(frozen=True)
class ModelPage:
    """The page of the model in service.

    Parameters
    ----------
    tiles : tuple of Tile
        What it is, at a glance.
    scale : Figure
        Scores, grades and cut-offs.
    figures : tuple of Figure
        Of its evaluation.
    chapters : tuple of Chapter
        The card.
    made : tuple of Made
        What it is made of.
    """

    tiles: tuple[Tile, ...]
    scale: Figure
    figures: tuple[Figure, ...]
    chapters: tuple[Chapter, ...]
    made: tuple[Made, ...]


def model_page(opened: Opened, version: int, say: Speech) -> ModelPage:
    """Lay out a model.

    Parameters
    ----------
    opened : Opened
        Its file.
    version : int
        In the registry.
    say : Speech
        The language.

    Returns
    -------
    ModelPage
    """
    model = opened.model
    judged = {name: part for name in _PARTS if (part := model.evaluation.get(name)) is not None}
    scale = Figure(say("model.scale"), say("desk.scale_read"), drawn(scale_of(model), say))
    return ModelPage(
        tiles=_tiles(opened, version, judged, say),
        scale=scale,
        figures=_figures(judged, say),
        chapters=tuple(_chapter(section, say) for section in sections(model)),
        made=tuple(_made(model, say)),
    )


def _tiles(
    opened: Opened, version: int, judged: Mapping[str, Any], say: Speech
) -> tuple[Tile, ...]:
    policy, family = opened.model.policy, opened.model.artefact.spec.family
    cut = (
        say("model.approve_below", pd=say.percent(policy.approve_below)),
        say("model.decline_from", pd=say.percent(policy.decline_from)),
    )
    tiles = [
        Tile(say("model.version"), str(version), opened.sha256[:12]),
        Tile(say("model.family"), say.word("family", str(family))),
        Tile(say("model.cut_offs"), *cut),
    ]
    for name, part in judged.items():
        quality = part["pd"]
        auc = quality["auc"]
        note = ""
        if auc["lo"] is not None:
            note = say("drift.interval", low=say.number(auc["lo"]), high=say.number(auc["hi"]))
        tiles.append(Tile(say(f"model.auc_{name}"), say.number(auc["value"]), note))
    return tuple(tiles)


def _figures(judged: Mapping[str, Any], say: Speech) -> tuple[Figure, ...]:
    if not judged:
        return ()
    return (_reliability(judged, say), _grades(next(iter(judged.values())), say))


def _reliability(judged: Mapping[str, Any], say: Speech) -> Figure:
    curves = {name: part["pd"]["calibration"]["curve"] for name, part in judged.items()}
    first = next(iter(curves))
    lows, highs = wilson(
        *(np.array([row[key] for row in curves[first]], float) for key in ("bad_rate", "loans"))
    )
    points = [row[key] for curve in curves.values() for row in curve for key in _AXES]
    top = min(1.0, max([*points, *highs.tolist()], default=1.0) * 1.05)
    plot = Plot(
        say.text("model.reliability"),
        say.text("model.reliability_x"),
        say.text("model.reliability_y"),
        (0.0, top),
        (0.0, top),
        x_percent=True,
        y_percent=True,
    )
    plot.rule(0, 0, top, top, _DIAGONAL)
    for row, low, high in zip(curves[first], lows, highs, strict=True):
        plot.spread(row["mean_pd"], low, high, _STYLES[first])
    for name, curve in curves.items():
        xs, ys = ([row[key] for row in curve] for key in _AXES)
        plot.line(xs, ys, _STYLES[name], marks=True)
    legend = tuple(key(_STYLES[name], say(f"part.{name}"), marked=True) for name in curves)
    read = say("model.reliability_read", part=say(f"part.{first}"))
    return Figure(say("model.reliability"), read, plot.render(), legend)


def _grades(part: Mapping[str, Any], say: Speech) -> Figure:
    rows = part["grades"]
    top = max([*(value for row in rows for value in (row["mean_pd"], row["bad_rate"]) if value)])
    places = [float(k) for k in range(len(rows))]
    plot = Plot(
        say.text("model.grades"),
        say.text("model.grades_x"),
        say.text("model.grades_y"),
        (-0.6, len(rows) - 0.4),
        (0.0, top * 1.1),
        y_percent=True,
        x_ticks=places,
        x_labels=[say.text("model.grade_n", name=_short(row["grade"], say)) for row in rows],
    )
    for place, row in zip(places, rows, strict=True):
        if row["bad_rate"] is not None:
            plot.bar(place, row["bad_rate"], 0.66, "#9DC3DC")
        if row["mean_pd"] is not None:
            plot.mark(place, row["mean_pd"], _STYLES["test"], 4.5)
    legend = (
        key(Style("#9DC3DC", width=9.0), say("drift.observed")),
        key(Style("#0072B2", width=0.0), say("drift.promised"), marked=True),
    )
    return Figure(say("model.grades"), say("model.grades_read"), plot.render(), legend)


def _short(grade: str, say: Speech) -> str:
    return grade.replace(" to ", "–")


def _prose(text: str) -> Markup:
    """Return a text of the card, with names between backticks set as such."""
    pieces = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else escape(piece)
        for place, piece in enumerate(pieces)
    )


def _chapter(section: CardSection, say: Speech) -> Chapter:
    return Chapter(
        section.key,
        say.pick(section.title),
        tuple(_prose(say.pick(text)) for text in section.paragraphs),
        tuple(_prose(say.pick(text)) for text in section.points),
        None if section.table is None else _card_table(section.key, section.table, say),
    )


def _card_table(name: str, table: CardTable, say: Speech) -> Table:
    header = [say.pick(title) for title in table.header]
    rows = [[Cell(_prose(say.pick(cell))) for cell in row] for row in table.rows]
    return Table(f"card-{name}", header, rows, words=_word_columns(rows))


def _word_columns(rows: Sequence[Sequence[Cell]]) -> frozenset[int]:
    """Return the columns in which most lines do not begin with a figure."""
    found = set()
    for place, cells in enumerate(zip(*rows, strict=True) if rows else ()):
        texts = [text for cell in cells if (text := str(cell.content).lstrip("+-−±<[")).strip()]
        figures = sum(text[0].isdigit() for text in texts)
        if place and 2 * figures < len(texts):
            found.add(place)
    return frozenset(found)


def _made(model: ModelFile, say: Speech) -> list[Made]:
    trained = model.artefact
    labels = {name: field.label for name, field in model.schema.fields.items()}
    results = {
        "model": {"family": str(trained.spec.family), "details": dict(trained.model.details)},
        # The card says how features have drifted since; a run's own figures are in its report.
        "explanations": {"stability": defaultdict(lambda: None)},
    }
    if not trained.model.details:
        return []
    found = model_tables(results, labels)
    return [
        Made(say.pick(title), say.pick(read), None if table is None else _shown(table, k, say))
        for k, (title, read, table) in enumerate(found)
    ]


def _shown(table: report.Table, number: int, say: Speech) -> Table:
    rows = [[_cell(content, say) for content in row] for row in table.rows]
    header = [say.pick(title) for title in table.header]
    # A column in which no line says anything is left out.
    kept = [k for k in range(len(header)) if any(row[k].content not in ("", "–") for row in rows)]
    return Table(
        f"made-{number}",
        [header[k] for k in kept],
        [[row[k] for k in kept] for row in rows],
        words=frozenset(place for place, k in enumerate(kept) if k in table.words),
    )


def _cell(content: Any, say: Speech) -> Cell:
    return Cell(say.pick(content.content if isinstance(content, report.Cell) else content))
