"""The tasks that a bank can be asked for, and what each of them releases.

A task travels as a flat configuration of scalars. Both sides of the wire read it through
:class:`TaskConfig`, so both lay out the same release before anyone computes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property, lru_cache

import numpy as np

from fed_credit.data.book import Part
from fed_credit.drift.question import MonitorQuestion, read_question
from fed_credit.drift.reference import ReferenceQuestion
from fed_credit.errors import ReleaseError
from fed_credit.evaluation.sums import FRACTION_BITS, ScoreSums, shapes
from fed_credit.features.preprocessor import Preprocessor
from fed_credit.features.statistics import NumericRange, counts_spec, moments_spec
from fed_credit.models import family
from fed_credit.releases import Entry, ReleaseSpec
from fed_credit.scorecard.calibration import ScoreCountsQuestion
from fed_credit.training.questions import AboutFields, AboutTrees, Asked, read_asked
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.updates import update_entries

# Names of the records in a message; both sides of the wire use them.
ARRAYS, CONFIG, RELEASE, RECEIPT, METRICS = "arrays", "config", "release", "receipt", "metrics"

# What a bank may tell of its own test loans; see TaskConfig.own_metrics.
OWN_METRICS = ("auc", "ks", "brier", "log_loss", "loans", "bads")

Scalar = bool | bytes | float | int | str  # what Flower's NumPyClient takes and gives


class Task(StrEnum):
    """What a bank is asked for; also the name of the Flower action."""

    COUNTS = "counts"
    MOMENTS = "moments"
    ROUND = "round"
    EVALUATION = "evaluation"
    CELLS = "cells"
    PRODUCTS = "products"
    LIKELIHOOD = "likelihood"
    TREES = "trees"
    MONITOR = "monitor"


QUESTIONS = (Task.CELLS, Task.PRODUCTS, Task.LIKELIHOOD, Task.TREES)
"""Tasks that come with a question; see :mod:`fed_credit.training.questions`."""


@dataclass(frozen=True)
class TaskConfig:
    """One request to a bank, typed.

    Parameters
    ----------
    spec : RunSpec
        The run.
    number : int
        Round of training; 0 outside of training.
    preprocessor : Preprocessor or None
        The common preprocessor, once it is fitted.
    ranges : mapping of str to NumericRange
        For :attr:`Task.MOMENTS`.
    bad_weight : float
        What a bad loan counts for in training.
    log_odds_offset : float
        Prior correction added to the model's log-odds.
    part : Part
        Which loans :attr:`Task.EVALUATION` and questions look at; growing trees looks at training
        loans, and at validation loans for the loss.
    score_incoming : bool
        Whether :attr:`Task.ROUND` also evaluates the incoming model on validation loans.
    own_metrics : bool
        Whether :attr:`Task.EVALUATION` of test loans also asks for the bank's own metrics; a bank
        that does not allow it leaves them out.
    question, design : str
        For a question: the question, and what makes the matrix that it is about. For
        :attr:`Task.MONITOR`: what of the loans is asked for.
    arrays : tuple of numpy.ndarray
        For :attr:`Task.TREES`: the request's arrays, which travel beside the configuration.
    """

    spec: RunSpec
    number: int = 0
    preprocessor: Preprocessor | None = None
    ranges: Mapping[str, NumericRange] | None = None
    bad_weight: float = 1.0
    log_odds_offset: float = 0.0
    part: Part = Part.VALIDATION
    score_incoming: bool = False
    own_metrics: bool = False
    question: str = ""
    design: str = ""
    arrays: tuple[np.ndarray, ...] = ()

    @property
    def fitted(self) -> Preprocessor:
        """The common preprocessor, which a task after the first two exchanges always has."""
        if self.preprocessor is None:
            raise ReleaseError("The task needs a preprocessor and came without one; refused.")
        return self.preprocessor

    @property
    def weight_shapes(self) -> Sequence[tuple[str, tuple[int, ...]]]:
        """Name and shape of each weight array of the run's model."""
        return _weight_shapes(self.spec.json_text, len(self.fitted.columns))

    def asked(self, task: Task) -> Asked:
        """Return the question, typed.

        Raises
        ------
        ReleaseError
            If it is none of the task.
        """
        if task not in self._asked:
            self._asked[task] = read_asked(task, self.question, self.design, self.arrays)
        return self._asked[task]

    @cached_property
    def _asked(self) -> dict[Task, Asked]:
        return {}

    @cached_property
    def monitor(self) -> MonitorQuestion:
        """What :attr:`Task.MONITOR` asks for.

        Raises
        ------
        ReleaseError
            If it is no such question.
        """
        return read_question(self.question, self.spec.features)

    def parts(self, task: Task) -> tuple[Part, ...]:
        """Return the parts whose loans stand behind what the task releases.

        None where a monitor asks about periods, which are no parts of a split: the bank leaves out
        those with too few loans.
        """
        if task is Task.MONITOR:
            of_run = isinstance(self.monitor, ReferenceQuestion)
            return (Part.TRAIN, Part.VALIDATION) if of_run else ()
        if task is Task.TREES:
            asked = self.asked(task)
            scored = isinstance(asked, AboutTrees) and asked.request.scored
            return (Part.TRAIN, Part.VALIDATION) if scored else (Part.TRAIN,)
        if task is Task.EVALUATION or task in QUESTIONS:
            return (self.part,)
        return (Part.TRAIN, Part.VALIDATION) if self.score_incoming else (Part.TRAIN,)

    def scores(self, task: Task) -> int:
        """Return by how many scores of a scorecard a question counts loans; 0 for others."""
        asked = self.asked(task)
        if not (isinstance(asked, AboutFields) and isinstance(asked.question, ScoreCountsQuestion)):
            return 0
        low, high = asked.question.card.range
        return high - low + 1

    def layout(self, task: Task) -> ReleaseSpec:
        """Return the layout of what the task releases."""
        if task is Task.MONITOR:
            return self.monitor.layout()
        if task in QUESTIONS:
            return self.asked(task).layout()
        n_columns = len(self.fitted.columns) if task is Task.ROUND else 0
        return _layout(self.spec.json_text, n_columns, task, self.score_incoming)

    def to_config(self) -> dict[str, Scalar]:
        """Write as the flat configuration that travels."""
        ranges = None if self.ranges is None else {k: asdict(v) for k, v in self.ranges.items()}
        return {
            "spec": self.spec.json_text,
            "number": self.number,
            "preprocessor": "" if self.preprocessor is None else self.preprocessor.json_text,
            "ranges": "" if ranges is None else json.dumps(ranges),
            "bad_weight": self.bad_weight,
            "log_odds_offset": self.log_odds_offset,
            "part": int(self.part),
            "score_incoming": self.score_incoming,
            "own_metrics": self.own_metrics,
            "question": self.question,
            "design": self.design,
        }

    @classmethod
    def from_config(
        cls, config: Mapping[str, Scalar], arrays: Sequence[np.ndarray] = ()
    ) -> TaskConfig:
        """Read what :meth:`to_config` wrote, and the arrays that came with it.

        Other keys, such as Flower's own, are ignored.
        """
        question = str(config.get("question", ""))
        preprocessor, ranges = str(config["preprocessor"]), str(config["ranges"])
        return cls(
            spec=_read_spec(str(config["spec"])),
            number=int(config["number"]),
            preprocessor=_read_preprocessor(preprocessor) if preprocessor else None,
            ranges=(
                {name: NumericRange(**found) for name, found in json.loads(ranges).items()}
                if ranges
                else None
            ),
            bad_weight=float(config["bad_weight"]),
            log_odds_offset=float(config["log_odds_offset"]),
            part=Part(int(config["part"])),
            score_incoming=bool(config["score_incoming"]),
            own_metrics=bool(config["own_metrics"]),
            question=question,
            design=str(config.get("design", "")),
            arrays=tuple(arrays) if question else (),
        )


