"""The parity gate: exact models federated over any partition are those of the pooled loans.

Tolerance zero, through the real clients and the real strategy: every byte of the model's files,
which hold moments, cuts, weights of evidence, information values, coefficients, points and trees.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from clients.adapter import make_client_app
from fed_credit.config.names import EXACT_FAMILIES
from fed_credit.data.book import Dataset, Part
from fed_credit.errors import DataError, QuorumError, ReleaseError
from fed_credit.evaluation.sums import score_sums
from fed_credit.families.at_hand import LoansAtHand
from fed_credit.families.fit import fit_exact
from fed_credit.families.read import model_of
from fed_credit.runtime.local import InProcessGrid
from fed_credit.runtime.run import DatasetBanks, node_names
from fed_credit.training.alone import Loans
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import ExactState
from strategies.consortium import Terms
from strategies.exact import GridBanks, run_exact
from strategies.exchange import Attendance, Roster

LOANS = 900
# The same loans at 2, 5 and 13 banks, alike in size and far apart.
PARTITIONS = {
    "2": [450, 450],
    "5": [180] * 5,
    "13": [70] * 12 + [60],
    "2 skewed": [880, 20],
    "5 skewed": [700, 120, 50, 25, 5],
    "13 skewed": [600, 150, 60, 30, 20, 10, 8, 7, 6, 4, 3, 1, 1],
}
SETTINGS = {
    "logreg_exact": ["model.newton.l2=0.5"],
    "scorecard": ["model.selection.min_iv=0.001", "model.binning.min_cell=5"],
    "gbdt": [
        "federation.num_rounds=4",
        "model.trees.max_depth=3",
        "model.trees.min_child_loans=5",
        "model.trees.row_share=0.8",
        "model.trees.column_share=0.7",
        "model.trees.trees_per_round=2",
        "model.class_weighting=balanced",
        "+model.trees.monotone.turnover=-1",
    ],
    "tree": ["model.trees.min_child_loans=10"],
}


@dataclass(frozen=True)
class Federation:
    """A consortium over some partition, and who answered what."""

    banks: GridBanks
    spec: RunSpec
    loans: Dataset
    exchanges: list[Attendance]

    def fit(self, state: ExactState | None = None, after: Any = lambda state: None) -> ExactState:
        return run_exact(self.banks, self.spec, state or ExactState(), after)


@pytest.fixture(scope="module")
def loans(make_dataset: Callable[..., Dataset]) -> Dataset:
    return make_dataset({"All": LOANS}, seed=5)


@pytest.fixture(scope="module")
def parts() -> np.ndarray:
    drawn = np.random.default_rng(3).random(LOANS)
    return np.digitize(drawn, [0.6, 0.8]).astype(np.int8)


def divided(loans: Dataset, sizes: list[int]) -> Dataset:
    names = tuple(f"Bank {k:02d}" for k in range(len(sizes)))
    assert sum(sizes) == LOANS
    return replace(loans, names=names, offsets=np.r_[0, np.cumsum(sizes)].astype(np.int64))


@pytest.fixture(scope="module")
def federate(
    loans: Dataset, parts: np.ndarray, make_run_spec: Callable[..., RunSpec]
) -> Callable[..., Federation]:
    def make(
        family: str,
        partition: str,
        *overrides: str,
        shuffle: int | None = None,
        all_good: bool = False,
    ) -> Federation:
        dataset = divided(loans, PARTITIONS[partition])
        if all_good:
            dataset = replace(dataset, y=np.zeros_like(dataset.y))
        nodes = {node: {"partition-id": node - 2} for node in node_names(dataset)}
        grid = InProcessGrid(make_client_app(DatasetBanks(dataset, parts)), nodes, shuffle)
        exchanges: list[Attendance] = []
        roster = Roster(node_names(dataset), exchanges.append)
        spec = make_run_spec(f"model={family}", *SETTINGS[family], *overrides)
        terms = Terms(spec.rounds, quorum=1.0, timeout=60.0)
        return Federation(GridBanks(grid, roster, spec, terms), spec, dataset, exchanges)

    return make


@pytest.fixture(scope="module")
def pooled(
    loans: Dataset, parts: np.ndarray, make_run_spec: Callable[..., RunSpec]
) -> dict[str, Any]:
    found = {}
    for family in EXACT_FAMILIES:
        spec = make_run_spec(f"model={family}", *SETTINGS[family])
        train, validation = (
            Loans(loans.features.iloc[rows], loans.y[rows])
            for rows in (np.flatnonzero(parts == part) for part in (Part.TRAIN, Part.VALIDATION))
        )
        found[family] = fit_exact(LoansAtHand(spec, train, validation), spec, ExactState())
    return found


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("family", EXACT_FAMILIES)
def test_federated_is_pooled(
    federate: Callable[..., Federation], pooled: dict[str, Any], family: str, partition: str
) -> None:
    world = federate(family, partition, shuffle=len(partition))
    model = model_of(world.spec, world.fit())
    assert dict(model.files) == dict(pooled[family].files)
    assert model.sha256 == pooled[family].sha256
    assert model.preparation_sha256 == pooled[family].preparation_sha256


def test_the_models_say_something(pooled: dict[str, Any], loans: Dataset) -> None:
    from sklearn.metrics import roc_auc_score

    for family, model in pooled.items():
        p = model.score(loans.features)
        assert p.dtype == np.float64 and ((p > 0) & (p < 1)).all()
        assert roc_auc_score(loans.y, p) > 0.7, family
    assert len(pooled["gbdt"].details["losses"]) >= 4
    assert len(pooled["gbdt"].ensemble.trees) % 2 == 0
    assert len(pooled["tree"].details["rules"]) > 2
    assert len(pooled["scorecard"].columns) >= 3
    rows = pooled["logreg_exact"].details["coefficients"]
    assert len(rows) == len(pooled["logreg_exact"].columns) + 1
    assert all(row["standard_error"] > 0 for row in rows)


@pytest.mark.parametrize("family", EXACT_FAMILIES)
def test_banks_score_the_model_as_the_consortium_does(
    federate: Callable[..., Federation],
    pooled: dict[str, Any],
    loans: Dataset,
    parts: np.ndarray,
    family: str,
) -> None:
    world = federate(family, "5 skewed")
    state = world.fit()
    assert state.model is not None
    sums = world.banks.scores(state.model, Part.TEST)
    rows = np.flatnonzero(parts == Part.TEST)
    p = pooled[family].score(loans.features.iloc[rows])
    expected = score_sums(loans.y[rows], p, bins=world.spec.histogram_bins)
    for name, array in sums.arrays().items():
        # A bank's sum is rounded to fixed point once, so five of them differ by five halves of it.
        np.testing.assert_allclose(array, expected.arrays()[name], rtol=0, atol=2.0**-20)
    (measured,) = [entry for entry in state.history if entry.number == state.best_round]
    assert measured.loans == np.sum(parts == Part.VALIDATION) and measured.banks == 5
    assert 0.5 < measured.auc < 1.0 and 0.0 < measured.loss < 0.7


def test_exchanges_are_few(federate: Callable[..., Federation]) -> None:
    def asked(family: str, *overrides: str) -> list[str]:
        world = federate(family, "2", *overrides)
        world.fit()
        return [str(attendance.task) for attendance in world.exchanges]

    logistic = asked("logreg_exact")
    assert logistic[:2] == ["counts", "moments"] and logistic[-1] == "evaluation"
    assert set(logistic[2:-1]) == {"likelihood"} and len(logistic) <= 10
    card = asked("scorecard")
    assert card.count("cells") <= 5 and card.count("products") <= 1 and len(card) <= 15
    boosted = asked("gbdt")
    # Depth per round, whatever the trees side by side, and the last loss.
    assert boosted.count("trees") <= 4 * 3 + 1 and boosted.count("cells") <= 4
    assert asked("tree").count("trees") <= 4


def test_boosting_goes_on_after_any_round_to_the_same_bits(
    federate: Callable[..., Federation], pooled: dict[str, Any]
) -> None:
    states: list[ExactState] = []
    whole = federate("gbdt", "5").fit(after=lambda state: states.append(copy.deepcopy(state)))
    assert [state.round for state in states] == [0, 1, 2, 3, 4, 4]
    for state in states:
        done = state.round
        world = federate("gbdt", "5")
        ended = world.fit(state)
        assert ended.model is not None and whole.model is not None
        assert ended.model.tobytes() == whole.model.tobytes()
        assert repr(ended.history) == repr(whole.history)  # NaN is not equal to itself
        trees = sum(attendance.task == "trees" for attendance in world.exchanges)
        assert trees <= 3 * (4 - done) + 1
    assert model_of(federate("gbdt", "5").spec, whole).sha256 == pooled["gbdt"].sha256


@pytest.mark.parametrize("family", EXACT_FAMILIES)
def test_loans_of_one_outcome_are_said_and_not_crashed_on(
    federate: Callable[..., Federation], family: str
) -> None:
    world = federate(family, "2", all_good=True)
    if family == "logreg_exact":
        model = model_of(world.spec, world.fit())
        assert model.details["diagnosis"]["finding"] == "one_class"
        assert (model.score(world.loans.features) < 0.01).all()
    else:
        with pytest.raises(DataError, match=r"No feature reaches|trees need good and bad"):
            world.fit()


def test_a_bank_that_does_not_answer_is_named(
    federate: Callable[..., Federation], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = federate("scorecard", "2")
    find = DatasetBanks.bank

    def refuse(self: DatasetBanks, context: Any, spec: RunSpec) -> Any:
        if self.name(context) == "Bank 01":
            raise ReleaseError("Not today; refused.")
        return find(self, context, spec)

    monkeypatch.setattr(DatasetBanks, "bank", refuse)
    with pytest.raises(QuorumError, match="Bank 01: Not today; refused"):
        world.fit()


def test_no_informative_feature_is_one_sentence(federate: Callable[..., Federation]) -> None:
    with pytest.raises(DataError, match=r"No feature reaches .* model\.selection\.min_iv"):
        federate("scorecard", "2", "model.selection.min_iv=9").fit()
