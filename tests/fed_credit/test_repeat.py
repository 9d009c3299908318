"""One repeat: interrupted anywhere it ends in the same bits, and test loans decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fed_credit.config.location import schema_dir
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.book import Dataset, Part
from fed_credit.data.load import load_dataset
from fed_credit.errors import ArtefactError
from fed_credit.repeat import CHECKPOINT, SCORES, Repeat, RepeatRunner
from fed_credit.reporting import results
from fed_credit.training.checkpoint import weights_sha256
from fed_credit.training.state import TrainingState


def _run(
    spec: SimulationSpec,
    dataset: Dataset,
    folder: Path,
    number: int = 0,
    on_round: Callable[[int, TrainingState], None] = lambda repeat, state: None,
) -> Repeat:
    return RepeatRunner(spec, dataset, folder, on_round, lambda stage: None).run(number)


def _bits(repeat: Repeat) -> tuple[object, ...]:
    state = repeat.state
    return (
        weights_sha256(state.weights),
        weights_sha256(state.best_weights),
        state.best_round,
        state.preprocessor.fingerprint,
        tuple(state.history),
        {name: array.tobytes() for name, array in sorted(repeat.scores.items())},
        {name: array.tolist() for name, array in repeat.test_sums.arrays().items()},
    )


@pytest.fixture(scope="module")
def spec(make_spec: Callable[..., SimulationSpec]) -> SimulationSpec:
    return make_spec()


@pytest.fixture(scope="module")
def whole(
    spec: SimulationSpec, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Repeat:
    return _run(spec, dataset, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("call", range(5))
def test_an_interrupted_repeat_resumes_to_the_same_bits(
    spec: SimulationSpec,
    dataset: Dataset,
    tmp_path: Path,
    whole: Repeat,
    call: int,
    error: type[BaseException],
) -> None:
    calls: Iterator[int] = iter(range(99))

    def interrupt(repeat: int, state: TrainingState) -> None:
        if next(calls) == call:
            raise error

    with pytest.raises(error):
        _run(spec, dataset, tmp_path, on_round=interrupt)
    assert not list(tmp_path.rglob("*.part"))
    resumed = _run(spec, dataset, tmp_path)
    assert _bits(resumed) == _bits(whole)
    # Rounds of this process alone, and the last measurement is none of them.
    assert len(resumed.round_seconds) == 3 - min(call, 3)
    assert all(seconds > 0 for seconds in resumed.round_seconds)


def test_a_finished_repeat_is_read_back(
    spec: SimulationSpec, dataset: Dataset, tmp_path: Path, whole: Repeat
) -> None:
    first = _run(spec, dataset, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    seen: list[tuple[int, int]] = []
    again = _run(
        spec, dataset, tmp_path, on_round=lambda repeat, state: seen.append((repeat, state.round))
    )
    assert _bits(first) == _bits(again) == _bits(whole)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")} == before
    assert (seen, again.round_seconds) == ([(0, 3)], [])
    assert len(first.round_seconds) == 3


def test_repeats_differ_in_split_and_seed(
    spec: SimulationSpec, dataset: Dataset, tmp_path: Path, whole: Repeat
) -> None:
    second = _run(spec, dataset, tmp_path, number=1)
    assert not np.array_equal(second.parts, whole.parts)
    assert second.spec.seed != whole.spec.seed == spec.seed
    assert (tmp_path / "repeats" / "001" / CHECKPOINT).exists()


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_damaged_scores_are_one_sentence(
    spec: SimulationSpec, dataset: Dataset, tmp_path: Path, damage: str
) -> None:
    _run(spec, dataset, tmp_path)
    path = tmp_path / "repeats" / "000" / SCORES
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {"cut": whole[:middle], "noise": whole[:200] + b"x" * 64 + whole[264:], "empty": b""}[
            damage
        ]
    )
    with pytest.raises(ArtefactError, match=r"scores.npz cannot be read .* delete it"):
        _run(spec, dataset, tmp_path)
    path.unlink()
    _run(spec, dataset, tmp_path)
    assert path.exists()


def test_scores_of_other_data_are_refused(
    spec: SimulationSpec,
    dataset: Dataset,
    make_dataset: Callable[..., Dataset],
    tmp_path: Path,
) -> None:
    _run(spec, dataset, tmp_path)
    fewer = make_dataset({"North Bank": 120, "South Bank": 90, "West Bank": 70})
    with pytest.raises(ArtefactError, match="belongs to other data"):
        _run(spec, fewer, tmp_path)


def test_a_checkpoint_of_another_configuration_is_refused(
    spec: SimulationSpec,
    dataset: Dataset,
    make_spec: Callable[..., SimulationSpec],
    tmp_path: Path,
) -> None:
    _run(spec, dataset, tmp_path)
    with pytest.raises(ArtefactError, match="belongs to another configuration"):
        _run(make_spec("model.hidden=[4]"), dataset, tmp_path)


def test_every_contender_scores_the_held_out_loans_and_no_other(whole: Repeat) -> None:
    held_out = (whole.parts == Part.VALIDATION) | (whole.parts == Part.TEST)
    assert set(whole.scores) == {"local", "federated", "pooled"}
    for scores in whole.scores.values():
        np.testing.assert_array_equal(np.isfinite(scores), held_out)
        assert np.all((scores[held_out] > 0) & (scores[held_out] < 1))


@pytest.mark.parametrize("baselines", [["local"], ["pooled"], []])
def test_baselines_that_are_not_asked_for_are_not_trained(
    make_spec: Callable[..., SimulationSpec],
    dataset: Dataset,
    tmp_path: Path,
    whole: Repeat,
    baselines: list[str],
) -> None:
    spec = make_spec(f"evaluation.baselines=[{','.join(baselines)}]")
    repeat = _run(spec, dataset, tmp_path)
    assert set(repeat.scores) == {"federated", *baselines}
    for name, scores in repeat.scores.items():
        np.testing.assert_array_equal(scores, whole.scores[name])


def test_sums_are_those_of_the_very_scores(whole: Repeat, dataset: Dataset) -> None:
    """Scores made here and at the banks are the same bits, so the sums' bounds hold for them."""
    from fed_credit.evaluation.sums import score_sums

    test = np.flatnonzero(whole.parts == Part.TEST)
    pooled = score_sums(dataset.y[test], whole.scores["federated"][test], bins=64)
    for name, array in pooled.arrays().items():
        np.testing.assert_array_equal(array, whole.test_sums.arrays()[name])