# A run repeats the same specification in every message: read and lay it out once a process.
_read_spec = lru_cache(maxsize=4)(RunSpec.from_json)
_read_preprocessor = lru_cache(maxsize=4)(Preprocessor.from_json)


@lru_cache(maxsize=16)
def _weight_shapes(spec: str, n_columns: int) -> Sequence[tuple[str, tuple[int, ...]]]:
    model = _read_spec(spec).model
    return family(model.family).shapes(n_columns, model)


@lru_cache(maxsize=16)
def _layout(spec_json: str, n_columns: int, task: Task, score_incoming: bool) -> ReleaseSpec:
    spec = _read_spec(spec_json)
    if task is Task.COUNTS:
        return counts_spec(spec.features)
    if task is Task.MOMENTS:
        return moments_spec(spec.features)
    scores = _score_entries(spec.histogram_bins)
    if task is Task.EVALUATION:
        return ReleaseSpec(task, scores)
    update = update_entries(_weight_shapes(spec_json, n_columns))
    return ReleaseSpec(task, (*update, *scores) if score_incoming else update)


_SCORES = "scores/"
_FRACTION_BOUND = float(2**26)


def _score_entries(bins: int) -> tuple[Entry, ...]:
    return tuple(
        Entry(f"{_SCORES}{name}", shape, FRACTION_BITS[name], _FRACTION_BOUND)
        for name, shape in shapes(bins).items()
    )


def read_scores(sums: Mapping[str, np.ndarray]) -> ScoreSums:
    """Take the score sums out of the decoded sum of a round or an evaluation."""
    return ScoreSums.from_arrays(
        {name[len(_SCORES) :]: value for name, value in sums.items() if name.startswith(_SCORES)}
    )
