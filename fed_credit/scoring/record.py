"""A model in use for one application at a time, without a table on the way.

What is compiled once: how each field is read and checked, the engineered fields' formulas, and the
model's plan (:mod:`fed_credit.scoring.plan`). The result is that of
:meth:`fed_credit.scoring.scorer.Scorer.table` for a table of this one row, bit for bit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fed_credit.data.formula_values import ValueType
from fed_credit.data.recipe import Recipe
from fed_credit.data.schema import Field, Kind
from fed_credit.decision.policy import Verdict
from fed_credit.errors import FedCreditError, one_line, suggestion
from fed_credit.explain.sentences import closing, opening, said, spoken_of
from fed_credit.model_file.contents import ModelFile
from fed_credit.scoring.cells import Read, Unusable, Value, checker, reader
from fed_credit.scoring.formula_calls import Values
from fed_credit.scoring.formulas import single
from fed_credit.scoring.numbers import logit, sigmoid
from fed_credit.scoring.plan import plan_of
from fed_credit.scoring.plan_card import CardPlan
from fed_credit.scoring.result import ReasonText
from fed_credit.scoring.scorer import Explain

_LONGEST_NAME = 80
_MOST_UNKNOWN = 20  # names that an answer lists; the rest are as wrong


@dataclass(frozen=True)
class Problem:
    """Why an application cannot be scored: one field, and what is wrong with it.

    Parameters
    ----------
    field : str
        Its name; empty for the application as a whole.
    reason : str
        As in the file of rejected rows (``is below the minimum 0``); never with the value in it.
    """

    field: str
    reason: str


class RecordError(FedCreditError):
    """An application that cannot be scored.

    Parameters
    ----------
    problems : sequence of Problem
        Those of raw fields in the order of the schema, then names that the schema does not have;
        those of engineered fields where the raw ones are sound.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        said = "; ".join(f"{each.field} {each.reason}".strip() for each in self.problems)
        super().__init__(f"The application cannot be scored: {said.rstrip('.')}; mend it.")


@dataclass(frozen=True)
class RecordScore:
    """What an application gets.

    Parameters
    ----------
    model_pd, pd : float
        The model's own PD, and the calibrated one, which decides.
    score : int
        Points; more mean less risk.
    grade : str
        Rating grade.
    verdict : Verdict
        Approve, refer or decline.
    reasons : tuple of ReasonText
        What took most from the score, most important first; empty where none were asked for.
    """

    model_pd: float
    pd: float
    score: int
    grade: str
    verdict: Verdict
    reasons: tuple[ReasonText, ...]


