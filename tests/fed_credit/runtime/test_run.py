"""One job, two runtimes: the same bits in process and on Flower's engine."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fed_credit.config.names import EXACT_FAMILIES
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.book import Dataset
from fed_credit.errors import ConfigurationError, QuorumError
from fed_credit.job import FederatedJob, FederatedOutcome
from fed_credit.runtime.run import DatasetBanks, node_names, run_federated
from fed_credit.training.checkpoint import weights_sha256
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import TrainingState

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Flower's engine needs the extra 'simulation' (ray)",
)
Run = Callable[..., FederatedOutcome]


@pytest.fixture
def run(
    dataset: Dataset,
    parts: np.ndarray,
    make_spec: Callable[..., SimulationSpec],
    make_run_spec: Callable[..., RunSpec],
    tmp_path: Path,
) -> Run:
    def start(
        *overrides: str, after: Callable[[TrainingState], None] = lambda state: None
    ) -> FederatedOutcome:
        spec = make_spec("federation.num_rounds=2", *overrides)
        job = FederatedJob(
            spec=make_run_spec("federation.num_rounds=2", *overrides),
            strategy=spec.strategy,
            federation=spec.federation,
            institutions=len(dataset.names),
            names=node_names(dataset) if spec.runtime.kind == "local" else None,
            state=None,
            after_round=after,
        )
        return run_federated(spec.runtime, dataset, parts, job, tmp_path / "books")

    return start


def _bits(outcome: FederatedOutcome) -> tuple[object, ...]:
    state = outcome.state
    sums = {name: array.tolist() for name, array in outcome.test.arrays().items()}
    return (
        weights_sha256(state.weights),
        weights_sha256(state.best_weights),
        state.preprocessor.fingerprint,
        tuple(state.history),
        sums,
    )


def test_equal_runs_give_equal_bits(run: Run, tmp_path: Path) -> None:
    assert _bits(run()) == _bits(run())
    assert not (tmp_path / "books").exists()  # nothing another process would have to read


@pytest.mark.parametrize("family", EXACT_FAMILIES)
def test_banks_refuse_nothing_of_an_honest_run(run: Run, family: str) -> None:
    """With special values, where the family has them."""
    model = [f"model={family}"]
    if family != "logreg_exact":
        model += ["+model.cuts.special_values={turnover: [-1, 999]}", "model.cuts.max_bins=12"]
    if family == "scorecard":
        model.append("model.binning.min_cell=5")
    outcome = run(*model)
    assert outcome.model is not None
    assert outcome.test.n > 0


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize("family", EXACT_FAMILIES)
def test_the_engine_gives_the_same_exact_models(run: Run, family: str) -> None:
    model = [f"model={family}"]
    if family == "scorecard":
        model.append("model.binning.min_cell=5")
    simulated, local = run("runtime=simulation", *model), run(*model)
    assert simulated.model.sha256 == local.model.sha256
    assert repr(simulated.state.history) == repr(local.state.history)  # NaN is not equal to itself
    assert simulated.test.arrays().keys() == local.test.arrays().keys()
    for name, array in simulated.test.arrays().items():
        np.testing.assert_array_equal(array, local.test.arrays()[name])


@needs_ray
def test_the_engine_gives_the_same_bits(run: Run, tmp_path: Path) -> None:
    path = os.environ.get("PYTHONPATH")
    rounds: list[int] = []
    simulated = run("runtime=simulation", after=lambda state: rounds.append(state.round))
    assert _bits(simulated) == _bits(run())
    assert rounds == [0, 1, 2, 2]
    # No copy of the loans stays behind, and what Ray adds to the path is taken back.
    assert not (tmp_path / "books").exists()
    assert os.environ.get("PYTHONPATH") == path


@needs_ray
@pytest.mark.slow
def test_an_error_on_the_engine_reaches_the_caller(run: Run, tmp_path: Path) -> None:
    def stop(state: TrainingState) -> None:
        if state.round == 1:
            raise QuorumError("Only 1 of 3 institutions answered")

    with pytest.raises(QuorumError, match="Only 1 of 3"):
        run("runtime=simulation", after=stop)
    assert not (tmp_path / "books").exists()


def test_without_the_engine_the_way_out_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "ray" else find(name)
    )
    with pytest.raises(ConfigurationError, match=r"pip install 'fed-credit\[simulation\]'"):
        run("runtime=simulation")


def test_a_banks_book_is_a_view_made_once(
    dataset: Dataset, parts: np.ndarray, make_run_spec: Callable[..., RunSpec]
) -> None:
    from flwr.app import Context, RecordDict

    banks = DatasetBanks(dataset, parts)
    context = Context(1, 3, {"partition-id": 1}, RecordDict(), {})
    bank = banks.bank(context, make_run_spec())
    assert banks.bank(context, make_run_spec()) is bank
    assert bank.name == banks.name(context) == "South Bank"
    assert np.shares_memory(bank.book.y, dataset.y)
    np.testing.assert_array_equal(bank.parts, parts[dataset.rows(1)])
