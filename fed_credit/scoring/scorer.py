"""A model in use: from raw records to decisions with reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from functools import cached_property

import numpy as np
import pandas as pd

from fed_credit.data.recipe import Recipe
from fed_credit.data.schema import Field, Schema
from fed_credit.data.validate import Validated
from fed_credit.decision.calibration import logit
from fed_credit.decision.policy import VERDICTS, Verdict
from fed_credit.errors import ArtefactError
from fed_credit.explain.explainer import Explainer, explainer_of
from fed_credit.explain.sentences import spoken_of
from fed_credit.explain.words import Ranked, Told, plain_values, ranked, told
from fed_credit.features.preprocessor import engineered
from fed_credit.model_file.contents import ModelFile
from fed_credit.scorecard.points import Scorecard
from fed_credit.scoring.intake import Intake
from fed_credit.scoring.result import ReasonText, ScoredTable, Scores


class Explain(StrEnum):
    """Which loans get reasons."""

    NONE = "none"
    DECLINED = "declined"
    ALL = "all"


class Scorer:
    """Scores applications by a model's file.

    Parameters
    ----------
    model : ModelFile
        The model.
    """

    def __init__(self, model: ModelFile) -> None:
        self.model = model
        self._artefact = model.artefact
        features = self._artefact.model.features
        names = [feature.name for feature in features]
        recipe = Recipe.of(model.schema, names)
        made = set(recipe.names)
        own = [name for name in names if name not in made]
        self.inputs: tuple[str, ...] = tuple(
            dict.fromkeys([*own, *(name for name, _ in recipe.inputs)])
        )
        """Fields of an application that the model looks at, engineered ones by their raw fields."""
        self._intake = Intake(model.schema, self.inputs, recipe, {})
        self._features = tuple(names)
        self._kinds = {name: model.schema.fields[name].kind for name in self.inputs}
        self._kinds |= {feature.name: feature.kind for feature in features}
        for feature in features:
            if feature.recipe not in (None, Recipe.of(model.schema, [feature.name])):
                raise ArtefactError(
                    f"The model computes '{feature.name}' otherwise than its schema says; make its"
                    " file anew from the run."
                )

    @property
    def fields(self) -> dict[str, Field]:
        """The inputs' fields in the schema, in the order of :attr:`inputs`."""
        return {name: self.model.schema.fields[name] for name in self.inputs}

    def validated(self, raw: pd.DataFrame) -> Validated:
        """Check raw records against the schema, by the inputs alone, and engineer the features.

        Parameters
        ----------
        raw : pandas.DataFrame
            ``(n, ...)`` of any dtypes; its index is the 0-based row.

        Returns
        -------
        Validated

        Raises
        ------
        SchemaError
            If an input has no column.
        """
        self._intake.require(list(map(str, raw.columns)), "The table")
        return self._intake.take({name: raw[name] for name in self.inputs}, raw.index)

    def intake(self, schema: Schema, factors: Mapping[str, float]) -> Intake:
        """Return what :meth:`validated` reads by, for a source with spellings and units of its own.

        Parameters
        ----------
        schema : Schema
            The model's, with the source's spelling of dates.
        factors : mapping of str to float
            By field, what the source's numbers are multiplied by.
        """
        return replace(self._intake, schema=schema, factors=factors)

    def scores(self, frame: pd.DataFrame) -> Scores:
        """Score validated loans, ``(n, ...)`` as :meth:`validated` gives them."""
        return self.scored(self.matrix(frame))

    def matrix(self, frame: pd.DataFrame) -> np.ndarray:
        """Return what the model sees of validated loans, ``(n, n_columns)``."""
        if not all(name in frame for name in self._features):
            frame = engineered(self._artefact.model.features, frame)
        return self._artefact.model.matrix(frame)

    def scored(self, matrix: np.ndarray) -> Scores:
        """Score what :meth:`matrix` gave."""
        model, policy = self._artefact.model, self.model.policy
        model_pd = model.score_matrix(matrix)
        pd_ = self.model.calibration.apply(model_pd)
        card = self._card
        points = policy.scores(logit(pd_)) if card is None else card.total(matrix)
        return Scores(model_pd, pd_, points, policy.grades(pd_), policy.verdicts(pd_))

    def table(self, raw: pd.DataFrame, explain: Explain = Explain.DECLINED) -> ScoredTable:
        """Check, score and explain a table of raw records.

        Parameters
        ----------
        raw : pandas.DataFrame
            ``(n, ...)`` of any dtypes.
        explain : Explain
            Which loans get reasons.

        Returns
        -------
        ScoredTable

        Raises
        ------
        SchemaError
            If an input has no column.
        """
        raw = raw.reset_index(drop=True)
        checked = self.validated(raw)
        matrix = self.matrix(checked.frame)
        scores = self.scored(matrix)
        told: list[tuple[ReasonText, ...]] = [()] * len(matrix)
        rows = self.explained(scores, explain)
        if len(rows):
            found = self._reasons(checked.frame.iloc[rows], matrix[rows])
            for row, texts in zip(rows.tolist(), found, strict=True):
                told[row] = texts
        return ScoredTable(
            checked.frame.index.to_numpy(np.int64), scores, tuple(told), checked.rejected
        )

    def explained(self, scores: Scores, explain: Explain) -> np.ndarray:
        """Return the rows that get reasons, ``(k,) int64``."""
        if explain is Explain.ALL:
            return np.arange(len(scores.pd))
        if explain is Explain.DECLINED:
            return np.flatnonzero(scores.verdict == VERDICTS.index(Verdict.DECLINE))
        return np.zeros(0, np.int64)

    def reasons(self, frame: pd.DataFrame) -> Sequence[tuple[ReasonText, ...]]:
        """Return the reasons for validated loans' scores, most important first."""
        return self._reasons(frame, self.matrix(frame))

    def ranked(self, matrix: np.ndarray, top: int | None = None) -> tuple[Ranked, str] | None:
        """Rank what the features cost some loans.

        Parameters
        ----------
        matrix : numpy.ndarray
            Their rows of :meth:`matrix`.
        top : int, optional
            Reasons per loan at most; as many as the policy says by default.

        Returns
        -------
        (Ranked, str) or None
            And the unit of the amounts; None if the model cannot be taken apart.
        """
        if self._explainer is None:
            return None
        lost = self._explainer.lost(matrix)
        return ranked(lost.amounts, self.model.policy.reasons if top is None else top), lost.unit

    def told(
        self, found: tuple[Ranked, str], frame: pd.DataFrame, languages: Sequence[str]
    ) -> Told:
        """Put ranked features of validated loans into words."""
        return told(
            found[0],
            self._spoken(frame),
            frame.__getitem__,
            self._kinds,
            self.model.schema.fields,
            found[1],
            languages,
        )

    def _spoken(self, frame: pd.DataFrame) -> list[str]:
        """Return what the explainer's features are spoken of as, by what the loans hold."""
        assert self._explainer is not None
        fields = self.model.schema.fields
        return [spoken_of(name, fields, frame.columns) for name in self._explainer.features]

    def _reasons(self, frame: pd.DataFrame, matrix: np.ndarray) -> Sequence[tuple[ReasonText, ...]]:
        found = self.ranked(matrix) if len(frame) else None
        if found is None:
            return [()] * len(frame)
        order, unit = found
        words = self.told(found, frame, ("en", "zh"))
        assert words.en is not None and words.zh is not None and self._explainer is not None
        n, names = len(frame), self._explainer.features
        values = [plain_values(frame[name], self._kinds[name]) for name in self._spoken(frame)]
        en, zh = words.en.to_pylist(), words.zh.to_pylist()
        costs = order.amounts.tolist()
        return [
            tuple(
                ReasonText(
                    names[k],
                    values[k][row],
                    costs[row][place],
                    unit,
                    en[place * n + row],
                    zh[place * n + row],
                )
                for place, k in enumerate(features)
                if k >= 0
            )
            for row, features in enumerate(order.features.tolist())
        ]

    @cached_property
    def _explainer(self) -> Explainer | None:
        return explainer_of(self._artefact)

    @cached_property
    def _card(self) -> Scorecard | None:
        """The points of a scorecard, which are its score; None for other families."""
        if self._artefact.spec.family != "scorecard":
            return None
        from fed_credit.families.card import ScorecardModel

        assert isinstance(self._artefact.model, ScorecardModel)
        return self._artefact.model.rule.card