def test_a_bank_without_training_loans_takes_part(
    make_spec: Callable[..., SimulationSpec], dataset: Dataset, tmp_path: Path
) -> None:
    """A newcomer whose loans are all decided after an out-of-time cut."""
    spec = make_spec("data.split.kind=out_of_time")
    decided = dataset.decided.copy()
    decided[dataset.rows(2)] = decided.max()
    late = replace(dataset, decided=decided)
    repeat = _run(spec, late, tmp_path)
    rows = late.rows(2)
    assert np.all(repeat.parts[rows] == Part.TEST)
    assert np.all(repeat.scores["local"][rows] == 0.5)
    assert np.all(np.isfinite(repeat.scores["federated"][rows]))
    assert results.test_scores(late, repeat).n_train[2] == 0
    assert repeat.state.history[0].banks == 3


def test_outcomes_of_test_loans_decide_nothing(tiny_run: Callable[..., SimulationSpec]) -> None:
    """Weights, best round and cut-offs must not move when the test loans' outcomes are mixed."""
    spec = tiny_run()
    dataset = load_dataset(
        spec.data, num_institutions=None, schema_dir=schema_dir(), seed=spec.seed
    )
    folder = Path(spec.run_dir)
    before = _run(spec, dataset, folder / "before")
    # Out of time, the split does not depend on what became of the test loans.
    test = np.flatnonzero(before.parts == Part.TEST)
    y = dataset.y.copy()
    y[test] = np.random.default_rng(5).permutation(1 - y[test])
    mixed = replace(dataset, y=y)
    after = _run(spec, mixed, folder / "after")
    np.testing.assert_array_equal(after.parts, before.parts)
    assert _bits(after)[:6] == _bits(before)[:6]
    assert before.test_sums.bads.sum() != after.test_sums.bads.sum()
    for name, chosen in results.decisions(dataset, [before], spec.evaluation).items():
        other = results.decisions(mixed, [after], spec.evaluation)[name]
        assert chosen["cut_off"] == other["cut_off"]
        assert chosen["approval_rate"] == other["approval_rate"]
        assert chosen["profit_per_loan"] != other["profit_per_loan"]
