from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from fed_credit.artefact import Artefact, load_artefact, save_artefact
from fed_credit.data.book import Dataset
from fed_credit.errors import ArtefactError, DataError, FedCreditError
from fed_credit.features.preprocessor import fit_pooled
from fed_credit.models import family
from fed_credit.training.predict import default_probability
from fed_credit.training.run_spec import RunSpec

ABOUT = {"decision_point": "application", "target": "坏账", "seed": 7, "best_round": 3}
FILES = ["manifest.json", "model.json", "preprocessor.json", "weights.safetensors"]


@pytest.fixture
def artefact(make_run_spec: Callable[..., RunSpec], dataset: Dataset) -> Artefact:
    spec = make_run_spec("model.hidden=[4]")
    preprocessor = fit_pooled(spec.features, dataset.features, dataset.y, spec.preprocessing)
    weights = family("loan_risk").initial_weights(len(preprocessor.columns), spec.model, 1)
    return Artefact(spec.model, weights, preprocessor, -1 / 3, ABOUT)


@pytest.fixture
def folder(tmp_path: Path, artefact: Artefact) -> Path:
    save_artefact(tmp_path / "model", artefact)
    return tmp_path / "model"


def test_every_bit_comes_back(folder, artefact, dataset):
    assert sorted(path.name for path in folder.iterdir()) == FILES
    read = load_artefact(folder)
    assert read.sha256 == artefact.sha256 and read.model == artefact.model
    assert read.preprocessor == artefact.preprocessor and read.about == ABOUT
    assert read.log_odds_offset == artefact.log_odds_offset
    assert read.score(dataset.features).tobytes() == artefact.score(dataset.features).tobytes()


def test_the_score_is_the_default_probability_of_the_same_matrix(folder, artefact, dataset):
    x = artefact.preprocessor.transform(dataset.features)
    expected = default_probability(artefact.weights, x, artefact.model, -1 / 3)
    score = load_artefact(folder).score(dataset.features)
    assert score.dtype == np.float64 and np.array_equal(score, expected)
    assert ((score > 0) & (score < 1)).all()
    # Columns that the model does not look at, and their order, change nothing.
    wider = dataset.features.assign(more=1.0)[["more", *dataset.features.columns[::-1]]]
    assert np.array_equal(load_artefact(folder).score(wider), expected)


def test_a_lacking_column_is_one_sentence(artefact, dataset):
    with pytest.raises(DataError, match="lack turnover"):
        artefact.score(dataset.features.drop(columns="turnover"))


def test_weights_that_lie_out_of_order_in_memory_come_back(tmp_path, artefact):
    across = replace(artefact, weights=[np.asfortranarray(array) for array in artefact.weights])
    save_artefact(tmp_path / "model", across)
    assert load_artefact(tmp_path / "model").sha256 == artefact.sha256


def test_the_same_model_is_the_same_bytes(folder, tmp_path):
    save_artefact(tmp_path / "again", load_artefact(folder))
    for name in FILES:
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.parametrize("name", FILES[1:])
def test_every_changed_byte_is_detected(folder, name):
    whole = (folder / name).read_bytes()
    rng = np.random.default_rng(0)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= int(rng.integers(1, 256))
        (folder / name).write_bytes(changed)
        with pytest.raises(ArtefactError, match=r"changed|read"):
            load_artefact(folder)


def test_no_changed_byte_of_the_manifest_changes_the_model(folder, artefact, dataset):
    manifest, few = folder / "manifest.json", dataset.features.iloc[:5]
    whole, expected = manifest.read_bytes(), artefact.score(few)
    version = whole.index(b'"fed_credit"'), whole.index(b'"weights_sha256"')
    rng = np.random.default_rng(0)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= int(rng.integers(1, 256))
        manifest.write_bytes(changed)
        try:
            read = load_artefact(folder)
        except ArtefactError:
            continue
        # What is left is blank space and the version, which says nothing of the contents.
        assert chr(whole[place]).isspace() or version[0] <= place < version[1]
        assert np.array_equal(read.score(few), expected)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_one_sentence(folder, name):
    (folder / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        load_artefact(folder)


@pytest.mark.parametrize(
    "manifest",
    ["", "null", "[]", "3", "{}", '{"format": 1}', '{"format": 1, "files": []}', '{"format": 2}'],
)
def test_a_broken_manifest_is_one_sentence(folder, manifest):
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(ArtefactError):
        load_artefact(folder)


def test_a_manifest_that_vouches_for_weights_of_another_model_is_refused(folder, tmp_path):
    from hashlib import sha256

    named = load_file(folder / "weights.safetensors")
    others = {
        "other values": {name: array + 1 for name, array in named.items()},
        "another shape": {name: array[:1] for name, array in named.items()},
        "other names": {f"{name}.old": array for name, array in named.items()},
    }
    manifest = json.loads((folder / "manifest.json").read_text())
    for arrays in others.values():
        save_file(arrays, folder / "weights.safetensors")
        body = (folder / "weights.safetensors").read_bytes()
        manifest["files"]["weights.safetensors"] = sha256(body).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(ArtefactError):
            load_artefact(folder)


def test_a_folder_without_a_model_is_one_sentence(tmp_path):
    with pytest.raises(ArtefactError, match="restore the folder"):
        load_artefact(tmp_path / "nowhere")


def test_a_full_disk_leaves_the_model_before(folder, artefact, dataset, monkeypatch):
    expected, write = load_artefact(folder).sha256, Path.write_text

    def full(path: Path, *args: object, **kwargs: object) -> None:
        if path.name == "manifest.json":
            write(path, "ha")
            raise OSError(28, "No space left on device")
        write(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", full)
    other = replace(artefact, weights=[array + 1 for array in artefact.weights])
    with pytest.raises(FedCreditError, match="No space left"):
        save_artefact(folder, other)
    assert load_artefact(folder).sha256 == expected
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_everything_but_the_weights_is_readable_json(folder):
    for name in FILES[:3]:
        text = (folder / name).read_text(encoding="utf-8")
        assert json.loads(text) and "\n" in text
    assert "坏账" in (folder / "model.json").read_text(encoding="utf-8")
