"""One ``NumPyClient`` per task: what a bank computes on its own loans, in ordinary arrays.

``fit`` is three steps, so that a runtime may run the middle one for many banks at once:
``prepare(parameters, config) -> job``, ``run(job)``, ``finish(job, result) -> answer``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import ClassVar

import numpy as np
import pandas as pd
from flwr.client import NumPyClient

from clients.bank import Bank
from fed_credit.config.names import EXACT_FAMILIES, FAMILY_TASKS
from fed_credit.data.book import Part
from fed_credit.drift.received import check_monitor
from fed_credit.drift.reference import ReferenceQuestion
from fed_credit.errors import ReleaseError
from fed_credit.evaluation.metrics import measure
from fed_credit.evaluation.sums import ScoreSums, score_sums
from fed_credit.families.read import unpack
from fed_credit.families.received import check_model
from fed_credit.features.received import check_steps
from fed_credit.features.spec import FeatureSpec
from fed_credit.features.statistics import count, moments
from fed_credit.models import family
from fed_credit.models.protocol import TrainJob, TrainResult, Weights
from fed_credit.training.predict import default_probability
from fed_credit.training.questions import AboutFields, AboutTrees, Asked
from fed_credit.training.received import check_question
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.seeds import keyed_seed
from fed_credit.training.task import Scalar, Task, TaskConfig

Answer = tuple[list[np.ndarray], int, dict[str, Scalar]]


class BankClient(NumPyClient):
    """What the clients of all tasks share: one bank, and stock evaluation.

    Parameters
    ----------
    bank : Bank
        Whose loans they are.
    """

    task: ClassVar[Task]

    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    def evaluate(
        self, parameters: Weights, config: dict[str, Scalar]
    ) -> tuple[float, int, dict[str, Scalar]]:
        """Evaluate a model as stock Flower expects it.

        Parameters
        ----------
        parameters : list of numpy.ndarray
            Weights.
        config : dict
            A :class:`~fed_credit.training.task.TaskConfig`, flat.

        Returns
        -------
        tuple
            Mean log loss, number of loans, and sums (not averages) as metrics.
        """
        task = TaskConfig.from_config(config)
        self.bank.check(task.spec)
        sums = _score(self.bank, task, parameters, task.part)
        mean = sums.log_loss / sums.n if sums.n else 0.0
        return mean, sums.n, {"log_loss_sum": sums.log_loss}


class CountsClient(BankClient):
    """Counts for the common preprocessor."""

    task = Task.COUNTS

    def fit(self, parameters: Weights, config: dict[str, Scalar]) -> Answer:
        """Return int64 arrays in the order of the task's layout, and the training loans."""
        spec = TaskConfig.from_config(config).spec
        self.bank.check(spec)
        y = self.bank.labels(Part.TRAIN)
        return list(count(spec.features, self.bank.frame(Part.TRAIN), y).values()), len(y), {}


class MomentsClient(BankClient):
    """Moments for the common preprocessor."""

    task = Task.MOMENTS

    def fit(self, parameters: Weights, config: dict[str, Scalar]) -> Answer:
        """Return int64 arrays in the order of the task's layout, and the training loans."""
        task = TaskConfig.from_config(config)
        self.bank.check(task.spec)
        frame = self.bank.frame(Part.TRAIN)
        sums = moments(task.spec.features, frame, task.ranges or {})
        return list(sums.values()), len(frame), {}


class TrainingClient(BankClient):
    """Local training: starts from the incoming weights and answers with the trained ones."""

    task = Task.ROUND

    def prepare(self, parameters: Weights, task: TaskConfig) -> TrainJob:
        """Collect everything that the bank's training in this round depends on."""
        self.bank.check(task.spec)
        spec = task.spec
        return TrainJob(
            institution=self.bank.name,
            weights=parameters,
            x=_matrix(self.bank, task, Part.TRAIN),
            y=self.bank.labels(Part.TRAIN),
            bad_weight=task.bad_weight,
            epochs=spec.local_epochs,
            seed=keyed_seed(spec.seed, "batches", self.bank.name, task.number),
            model=spec.model,
            proximal_mu=spec.proximal_mu,
        )

    def finish(self, job: TrainJob, result: TrainResult, task: TaskConfig) -> Answer:
        """Answer with the trained weights and, if asked, sums over the incoming model's scores."""
        arrays = list(result.weights)
        if task.score_incoming:
            sums = _score(self.bank, task, job.weights, Part.VALIDATION)
            arrays += list(sums.arrays().values())
        return arrays, len(job.y), {"steps": result.steps}

    def fit(self, parameters: Weights, config: dict[str, Scalar]) -> Answer:
        """Train; returns the trained weights, the training loans and the steps taken."""
        task = TaskConfig.from_config(config)
        job = self.prepare(parameters, task)
        trainer = family(task.spec.model.family).trainer(task.spec.torch_threads)
        (result,) = trainer.run([job])
        return self.finish(job, result, task)


