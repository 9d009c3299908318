"""A model in use: from raw records to decisions with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import pandas as pd

from fed_credit.config.names import EXACT_FAMILIES
from fed_credit.data.recipe import Recipe
from fed_credit.data.records import engineer
from fed_credit.data.schema import Field
from fed_credit.data.validate import Validated, validate
from fed_credit.decision.calibration import logit
from fed_credit.decision.policy import VERDICTS, Verdict
from fed_credit.explain.reasons import reasons as exact_reasons
from fed_credit.model_file.contents import ModelFile
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
        names = [feature.name for feature in self._artefact.model.features]
        self._recipe = Recipe.of(model.schema, names)
        made = set(self._recipe.names)
        own = [name for name in names if name not in made]
        self.inputs: tuple[str, ...] = tuple(
            dict.fromkeys([*own, *(name for name, _ in self._recipe.inputs)])
        )
        """Fields of an application that the model looks at, engineered ones by their raw fields."""

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
        schema = self.model.schema
        columns = [name for name in self.inputs if name in raw.columns]
        checked = validate(raw[columns], schema, needed=self.inputs)
        return engineer(checked, schema, self._recipe)

    def scores(self, frame: pd.DataFrame) -> Scores:
        """Score validated loans, ``(n, ...)`` as :meth:`validated` gives them."""
        model_pd = self._artefact.score(frame)
        policy = self.model.policy
        pd_ = self.model.calibration.apply(model_pd)
        return Scores(
            model_pd, pd_, self._points(frame, pd_), policy.grades(pd_), policy.verdicts(pd_)
        )

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
        scores = self.scores(checked.frame)
        chosen = np.zeros(len(checked.frame), dtype=bool)
        if explain is Explain.ALL:
            chosen[:] = True
        elif explain is Explain.DECLINED:
            chosen = scores.verdict == VERDICTS.index(Verdict.DECLINE)
        told: list[tuple[ReasonText, ...]] = [()] * len(chosen)
        rows = np.flatnonzero(chosen)
        for row, found in zip(rows.tolist(), self.reasons(checked.frame.iloc[rows]), strict=True):
            told[row] = found
        return ScoredTable(
            checked.frame.index.to_numpy(np.int64), scores, tuple(told), checked.rejected
        )

    def reasons(self, frame: pd.DataFrame) -> Sequence[tuple[ReasonText, ...]]:
        """Return the reasons for validated loans' scores, most important first."""
        if not len(frame) or self._artefact.spec.family not in EXACT_FAMILIES:
            return [()] * len(frame)
        found = exact_reasons(
            self._artefact, frame, self.model.policy.reasons, self.model.schema.fields
        )
        return [
            tuple(
                ReasonText(one.feature, one.value, one.amount, each.unit, one.en, one.zh)
                for one in each.reasons
            )
            for each in found
        ]

    def _points(self, frame: pd.DataFrame, pd_: np.ndarray) -> np.ndarray:
        if self._artefact.spec.family == "scorecard":
            from fed_credit.families.card import ScorecardModel

            assert isinstance(self._artefact.model, ScorecardModel)
            return self._artefact.model.rule.card.score(frame)
        return self.model.policy.scores(logit(pd_))
