"""Scorecards: the rule that scores, and the forms in which people and systems read it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fed_credit.families.logistic import described
from fed_credit.families.protocol import Banks, files_sha256, json_bytes
from fed_credit.features.spec import FeatureSpec
from fed_credit.files import plain
from fed_credit.scorecard.binning import Binning
from fed_credit.scorecard.export import csv_text, markdown_text
from fed_credit.scorecard.fit import FittedScorecard, fit_scorecard
from fed_credit.scorecard.grades import grade_table
from fed_credit.scorecard.rule import ScoringRule
from fed_credit.scorecard.sql import sql_query
from fed_credit.scorecard.table import binning_table
from fed_credit.training.run_spec import RunSpec

RULE, POINTS, PAGE, SQL, BINNING, FIT = (
    "scorecard.json",
    "scorecard.csv",
    "scorecard.md",
    "scorecard.sql",
    "binning.csv",
    "fit.json",
)
_TABLE = "loans"  # what the SQL calls the table of loans


@dataclass(frozen=True)
class ScorecardModel:
    """A fitted scorecard.

    Parameters
    ----------
    rule : ScoringRule
        Points, calibration and grades.
    texts : mapping of str to bytes
        The other files of the artefact by name.
    """

    rule: ScoringRule
    texts: Mapping[str, bytes]

    @property
    def features(self) -> list[FeatureSpec]:
        """What it looks at."""
        return [one.binning.fine.feature for one in self.rule.card.characteristics]

    @property
    def columns(self) -> tuple[str, ...]:
        """Features of the scorecard."""
        return self.rule.card.names

    @property
    def constant(self) -> tuple[str, ...]:
        """None by this name: ``details`` says why features are left out."""
        return ()

    @cached_property
    def sha256(self) -> str:
        """Hash of the artefact's files."""
        return files_sha256(self.files)

    @property
    def preparation_sha256(self) -> str:
        """Hash of the binning tables."""
        return files_sha256({BINNING: self.texts[BINNING]})

    @property
    def settings(self) -> dict[str, Any]:
        """See :class:`~fed_credit.families.protocol.Model`."""
        return {}

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The rule as JSON, and what people and other systems read."""
        return {RULE: (self.rule.json_text + "\n").encode(), **self.texts}

    @cached_property
    def details(self) -> dict[str, Any]:
        """Points, binning, the regression, the choice of features, calibration and grades."""
        found: dict[str, Any] = json.loads(self.texts[FIT])
        return found

    def score(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the PD of loans, ``(n,) float64``."""
        return self.score_matrix(self.matrix(frame))

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the points of loans by feature, ``(n, n_features) int64``."""
        return self.rule.card.points(frame)

    def score_matrix(self, matrix: np.ndarray) -> np.ndarray:
        """Return the PD of loans by their points, ``(n,) float64``."""
        card = self.rule.card
        return self.rule.calibration.default_probability(card, card.total(matrix))

    @classmethod
    def read(cls, files: Mapping[str, bytes]) -> ScorecardModel:
        """Read :attr:`files`.

        Raises
        ------
        ArtefactError, LookupError, TypeError, ValueError
            If they are not those of such a model.
        """
        texts = {name: files[name] for name in (POINTS, PAGE, SQL, BINNING, FIT)}
        return cls(ScoringRule.from_json(files[RULE].decode()), texts)


def fit_scorecard_model(banks: Banks, run: RunSpec) -> ScorecardModel:
    """Fit a scorecard by asking for sums.

    Parameters
    ----------
    banks : Banks
        Whom to ask.
    run : RunSpec
        Features and the scorecard's settings.

    Returns
    -------
    ScorecardModel
        The same, bit for bit, however the loans are divided over banks.

    Raises
    ------
    DataError
        If no feature has enough information value.
    """
    spec = run.model.scorecard
    fitted = fit_scorecard(run.features, spec, banks)
    texts = {
        POINTS: csv_text(fitted.card),
        PAGE: markdown_text(fitted, spec),
        SQL: sql_query(fitted.card, _TABLE),
        BINNING: _binning_csv(fitted.binnings),
    }
    body = _described(fitted, spec.newton.confidence, spec.binning.min_cell)
    return ScorecardModel(
        fitted.rule,
        {**{name: text.encode() for name, text in texts.items()}, FIT: json_bytes(plain(body))},
    )


def _described(fitted: FittedScorecard, confidence: float, min_cell: int) -> dict[str, Any]:
    card = fitted.card
    pd_of_scores = fitted.calibration.default_probability(card, fitted.validation.scores)
    grades = grade_table(fitted.scale, fitted.validation, pd_of_scores, min_cell=min_cell)
    tables = {binning.name: binning_table(binning) for binning in fitted.binnings}
    return {
        "base_points": card.base_points,
        "scaling": asdict(card.scaling),
        "lowest_score": card.range[0],
        "highest_score": card.range[1],
        "points": [
            {"feature": one.name, "class": row.label, "points": points}
            for one in card.characteristics
            for row, points in zip(tables[one.name][:-1], one.points, strict=True)
        ],
        "reversed": list(card.reversed),
        "binning": {name: [asdict(row) for row in rows] for name, rows in tables.items()},
        "features": [asdict(choice) for choice in fitted.choices],
        "regression": described(fitted.fit, confidence),
        "calibration": asdict(fitted.calibration),
        "grades": [asdict(row) for row in grades],
    }


def _binning_csv(binnings: tuple[Binning, ...]) -> str:
    """Write the classes of all features, also of those left out, one line each."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header = ("label", "loans", "share", "goods", "bads", "bad_rate", "woe", "information")
    writer.writerow(("feature", *header))
    for binning in binnings:
        for row in binning_table(binning):
            writer.writerow((binning.name, *(getattr(row, name) for name in header)))
    return out.getvalue()
