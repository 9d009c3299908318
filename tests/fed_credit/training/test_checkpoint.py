from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fed_credit.data.book import Dataset
from fed_credit.errors import ArtefactError, FedCreditError
from fed_credit.features.preprocessor import fit_pooled
from fed_credit.models import family
from fed_credit.training.checkpoint import load_checkpoint, save_checkpoint, weights_sha256
from fed_credit.training.run_spec import RunSpec
from fed_credit.training.state import RoundMetrics, TrainingState


@pytest.fixture(scope="module")
def spec(make_run_spec: Callable[..., RunSpec]) -> RunSpec:
    return make_run_spec()


@pytest.fixture
def state(spec: RunSpec, dataset: Dataset) -> TrainingState:
    preprocessor = fit_pooled(spec.features, dataset.features, dataset.y, spec.preprocessing)
    models = family(spec.model.family)
    weights, best = (
        models.initial_weights(len(preprocessor.columns), spec.model, seed) for seed in (1, 2)
    )
    weights[0][0, :3] = [-0.0, 1e-45, np.float32(1) / 3]  # every bit counts
    made = TrainingState(preprocessor, 1 / 3, -0.1, weights, best, round=2, best_round=1)
    made.history = [RoundMetrics(1, 0.1 + 0.2, 2 / 3, 50, 3), RoundMetrics(2, 0.4, math.nan, 50, 3)]
    return made


def test_every_bit_comes_back(tmp_path, spec, state):
    path = tmp_path / "run" / "checkpoint.safetensors"
    save_checkpoint(path, state, spec)
    read = load_checkpoint(path, spec)
    assert read is not None
    assert weights_sha256(read.weights) == weights_sha256(state.weights)
    assert weights_sha256(read.best_weights) == weights_sha256(state.best_weights)
    assert read.preprocessor.json_text == state.preprocessor.json_text
    assert (read.bad_weight, read.log_odds_offset) == (state.bad_weight, state.log_odds_offset)
    assert (read.round, read.best_round) == (2, 1)
    assert repr(read.history) == repr(state.history)
    assert load_checkpoint(path, RunSpec.from_json(spec.json_text)) is not None


def test_arrays_that_lie_out_of_order_in_memory_come_back(tmp_path, spec, state):
    state.weights = [np.asfortranarray(array) for array in state.weights]
    save_checkpoint(tmp_path / "c", state, spec)
    read = load_checkpoint(tmp_path / "c", spec)
    assert read is not None and weights_sha256(read.weights) == weights_sha256(state.weights)


def test_no_checkpoint_is_no_error(tmp_path, spec):
    assert load_checkpoint(tmp_path / "none.safetensors", spec) is None


def test_a_checkpoint_of_another_run_is_refused(tmp_path, spec, state, make_run_spec):
    save_checkpoint(tmp_path / "c", state, spec)
    for other in (make_run_spec("model.learning_rate=0.02"), make_run_spec("model.hidden=[9]")):
        with pytest.raises(ArtefactError, match="belongs to another configuration"):
            load_checkpoint(tmp_path / "c", other)


def test_no_changed_byte_and_no_cut_goes_unnoticed(tmp_path, spec, state):
    path = tmp_path / "c"
    save_checkpoint(path, state, spec)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    places = {*range(24), *range(len(whole) - 24, len(whole)), *rng.integers(0, len(whole), 150)}
    for place in sorted(map(int, places)):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises(ArtefactError):
            load_checkpoint(path, spec)
    for size in (0, 1, 8, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ArtefactError, match="delete it to train from the start"):
            load_checkpoint(path, spec)


@pytest.mark.parametrize("metadata", [None, {"format": "1"}, {"format": "2", "spec": ""}])
def test_a_foreign_file_is_refused(tmp_path, spec, metadata):
    save_file({"embedding": np.ones(3, np.float32)}, tmp_path / "c", metadata)
    with pytest.raises(ArtefactError):
        load_checkpoint(tmp_path / "c", spec)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ArtefactError):
        load_checkpoint(tmp_path / "folder", spec)


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, spec, state, monkeypatch, step):
    path = tmp_path / "c"
    save_checkpoint(path, state, spec)
    before, write = path.read_bytes(), Path.write_bytes

    def full(target: Path, *args: object) -> None:
        if step == "write_bytes":
            write(target, b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, step, full)
    state.round = 3
    with pytest.raises(FedCreditError, match=r"c cannot be written \(No space left"):
        save_checkpoint(path, state, spec)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_really_full(tmp_path, spec, state):
    resource, signal = pytest.importorskip("resource"), pytest.importorskip("signal")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, limits[1]))
    try:
        with pytest.raises(FedCreditError, match="cannot be written"):
            save_checkpoint(tmp_path / "c", state, spec)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_the_hash_of_weights_looks_at_type_shape_and_order():
    a, b = np.zeros((2, 3), np.float32), np.ones(2, np.float32)
    hashes = [
        weights_sha256(weights)
        for weights in ([a, b], [b, a], [a], [a.T, b], [a.astype(float), b], [a.ravel(), b])
    ]
    assert len(set(hashes)) == 6
    assert weights_sha256([np.asfortranarray(a), b]) == hashes[0]
