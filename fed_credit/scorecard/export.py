"""A scorecard for people and for other systems: JSON, CSV, a page in Markdown, SQL."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from fed_credit.config.scorecard import ScorecardSpec
from fed_credit.files import write_text
from fed_credit.scorecard.fit import FittedScorecard
from fed_credit.scorecard.grades import grade_table
from fed_credit.scorecard.points import Scorecard
from fed_credit.scorecard.sql import sql_query
from fed_credit.scorecard.table import binning_table

FILES = ("scorecard.json", "scorecard.csv", "scorecard.md", "scorecard.sql")

_TABLE = "loans"


def export_scorecard(folder: Path, fitted: FittedScorecard, spec: ScorecardSpec) -> None:
    """Write a scorecard in all forms.

    Parameters
    ----------
    folder : Path
        Where :data:`FILES` are written.
    fitted : FittedScorecard
        The scorecard.
    spec : ScorecardSpec
        What it was made with.

    Raises
    ------
    FedCreditError
        If a file cannot be written.
    """
    texts = (
        fitted.rule.json_text + "\n",
        csv_text(fitted.card),
        markdown_text(fitted, spec),
        sql_query(fitted.card, _TABLE),
    )
    for name, text in zip(FILES, texts, strict=True):
        write_text(folder / name, text)


def csv_text(card: Scorecard) -> str:
    """Return the points table, one line per class, as comma-separated values with a header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            "feature",
            "class",
            "points",
            "woe",
            "information",
            "loans",
            "share",
            "goods",
            "bads",
            "bad_rate",
        ]
    )
    if card.base_points:
        writer.writerow(["base", "every loan", card.base_points, *[""] * 7])
    for one in card.characteristics:
        for row, points in zip(binning_table(one.binning)[:-1], one.points, strict=True):
            writer.writerow(
                [
                    *(one.name, row.label, points, repr(row.woe), repr(row.information)),
                    *(row.loans, repr(row.share), row.goods, row.bads, repr(row.bad_rate)),
                ]
            )
    return out.getvalue()


def markdown_text(fitted: FittedScorecard, spec: ScorecardSpec) -> str:
    """Return a page that says what the scorecard is, how it was fitted and how it holds.

    Parameters
    ----------
    fitted : FittedScorecard
        The scorecard.
    spec : ScorecardSpec
        What it was made with.

    Returns
    -------
    str
        Markdown; no class and no row of grades has fewer loans than the minimum cell.
    """
    blocks = [
        "# Scorecard",
        _summary(fitted),
        "## Points",
        *_points(fitted.card),
        "## Regression",
        fitted.fit.diagnosis.sentence,
        _regression(fitted, spec.newton.confidence),
        "## Rating grades",
        fitted.calibration.sentence + " Loans and bads are those of the validation part.",
        _grades(fitted, spec.binning.min_cell),
        "## Features",
        _features(fitted),
    ]
    return "\n\n".join(blocks) + "\n"


def _summary(fitted: FittedScorecard) -> str:
    card, fit = fitted.card, fitted.fit
    low, high = card.range
    scaling = card.scaling
    lines = [
        f"- {scaling.base_score:g} points stand for odds of {scaling.base_odds:g} good to 1 bad;"
        f" {scaling.pdo:g} points more double the odds.",
        f"- Scores run from {low} to {high}. Every loan starts with {card.base_points}.",
        f"- Fitted on {fit.n} loans, {fit.bads} of them bad. Pseudo R² (McFadden):"
        f" {fit.pseudo_r2:.4f}.",
    ]
    if card.reversed:
        lines.append(
            f"- The points of {', '.join(card.reversed)} run against their own weight of evidence;"
            " leave them out unless there is a reason."
        )
    return "\n".join(lines)


def _points(card: Scorecard) -> Iterable[str]:
    for one in card.characteristics:
        rows = zip(binning_table(one.binning)[:-1], one.points, strict=True)
        yield f"### {one.name}"
        yield _table(
            ("class", "loans", "share", "bad rate", "WoE", "points"),
            [
                (_cell(row.label), row.loans, _f(row.share), _f(row.bad_rate), _f(row.woe), points)
                for row, points in rows
            ],
        )


def _regression(fitted: FittedScorecard, confidence: float) -> str:
    fit = fitted.fit
    columns = zip(
        fit.names,
        fit.coefficients,
        fit.standard_errors,
        fit.z,
        fit.p_values,
        fit.intervals(confidence),
        strict=True,
    )
    return _table(
        ("weight of evidence of", "coefficient", "standard error", "z", "p", f"{confidence:.0%}"),
        [
            (_cell(name), _f(b), _f(se), _f(z, 2), _f(p), f"{_f(low)} to {_f(high)}")
            for name, b, se, z, p, (low, high) in columns
        ],
    )


def _grades(fitted: FittedScorecard, min_cell: int) -> str:
    pd = fitted.calibration.default_probability(fitted.card, fitted.validation.scores)
    rows = grade_table(fitted.scale, fitted.validation, pd, min_cell=min_cell)
    return _table(
        ("grade", "PD below", "scores", "loans", "mean PD", "bad rate", "p of as many bads"),
        [
            (
                _cell(row.name),
                _f(row.high_pd),
                "none" if row.low_score is None else f"{row.low_score} to {row.high_score}",
                row.loans,
                _f(row.mean_pd),
                _f(row.bad_rate),
                _f(row.p_value),
            )
            for row in rows
        ],
    )


def _features(fitted: FittedScorecard) -> str:
    ranked = sorted(fitted.choices, key=lambda choice: -choice.information)
    return _table(
        ("feature", "information value", "in the scorecard"),
        [
            (_cell(one.feature), _f(one.information), "yes" if one.taken else f"no: {one.reason}")
            for one in ranked
        ],
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _f(value: float, digits: int = 4) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