class EvaluationClient(BankClient):
    """Sums over a model's scores on validation or test loans.

    On test loans, if the request asks for them, it also gives the bank's own metrics. Whether they
    leave is for the bank's policy to say.
    """

    task = Task.EVALUATION

    def fit(self, parameters: Weights, config: dict[str, Scalar]) -> Answer:
        """Return the arrays of :class:`~fed_credit.evaluation.sums.ScoreSums`, and own metrics."""
        task = TaskConfig.from_config(config)
        self.bank.check(task.spec)
        p = _scores(self.bank, task, parameters, task.part)
        y = self.bank.labels(task.part)
        sums = score_sums(y, p, bins=task.spec.histogram_bins)
        own = _own_metrics(y, p) if task.own_metrics and task.part is Part.TEST else {}
        if task.part is Part.TEST and self.bank.on_test is not None:
            self.bank.on_test(task, parameters)
        return list(sums.arrays().values()), sums.n, own


class QuestionClient(BankClient):
    """Answers a question that an exact model is fitted by."""

    def fit(self, parameters: Weights, config: dict[str, Scalar]) -> Answer:
        """Return the arrays of the question's layout, and the loans behind them."""
        task = TaskConfig.from_config(config, parameters)
        self.bank.check(task.spec)
        if self.task not in FAMILY_TASKS.get(task.spec.model.family, ()):
            raise ReleaseError(
                f"A run of the family '{task.spec.model.family[:80]}' has no task '{self.task}';"
                " refused."
            )
        asked = task.asked(self.task)
        _check_features(asked.features(), task.spec)
        check_question(asked, task.spec)
        found = self._answer(asked, task)
        answer = [np.asarray(found[entry.name]) for entry in asked.layout().entries]
        return answer, sum(len(self.bank.rows(part)) for part in task.parts(self.task)), {}

    def _answer(self, asked: Asked, task: TaskConfig) -> Mapping[str, np.ndarray]:
        bank, part = self.bank, task.part
        if isinstance(asked, AboutTrees):
            return bank.trees(asked, task.spec.torch_threads).answer(asked.request)
        if part not in (Part.TRAIN, Part.VALIDATION):
            raise ReleaseError(
                f"{bank.name} answers questions about training and validation loans; it was asked"
                " for another part; refused."
            )
        if isinstance(asked, AboutFields):
            return asked.question.answer(bank.frame(part), bank.labels(part))
        x = bank.made(asked.fingerprint, part, lambda: asked.design.matrix(bank.frame(part)))
        return asked.question.answer(x, bank.labels(part))


class CellsClient(QuestionClient):
    """Counts of loans per cell of single fields."""

    task = Task.CELLS


class ProductsClient(QuestionClient):
    """Sums of products of a design's columns."""

    task = Task.PRODUCTS


class LikelihoodClient(QuestionClient):
    """Loss, gradient and Hessian of a logistic regression."""

    task = Task.LIKELIHOOD


class TreesClient(QuestionClient):
    """Histograms of growing trees."""

    task = Task.TREES


