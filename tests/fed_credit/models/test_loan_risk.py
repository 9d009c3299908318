from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from fed_credit.config.spec import ClassWeighting, ModelSpec
from fed_credit.errors import ConfigurationError
from fed_credit.models import FAMILIES, family
from fed_credit.models.loan_risk import LoanRiskModel
from fed_credit.models.protocol import TrainJob, Weights
from fed_credit.training.predict import class_weight, default_probability

LOAN_RISK = family("loan_risk")


def spec(hidden: Sequence[int] = (8,), **changed: object) -> ModelSpec:
    made = ModelSpec(
        "loan_risk", list(hidden), 0.0, 0.01, 0.0, 32, ClassWeighting.NONE, *[None] * 7
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def loans(n: int = 400, columns: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, columns)).astype(np.float32)
    log_odds = x @ np.linspace(-1, 1, columns) - 1.5
    return x, (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(np.int8)


def job(model: ModelSpec, n: int = 400, seed: int = 1, **changed: object) -> TrainJob:
    x, y = loans(n)
    weights = LOAN_RISK.initial_weights(x.shape[1], model, 3)
    made = TrainJob("Bank", weights, x, y, 1.0, 2, seed, model)
    return replace(made, **changed)  # type: ignore[arg-type]


def train(made: TrainJob, threads: int = 1) -> Weights:
    (result,) = LOAN_RISK.trainer(threads).run([made])
    return result.weights


def log_loss(weights: Weights, model: ModelSpec, x: np.ndarray, y: np.ndarray) -> float:
    signs = np.where(y == 1, -1.0, 1.0)
    return float(np.logaddexp(0, signs * LOAN_RISK.log_odds(weights, x, model)).mean())


def same(one: Weights, other: Weights) -> bool:
    return [a.tobytes() for a in one] == [b.tobytes() for b in other]


@pytest.mark.parametrize("hidden", [(), (8,), (8, 4)])
@pytest.mark.filterwarnings("ignore:Initializing zero-element")
@pytest.mark.parametrize("columns", [0, 1, 5])
def test_shapes_are_those_of_the_module_and_of_the_weights(hidden, columns):
    model = spec(hidden)
    shapes = LOAN_RISK.shapes(columns, model)
    with torch.device("meta"):
        module = LoanRiskModel(columns, hidden)
    assert shapes == [(name, tuple(p.shape)) for name, p in module.state_dict().items()]
    weights = LOAN_RISK.initial_weights(columns, model, 7)
    assert [array.shape for array in weights] == [shape for _, shape in shapes]
    assert all(array.dtype == np.float32 for array in weights)


def test_initial_weights_depend_on_the_seed_alone_and_lie_within_their_limits():
    model = spec((8, 4))
    one, same_seed, other = (LOAN_RISK.initial_weights(5, model, seed) for seed in (7, 7, 8))
    assert same(one, same_seed) and not same(one, other)
    for array, inputs in zip(one, [5, 5, 8, 8, 4, 4], strict=True):
        assert 0 < np.abs(array).max() <= 1 / np.sqrt(inputs)


@pytest.mark.parametrize("hidden", [(), (8, 4)])
def test_scores_are_those_of_the_module(hidden):
    model = spec(hidden, dropout=0.5)  # dropout is for training alone
    x, _ = loans()
    weights = LOAN_RISK.initial_weights(5, model, 7)
    module = LoanRiskModel(5, hidden, 0.5).eval()
    names = [name for name, _ in LOAN_RISK.shapes(5, model)]
    module.load_state_dict(
        {name: torch.tensor(array) for name, array in zip(names, weights, strict=True)}
    )
    with torch.inference_mode():
        expected = module(torch.from_numpy(x)).numpy()
    scores = LOAN_RISK.log_odds(weights, x, model)
    assert scores.dtype == np.float64 and scores.shape == (400,)
    np.testing.assert_allclose(scores, expected, rtol=1e-6, atol=1e-6)


def test_no_loans_have_no_scores_and_large_books_are_scored_in_parts():
    model = spec((4,))
    weights = LOAN_RISK.initial_weights(2, model, 7)
    assert LOAN_RISK.log_odds(weights, np.empty((0, 2), np.float32), model).shape == (0,)
    x = np.random.default_rng(0).normal(size=(2**17 + 3, 2)).astype(np.float32)
    whole, end = (LOAN_RISK.log_odds(weights, part, model) for part in (x, x[-7:]))
    assert whole.shape == (len(x),)
    np.testing.assert_allclose(whole[-7:], end, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_same_seed_same_bits_whatever_pytorch_did_before(dropout):
    made = job(spec((8, 4), dropout=dropout))
    first = train(made)
    torch.manual_seed(999)
    torch.rand(17)
    assert same(train(made), first)
    assert not same(train(replace(made, seed=2)), first)


def test_dropout_changes_training_and_not_scoring():
    plain, dropping = job(spec((8,))), job(spec((8,), dropout=0.5))
    assert not same(train(plain), train(dropping))
    one, other = (LOAN_RISK.log_odds(plain.weights, plain.x, dropping.model) for _ in range(2))
    assert np.array_equal(one, other)


@pytest.mark.parametrize("central", [False, True])
def test_pytorch_is_left_as_it_was_also_between_results(central):
    made = job(spec((8,), dropout=0.2))
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    results = (
        LOAN_RISK.train_centrally(made, 2, threads + 1)
        if central
        else LOAN_RISK.trainer(threads + 1).run([made, made])
    )
    for _ in results:
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.get_num_threads() == threads
    LOAN_RISK.shapes(5, made.model)
    LOAN_RISK.initial_weights(5, made.model, 1)
    LOAN_RISK.log_odds(made.weights, made.x, made.model)
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads


def test_pytorch_is_left_as_it_was_when_training_fails():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    broken = job(spec((8,)), x=np.zeros((400, 3), np.float32))
    with pytest.raises(RuntimeError):
        list(LOAN_RISK.trainer(threads + 1).run([broken]))
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads


def test_jobs_are_independent_of_each_other_and_answered_in_their_order():
    jobs = [job(spec((8,)), seed=seed, n=n) for seed, n in ((1, 400), (2, 100), (3, 33))]
    together = [result.weights for result in LOAN_RISK.trainer(1).run(jobs)]
    alone = [train(made) for made in jobs[::-1]][::-1]
    assert all(same(one, other) for one, other in zip(together, alone, strict=True))


@pytest.mark.parametrize("central", [False, True])
def test_what_a_job_holds_is_not_changed(central):
    made = job(spec((8,)))
    before = [array.copy() for array in (*made.weights, made.x, made.y)]
    results = (
        list(LOAN_RISK.train_centrally(made, 2, 1))
        if central
        else list(LOAN_RISK.trainer(1).run([made]))
    )
    assert same(before, [*made.weights, made.x, made.y])
    assert not same(results[0].weights, made.weights)
    if central:  # each round's weights are its own, not a view of the model that trains on
        assert not same(results[0].weights, results[1].weights)


def test_steps_are_batches_times_epochs():
    for n, steps in ((400, 26), (32, 2), (33, 4), (1, 2)):
        (result,) = LOAN_RISK.trainer(1).run([job(spec(), n=n)])
        assert result.steps == steps


def test_without_loans_the_weights_stay_as_they_are():
    nothing = job(
        spec((8,), weight_decay=0.1), x=np.empty((0, 5), np.float32), y=np.empty(0, np.int8)
    )
    (result,) = LOAN_RISK.trainer(1).run([nothing])
    assert result.steps == 0 and same(result.weights, nothing.weights)


def test_without_columns_the_model_learns_the_bad_rate():
    model = spec((), learning_rate=0.05)
    x, y = np.empty((400, 0), np.float32), loans()[1]
    made = job(model, weights=LOAN_RISK.initial_weights(0, model, 1), x=x, y=y, epochs=30)
    p = default_probability(train(made), x, model, 0.0)
    assert p.mean() == pytest.approx(y.mean(), abs=0.02)


@pytest.mark.parametrize("hidden", [(), (8,), (16, 8)])
def test_the_log_loss_falls(hidden):
    made = job(spec(hidden), epochs=5)
    losses = [log_loss(made.weights, made.model, made.x, made.y)]
    for result in LOAN_RISK.train_centrally(made, 3, 1):
        losses.append(log_loss(result.weights, made.model, made.x, made.y))
    rate = made.y.mean()
    entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
    assert losses[0] > losses[1] > losses[-1] and losses[-1] < 0.9 * entropy


def test_central_training_keeps_the_optimisers_state():
    made = job(spec(()))
    rounds = [result.weights for result in LOAN_RISK.train_centrally(made, 2, 1)]
    restarted = train(replace(made, weights=rounds[0], seed=made.seed + 1))
    assert same(rounds[0], train(made))
    assert not same(rounds[1], restarted)


def test_without_hidden_layers_it_is_logistic_regression():
    x, y = loans(1000)
    model = spec((), batch_size=1000, learning_rate=0.05)
    made = job(model, x=x, y=y, epochs=600, weights=LOAN_RISK.initial_weights(5, model, 3))
    coefficients, intercept = train(made)
    expected = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(coefficients, expected.coef_, atol=2e-3)
    np.testing.assert_allclose(intercept, expected.intercept_, atol=2e-3)


def test_adamw_is_pytorchs():
    model = spec((8,), weight_decay=0.05, batch_size=400)
    made = job(model, epochs=1)
    module = LoanRiskModel(5, [8])
    with torch.no_grad():
        for parameter, array in zip(module.parameters(), made.weights, strict=True):
            parameter.copy_(torch.tensor(array))
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.01, weight_decay=0.05)
    for _ in range(20):
        optimiser.zero_grad()
        loss = torch.nn.BCEWithLogitsLoss()
        loss(module(torch.from_numpy(made.x)), torch.from_numpy(made.y).float()).backward()
        optimiser.step()
    *_, result = LOAN_RISK.train_centrally(made, 20, 1)
    for parameter, array in zip(module.parameters(), result.weights, strict=True):
        np.testing.assert_allclose(array, parameter.detach().numpy(), atol=1e-4)


def test_class_weighting_with_its_correction_leaves_the_mean_pd_at_the_bad_rate():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(3000, 3)).astype(np.float32)
    y = (rng.random(3000) < 1 / (1 + np.exp(3.0 - x[:, 0]))).astype(np.int8)
    bad_weight, offset = class_weight(ClassWeighting.BALANCED, len(y), int(y.sum()))
    assert bad_weight > 5
    model = spec((), batch_size=256, learning_rate=0.02)
    start = LOAN_RISK.initial_weights(3, model, 3)
    weights = train(job(model, x=x, y=y, weights=start, bad_weight=bad_weight, epochs=15))
    corrected = default_probability(weights, x, model, offset)
    assert corrected.mean() == pytest.approx(y.mean(), abs=0.015)
    assert default_probability(weights, x, model, 0.0).mean() > 3 * y.mean()


