from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from fed_credit.data.book import Dataset, Part
from fed_credit.evaluation.metrics import auc
from fed_credit.features.preprocessor import fit_pooled
from fed_credit.models import family
from fed_credit.training.alone import AloneModel, Loans, train_alone
from fed_credit.training.checkpoint import weights_sha256
from fed_credit.training.run_spec import RunSpec

ROUNDS = 6


@pytest.fixture(scope="module")
def spec(make_run_spec: Callable[..., RunSpec]) -> RunSpec:
    return make_run_spec("model.learning_rate=0.05", "model.hidden=[16]")


@pytest.fixture(scope="module")
def loans(dataset: Dataset, parts: np.ndarray) -> Callable[[Part], Loans]:
    def of(part: Part) -> Loans:
        rows = np.flatnonzero(parts == part)
        return Loans(dataset.features.iloc[rows], dataset.y[rows])

    return of


def train(loans: Callable[[Part], Loans], spec: RunSpec, rounds: int = ROUNDS) -> AloneModel:
    return train_alone("Bank", loans(Part.TRAIN), loans(Part.VALIDATION), spec, rounds)


def log_loss(model: AloneModel, loans: Loans, spec: RunSpec) -> float:
    p = model.score(loans.frame, spec)
    return -float(np.log(np.where(loans.y == 1, p, 1 - p)).mean())


def test_the_round_with_the_lowest_validation_loss_is_kept(loans, spec):
    empty = Loans(loans(Part.TRAIN).frame.iloc[:0], loans(Part.TRAIN).y[:0])
    # Without validation loans the last round is kept, which shows what each round left.
    rounds = [
        train_alone("Bank", loans(Part.TRAIN), empty, spec, number)
        for number in range(1, ROUNDS + 1)
    ]
    assert [model.best_round for model in rounds] == list(range(1, ROUNDS + 1))
    losses = [log_loss(model, loans(Part.VALIDATION), spec) for model in rounds]
    best = int(np.argmin(losses))
    assert best < ROUNDS - 1, "the example should overfit, or it shows nothing"
    kept = train(loans, spec)
    assert kept.best_round == best + 1
    assert weights_sha256(kept.weights) == weights_sha256(rounds[best].weights)
    assert kept.steps == rounds[-1].steps  # effort counts all rounds, not those up to the best


def test_same_seed_same_bits(loans, spec, make_run_spec):
    one, two = train(loans, spec, 2), train(loans, RunSpec.from_json(spec.json_text), 2)
    assert weights_sha256(one.weights) == weights_sha256(two.weights)
    other = train(loans, dataclasses.replace(spec, seed=8), 2)
    assert weights_sha256(other.weights) != weights_sha256(one.weights)


def test_it_learns_something(loans, spec):
    test = loans(Part.TEST)
    assert auc(test.y, train(loans, spec).score(test.frame, spec)) > 0.65


def test_the_preprocessor_is_fitted_on_training_loans_unless_given(loans, spec):
    training = loans(Part.TRAIN)
    own = fit_pooled(spec.features, training.frame, training.y, spec.preprocessing)
    fitted, given = (
        train_alone("Bank", training, loans(Part.VALIDATION), spec, 1, preprocessor)
        for preprocessor in (None, own)
    )
    assert fitted.preprocessor == own and given.preprocessor is own
    assert weights_sha256(fitted.weights) == weights_sha256(given.weights)


def test_it_starts_from_the_federations_initial_weights(loans, spec):
    from fed_credit.training.seeds import keyed_seed

    model = train(loans, spec, 0)
    expected = family(spec.model.family).initial_weights(
        len(model.preprocessor.columns), spec.model, keyed_seed(spec.seed, "initial weights")
    )
    assert model.best_round == 0 and weights_sha256(model.weights) == weights_sha256(expected)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rows", [0, 1, 2])
@pytest.mark.parametrize("hidden", ["[]", "[4]"])
def test_a_bank_with_hardly_a_loan_is_trained_too(loans, make_run_spec, rows, hidden):
    spec = make_run_spec(f"model.hidden={hidden}", "model.class_weighting=balanced")
    training = loans(Part.TRAIN)
    few = Loans(training.frame.iloc[:rows], training.y[:rows])
    model = train_alone("Small Bank", few, loans(Part.VALIDATION), spec, 2)
    p = model.score(loans(Part.TEST).frame, spec)
    assert np.isfinite(p).all() and ((p > 0) & (p < 1)).all()
    assert model.steps == (0 if rows == 0 else 2 * spec.local_epochs)


def test_class_weighting_does_not_shift_the_pds(loans, make_run_spec):
    spec = make_run_spec("model.class_weighting=balanced", "model.hidden=[]")
    model = train(loans, spec, 20)
    training = loans(Part.TRAIN)
    assert model.log_odds_offset < 0
    assert model.score(training.frame, spec).mean() == pytest.approx(training.y.mean(), abs=0.05)