class RecordScorer:
    """Scores single applications by a model's file; immutable, for any number of threads.

    Parameters
    ----------
    model : ModelFile
        The model.
    """

    def __init__(self, model: ModelFile) -> None:
        self.model = model
        schema, policy = model.schema, model.policy
        plan = plan_of(model.artefact)
        self.recipe = recipe = Recipe.of(schema, plan.features)
        made = set(recipe.names)
        own = [name for name in plan.features if name not in made]
        self.inputs: tuple[str, ...] = tuple(
            dict.fromkeys([*own, *(name for name, _ in recipe.inputs)])
        )
        """Fields of an application that the model looks at, engineered ones by their raw fields."""
        self._plan = plan
        self._reads: list[tuple[str, Read]] = [
            (name, reader(schema.fields[name])) for name in schema.fields if name in self.inputs
        ]
        places = {name: place for place, (name, _) in enumerate(self._reads)}
        kinds = {name: ValueType(str(schema.fields[name].kind)) for name in places}
        self._engineered: list[Callable[[Values], Value]] = []
        tables = {table.name: table for table in recipe.tables}
        for item in recipe.derivations:
            self._engineered.append(single(item, places, kinds, tables))
            places[item.name] = len(places)
            kinds[item.name] = ValueType(item.kind)
        self._checks = [
            (places[name], name, checker(schema.fields[name]))
            for name in schema.fields
            if name in made
        ]
        self._features = [places[name] for name in plan.features]
        self._known = frozenset(schema.fields)
        spoken = [schema.fields[spoken_of(name, schema.fields, places)] for name in plan.features]
        self._told = [
            (name, places[each.name], each, opening(each.name, each), each.kind is Kind.BOOLEAN)
            for name, each in zip(plan.features, spoken, strict=True)
        ]
        self._limits, self._grades = list(policy.scale.limits), policy.scale.names
        self._factor, self._offset = policy.factor_and_offset

    @property
    def fields(self) -> dict[str, Field]:
        """The inputs' fields in the schema, in the order of :attr:`inputs`."""
        return {name: self.model.schema.fields[name] for name in self.inputs}

    def score(self, record: Mapping[str, Any], explain: Explain = Explain.DECLINED) -> RecordScore:
        """Score an application.

        Parameters
        ----------
        record : mapping of str to object
            Raw field to value, as JSON has them: text, number, truth value or None. Fields that are
            not there are missing. Fields of the schema that the model does not look at, engineered
            ones among them, are passed over.
        explain : Explain
            Which applications get reasons.

        Returns
        -------
        RecordScore

        Raises
        ------
        RecordError
            If a value cannot be used, a required one is missing, or the schema has no such field.
        """
        values = self._values(record)
        row = self._plan.row([values[place] for place in self._features])
        model_pd = self._plan.pd(row)
        pd = self.calibrated(model_pd)
        verdict = self.verdict(pd)
        told: tuple[ReasonText, ...] = ()
        if explain is Explain.ALL or (explain is Explain.DECLINED and verdict is Verdict.DECLINE):
            told = self._reasons(values, self._plan.amounts(row))
        if isinstance(self._plan, CardPlan):
            points = self._plan.score(row)
        else:
            points = round(self._offset - self._factor * logit(pd))
        grade = self._grades[min(bisect_right(self._limits, pd), len(self._grades) - 1)]
        return RecordScore(model_pd, pd, points, grade, verdict, told)

    def _values(self, record: Mapping[str, Any]) -> list[Value]:
        """Read and check an application's raw fields, and compute the engineered ones after."""
        values = self._read(record)
        for compute in self._engineered:
            values.append(compute(values))
        problems = []
        for place, name, check in self._checks:
            try:
                check(values[place])
            except Unusable as error:
                problems.append(Problem(name, str(error)))
        if problems:
            raise RecordError(problems)
        return values

    def raw_values(self, record: Mapping[str, Any]) -> dict[str, Value]:
        """Read and check the raw fields of an application, by name.

        Raises
        ------
        RecordError
            As :meth:`score`, leaving engineered fields aside.
        """
        return dict(zip((name for name, _ in self._reads), self._read(record), strict=True))

    def _read(self, record: Mapping[str, Any]) -> list[Value]:
        if not isinstance(record, Mapping):
            raise RecordError([Problem("", "it is no mapping of fields to values")])
        problems: list[Problem] = []
        values: list[Value] = []
        for name, read in self._reads:
            try:
                values.append(read(record.get(name)))
            except Unusable as error:
                problems.append(Problem(name, str(error)))
        if not self._known.issuperset(record):
            problems += self._strangers(record)
        if problems:
            raise RecordError(problems)
        return values

    def calibrated(self, model_pd: float) -> float:
        """Return the PD that decides."""
        found = self.model.calibration
        if found.shift == 0.0 and found.slope == 1.0:
            return max(found.floor, model_pd)
        return max(found.floor, sigmoid(found.shift + found.slope * logit(model_pd)))

    def verdict(self, pd: float) -> Verdict:
        """Return what happens to an application with this PD."""
        policy = self.model.policy
        if pd >= policy.decline_from:
            return Verdict.DECLINE
        return Verdict.APPROVE if pd < policy.approve_below else Verdict.REFER

    def _strangers(self, record: Mapping[str, Any]) -> list[Problem]:
        """Name the fields that the schema does not have, each with the nearest that it has."""
        found = []
        for name in record:
            if name not in self._known:
                shown = one_line(str(name), _LONGEST_NAME)
                near = suggestion(shown, self.inputs) if len(shown) <= _LONGEST_NAME else ""
                found.append(Problem(shown, f"is not a field of the schema.{near}"))
            if len(found) == _MOST_UNKNOWN:
                break
        return found

    def _reasons(self, values: Sequence[Value], amounts: Sequence[float]) -> tuple[ReasonText, ...]:
        unit = self._plan.unit
        order = sorted(range(len(amounts)), key=lambda k: -amounts[k])
        found = []
        for k in order[: self.model.policy.reasons]:
            if amounts[k] <= 0.0:
                break
            name, place, field, (en_name, zh_name), boolean = self._told[k]
            value: Any = values[place]
            if boolean and value is not None:
                value = value > 0.0
            en_value, zh_value = said(value, field)
            en_amount, zh_amount = closing(amounts[k], unit)
            en, zh = f"{en_name}{en_value}{en_amount}", f"{zh_name}{zh_value}{zh_amount}"
            found.append(ReasonText(name, value, amounts[k], unit, en, zh))
        return tuple(found)