@pytest.mark.parametrize(
    ("weighting", "n", "n_bad", "expected"),
    [
        (ClassWeighting.NONE, 100, 10, (1.0, 0.0)),
        (ClassWeighting.BALANCED, 100, 10, (9.0, -np.log(9.0))),
        (ClassWeighting.BALANCED, 100, 50, (1.0, 0.0)),
        (ClassWeighting.BALANCED, 100, 0, (1.0, 0.0)),
        (ClassWeighting.BALANCED, 100, 100, (1.0, 0.0)),
        (ClassWeighting.BALANCED, 0, 0, (1.0, 0.0)),
    ],
)
def test_class_weights(weighting, n, n_bad, expected):
    assert class_weight(weighting, n, n_bad) == pytest.approx(expected)


def test_probabilities_are_stable_at_extreme_log_odds():
    model = spec(())
    x = np.array([[-2000.0], [-40.0], [0.0], [40.0], [2000.0]], np.float32)
    weights = [np.ones((1, 1), np.float32), np.zeros(1, np.float32)]
    with np.errstate(all="raise", under="ignore"):
        p = default_probability(weights, x, model, 0.0)
    np.testing.assert_allclose(p, [0.0, np.exp(-40), 0.5, 1.0, 1.0])
    assert default_probability(weights, x[2:3], model, np.log(3)) == pytest.approx(0.75)
    assert default_probability(weights, x[:0], model, 0.0).shape == (0,)


def test_an_unknown_family_is_refused_with_a_suggestion():
    with pytest.raises(ConfigurationError, match="Did you mean 'loan_risk'"):
        family("loan_risks")
    assert all(family(name) for name in FAMILIES)
