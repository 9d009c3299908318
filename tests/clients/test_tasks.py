"""What clients answer: sums that add up to the pooled ones, and training without hidden state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from flwr.client import NumPyClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.bank import Bank
from clients.tasks import CLIENTS, TrainingClient
from fed_credit.data.book import Dataset, LoanBook, Part
from fed_credit.errors import ReleaseError
from fed_credit.evaluation.metrics import measure
from fed_credit.features.steps import CategoricalStep
from fed_credit.models.protocol import Weights
from fed_credit.releases import ReleaseSpec
from fed_credit.training.predict import default_probability
from fed_credit.training.task import Scalar, Task, TaskConfig


def test_there_is_a_client_for_every_task() -> None:
    assert set(CLIENTS) == set(Task)
    assert all(issubclass(client, NumPyClient) for client in CLIENTS.values())


def _fit(task: Task, bank: Bank, config: TaskConfig, weights: Weights) -> list[np.ndarray]:
    return CLIENTS[task](bank).fit(weights, config.to_config())[0]


def _pooled(dataset: Dataset, parts: np.ndarray) -> Bank:
    return Bank(LoanBook("all", dataset.features, dataset.y, dataset.exposure), parts)


@pytest.mark.parametrize("task", [Task.COUNTS, Task.MOMENTS, Task.EVALUATION])
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1), banks=st.integers(1, 6))
def test_sums_do_not_depend_on_how_loans_are_divided(
    dataset: Dataset,
    parts: np.ndarray,
    task_config: TaskConfig,
    weights: Weights,
    task: Task,
    seed: int,
    banks: int,
) -> None:
    from fed_credit.features.statistics import numeric_ranges

    pooled = _pooled(dataset, parts)
    layout = task_config.layout(task)
    config = task_config
    if task is Task.MOMENTS:
        counts = config.layout(Task.COUNTS)
        summed = counts.decode(
            counts.encode(_named(counts, _fit(Task.COUNTS, pooled, config, weights)))
        )
        config = replace(config, ranges=numeric_ranges(config.spec.features, summed, 0.001))
    member = np.random.default_rng(seed).integers(0, banks, len(dataset))
    total = np.zeros(layout.size, dtype=np.int64)
    for k in range(banks):
        mine = np.flatnonzero(member == k)
        book = LoanBook(
            str(k), dataset.features.iloc[mine], dataset.y[mine], dataset.exposure[mine]
        )
        answer = _fit(task, Bank(book, parts[mine]), config, weights)
        total += layout.encode(_named(layout, answer))
    whole = layout.encode(_named(layout, _fit(task, pooled, config, weights)))
    if task is not Task.EVALUATION:
        np.testing.assert_array_equal(total, whole)
        return
    # The last bits of a matrix product depend on which loans are multiplied together.
    ours, theirs = layout.decode(total), layout.decode(whole)
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-4)


def _named(layout: ReleaseSpec, answer: list[np.ndarray]) -> dict[str, np.ndarray]:
    return dict(zip([entry.name for entry in layout.entries], answer, strict=True))


def test_training_depends_on_its_arguments_alone(
    banks: list[Bank], task_config: TaskConfig, weights: Weights
) -> None:
    client, config = TrainingClient(banks[0]), task_config.to_config()
    before = [array.copy() for array in weights]
    first, n, metrics = client.fit(weights, config)
    for array, kept in zip(weights, before, strict=True):
        np.testing.assert_array_equal(array, kept)
    # Another bank, another round and another client in between leave no trace.
    TrainingClient(banks[1]).fit(weights, config)
    later, _, _ = client.fit(weights, replace(task_config, number=2).to_config())
    again, _, _ = TrainingClient(banks[0]).fit(weights, config)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any(not np.array_equal(one, two) for one, two in zip(first, later, strict=True))
    assert n == len(banks[0].rows(Part.TRAIN))
    assert metrics == {"steps": -(-n // task_config.spec.model.batch_size)}


def test_training_lowers_the_loss(
    banks: list[Bank], task_config: TaskConfig, weights: Weights
) -> None:
    config = replace(task_config, spec=replace(task_config.spec, local_epochs=5))
    bank = banks[0]
    trained, n, _ = TrainingClient(bank).fit(weights, config.to_config())
    x, y = bank.matrix(config.fitted, Part.TRAIN), bank.labels(Part.TRAIN)

    def loss(model: Weights) -> float:
        p = default_probability(model, x, config.spec.model, 0.0)
        return measure(y, p, calibration_bins=10).log_loss

    assert loss(trained) < loss(weights)
    assert n == len(y)


@pytest.mark.parametrize("part", [Part.VALIDATION, Part.TEST])
def test_evaluation_looks_at_the_part_asked_for(
    banks: list[Bank], task_config: TaskConfig, weights: Weights, part: Part
) -> None:
    bank, config = banks[2], replace(task_config, part=part)
    loss, n, metrics = TrainingClient(bank).evaluate(weights, config.to_config())
    x = config.fitted.transform(bank.frame(part))
    p = default_probability(weights, x, config.spec.model, 0.0)
    exact = measure(bank.labels(part), p, calibration_bins=10)
    assert n == len(x)
    assert loss == pytest.approx(exact.log_loss, abs=1e-6)
    assert metrics["log_loss_sum"] == pytest.approx(loss * n)
    scores = _named(config.layout(Task.EVALUATION), _fit(Task.EVALUATION, bank, config, weights))
    assert float(scores["scores/log_loss"]) == metrics["log_loss_sum"]


def test_a_bank_without_loans_of_a_part_answers_with_zeros(
    dataset: Dataset, parts: np.ndarray, task_config: TaskConfig, weights: Weights
) -> None:
    rows = dataset.rows(2)
    bank = Bank(dataset.book(2), np.full(rows.stop - rows.start, Part.TRAIN, dtype=np.int8))
    loss, n, _ = TrainingClient(bank).evaluate(weights, task_config.to_config())
    assert (loss, n) == (0.0, 0)
    layout = task_config.layout(Task.EVALUATION)
    answer = _fit(Task.EVALUATION, bank, task_config, weights)
    assert not layout.encode(_named(layout, answer)).any()


def test_every_task_asks_whether_the_book_holds_what_the_run_looks_at(
    banks: list[Bank], task_config: TaskConfig, weights: Weights
) -> None:
    spec = task_config.spec
    unknown = replace(spec.features[0], name="owner_income")
    config = replace(task_config, spec=replace(spec, features=(*spec.features, unknown)))
    for task in Task:
        with pytest.raises(ReleaseError, match="does not offer 'owner_income'"):
            _fit(task, banks[0], config, weights)
    with pytest.raises(ReleaseError, match="does not offer 'owner_income'"):
        TrainingClient(banks[0]).evaluate(weights, config.to_config())


def test_own_metrics_are_given_of_test_loans_and_when_asked(
    banks: list[Bank], task_config: TaskConfig, weights: Weights
) -> None:
    def metrics(part: Part, asked: bool) -> dict[str, Scalar]:
        config = replace(task_config, part=part, own_metrics=asked)
        return CLIENTS[Task.EVALUATION](banks[0]).fit(weights, config.to_config())[2]

    assert metrics(Part.TEST, False) == metrics(Part.VALIDATION, True) == {}
    bank = banks[0]
    x, y = task_config.fitted.transform(bank.frame(Part.TEST)), bank.labels(Part.TEST)
    p = default_probability(weights, x, task_config.spec.model, 0.0)
    exact = measure(y, p, calibration_bins=10)
    found = metrics(Part.TEST, True)
    assert {"loans": len(y), "bads": int(y.sum())} == {k: found.pop(k) for k in ("loans", "bads")}
    assert found == pytest.approx(
        {name: getattr(exact, name) for name in ("auc", "ks", "brier", "log_loss")}
    )


@pytest.mark.parametrize("part", [Part.TRAIN, Part.SET_ASIDE])
def test_training_loans_are_not_scored_for_anyone(
    dataset: Dataset, parts: np.ndarray, task_config: TaskConfig, weights: Weights, part: Part
) -> None:
    with pytest.raises(ReleaseError, match="another part"):
        _fit(Task.EVALUATION, _pooled(dataset, parts), replace(task_config, part=part), weights)


@pytest.mark.parametrize("task", [Task.ROUND, Task.EVALUATION])
def test_a_preprocessor_cannot_ask_for_what_the_schema_does_not_tell(
    banks: list[Bank], task_config: TaskConfig, weights: Weights, task: Task
) -> None:
    fitted = task_config.fitted
    branch = next(f for f in task_config.spec.features if f.name == "branch")
    assert branch.hash_buckets and not branch.values
    one = str(banks[0].book.features["branch"].iloc[0])
    # How many loans are of this one branch, which the schema counts by hash bucket alone.
    named = replace(branch, values=(one,), hash_buckets=0)
    spy = CategoricalStep(named, (0, -1, -1), (f"branch = {one}",))
    wide = CategoricalStep(branch, (0,) * 10, tuple(f"c{k}" for k in range(1_000)))
    for step in (spy, wide, replace(wide, columns=("a",), groups=(0, 5)), fitted.steps[0]):
        config = replace(task_config, preprocessor=replace(fitted, steps=(*fitted.steps[:1], step)))
        with pytest.raises(ReleaseError, match="preprocessor of the request"):
            _fit(task, banks[0], config, weights)