class MonitorClient(BankClient):
    """Sums for a monitor: of the population that a model is made on, or of periods since."""

    task = Task.MONITOR

    def fit(self, parameters: Weights, config: dict[str, Scalar]) -> Answer:
        """Return the arrays of the question's layout, and the loans behind them."""
        task = TaskConfig.from_config(config)
        bank = self.bank
        bank.check(task.spec)
        check_asked(task)
        asked = task.monitor
        if isinstance(asked, ReferenceQuestion):
            seen = [Part.TRAIN, Part.VALIDATION]
            frame = pd.concat([bank.frame(part) for part in seen])
            y = np.concatenate([bank.labels(part) for part in seen])
            # Those that the model has learned by heart would seem to be scored otherwise.
            scored = _scores(bank, task, parameters, Part.VALIDATION)
            found = asked.answer(frame, y, bank.labels(Part.VALIDATION), scored)
            loans = len(y)
        else:
            decided = bank.decided
            assert decided is not None
            features = bank.book.features
            model_pd = _model_scores(task, parameters, features)
            outcomes = np.asarray(bank.book.y)
            sums = asked.count(features, decided, outcomes, model_pd, min_loans=bank.min_loans)
            if sums.empty:
                raise ReleaseError(
                    "policy.min_loans in the bank's bank.yaml asks for more loans in a month or"
                    " vintage than there are in any that was asked for; refused."
                )
            found, loans = sums.arrays(), len(outcomes)
        return [np.asarray(found[entry.name]) for entry in asked.layout().entries], loans, {}


def check_asked(task: TaskConfig) -> None:
    """Refuse a monitor's question that no monitor puts, by the bank's own clock.

    Raises
    ------
    ReleaseError
        Names what is wrong; safe to send.
    """
    spec = task.spec
    check_monitor(
        task.monitor,
        spec.features,
        spec.histogram_bins,
        spec.population.target.window_months,
        np.datetime64(date.today(), "D"),
    )


CLIENTS: dict[Task, type[BankClient]] = {
    client.task: client
    for client in (
        CountsClient,
        MomentsClient,
        TrainingClient,
        EvaluationClient,
        CellsClient,
        ProductsClient,
        LikelihoodClient,
        TreesClient,
        MonitorClient,
    )
}


def _check_features(features: Sequence[str | FeatureSpec], spec: RunSpec) -> None:
    """Refuse to look at what is no feature of the run, or another by that name."""
    own = {feature.name: feature for feature in spec.features}
    for feature in features:
        name = feature if isinstance(feature, str) else feature.name
        if name not in own or (not isinstance(feature, str) and feature != own[name]):
            raise ReleaseError(
                f"The request looks at '{name[:80]}', which is no feature of the run, or another"
                " by that name; refused."
            )


def _score(bank: Bank, task: TaskConfig, weights: Weights, part: Part) -> ScoreSums:
    p = _scores(bank, task, weights, part)
    return score_sums(bank.labels(part), p, bins=task.spec.histogram_bins)


def _scores(bank: Bank, task: TaskConfig, weights: Weights, part: Part) -> np.ndarray:
    if part not in (Part.VALIDATION, Part.TEST):
        raise ReleaseError(
            f"{bank.name} scores validation and test loans; it was asked for another part; refused."
        )
    if task.spec.model.family in EXACT_FAMILIES:
        return _exact_scores(task, weights, bank.frame(part))
    x = _matrix(bank, task, part)
    return default_probability(weights, x, task.spec.model, task.log_odds_offset)


def _exact_scores(task: TaskConfig, arrays: Weights, frame: pd.DataFrame) -> np.ndarray:
    if len(arrays) != 1:
        raise ReleaseError("The request holds no model, or several; refused.")
    model = unpack(task.spec.model, arrays[0])
    _check_features(model.features, task.spec)
    check_model(model, task.spec)
    return model.score(frame) if len(frame) else np.empty(0)


def _model_scores(task: TaskConfig, arrays: Weights, frame: pd.DataFrame) -> np.ndarray:
    """Score loans that are no part of a split, whose matrix nobody keeps."""
    if task.spec.model.family in EXACT_FAMILIES:
        return _exact_scores(task, arrays, frame)
    check_steps(task.fitted, task.spec.features)
    x = task.fitted.transform(frame)
    return default_probability(arrays, x, task.spec.model, task.log_odds_offset)


def _matrix(bank: Bank, task: TaskConfig, part: Part) -> np.ndarray:
    check_steps(task.fitted, task.spec.features)
    return bank.matrix(task.fitted, part)


def _own_metrics(y: np.ndarray, p: np.ndarray) -> dict[str, Scalar]:
    """Return exact metrics of one bank's loans; those that are not defined are NaN."""
    found = measure(y, p, calibration_bins=1)
    return {
        "auc": found.auc,
        "ks": found.ks,
        "brier": found.brier,
        "log_loss": found.log_loss,
        "loans": len(y),
        "bads": int(y.sum()),
    }
